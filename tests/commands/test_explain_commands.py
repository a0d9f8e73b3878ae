"""What explain of one operator prints for a change: no line that run or explain would refuse."""

from __future__ import annotations

import pytest

from lenet_exp.commands.explain_operator import command
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.errors import ConfigError
from lenet_exp.precision.decisions.changes import Change, Kind
from lenet_exp.precision.decisions.flips import Cost, Flip

MIX = "allow_mix_precision"
IN_MIX, EXPLAIN = f"precision={MIX}", "python -m lenet_exp.explain"
RUN = f"python -m lenet_exp.run {IN_MIX}"
CHIP, CANN = "hardware=ascend910", "hardware.cann=2021"
LINES, LISTS = "hardware.customize_dtypes=c.txt", "hardware.modify_mixlist=m.json"
SWITCHES = "hardware.fusion_switch_file=f.cfg"
ENTRY, NEW = "a::InputDtype:float16,OutputDtype:float16", "customize_dtypes.txt"
ECHO, MERGED = f"echo {ENTRY}", f"{{ echo {ENTRY}; cat c.txt; }}"
LISTED = """echo '{"black-list": {"to-add": ["Mul"]}}'"""


def flip(kind, entry, **arguments):
    return Flip(Change(kind, entry, {"mode": MIX, **arguments}), (), (), 1, Cost(0, 0.0, ()))


NAME = flip(Kind.NAME, "a", keep_dtype=("a",))
NAME_AND_LINES = flip(Kind.NAME, "a", keep_dtype=("a",), customize_dtypes="c.txt")
LINE = flip(Kind.LINE, ENTRY, customize_dtypes=f"{ENTRY}\nmine")
LIST = flip(Kind.LIST, "", modify_mixlist={"black-list": {"to-add": ["Mul"]}})
NO_LIST = flip(Kind.LIST, "no entry of Mul")


def mode(name, **arguments):
    return flip(Kind.MODE, name, **{**arguments, "mode": name})


@pytest.mark.parametrize(
    ("words", "change", "line"),
    [
        ([], NAME, f"{RUN} 'precision.keep_dtype=[a]'"),
        ([CHIP], NAME, f"{RUN} 'precision.keep_dtype=[a]' hardware=cpu"),
        ([CHIP, CANN], NAME, f"{RUN} 'precision.keep_dtype=[a]' hardware=cpu {CANN}"),
        (
            [CHIP, LINES],
            NAME_AND_LINES,
            f"{RUN} 'precision.keep_dtype=[a]' precision.customize_dtypes=c.txt hardware=cpu",
        ),
        (
            [CHIP],
            LINE,
            f"{ECHO} > {NEW} && {RUN} precision.customize_dtypes={NEW} {CHIP}",
        ),
        (
            [CHIP, LINES],
            LINE,
            f"{MERGED} > c.txt.new && {RUN} precision.customize_dtypes=c.txt.new {CHIP}",
        ),
        (
            [CHIP, LISTS],
            LIST,
            f"{LISTED} > m.json.new && {RUN} precision.modify_mixlist=m.json.new {CHIP}",
        ),
        ([CHIP, LISTS], NO_LIST, f"{RUN} {CHIP}"),
        ([CHIP, LISTS], mode("force_fp16"), f"python -m lenet_exp.run precision=force_fp16 {CHIP}"),
        (
            [CHIP, "hardware.precision_mode_v2=mixed_float16"],
            mode("force_fp16"),
            f"python -m lenet_exp.run precision=force_fp16 {CHIP}",
        ),
        (
            [CHIP, SWITCHES],
            LINE,
            f"{ECHO} > {NEW} && {RUN} precision.customize_dtypes={NEW} {CHIP} {SWITCHES}",
        ),
        (
            [CHIP, "inference=true"],
            NAME,
            f"{EXPLAIN} inference=true operator=a {IN_MIX} 'precision.keep_dtype=[a]' hardware=cpu",
        ),
        (
            [CANN, "graph=net.pb"],
            mode("force_fp32"),
            f"{EXPLAIN} graph=net.pb operator=a precision=force_fp32 {CANN}",
        ),
    ],
)
def test_the_command_of_a_change_is_one_that_is_taken(words, change, line):
    assert command(ExplainOptions.read(["operator=a", *words]), change) == line


@pytest.mark.parametrize(
    ("words", "change", "key"),
    [
        ([CHIP, SWITCHES], NAME, "precision.keep_dtype"),
        ([CANN], mode("force_fp32"), "precision"),
    ],
)
def test_a_change_that_nothing_takes_has_no_command(words, change, key):
    with pytest.raises(ConfigError) as caught:
        command(ExplainOptions.read(["operator=a", *words]), change)
    assert caught.value.args[0] == key
