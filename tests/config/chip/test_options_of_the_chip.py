"""Every wrong option of the chip gets our error, not the adapter's."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_exp.config.checks import check_contents, check_runnable
from lenet_exp.config.chip import machine
from lenet_exp.config.chip.checks import check_jobs
from lenet_exp.config.chip.options import FIRST, TABLE
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.compose import flatten
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.run import PRECISION_MODES
from lenet_exp.errors import ConfigError, PrecisionError
from lenet_exp.precision.planning.options import unread
from lenet_exp.precision.target import op_lists
from tests.config.chip.wrong_options import MIX, ROWS, placed

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"black-list": {"to-add": 5}}', "it is no array of names"),
        ('{"black-list": {"to-add": "MatMulV2"}}', "it is no array of names"),
        ('{"black-list": []}', "it is no JSON object"),
        ('{"black-list": {"to-add": ["X"]}, "white-list": {"to-add": ["X"]}}', "no possible comb"),
    ],
)
def test_a_mixlist_of_the_chip_is_checked_as_a_plan_does(tmp_path, content, problem):
    (tmp_path / "mix.json").write_text(content)
    settings = settings_to_explain(
        ["hardware=ascend910", MIX, f"hardware.modify_mixlist={tmp_path / 'mix.json'}"]
    )
    with pytest.raises(ConfigError) as caught:
        machine.check_files(settings.hardware)
    assert problem in str(caught.value)
    with pytest.raises(PrecisionError) as planned:
        op_lists.read_changes(tmp_path / "mix.json")
    assert problem in str(planned.value)


def test_a_file_of_fusions_is_read_before_a_run_begins(tmp_path):
    path = tmp_path / "switches.json"
    path.write_text('{"Switch": {"GraphFusion": {"ALL": "off"}}}')
    settings = settings_to_explain(["hardware=ascend910", f"hardware.fusion_switch_file={path}"])
    check_contents(settings)
    path.write_text("[]")
    with pytest.raises(PrecisionError, match="it is no JSON object"):
        check_contents(settings)


@pytest.mark.parametrize("key", ["keep_dtype=[fc_3]", "trace_overflow=true"])
def test_auto_refuses_what_the_chip_it_finds_can_not_do(key, monkeypatch):
    settings = settings_to_explain(["hardware=auto", f"precision.{key}"])
    check_runnable(settings)
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    with pytest.raises(ConfigError, match="only with hardware=cpu") as caught:
        check_runnable(settings)
    assert caught.value.args[3].endswith(f"hardware=cpu {shlex.quote(f'precision.{key}')}")


FILES = ("modify_mixlist", "customize_dtypes")
GROUPS = ("precision", "hardware")
PRODUCT = [*itertools.product(GROUPS, FILES, PRECISION_MODES[1:], ("today", "2021"))]
QUICK = len(PRODUCT) // 4  # of the first group and file, all


@pytest.mark.parametrize(
    ("group", "key", "mode", "cann"),
    [
        pytest.param(*row, marks=() if row[-1] == "today" or number < QUICK else pytest.mark.full)
        for number, row in enumerate(PRODUCT)
    ],
)
def test_a_file_is_refused_where_a_plan_has_no_use_for_it(group, key, mode, cann, places):
    words = [f"precision={mode}", f"hardware.cann={cann}", f"{group}.{key}={places['json']}"]
    if group == "hardware":
        words.insert(0, "hardware=ascend910")
    found = unread(key, mode, cann)
    if found is None:
        settings_to_explain(words)
        return
    with pytest.raises(ConfigError, match=f"{group}.{key}=.*(?s:.*){found.reason}") as caught:
        settings_to_explain(words)
    assert found.needs in caught.value.args[3]


def settle(words):
    """Do all that a run on the chip does before it asks which adapter there is."""
    settings = settings_to_explain(["hardware=ascend910", *words])
    machine.check_files(settings.hardware)


@pytest.mark.parametrize(
    ("words", "told"), [pytest.param(row[1], row[2], id=row[0]) for row in ROWS]
)
def test_a_wrong_option_gets_our_error_whatever_the_adapter(words, told, places):
    with pytest.raises(ConfigError) as caught:
        settle([placed(word, places) for word in words])
    for word in told:
        assert word in str(caught.value)
    assert "try:     python -m lenet_exp.run" in str(caught.value)


def test_the_yaml_and_the_page_are_made_from_the_table():
    script = Path(__file__).resolve().parents[3] / "scripts" / "chip_pages.py"
    done = subprocess.run(
        [sys.executable, str(script), "check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_auto_takes_the_chip_with_the_defaults_of_its_yaml():
    settings = settings_to_explain(["hardware=ascend910"])
    assert chip_of(settings_to_explain([]).hardware) == settings.hardware


def test_no_bfloat16_is_said_where_it_is_asked_for():
    with pytest.raises(ConfigError, match="an Ascend 910 has no bfloat16"):
        settings_to_explain(["precision=allow_mix_precision_bf16"])


def test_only_options_that_are_set_are_part_of_a_run():
    settings = settings_to_explain(["hardware=ascend910", "hardware.op_wait_timeout=60"])
    assert [key for key in flatten(settings) if key.startswith("hardware.")] == [
        "hardware.name", "hardware.cann", "hardware.on_refused", "hardware.device",
        "hardware.devices", "hardware.iterations_per_loop", "hardware.op_compiler_cache_mode",
        "hardware.op_wait_timeout",
    ]  # fmt: skip


def test_a_sweep_may_not_force_the_cache_that_its_jobs_share():
    force = "hardware.op_compiler_cache_mode=force"
    with pytest.raises(ConfigError, match="in a sweep: force deletes"):
        check_jobs([settings_to_explain(["hardware=ascend910", force])] * 2)


ADAPTER = Path(__file__).resolve().parents[2] / "npu_bridge_double"
KNOWN = json.loads((ADAPTER / "npu_bridge" / "double" / "known_keys.json").read_text())
NOBODY_S = {"min_group_size"}  # scripts set it, and no adapter reads it


@pytest.mark.parametrize("key", [key for key in TABLE if key not in NOBODY_S])
def test_the_table_has_the_field_and_the_month_of_the_vendor_s_sources(key):
    row, known = TABLE[key], KNOWN[key]
    found = (row.field, row.since, row.boolean_until)
    assert found == (known["field"], known.get("since", FIRST), known.get("boolean_until", ""))


def test_nobody_s_options_are_refused_as_such():
    assert not NOBODY_S & {*KNOWN}
