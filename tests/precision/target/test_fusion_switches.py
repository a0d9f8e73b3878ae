"""fusion_switch_file: what is off, what is refused, what a plan does not follow."""

from __future__ import annotations

import json

import pytest

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.target.fusion_rules import fusion_rules
from lenet_exp.precision.target.fusion_switches import (
    CONVOLUTION_CAST,
    GELU,
    LOG_SOFTMAX_GRADIENT,
    MATMUL_BIAS,
    MATMUL_CAST,
    MOMENTUM_LOSS_SCALE,
    POWER_SQUARE,
    SCALED_SUM,
    SPARSE_CROSS_ENTROPY,
    read_switches,
)

EVERY = {
    MATMUL_BIAS, MATMUL_CAST, CONVOLUTION_CAST, MOMENTUM_LOSS_SCALE, SPARSE_CROSS_ENTROPY,
    GELU, POWER_SQUARE, SCALED_SUM, LOG_SOFTMAX_GRADIENT,
    *(rule.name for rule in fusion_rules() if rule.name != "clip_by_norm_nodivsquaresum"),
}  # fmt: skip


def graph(**switches):
    return {"Switch": {"GraphFusion": switches}}


@pytest.mark.parametrize(
    ("content", "off", "told"),
    [
        ({}, set(), ()),
        ({"Switch": {}}, set(), ()),
        (graph(), set(), ()),
        (graph(MatMulBiasAddFusionPass="on", SomePass="on", ALL="on"), set(), ()),
        (graph(MatMulBiasAddFusionPass="off"), {MATMUL_BIAS}, ()),
        (graph(MatmulCastFusionPass="off", MatMulBiasAddFusionPass="on"), {MATMUL_CAST}, ()),
        # A pass's own switch counts before ALL, whichever comes first.
        (graph(ALL="off", MatMulBiasAddFusionPass="on"), EVERY - {MATMUL_BIAS}, ("ALL passes",)),
        (graph(MatMulBiasAddFusionPass="off", ALL="on"), {MATMUL_BIAS}, ()),
        (graph(ALL="off"), EVERY, ("of ALL passes that are off a plan knows MatMulBiasAdd",)),
        # Never off, whatever the file says.
        (graph(AABiasaddConvFusion="off"), set(), ("never switches AABiasaddConvFusion off",)),
        (graph(DreluFusionPass="off"), set(), ("never switches DreluFusionPass off",)),
        (graph(clip_by_norm_nodivsquaresum="off"), set(), ("never switches clip_by_norm",)),
        (graph(ZConfusionSoftmaxGradFusionPass="off"), set(), ("never switches ZConfusion",)),
        (graph(ConstToAttrPass="off"), set(), ("never switches ConstToAttrPass off",)),
        (graph(SomePass="off", Other="off"), set(), ("no plan knows SomePass, Other: it is the",)),
        # Kernels that are joined change no type.
        ({"Switch": {"UBFusion": {"ALL": "off", "TbeEltwiseFusionPass": "off"}}}, set(), ()),
        ({"Switch": {"UBFusion": {"MatMulBiasAddFusionPass": "off"}}}, set(), ()),
        ({"ExceptionalPassOfO1Level": ["X"]}, set(), ()),
        ({"Priority": {"GraphFusion": {"Top": {"X": "1"}}}}, set(), ('no plan follows the order',)),
        # The form that the file had before.
        ("MatMulBiasAddFusionPass:off\n\n SomePass : on \r\n", {MATMUL_BIAS}, ()),
        ("ALL:off\nMatMulBiasAddFusionPass:on\n", EVERY - {MATMUL_BIAS}, ("ALL passes",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["object", "file"])
def test_what_is_off_and_what_a_plan_does_not_follow(tmp_path, content, off, told, form):
    source = content
    if form == "file" or isinstance(content, str):
        source = tmp_path / "fusion_switch.cfg"
        source.write_text(content if isinstance(content, str) else json.dumps(content))
    found = read_switches(source)
    assert found.passes == off
    assert len(found.warnings) == len(told)
    for text, warning in zip(told, found.warnings):
        assert warning.startswith("fusion_switch_file: ")
        assert text in warning


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("x", "it is no JSON"),
        ("MatMulBiasAddFusionPass:no", "has other lines than PASS:on and PASS:off"),
        ("A:off\nA:off", "has other lines than PASS:on and PASS:off"),
        ('{"Switch": {}, // mine\n}', "line 1 has a comment, //"),
        ("[]", "the file: it is no JSON object"),
        ("null", "the file: it is no JSON object"),
        ('{"switch": {}}', 'it has the key "switch"'),
        ('{"Switch": []}', '"Switch": it is no JSON object'),
        ('{"Switch": {"Graph": {}}}', '"Switch": it has the key "Graph"'),
        ('{"Switch": {"GraphFusion": "off"}}', '"Switch" "GraphFusion": it is no JSON object'),
        ('{"Priority": {"GraphFusion": 1}}', '"Priority" "GraphFusion": it is no JSON object'),
        ('{"Switch": {"GraphFusion": {"X": "Off"}}}', '"GraphFusion" "X": "Off" is no switch'),
        ('{"Switch": {"UBFusion": {"X": false}}}', '"UBFusion" "X": false is no switch'),
        ('{"Switch": {"UBFusion": {"X": ["off"]}}}', '"UBFusion" "X": ["off"] is no switch'),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path, text, problem):
    path = tmp_path / "fusion_switch.cfg"
    path.write_text(text)
    with pytest.raises(PrecisionError) as caught:
        read_switches(path)
    assert problem in str(caught.value)
    assert "fusion_switch_file" in str(caught.value)
    assert "try:" in str(caught.value)
