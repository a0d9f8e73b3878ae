"""References that would take all time or memory are refused, with the file and the key."""

from __future__ import annotations

import dataclasses
import logging
import sys

import pytest
from omegaconf import OmegaConf

from lenet_exp import cli, run
from lenet_exp.config import literals
from lenet_exp.config.cli.command_line import check_command_line, settings_to_explain
from lenet_exp.config.cli.json_words import word
from lenet_exp.config.compose import resolve
from lenet_exp.errors import ConfigError
from lenet_exp.experiment import resume
from lenet_exp.record.run import run_folders

pytestmark = pytest.mark.stackless

DEEP = 25


def chain(text, end="x", deep=DEEP):
    """Return keys r0, r1, ...: each the text, in which NEXT is a reference to the next one."""
    rows = [f"  r{n}: {text.replace('NEXT', f'${{mine.r{n + 1}}}')}" for n in range(deep)]
    return "\n".join(["mine:", *rows, f"  r{deep}: {end}", ""])


LONG = "y" * 1000
SWEPT = ("texts",)  # the others go the same way
# A personal file, the key that is told, and its line.
BOMBS = {
    "texts": (chain("NEXTNEXT"), "mine.r0", 3),
    "mappings": (chain("{a: 'NEXT', b: 'NEXT'}"), "mine.r23.a", 26),
    "lists": (chain("['NEXT', 'NEXT']"), "mine.r23", 26),
    "texts that become values": (chain("${oc.decode:NEXTNEXT}"), "mine.r0", 3),
    "keys that are made up": (
        chain("NEXTNEXT").replace("${mine.", "${${mine.one}.").replace(
            "mine:\n", "mine:\n  one: mine\n"),
        "mine.r0", 4,
    ),
    "a long chain": (chain("NEXT", deep=60), "mine.r0", 3),
    "long texts": (
        f"mine:\n  a: {LONG * 30}\n  b: '{'${mine.a}' * 40}'\n", "mine.b", 4,
    ),
    "Hydra's own": (
        "hydra:\n  job:\n    env_set:\n" + "".join(
            f"      r{n}: ${{hydra.job.env_set.r{n + 1}}}${{hydra.job.env_set.r{n + 1}}}\n"
            for n in range(DEEP)) + f"      r{DEEP}: x\n", "hydra.job.env_set.r0", 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "sweeps"), [
    *((kind, False) for kind in BOMBS),
    *(pytest.param(kind, True, marks=() if kind in SWEPT else pytest.mark.full) for kind in BOMBS),
])  # fmt: skip
def test_references_without_an_end_are_refused(kind, sweeps, tmp_path):
    text, key, line = BOMBS[kind]
    file = tmp_path / "experiment" / "x.yaml"
    file.parent.mkdir()
    file.write_text(f"# @package _global_\n{text}")
    sweep = ["-m", "threads=1,2"] if sweeps else []
    with pytest.raises(ConfigError) as caught:
        check_command_line([*sweep[:1], "--config-dir", str(tmp_path), "experiment=x", *sweep[1:]])
    assert caught.value.args[0].startswith(f"{key} (line {line} of {file})"), caught.value
    assert "at most 500 others, 30 deep" in caught.value.args[2]
    assert caught.value.args[3] == f"mend line {line} of {file}"


def test_references_that_were_typed_are_refused():
    names = ["data.path", "init_from", "tracking.uri", "tracking.experiment", "precision.mode"]
    words = [f"{a}='{f'${{{b}}}' * 50}'" for a, b in zip(names, names[1:])]
    with pytest.raises(ConfigError) as caught:
        check_command_line(words)
    assert "at most 500 others" in caught.value.args[2]


def test_a_few_references_are_followed(tmp_path):
    file = tmp_path / "experiment" / "x.yaml"
    file.parent.mkdir()
    text = "# @package _global_\ntracking:\n  experiment: a-${schedule.epochs}-${seed}\n"
    file.write_text(f"{text}threads: ${{schedule.epochs}}\n")
    taken = []
    words = ["--config-dir", str(tmp_path), "experiment=x"]
    check_command_line(words, check=lambda jobs, sweeps: taken.extend(jobs))
    assert (taken[0].tracking.experiment, taken[0].threads) == ("a-5-0", 5)


def test_a_run_s_own_settings_have_none(tmp_path):
    text, *_ = BOMBS["texts"]
    (tmp_path / "config.yaml").write_text(f"seed: ${{threads}}\nthreads: 1\n{text}")
    cfg = run_folders.config_of(tmp_path)
    assert (cfg.seed, cfg.mine.r0) == ("${threads}", "${mine.r1}${mine.r1}")


ODD = ["/d/${x}", "${", "a\\${x}", "a\\\\${x}", "\\", "${oc.env:HOME}", "{$}", "1e3", "é, ${b}"]


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_any_name_is_read_back(name, tmp_path):
    """As it was written too, before ${ was told from a reference: as it is."""
    settings = settings_to_explain([word("data.path", name)])
    assert settings.data.path == name
    text = literals.to_yaml(dataclasses.asdict(settings))
    (tmp_path / "config.yaml").write_text(text)
    assert run_folders.settings_of(tmp_path, to_run=False) == settings
    assert resolve(literals.config_of(dataclasses.asdict(settings)), to_run=False) == settings
    if "${" not in name:
        assert text == OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))


def test_the_log_of_a_run_may_be_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path / "${x}"
    folder.mkdir()
    handlers = logging.getLogger().handlers[:]
    try:
        resume.log_to(folder)
        assert (folder / "run.log").is_file()
    finally:
        logging.getLogger().handlers[:] = handlers


# typed; the key that is told; the line instead
NOWHERE = [
    (
        "hydra.run.dir=outputs/${nope} seed=1",
        "hydra.run.dir=outputs/${nope}", "'hydra.run.dir=\"outputs/\\${nope}\"' seed=1",
    ),
    (
        "-m hydra.sweep.dir=x/${nope} seed=1,2",
        "hydra.sweep.dir=x/${nope}", "-m 'hydra.sweep.dir=\"x/\\${nope}\"' seed=1,2",
    ),
    ("hydra.job.name=${nope:1} seed=1", "hydra.job.name", "seed=1"),
    ("hydra.job_logging.root.level=${oc.decode:'{'}", "hydra.job_logging.root.level", ""),
    (
        "-m hydra/launcher=slurm hydra.launcher.account=${oc.env:NO_SUCH_NAME} seed=1",
        "hydra.launcher.account=${oc.env:NO_SUCH_NAME}",
        "-m hydra/launcher=slurm 'hydra.launcher.account=\"\\${oc.env:NO_SUCH_NAME}\"' seed=1",
    ),
    ("-m hydra.launcher.n_jobs=${nope} seed=1,2", "hydra.launcher.n_jobs", "-m seed=1,2"),
    ("-m hydra.sweep.dir=x/${hydra:job.name} dry_run=true", "hydra.sweep.dir", "-m dry_run=true"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "key", "good"), NOWHERE)
def test_a_reference_of_hydra_s_own_that_leads_nowhere_is_refused(
    typed, key, good, monkeypatch, capsys
):
    monkeypatch.setattr(cli, "handle_signals", lambda: None)
    monkeypatch.setattr(sys, "argv", ["lenet_exp/run.py"])
    assert run.main(typed.split()) == 2
    said = capsys.readouterr().err
    assert f"{key} is not possible" in said
    assert said.endswith(f"python -m lenet_exp.run {good}".strip() + "\n")


@pytest.mark.parametrize(
    "typed",
    [
        "hydra.run.dir=x/${hydra:job.name}/${hydra:runtime.choices.precision}/${seed}",
        "-m hydra.sweep.subdir=${hydra.job.num}_${hydra.job.id} sweep=${seed} seed=1",
        "-m hydra.launcher.n_jobs=${seed} seed=1,2",
        "-m hydra/launcher=slurm hydra.launcher.account=${hydra:job.name} seed=1,2",
        "hydra.output_subdir=null schedule.epochs=${seed} seed=3",
    ],
)
def test_what_a_job_knows_may_be_referred_to(typed):
    check_command_line(typed.split())
