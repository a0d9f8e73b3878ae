"""Mixlists, customize_dtypes and fusion switch files, cut and spoilt: a plan, or words."""

from __future__ import annotations

import functools

import pytest

from lenet_exp.errors import PrecisionError
from lenet_exp.precision import assign
from tests.fuzz.mutations import mutants
from tests.precision.small import MIX, floats, graph_of

ORIGINALS = {
    "modify_mixlist": (
        b'{"black-list": {"to-remove": ["ReduceMeanD"], "to-add": ["Sigmoid"]}}',
        b'{"white-list": {"to-add": ["Sigmoid"]}, "gray-list": {"to-remove": ["Sigmoid"]}}\n',
        b'{\n "gray-list": {"to-add": ["Data", "LayerNormXBackpropV2", "Mean"]}\n}',
        b'{"white-list": {"to-remove": ["MatMulV2", "Caf\xc3\xa9"]}}',
    ),
    "customize_dtypes": (
        b"OpType::MatMulV2:InputDtype:float16,float16,float32,OutputDtype:float32\n",
        b"second::InputDtype:float32,OutputDtype:\nOpType::Sigmoid:OutputDtype:float16\n",
        b"OpType::ReduceMeanD: fixed InputDtype: Float32 ,,OutputDtype:float\r\n",
    ),
    "fusion_switch_file": (
        b'{"Switch": {"GraphFusion": {"ALL": "off", "MatMulBiasAddFusionPass": "on"}}}',
        b'{"Switch": {"GraphFusion": {"DreluFusionPass": "off"}, "UBFusion": {"Tbe": "on"}}}',
        b'{"Priority": {"GraphFusion": {"Top": {"X": "1"}}}, "ExceptionalPassOfO1Level": []}',
        b"MatMulBiasAddFusionPass:off\nSomePass : on\n",
    ),
}


@functools.lru_cache(maxsize=None)
def graph():
    def build(tf):
        product = tf.matmul(floats(tf, "x"), tf.get_variable("weights", [8, 8]), name="first")
        biased = tf.nn.bias_add(product, tf.get_variable("bias", [8]))
        second = tf.matmul(tf.sigmoid(biased), tf.get_variable("more", [8, 8]), name="second")
        return tf.reduce_mean(second, [0], name="mean")

    return graph_of(build)


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.full)])
@pytest.mark.parametrize("option", ORIGINALS)
def test_a_spoilt_file_gives_a_plan_or_words(option, count, tmp_path):
    graph_def, fetches = graph()
    path, planned = tmp_path / option, 0
    for content in mutants(option, ORIGINALS[option], count):
        path.write_bytes(content)
        try:
            plan = assign(graph_def, MIX, fetches=fetches, **{option: path})
        except PrecisionError as error:
            said = str(error)
            assert said.startswith(option), content
            assert "\n  try: " in said, content
        else:
            said = "\n".join(plan.warnings)
            assert len(plan.operators) >= 4, content
            planned += 1
        said.encode()  # so that any terminal can print it
    assert 0 < planned < count


@pytest.mark.parametrize("option", ORIGINALS)
def test_every_original_gives_a_plan(option, tmp_path):
    graph_def, fetches = graph()
    for number, content in enumerate(ORIGINALS[option]):
        path = tmp_path / str(number)
        path.write_bytes(content)
        plan = assign(graph_def, MIX, fetches=fetches, **{option: path})
        assert plan.operators[0].ge_type == "MatMulV2"
