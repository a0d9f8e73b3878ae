"""Rules that need more than one key, or the world outside the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict

from lenet_exp.config.checkpoint_path import prefix_named
from lenet_exp.config.chip.checks import check_emulated
from lenet_exp.config.chip.machine import check_machine, found
from lenet_exp.config.chip.options import TABLE
from lenet_exp.config.cli import suggest
from lenet_exp.config.cli.json_words import argument
from lenet_exp.config.schema.modes import PRECISION_MODES
from lenet_exp.config.schema.run import PRECISION_FILES, Settings, precision_files


def check_runnable(settings: Settings) -> None:
    """Raise ConfigError where this machine, the data or the start don't allow the run."""
    if found(settings.hardware.name) != "cpu":
        check_emulated(settings)
    check_steps(settings)


def check_steps(settings: Settings) -> None:
    """Raise ConfigError where steps of a network can't be made here, on the CPU whatever is found.

    That the CPU alone takes a setting is no reason, so a chip that `auto` finds changes nothing.
    """
    check_machine(settings)
    check_generation(settings)
    _check_data_path(settings)
    _check_start(settings)


def check_generation(settings: Settings) -> None:
    """Raise ConfigError for a mode that came later than the adapter.

    That of February 2021 takes four modes (npu-bridge-contract.md, 3).
    """
    option, cann = TABLE["precision_mode"], settings.hardware.cann
    if cann != "today" and settings.precision.mode in option.today_also:
        allowed = f"{' | '.join(option.values)} with hardware.cann={cann}"
        allowed += f"; {settings.precision.mode} came in April 2023"
        good = f"precision={option.values[0]} hardware.cann={cann}"
        raise suggest.not_possible("precision", settings.precision.mode, allowed, good)


def check_precision(settings: Settings) -> None:
    """Raise ConfigError for a file that this mode or generation doesn't read, or can't be read."""
    for key in PRECISION_FILES:
        ours, chips = getattr(settings.precision, key), getattr(settings.hardware, key, None)
        for group, name in (("precision", ours), ("hardware", chips)):
            if name is not None:
                _check_is_read(settings, f"{group}.{key}", name)
        if ours is not None and chips is not None:
            allowed = f"one of it and hardware.{key}={chips}"
            dotted = f"precision.{key}"
            good = f"hardware=ascend910 {argument(dotted, ours)} hardware.{key}=null"
            raise suggest.not_possible(dotted, ours, allowed, good)
        if ours is not None:
            _check_readable(f"precision.{key}", ours)


def check_contents(settings: Settings) -> None:
    """Raise PrecisionError for a file that is not of the vendor's form."""
    from lenet_exp.precision.planning.dtype_overrides import (  # noqa: PLC0415 - numpy
        read_custom_dtypes,
    )
    from lenet_exp.precision.target.fusion_switches import read_switches  # noqa: PLC0415 - numpy
    from lenet_exp.precision.target.op_lists import read_changes  # noqa: PLC0415 - numpy

    reads: Dict[str, Callable[[Path], object]] = {
        "modify_mixlist": read_changes,
        "customize_dtypes": read_custom_dtypes,
        "fusion_switch_file": read_switches,
    }
    for key, path in precision_files(settings).items():
        reads[key](path)


def _check_is_read(settings: Settings, dotted: str, name: str) -> None:
    from lenet_exp.precision.planning.options import unread  # noqa: PLC0415 - numpy

    group, _, key = dotted.partition(".")
    found = unread(key, settings.precision.mode, settings.hardware.cann)
    if found is not None:
        of_mode = found.needs in PRECISION_MODES
        option = f"precision={found.needs}" if of_mode else f"hardware.cann={found.needs}"
        allowed = f"only with {found.needs if of_mode else option}: {found.reason}"
        remedy = f"hardware=ascend910 {option}" if group == "hardware" else option
        raise suggest.not_possible(dotted, name, allowed, f"{remedy} {argument(dotted, name)}")


def _check_readable(dotted: str, name: str) -> None:
    path = Path(name)
    try:
        path = path.expanduser()
        if path.is_fifo() or path.is_char_device():
            raise ValueError("no regular file: it may have no end")
        path.open("rb").close()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        allowed = f"null or a file that can be read ({reason})"
        raise suggest.not_possible(dotted, name, allowed, f"{dotted}=null") from error


def _check_data_path(settings: Settings) -> None:
    if settings.data.path is None:
        return
    try:
        problem = _data_path_problem(Path(settings.data.path).expanduser())
    except (OSError, RuntimeError) as error:  # no permission on the way there; no such ~user
        reason = getattr(error, "strerror", None) or error
        problem = f"a folder that can be reached ({reason})"
    if problem:
        raise suggest.not_possible("data.path", settings.data.path, problem, "data.path=null")


def _data_path_problem(path: Path) -> str:
    if not path.exists():
        return "a folder or a file that exists"
    if not path.is_dir() and not path.is_file():
        return "a folder, an npz, or one of a data set's four files"
    if not os.access(str(path), os.R_OK | os.X_OK if path.is_dir() else os.R_OK):
        return "a folder that may be read (this one may not)"
    return ""


def _check_start(settings: Settings) -> None:
    start, excluded = settings.init_from, ",".join(settings.exclude)
    if start is None and excluded:
        shown = f"[{excluded}]"
        raise suggest.not_possible("exclude", shown, "only with init_from=CHECKPOINT", "exclude=[]")
    if start is not None and prefix_named(start) is None:
        allowed = "a checkpoint (PREFIX of the files PREFIX.index and PREFIX.data-*), its folder,"
        allowed += " or a run folder that has one"
        good = "init_from=null exclude=[]" if excluded else "init_from=null"
        raise suggest.not_possible("init_from", start, allowed, good)
