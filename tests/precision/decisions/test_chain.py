"""The chain of decisions behind an operator's types, and which operator a name means."""

from __future__ import annotations

import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import PrecisionError
from lenet_exp.precision import assign
from lenet_exp.precision.decisions.chain import chain
from lenet_exp.precision.decisions.flips import decision
from lenet_exp.precision.decisions.names import operator_named
from lenet_exp.precision.planning import pipeline
from lenet_exp.precision.planning.options import read_options
from tests.fuzz.graphs import called
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, graph_of, halves


def finished(graph_def, fetches, mode, **options):
    begun = pipeline.begin(graph_def, fetches, read_options(graph_def, mode, **options))
    return pipeline.run(begun)


def links(build, name, mode, **options):
    """Return "phase name types" for each link."""
    state = finished(*graph_of(build), mode, **options)
    return [f"{link.phase} {link.name} {link.types}" for link in chain(state, name)]


def activated(tf):
    return tf.tanh(tf.sigmoid(halves(tf), "inner"), "outer")


def biased(tf):
    product = tf.nn.bias_add(halves(tf), tf.get_variable("bias", [8]), name="sum")
    return tf.sigmoid(product, "after")


def averaged(tf):
    return tf.reduce_mean(halves(tf), name="mean")


def through(tf):
    wide = tf.cast(tf.cast(floats(tf, "x"), tf.float16, name="narrow"), tf.float32, name="wide")
    return tf.sigmoid(wide, "after")


def of_a_variable(tf):
    return tf.sigmoid(tf.get_variable("weights", [4]) * 2.0, "after")


def powered(tf):
    return tf.pow(halves(tf), 2.0, name="power")


def summed(tf):
    return tf.add_n([halves(tf) * 0.5, floats(tf, "y")], name="total")


CASES = [
    (activated, "outer", MIX, {}, ["select outer h>h", "select inner h>h", "select half hh>h",
                                   "lower half MatMulV2", "list MatMulV2 hh>h"]),
    (biased, "after", MIX, {}, ["select after h>h", "select half hhh>h", "fuse half MatMulV2",
                                "lower half MatMulV2", "list MatMulV2 hhh>h"]),
    (averaged, "mean", MIX, {}, ["insert_casts mean float32", "select mean f>f",
                                 "lower mean ReduceMeanD", "list ReduceMeanD f>f"]),
    (through, "after", MIX, {}, ["select after h>h", "select narrow f>h"]),
    (of_a_variable, "after", MIX, {}, ["select after f>f", "select mul ff>f",
                                       "graph weights float32"]),
    (activated, "inner", FORCE, {}, ["select inner h>h", "kernel Sigmoid h>h"]),
    (activated, "outer", ALLOW, {}, ["select outer f>f"]),
    (activated, "half", KEEP, {}, ["select half ff>f", "lower half MatMulV2"]),
    (activated, "outer", MIX, {"keep_dtype": ["inner"]},
     ["select outer f>f", "select inner f>f"]),
    (powered, "power", MIX, {}, ["select power h>h", "fuse power Square", "select half hh>h",
                                 "lower half MatMulV2", "list MatMulV2 hh>h"]),
    (summed, "total", KEEP, {}, ["select total fff>f", "fuse total FusedMulAddN"]),
    (activated, "outer", MIX, {"customize_dtypes": "inner::InputDtype:float32,OutputDtype:"},
     ["select outer f>f", "select inner f>f", "option inner f>f"]),
    (activated, "outer", MIX, {"modify_mixlist": {"black-list": {"to-add": ["Sigmoid"]}}},
     ["select outer f>f", "select inner f>f", "list Sigmoid f>f"]),
]  # fmt: skip


@pytest.mark.parametrize(("build", "name", "mode", "options", "expected"), CASES)
def test_a_chain_ends_at_what_began_it(build, name, mode, options, expected):
    found = links(build, name, mode, **options)
    kept = [each for each in found if each.split()[0] != "insert_casts" or each in expected]
    assert kept == expected


def test_what_a_fusion_made_of_one_operator_is_no_form_of_it():
    state = finished(*graph_of(powered), MIX)
    (fused,) = [link for link in chain(state, "power") if link.phase == "fuse"]
    assert fused.why == "made of the Pow"


def test_a_person_s_list_is_told_from_the_library_s():
    state = finished(*graph_of(activated), MIX, modify_mixlist={"black-list": {"to-add": ["Tanh"]}})
    assert chain(state, "outer")[-1].why == (
        "modify_mixlist puts it on the black list; in the operator library it is gray"
    )


def test_a_function_is_entered_and_left():
    graph_def = called(tf_compat.load().GraphDef())
    plan = assign(graph_def, MIX)
    state = finished(graph_def, plan.fetches, MIX)
    body = "call/__inference_<lambda>_7/"
    names = [link.name for link in chain(state, "call")]
    assert names[0] == "call"
    assert f"{body}MatMul" in names


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("outer", "outer"), ("outer:0", "outer"), ("sum", "half"), ("half/", "half")],
)
def test_a_name_is_an_operator_s_or_a_part_s(typed, meant):
    def build(tf):
        return tf.tanh(biased(tf), "outer")

    graph_def, fetches = graph_of(build)
    assert operator_named(finished(graph_def, fetches, MIX), graph_def, typed).name == meant


def test_a_name_in_another_case_comes_first():
    def twins(tf):
        return tf.sigmoid(tf.tanh(halves(tf), "x_twin"), "Twin")

    graph_def, fetches = graph_of(twins)
    with pytest.raises(PrecisionError, match="try: operator=Twin, or x_twin"):
        decision(graph_def, fetches, {"mode": MIX}, "twin")


def spoiled(tf):
    tf.square(floats(tf, "y"), "unfetched")
    inner = tf.constant(1.0, name="inner_constant")
    scale = tf.add(inner, tf.constant(2.0), name="folded")
    shape = tf.raw_ops.Shape(input=tf.exp(floats(tf, "z", (32,)), "asked_for_shape"))
    product = tf.multiply(tf.identity(activated(tf), "copy"), scale, name="mul")
    return product, tf.reshape(product, shape, name="shaped")


@pytest.mark.parametrize(
    ("typed", "problem", "remedy"),
    [
        ("outre", "no operator of that name", "operator=outer"),
        ("SIGMOID", "no operator of that name", "operator=inner"),
        ("inner_constant", "the compiler computes before", "operator=mul"),
        ("asked_for_shape", "the compiler computes before", "operator=shaped"),
        ("unfetched", "this Square is left out", "fetches="),
        ("folded", "the compiler computes it before", "operator=mul"),
        ("copy", "looks through this Identity", "operator=outer"),
        ("half_in", "it is a Placeholder", "operator=half"),
    ],
)
def test_what_is_no_operator_is_said_with_what_is_near(typed, problem, remedy):
    graph_def, fetches = graph_of(spoiled)
    with pytest.raises(PrecisionError) as caught:
        decision(graph_def, fetches, {"mode": MIX}, typed)
    assert problem in str(caught.value)
    assert remedy in str(caught.value)


def test_nothing_flips_what_has_no_other_kernel():
    found = decision(*graph_of(through), {"mode": MIX}, "narrow")
    assert found.flips == ()
