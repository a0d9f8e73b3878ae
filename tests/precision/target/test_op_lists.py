"""modify_mixlist: every combination, effect and error of section 6.4."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest

from lenet_exp.errors import PrecisionError
from lenet_exp.precision import assign
from lenet_exp.precision.target import op_lists
from lenet_exp.precision.target.modes import Colour, Generation
from lenet_exp.precision.target.operator_library import load_library
from tests.precision.small import ALLOW, FORCE, KEEP, cells, graph_of, halves, plan_of

LISTS = ("black", "white", "gray")
COLOURS = {"B": Colour.BLACK, "W": Colour.WHITE, "G": Colour.GRAY}


def library(**colours):
    """Return an operator library of types that have nothing but a colour."""
    marks = {Colour.WHITE: True, Colour.BLACK: False, Colour.GRAY: None}
    entries = {
        name: {"in": ["x"], "out": ["y"], "cols": ["f>f"], "pr": marks[colour]}
        for name, colour in colours.items()
    }
    return load_library({"ops": entries}, Generation.TODAY)


def content(added=(), removed=(), name="X"):
    made = {}
    for action, lists in (("to-add", added), ("to-remove", removed)):
        for colour in lists:
            made.setdefault(f"{colour}-list", {})[action] = [name]
    return made


# Typed from 6.4: (added, removed).
ALLOWED = {
    ((), ("black",)), ((), ("white",)),
    (("gray",), ()), (("white",), ()), (("black",), ()),
    (("gray",), ("black",)), (("gray",), ("white",)), (("white",), ("gray",)),
    (("white",), ("black",)), (("black",), ("gray",)), (("black",), ("white",)),
}  # fmt: skip


def subsets():
    return [c for n in range(4) for c in itertools.combinations(LISTS, n)]


@pytest.mark.parametrize(
    ("added", "removed"), [pair for pair in itertools.product(subsets(), subsets()) if any(pair)]
)
def test_only_the_listed_combinations_are_possible(added, removed):
    source = content(added, removed)
    if (added, removed) in ALLOWED:
        op_lists.recoloured(source, library(X=Colour.GRAY))
    else:
        with pytest.raises(PrecisionError, match=r"modify_mixlist X: .*no possible combination"):
            op_lists.recoloured(source, library(X=Colour.GRAY))


@pytest.mark.parametrize(
    ("given", "added", "removed", "colour", "warns"),
    [
        ("B", "", "black", "G", False),
        ("W", "", "white", "G", False),
        ("W", "", "black", "W", True),
        ("G", "", "white", "G", True),
        ("B", "gray", "", "B", True),  # the trap: adding to gray alone changes nothing
        ("W", "gray", "", "W", True),
        ("G", "gray", "", "G", False),
        ("B", "gray", "black", "G", False),
        ("W", "gray", "black", "W", True),
        ("G", "black", "", "B", False),
        ("W", "black", "", "B", False),
        ("W", "black", "white", "B", False),
        ("G", "black", "white", "B", True),
        ("G", "black", "gray", "B", False),
        ("G", "white", "", "W", False),
        ("B", "white", "black", "W", False),
        ("G", "white", "gray", "W", False),
        ("B", "white", "gray", "W", True),
    ],
)
def test_effect_on_an_operator(given, added, removed, colour, warns):
    source = content(filter(None, [added]), filter(None, [removed]))
    got, warnings = op_lists.recoloured(source, library(X=COLOURS[given], Y=Colour.WHITE))
    assert got == {"X": COLOURS[colour], "Y": Colour.WHITE}
    assert bool(warnings) is warns


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("LayerNormXBackpropV3", "is made by a fusion that a plan does not make"),
        *((name, "is a node of the compiler's own") for name in ("Data", "NetOutput", "Recv")),
        *((name, "is a node of the compiler's own") for name in ("LabelSet", "LabelGotoEx")),
        *((name, "is a node of the compiler's own") for name in ("Variable", "StreamActive")),
        ("HcomAllReduce", "is a node of the compiler's own"),
        ("Unique", "runs on the AI CPU in the types of the graph"),
        ("Mean", "is TensorFlow's name, so its entry does nothing; names are the chip's: Reduce"),
        *(
            (
                name,
                f"is TensorFlow's name, so its entry does nothing; names are the chip's: {chips}",
            )
            for name, chips in (("Softmax", "SoftmaxV2"), ("ArgMax", "ArgMax"))
        ),
        ("MatMulV3", "is no type of the operator library, so its entry does nothing; names"),
        ("BatchMatMulV2", "names are the chip's: BatchMatMul"),
        ("SigmoidGrd", "names are the chip's: SigmoidGrad"),
        ("NoSuch", "is no type of the operator library"),
        ("", "is no type of the operator library"),
        # The fused forms that the table has are recoloured as any other.
        *((name, None) for name in ("ReluGradV2", "FusedMulApplyMomentum", "LayerNormXBackprop")),
    ],
)
def test_a_name_that_no_plan_has_is_told_for_what_it_is(name, told):
    shipped = load_library(None, Generation.TODAY)
    colours, warnings = op_lists.recoloured({"black-list": {"to-add": [name]}}, shipped)
    if told is None:
        assert (colours[name], warnings) == (Colour.BLACK, ())
        return
    assert colours == {name: each.colour for name, each in shipped.operators.items()}
    (warning,) = warnings
    assert warning.startswith(f"modify_mixlist: {name} {told}") or told in warning


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("{", "it is no JSON"),
        ('{// what for\n"black-list": {}}', "line 1 has a comment, //, and JSON has none"),
        ('{"black-list": {"to-add": ["X",\n  // one more\n "Y"]}}', "line 2 has a comment, //"),
        ('{"black-list": {} // last\n}', "line 1 has a comment, //"),
        ('{"black-list": {}}\n// the end', "line 2 has a comment, //"),
        ('{/* all */ "black-list": {}}', "has a comment, /*"),
        ('{\n# all\n"black-list": {}}', "line 2 has a comment, #"),
        ('{"black-list": {"to-add": ["\\ud800"]}}', "it is no JSON"),
        ("[" * 100000, "it is nested too deeply"),
        ("[]", "it is no JSON object"),
        ('{"black_list": {}}', 'it has the key "black_list"'),
        ('{"black-list": []}', '"black-list": it is no JSON object'),
        ('{"black-list": {"add": []}}', 'it has the key "add"'),
        ('{"black-list": {"to-add": "MatMulV2"}}', "it is no array of names"),
        ('{"black-list": {"to-add": [1]}}', "it is no array of names"),
    ],
)
def test_errors_of_a_file_name_it_or_its_key(tmp_path, text, problem):
    path = tmp_path / "mix.json"
    path.write_text(text)
    with pytest.raises(PrecisionError) as caught:
        op_lists.recoloured(path, library())
    assert problem in str(caught.value)
    assert "try:" in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_takes_an_operator_to_the_gray_list_is_told():
    change = {"gray-list": {"to-add": ["X"]}}
    _, (warning,) = op_lists.recoloured(change, library(X=Colour.BLACK))
    assert warning.endswith('does nothing: "black-list" "to-remove" makes it gray')


def test_a_slash_in_a_name_is_no_comment_and_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "mix.json"
    path.write_text('\ufeff{"black-list": {"to-add": ["a//b", "MatMulV2"]}}', encoding="utf-8")
    assert list(op_lists.read_changes(path)) == ["a//b", "MatMulV2"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PrecisionError, match=r"nowhere\.json: it can't be read"):
        op_lists.recoloured(str(tmp_path / "nowhere.json"), library())


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_has_no_end_is_not_read(tmp_path, kind):
    path = {"pipe": tmp_path / "pipe", "device": Path("/dev/zero"), "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(str(path))
    with pytest.raises(PrecisionError, match="it can't be read"):
        op_lists.recoloured(path, library())


def mean(tf):
    return tf.reduce_mean(halves(tf), [0], name="mean")


@pytest.mark.parametrize("form", ["object", "text", "str path", "Path"])
def test_a_black_operator_becomes_gray_by_its_ge_name(tmp_path, form):
    source = {"black-list": {"to-remove": ["ReduceMeanD"]}}
    path = tmp_path / "mix.json"
    path.write_text(json.dumps(source))
    forms = {"object": source, "text": json.dumps(source), "str path": str(path), "Path": path}
    assert cells(mean)["mean"] == "ReduceMeanD f>f black *0"
    assert cells(mean, modify_mixlist=forms[form])["mean"] == "ReduceMeanD h>h gray"


def test_the_tf_name_is_unknown_and_changes_nothing():
    source = {"black-list": {"to-remove": ["Mean"]}}
    assert cells(mean, modify_mixlist=source)["mean"] == "ReduceMeanD f>f black *0"


def test_a_removal_that_matches_nothing_is_told():
    plan = plan_of(mean, modify_mixlist={"white-list": {"to-remove": ["ReduceMeanD"]}})
    assert any("ReduceMeanD is on the black list" in warning for warning in plan.warnings)


def through_cast(tf):
    half = tf.cast(tf.placeholder(tf.float32, [4], "x"), tf.float16, name="down")
    return tf.exp(tf.cast(half, tf.float32, name="up"), name="exp")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "Exp h>h gray *0"),
        # The documentation's own sample: gray operators don't look through Casts then.
        ({"black-list": {"to-add": ["Cast"]}}, "Exp f>f gray"),
    ],
)
def test_a_black_cast_is_not_looked_through(source, expected):
    assert cells(through_cast, modify_mixlist=source)["exp"] == expected


@pytest.mark.parametrize("mode", [ALLOW, FORCE, KEEP])
def test_other_modes_have_no_lists(mode):
    graph_def, fetches = graph_of(mean)
    with pytest.raises(PrecisionError, match=f"{mode} has no lists"):
        assign(graph_def, mode, fetches=fetches, modify_mixlist={})


def test_february_2021_has_no_such_option():
    graph_def, fetches = graph_of(mean)
    with pytest.raises(PrecisionError, match="February 2021"):
        assign(
            graph_def, "allow_mix_precision", generation="2021", fetches=fetches, modify_mixlist={}
        )
