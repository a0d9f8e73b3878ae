"""python -m lenet_exp.run: train once, or sweep with -m."""

from __future__ import annotations

import functools
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Optional, Sequence

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import InterpolationResolutionError

from lenet_exp import cli, tf_compat
from lenet_exp.config import CONF, references
from lenet_exp.config.checks import check_contents
from lenet_exp.config.cli import versions
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.json_words import as_hydra_reads
from lenet_exp.config.cli.mend import CommandLine, flags_first
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.compose import register_resolvers, resolve
from lenet_exp.config.passwords import without_password
from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.errors import ConfigError, LenetExpError, wrap_os_error
from lenet_exp.experiment import resume
from lenet_exp.experiment.summary import announcement
from lenet_exp.record import places
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal, server_check, store_check
from lenet_exp.record.terminal import leave, say
from lenet_exp.sweep.launcher import register
from lenet_exp.sweep.view import followed


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _job(cfg: DictConfig) -> Optional[float]:
    """Run one job; return its test accuracy, the number a sweeper maximises."""
    hydra_config = HydraConfig.get()
    sweeping = hydra_config.mode == RunMode.MULTIRUN
    folder = Path(hydra_config.runtime.output_dir)
    try:
        settings = resolve(cfg)
        if any((folder / name).exists() for name in ("config.yaml", journal.NAME)):
            key = "hydra.sweep.dir" if sweeping else "hydra.run.dir"
            allowed = "a folder that holds no run yet; each run gets one without this key"
            raise ConfigError(key, folder, allowed, PROGRAM)
        say(announcement(settings))
        from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

        tags = {"sweep": Path(hydra_config.sweep.dir).name} if sweeping else {}
        return run_experiment(settings, folder, tags)
    except (LenetExpError, OSError) as error:
        if sweeping:  # the other jobs go on
            raise CompactHydraException(f"lenet-exp: {wrap_os_error(error)}") from error
        sys.exit(cli.refuse(wrap_os_error(error), CommandLine(PROGRAM, sys.argv[1:])))
    finally:
        if not sweeping:  # of a sweep the launcher knows when nothing came
            run_folders.forget_unbegun(folder)


def _check(arguments: Sequence[str], jobs: Sequence[Settings], sweeps: bool) -> None:
    """Refuse places that can't be written and a person's own files, before Hydra makes a folder."""
    if jobs:
        places.check(jobs[0], arguments, sweeps, tf_compat.stack_of_this_python())
        uri = store_check.chosen_uri(jobs[0].tracking.uri)
        if uri and store_check.is_server(uri) and "dry_run=true" not in arguments:
            server_check.check_answers(uri)
    for settings in jobs:
        if precision_files(settings):
            check_contents(settings)
        if settings.data.path is not None:
            from lenet_exp.experiment import dataset  # noqa: PLC0415 - numpy

            dataset.load_for(settings)


def _resume(arguments: Sequence[str]) -> None:
    going_on = resume.prepare(arguments)
    if not going_on.finished:
        command = " ".join([PROGRAM, *map(shlex.quote, arguments)])
        stack = tf_compat.stack_of_this_python()
        places.check_recorded(going_on.settings, going_on.folder, command, stack)
    resume.log_to(going_on.folder)
    if going_on.finished:
        from lenet_exp.commands.upload import upload  # noqa: PLC0415 - MLflow

        done = upload(going_on.folder)  # it may have been killed before the store knew
        print(f"run {done.run_id} has finished; for more of it add schedule.epochs=NUMBER")
        return
    say(f"goes on: {announcement(going_on.settings)}")
    from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

    run_experiment(going_on.settings, going_on.folder, going_on.tags)


def _train(arguments: Sequence[str]) -> int:
    try:
        if resume.asks_to_resume(arguments):
            _resume(arguments)
        else:
            follow = functools.partial(followed, doing="checking job")
            check = functools.partial(_check, arguments)
            register(check_command_line(arguments, follow, check))
            register_resolvers()
            _job()
    except InterpolationResolutionError as error:  # of Hydra's own keys, before any job
        raise references.unresolved(error) from error
    except HydraException as error:
        print(without_password(str(error)), file=sys.stderr)
        return 1
    return 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Check the command line, then hand it to Hydra; return the exit code."""
    arguments = as_hydra_reads(sys.argv[1:] if argv is None else argv)
    if versions.FLAG in arguments:  # Hydra would say its own
        return cli.exit_code(versions.show)
    sys.argv = [sys.argv[0], *flags_first(arguments)]  # where Hydra reads it
    logging.raiseExceptions = False  # a full disk: the run says so itself
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # what Hydra meets comes to the lines below
    line = CommandLine(PROGRAM, sys.argv[1:])
    return cli.exit_code(lambda: _train(line.words), line=line)


if __name__ == "__main__":
    leave(main())
