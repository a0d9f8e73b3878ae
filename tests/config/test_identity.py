"""What makes two runs the same job: on a chip, too, and by what an earlier version recorded."""

from __future__ import annotations

import contextlib

import pytest

from lenet_exp.config.chip import machine
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.identity import config_hash, former_hash, named_files
from lenet_exp.record.run.run_folders import job_identity
from lenet_exp.record.store.journal import Journal

pytestmark = pytest.mark.stackless
CHIP = "hardware=ascend910"
DUMP = "hardware.enable_dump=true"
PROFILE = "hardware.profiling_mode=true"


def identity(*words, by=config_hash):
    return by(settings_to_explain(list(words)), "data", "tf1")


@pytest.fixture
def chip(monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)


def test_a_job_of_a_cpu_is_known_as_ever(tmp_path):
    (tmp_path / "mix.json").write_text("{}")
    mixlist = (f"precision.modify_mixlist={tmp_path / 'mix.json'}", "seed=3")
    wanted = {("hardware=cpu",): "e176047065b4", (): "e176047065b4", mixlist: "aa5b64ca1601"}
    for words, known in wanted.items():
        assert identity(*words) == identity(*words, by=former_hash) == known


def test_a_job_of_a_chip_is_known_as_ever_where_no_path_is_in_it(chip):
    assert identity(CHIP) == identity(CHIP, by=former_hash) == "46bac4535924"
    assert identity("hardware=auto", by=former_hash) == "dcb4d034526f"


@pytest.mark.parametrize(
    ("words", "beside"),
    [
        ([CHIP, "hardware.debug_dir=a"], [CHIP, "hardware.debug_dir=b"]),
        ([CHIP, "hardware.op_compiler_cache_dir=a"], [CHIP]),
        ([CHIP, DUMP, "hardware.dump_path=a"], [CHIP, DUMP, "hardware.dump_path=b"]),
        (
            [CHIP, PROFILE, "hardware.profiling_options={output:a}"],
            [CHIP, PROFILE, "hardware.profiling_options={output:b}"],
        ),
        (["hardware=auto"], [CHIP]),
        (["hardware=auto"], [CHIP, "hardware.device=3"]),
    ],
)
def test_where_a_chip_keeps_something_is_no_part_of_a_job(words, beside, chip):
    assert identity(*words) == identity(*beside)


@pytest.mark.parametrize(
    ("key", "beside"),
    [
        ("modify_mixlist", []),
        ("customize_dtypes", []),
        ("fusion_switch_file", []),
        ("op_precision_mode", []),
        ("op_debug_config", []),
        ("aoe_config_file", ["hardware.aoe_mode=1"]),
    ],
)
def test_of_a_chip_s_file_what_is_in_it_makes_the_job_not_its_name(key, beside, chip, tmp_path):
    def made(name, text):
        (tmp_path / name).write_text(text)
        return identity(CHIP, *beside, f"hardware.{key}={tmp_path / name}")

    first = made("a", "{}")
    assert made("b", "{}") == first != identity(CHIP, *beside)
    assert made("a", "[]") != first
    settings = settings_to_explain([CHIP, *beside, f"hardware.{key}={tmp_path / 'a'}"])
    assert list(named_files(settings).values()) == [b"[]"]


@pytest.mark.parametrize("status", ["FINISHED", "KILLED", "FAILED"])
def test_what_is_redone_under_a_former_identity_is_found(status, chip, tmp_path):
    settings = settings_to_explain([CHIP, "hardware.debug_dir=a"])
    now, before = (by(settings, "data", "tf1") for by in (config_hash, former_hash))
    with contextlib.closing(Journal(tmp_path / before)) as journal:
        journal.append("tags", {"config_hash": now})
        journal.append("status", {"status": status})
    assert job_identity(tmp_path, settings, "data", "tf1") == before


@pytest.mark.parametrize(("status", "kept"), [("FINISHED", True), ("KILLED", False), (None, False)])
def test_what_an_earlier_version_finished_is_found(status, kept, chip, tmp_path):
    settings = settings_to_explain([CHIP, "hardware.debug_dir=a"])
    now, before = (by(settings, "data", "tf1") for by in (config_hash, former_hash))
    assert now != before
    if status is not None:
        with contextlib.closing(Journal(tmp_path / before)) as journal:
            journal.append("tags", {"config_hash": before})
            journal.append("status", {"status": status})
    assert job_identity(tmp_path, settings, "data", "tf1") == (before if kept else now)
    Journal(tmp_path / now).close()
    assert job_identity(tmp_path, settings, "data", "tf1") == now
