"""python -m lenet_exp.run: train once, or sweep with -m."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Optional, Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.compose import register_resolvers, resolve
from lenet_exp.config.folder import CONF
from lenet_exp.errors import ConfigError, LenetExpError, Terminated, handle_signals, told
from lenet_exp.experiment import resume
from lenet_exp.record.store import journal
from lenet_exp.record.terminal import stop_printing
from lenet_exp.sweep.launcher import register

_SWEEPS = ("-m", "--multirun")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _job(cfg: DictConfig) -> Optional[float]:
    """Run one job; return its test accuracy, the number a sweeper maximises."""
    hydra_config = HydraConfig.get()
    sweeping = hydra_config.mode == RunMode.MULTIRUN
    folder = Path(hydra_config.runtime.output_dir)
    try:
        settings = resolve(cfg)
        _check_folder(folder, "hydra.sweep.dir" if sweeping else "hydra.run.dir")
        from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

        tags = {"sweep": Path(hydra_config.sweep.dir).name} if sweeping else {}
        return run_experiment(settings, folder, tags).accuracy
    except (LenetExpError, OSError) as error:
        if sweeping:  # the other jobs go on
            raise CompactHydraException(f"lenet-exp: {told(error)}") from error
        sys.exit(_say(told(error)))


def _check_folder(folder: Path, key: str) -> None:
    if any((folder / name).exists() for name in ("config.yaml", journal.NAME)):
        allowed = "a folder that holds no run yet; each run gets one without this key"
        raise ConfigError(key, folder, allowed, PROGRAM)


def _resume(words: Sequence[str]) -> None:
    asked = resume.prepare(words)
    resume.log_to(asked.folder)
    if asked.finished:
        from lenet_exp.commands.upload import upload  # noqa: PLC0415 - MLflow

        done = upload(asked.folder)  # it may have been killed before the store knew
        for line in done.said:
            print(line)
        print(f"run {done.run_id} has finished; for more of it add schedule.epochs=NUMBER")
        return
    from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

    run_experiment(asked.settings, asked.folder, asked.tags)


def _say(error: LenetExpError) -> int:
    print(f"lenet-exp: {error}", file=sys.stderr)
    return error.exit_code


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Check the command line, then hand it to Hydra; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    words.sort(key=lambda word: word not in _SWEEPS)  # Hydra takes no words on both sides of it
    sys.argv = [sys.argv[0], *words]  # where Hydra reads it
    handle_signals()
    logging.raiseExceptions = False  # a full disk: the run says so itself
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # what Hydra meets comes to the lines below
    try:
        if resume.asks_to_resume(words):
            _resume(words)
        else:
            register(check_command_line(words))
            register_resolvers()
            _job()
    except BrokenPipeError:  # `--help | head`
        stop_printing()
    except (LenetExpError, OSError) as error:
        return _say(told(error))
    except HydraException as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("lenet-exp: terminated", file=sys.stderr)
        return 143
    return 0


if __name__ == "__main__":
    sys.exit(main())
