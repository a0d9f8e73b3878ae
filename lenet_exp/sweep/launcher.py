"""Hydra's side of a sweep. Imported whenever Hydra starts, so it loads nothing heavy."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.compose import resolve, resolve_sweep
from lenet_exp.sweep.jobs import Composed, Request


class SweepLauncher(Launcher):
    """Starts each job as a fresh process, `n_jobs` at a time."""

    def __init__(self, n_jobs: int) -> None:
        self._n_jobs = n_jobs
        self._config: DictConfig = OmegaConf.create()
        self._context: Optional[HydraContext] = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra gives; the task function is not needed, a job's process has its own."""
        self._context, self._config = hydra_context, config
        loader = hydra_context.config_loader
        # The sweeper composes each job once before, only to see whether that is possible.
        loader.load_sweep_config = _kept(loader.load_sweep_config)  # type: ignore[method-assign]

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return the test accuracy of each.

        Raises:
            JobsFailedError: some failed, and each of them has been told.
            StoreError: the tracking store can't be used, or another process holds the sweep.
        """
        setup_globals()
        sweep_folder = Path(str(self._config.hydra.sweep.dir)).resolve()
        composed = [
            self._compose(words, number, sweep_folder)
            for number, words in enumerate(job_overrides, initial_job_idx)
        ]
        options = resolve_sweep(_without_hydra(self._config))
        command = _command(sys.argv[1:], sweep_folder.name)
        request = Request(sweep_folder, options, self._n_jobs, command, composed)
        from lenet_exp.sweep.sweep import run_sweep  # noqa: PLC0415 - MLflow

        try:
            accuracies = run_sweep(request)
        finally:
            _forget(sweep_folder)
        return [
            JobReturn(overrides=list(job.words), status=JobStatus.COMPLETED, _return_value=accuracy)
            for job, accuracy in zip(composed, accuracies)
        ]

    def _compose(self, words: Sequence[str], number: int, sweep_folder: Path) -> Composed:
        assert self._context is not None  # noqa: S101 - Hydra calls `setup` first
        cfg = self._context.config_loader.load_sweep_config(self._config, list(words))
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = number
        files: Dict[str, str] = {
            "config.yaml": OmegaConf.to_yaml(_without_hydra(cfg)),
            "hydra.yaml": OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, ["hydra"])),
            "overrides.yaml": OmegaConf.to_yaml(cfg.hydra.overrides.task),
        }
        return Composed(tuple(words), resolve(_without_hydra(cfg)), files)


def _kept(compose: Callable[[DictConfig, List[str]], DictConfig]) -> Callable[..., DictConfig]:
    """Return what composes each job once, and gives it a second time."""
    made: Dict[Tuple[str, ...], DictConfig] = {}

    def once(master_config: DictConfig, sweep_overrides: List[str]) -> DictConfig:
        words = tuple(sweep_overrides)
        if words in made:
            return made.pop(words)
        return made.setdefault(words, compose(master_config, sweep_overrides))

    return once


def _forget(folder: Path) -> None:
    """Remove what Hydra's sweeper makes before it asks, where nothing came of it."""
    if [path.name for path in folder.glob("*")] == ["multirun.yaml"]:
        (folder / "multirun.yaml").unlink()
        folder.rmdir()


def _without_hydra(cfg: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _command(words: Sequence[str], name: str) -> str:
    """Return what goes on with this sweep: the same words, and its name."""
    kept: List[str] = [word for word in words if not word.startswith(("sweep=", "dry_run="))]
    if not any(word.startswith("hydra.sweep.dir=") for word in words):
        kept.append(f"sweep={name}")
    return " ".join([PROGRAM, *map(shlex.quote, kept)])


def register() -> None:
    """Have Hydra know our launcher, from whatever folder it was started.

    Its own search looks through folders on the path: an editable install has none for it.
    """
    from hydra_plugins.lenet_exp import LocalLauncher  # noqa: PLC0415 - it imports this module

    Plugins.instance().register(LocalLauncher)
