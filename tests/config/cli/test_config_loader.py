"""What is composed for a command, and how often."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal import hydra as hydra_internal
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from lenet_exp.config import CONF
from lenet_exp.config.cli.command_line import check_command_line, settings_to_explain
from lenet_exp.config.cli.config_loader import hydra_session
from lenet_exp.config.compose import register_resolvers

LINES = [
    [],
    ["precision=force_fp16", "seed=3"],
    ["precision=force_fp16", "seed=4", "optimizer=sgd"],
    ["schedule=smoke", "loss_scale=dynamic", "hydra.job.num=7"],
    ["experiment=loss_scale_sweep", "optimizer.epsilon=0.001"],
]


def _composed(words):
    cfg = compose("config", list(words), return_hydra_config=True)
    return OmegaConf.to_yaml(cfg)


def test_composes_what_hydras_own_loader_does(monkeypatch, tmp_path):
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /precision: force_fp16\nseed: 3\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    mine = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    lines = [*LINES, mine, [*mine, "optimizer=sgd", "schedule.epochs=2"]]
    monkeypatch.setattr(hydra_internal, "ConfigLoaderImpl", ConfigLoaderImpl)
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="run"):
        expected = [_composed(words) for words in lines]
    with hydra_session("run"):
        assert [_composed(words) for words in lines * 2] == expected * 2


def test_a_composed_configuration_is_the_callers_own():
    with hydra_session("run"):
        compose("config", ["seed=1"]).precision.mode = "changed"
        assert compose("config", ["seed=1"]).precision.mode == "allow_mix_precision"


def test_a_run_that_hydra_started_may_compose_others():
    with hydra_session("run"):
        other = settings_to_explain(["precision=force_fp16"])
        assert compose("config", ["seed=1"]).precision.mode == "allow_mix_precision"
    assert other.precision.mode == "force_fp16"
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize(
    ("typed", "jobs"),
    [("seed=1", 0), ("-m seed=1,2,3", 3), ("experiment=precision_sweep", 12), ("--help", 0)],
)
def test_the_jobs_of_a_sweep_are_composed_once(monkeypatch, typed, jobs):
    asked = []
    load = ConfigLoaderImpl.load_configuration

    def counted(self, config_name, overrides, **more):
        asked.append(tuple(overrides))
        return load(self, config_name, overrides, **more)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    composed = check_command_line(typed.split())
    assert len(composed) == jobs
    assert set(composed) <= set(asked)
    assert len(asked) == len(set(asked))


def test_a_preset_may_name_a_file_by_what_is_chosen(tmp_path):
    (tmp_path / "experiment").mkdir()
    named = "/experiment@_global_: also_${experiment}"
    text = f"# @package _global_\ndefaults:\n  - {named}\n  - _self_\nseed: 3\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    (tmp_path / "experiment" / "also_mine.yaml").write_text("# @package _global_\nthreads: 7\n")
    taken = []
    words = ["--config-dir", str(tmp_path), "experiment=mine"]
    check_command_line(words, check=lambda jobs, sweeps: taken.extend(jobs))
    assert [(job.seed, job.threads) for job in taken] == [(3, 7)]
