"""A precision mode has several names and is one job under each of them."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config import CONF
from lenet_exp.config.checks import check_runnable
from lenet_exp.config.cli.command_line import check_command_line, settings_to_explain
from lenet_exp.config.cli.graph_options import ExplainOptions, PredictOptions
from lenet_exp.config.identity import config_hash
from lenet_exp.config.schema import modes
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless
NAMES = {
    "fp16": "force_fp16",
    "origin": "must_keep_origin_dtype",
    "mixed_float16": "allow_mix_precision",
    "allow_mix_precision_fp16": "allow_mix_precision",
    "cube_fp16in_fp32out": "force_fp32",
}
PRESET = "# @package _global_\n"


def test_every_mode_has_its_file_and_no_other_name_has_one():
    files = {path.stem for path in (CONF / "precision").glob("*.yaml")}
    assert files == {*modes.PRECISION_MODES}
    assert modes.OTHER_NAMES == NAMES


@pytest.mark.parametrize(
    ("word", "read"),
    [
        *((f"precision={name}", f"precision={mode}") for name, mode in NAMES.items()),
        *((f"precision={mode}",) * 2 for mode in modes.PRECISION_MODES),
        ("precision.mode=fp16", "precision.mode=force_fp16"),
        ("precision={mode:fp16}", "precision={mode:force_fp16}"),
        ("++precision.mode=fp16", "++precision.mode=force_fp16"),
        ("reference=origin", "reference=must_keep_origin_dtype"),
        ("diff=fp16", "diff=force_fp16"),
        ("reference=precision=fp16,seed=1", "reference=precision=force_fp16,seed=1"),
        ("reference=hardware.precision_mode_v2=fp16", "reference=hardware.precision_mode_v2=fp16"),
        ("precision=fp16,force_fp32,fp16", "precision=force_fp16,force_fp32,force_fp16"),
        ("precision=choice(fp16, origin)", "precision=choice(force_fp16, must_keep_origin_dtype)"),
        ("precision=glob(*fp16)", "precision=glob(*fp16)"),
        ("precision=glob(*,exclude=fp16*)", "precision=glob(*,exclude=fp16*)"),
        *((f"precision={own}",) * 2 for own in ("my_fp16", "my-fp16", "fp16-lists", "team/fp16")),
        ("modes=[fp16,origin]", "modes=[force_fp16,must_keep_origin_dtype]"),
        ("precision=fp16.yaml", "precision=fp16.yaml"),
        ("precision", "precision"),
        ("tracking.experiment=fp16", "tracking.experiment=fp16"),
        ("hardware.precision_mode_v2=fp16", "hardware.precision_mode_v2=fp16"),
    ],
)  # fmt: skip
def test_a_word_names_the_mode_by_its_file(word, read):
    assert modes.with_one_name([word]) == [read]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["precision", "precision.mode"])
def test_each_name_is_the_same_job(key, name):
    hashes = {
        config_hash(settings_to_explain([f"{key}={each}"]), "data", "tf2")
        for each in (name, NAMES[name])
    }
    assert len(hashes) == 1


def modes_of(typed):
    jobs = check_command_line(shlex.split(typed))
    return [cfg.precision.mode for cfg in jobs.values()]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("-m 'precision=glob(*)'", sorted(modes.PRECISION_MODES)),
        ("-m 'precision=glob(*,exclude=force_fp32)'", sorted({*modes.PRECISION_MODES}
                                                             - {"force_fp32"})),
        ("-m precision=fp16,cube_fp16in_fp32out", ["force_fp16", "force_fp32"]),
        ("-m precision=fp16,force_fp16 reference=origin", ["force_fp16"]),
    ],
)  # fmt: skip
def test_a_sweep_has_each_mode_once(typed, expected):
    assert modes_of(typed) == expected


def test_the_preset_has_four_modes():
    found = modes_of("experiment=precision_sweep")
    assert len(found) == 12
    assert {*found} == {*modes.PRECISION_MODES} - {"force_fp32"}


def test_the_commands_about_a_graph_take_each_name():
    assert ExplainOptions.read(["precision=fp16", "diff=origin"]).against == (
        "must_keep_origin_dtype", "today",
    )  # fmt: skip
    words = ["model=latest", "images=mnist", "precision=fp16"]
    assert PredictOptions.read(words).settings.precision.mode == "force_fp16"
    with pytest.raises(ConfigError, match="what it would be compared with"):
        ExplainOptions.read(["precision=fp16", "diff=force_fp16"])


def personal(tmp_path, group, name, text):
    (tmp_path / group).mkdir()
    (tmp_path / group / f"{name}.yaml").write_text(text)
    return ["--config-dir", str(tmp_path)]


@pytest.mark.parametrize(
    "text",
    [
        "defaults:\n  - override /precision: cube_fp16in_fp32out\n",
        "precision:\n  mode: cube_fp16in_fp32out\n",
    ],
)
def test_a_persons_preset_may_have_each_name(text, tmp_path):
    flags = personal(tmp_path, "experiment", "mine", PRESET + text)
    with pytest.raises(ConfigError, match="came in April 2023"):
        check_command_line([*flags, "experiment=mine", "hardware.cann=2021"])


def test_a_persons_file_must_not_be_named_like_a_mode(tmp_path):
    flags = personal(tmp_path, "precision", "fp16", "mode: allow_mix_precision\n")
    with pytest.raises(ConfigError, match="another name of precision=force_fp16"):
        check_command_line([*flags, "precision=fp16"])


@pytest.mark.parametrize("hardware", [[], ["hardware=cpu"]])
def test_a_run_by_the_adapter_of_2021_is_told_what_to_type_instead(hardware):
    settings = settings_to_explain([*hardware, "precision=force_fp32", "hardware.cann=2021"])
    with pytest.raises(ConfigError) as caught:
        check_runnable(settings)
    key, value, allowed, remedy = caught.value.args
    assert (key, value) == ("precision", "force_fp32")
    assert "force_fp32 came in April 2023" in allowed
    check_command_line(shlex.split(remedy)[3:])
