"""Hydra's side of a sweep. Imported whenever Hydra starts, so it loads nothing heavy."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path
from typing import Any, ClassVar, List, Sequence

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lenet_exp.config.cli.config_loader import without_hydra
from lenet_exp.config.cli.json_words import argument
from lenet_exp.config.cli.listed_jobs import expanded
from lenet_exp.config.cli.mend import each_once
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.cli.sweep_line import JobConfigs, applicable
from lenet_exp.config.compose import resolve, resolve_sweep
from lenet_exp.config.passwords import without_password
from lenet_exp.config.tracking import of_environment
from lenet_exp.errors import LenetExpError
from lenet_exp.experiment.summary import store_and_device
from lenet_exp.record.run import run_folders
from lenet_exp.record.terminal import print_on, short
from lenet_exp.sweep import state
from lenet_exp.sweep.attempt import name_of
from lenet_exp.sweep.executors.executor import Executor
from lenet_exp.sweep.jobs import ComposedJob, Job, Request, counted
from lenet_exp.sweep.view import View, followed


class SweepLauncher(Launcher):
    """Has the jobs of a sweep made by an executor: what a launcher of Hydra's is to choose."""

    composed: ClassVar[JobConfigs] = {}  # as the check of the command line has

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._config: DictConfig = OmegaConf.create()
        self._loader: Any = None  # Hydra calls `setup` before anything asks it
        self._numbers = itertools.count()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra gives; the task function is not needed, a job's process has its own."""
        self._config, self._loader = config, hydra_context.config_loader
        compose, made = self._loader.load_sweep_config, self.composed

        def compose_once(master_config: DictConfig, sweep_overrides: List[str]) -> DictConfig:
            own = applicable(expanded(sweep_overrides))
            typed: Any = OmegaConf.to_container(master_config.hydra.overrides.hydra)
            overrides = (*typed, *own)  # with their references as they are
            if overrides not in made:
                made[overrides] = compose(master_config, own)
            return made[overrides]

        # The sweeper composes each job before us, only to see whether that is possible.
        self._loader.load_sweep_config = compose_once

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return the test accuracy of each.

        Raises:
            JobsFailedError: some failed, and why each did was printed.
            StoreError: the tracking store can't be used, or another process holds the sweep.
        """
        setup_globals()
        sweep_folder = Path(str(self._config.hydra.sweep.dir)).resolve()
        try:
            return self._run(sweep_folder, job_overrides, initial_job_idx)
        finally:
            run_folders.forget_unbegun(sweep_folder)

    def _run(
        self, sweep_folder: Path, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        each = followed(job_overrides, "preparing job")
        self._numbers = itertools.count(initial_job_idx)
        composed = list(map(self._compose, each))
        options = resolve_sweep(without_hydra(self._config))
        experiment = composed[0].settings.tracking.experiment
        command = _command(sys.argv[1:], sweep_folder.name, experiment)
        request = Request(sweep_folder, options, self._executor, command, composed, self._with_seed)
        if options.detach and not options.dry_run:
            return self._detach(request)
        print_on(sys.stdout, f"{counted(composed)}, {store_and_device(composed[0].settings)}\n")
        from lenet_exp.sweep.sweep import run_sweep  # noqa: PLC0415 - MLflow

        accuracies = run_sweep(request)
        return [
            JobReturn(list(job.overrides), status=JobStatus.COMPLETED, _return_value=accuracy)
            for job, accuracy in zip(composed, accuracies)
        ]

    def _detach(self, request: Request) -> Sequence[JobReturn]:
        """Have the executor run this same command, unless somebody is at work on the sweep."""
        from lenet_exp.sweep.sweep import checked_jobs  # noqa: PLC0415 - numpy

        folder, composed = request.folder, request.jobs
        jobs = checked_jobs(request, View())
        left_out = state.left_out(folder, jobs)
        if state.locker_of(folder) is None:
            log, before = folder / "launching.log", self._executor.submitted(name_of(folder)[:-1])
            said = f"{before}, submitted before" if before else self._submitted(folder, jobs, log)
            lines = [f"{counted(composed)}: {said}, which says more in {short(log)}"]
            left_out = left_out if before else []
        else:
            lines = state.lines(folder)
        if left_out:
            again = "once that has ended, the same command makes them"
            lines.append(f"not among its jobs: {', '.join(left_out)}; {again}")
        lines.append(f"to see how far it is: python -m lenet_exp.sweep {folder.name}")
        print_on(sys.stdout, "\n".join([*lines, ""]))
        return [JobReturn(list(job.overrides), status=JobStatus.COMPLETED) for job in composed]

    def _submitted(self, folder: Path, jobs: Sequence[Job], log: Path) -> str:
        """Submit it; return how it is found. Of what is refused nothing new is left."""
        new = [path for path in (log, folder / state.JOBS) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        words = [*_without(sys.argv[1:], "sweep", "detach"), f"sweep={folder.name}"]
        log.touch()
        state.keep_jobs(folder, jobs)  # it can be asked for before it begins
        try:
            name = name_of(folder)[:-1]
            return self._executor.submit(["-m", "lenet_exp.run", *words], log, name)
        except LenetExpError:
            for path in new:
                path.unlink()
            raise

    def _with_seed(self, job: ComposedJob, seed: int) -> ComposedJob:
        words = dict(word.partition("=")[::2] for word in job.overrides)
        words["seed"] = str(seed)
        return self._compose([f"{key}={value}" for key, value in words.items()])

    def _compose(self, overrides: Sequence[str]) -> ComposedJob:
        overrides = expanded(overrides)
        cfg = self._loader.load_sweep_config(self._config, list(overrides))
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = next(self._numbers)
        of_run = without_hydra(cfg)
        files = {
            "config.yaml": OmegaConf.to_yaml(of_run),
            "hydra.yaml": OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, ["hydra"])),
            "overrides.yaml": OmegaConf.to_yaml(cfg.hydra.overrides.task),
        }
        own = applicable(overrides)
        left_out = tuple(word for word in overrides if word not in own)
        return ComposedJob(tuple(own), resolve(of_run), files, left_out)


def _command(arguments: Sequence[str], name: str, experiment: str) -> str:
    """Return what goes on with this sweep, in any shell: the same command, and its name.

    It is shown and recorded: a password in it has to be typed again.
    """
    kept: List[str] = list(map(each_once, _without(arguments, "sweep", "dry_run", "detach")))
    if not any(word.startswith("hydra.sweep.dir=") for word in arguments):
        kept.append(f"sweep={name}")
    store = itertools.starmap(argument, of_environment(experiment, arguments).items())
    return without_password(" ".join([PROGRAM, *map(shlex.quote, kept), *store]))


def _without(arguments: Sequence[str], *keys: str) -> List[str]:
    return [word for word in arguments if word.partition("=")[0] not in keys]


def register(composed: JobConfigs) -> None:
    """Have Hydra know our launchers, from whatever folder it was started, and them the jobs.

    Hydra's own search looks through folders on the path: an editable install has none for it.
    """
    from hydra_plugins.lenet_exp import LAUNCHERS  # noqa: PLC0415 - it imports this module

    SweepLauncher.composed = composed
    for launcher in LAUNCHERS:
        Plugins.instance().register(launcher)
