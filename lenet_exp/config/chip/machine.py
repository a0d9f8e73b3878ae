"""What this machine, its files and its environment lack for a run on an Ascend 910.

npu-bridge-contract.md, 8; the numbers of its checks stand at the functions. Nothing heavy is
imported, and nothing made: this comes before TensorFlow.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from lenet_exp.config.chip import options
from lenet_exp.config.chip.checks import impossible
from lenet_exp.config.chip.options import TABLE
from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.hardware import Chip
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError, PrecisionError


def check_machine(settings: Settings) -> None:
    """4 to 25: Raise ConfigError where this machine, its files or environment can't run a chip."""
    if not isinstance(settings.hardware, Chip):
        return
    missing = missing_for_chip()
    if missing:
        allowed = f"auto | cpu, on this machine: {missing}"
        raise ConfigError("hardware", "ascend910", allowed, suggest.command("hardware"))
    check_environment()
    check_files(settings.hardware)


def check_files(hardware: Chip) -> None:
    """4, 6, 9, 11, 19: Raise ConfigError for a file or directory that is not what it should be."""
    for key, value in options.chosen(hardware).items():
        problem = _problem(TABLE[key].form, value) if key in TABLE else ""
        if problem:
            raise impossible(key, value, f"{TABLE[key].allowed} ({problem})")


def missing_for_chip() -> Optional[str]:
    """Return what this Python lacks to drive a chip, or None. Imports nothing."""
    if sys.version_info[:2] != (3, 7):
        version = ".".join(str(number) for number in sys.version_info[:2])
        return f"npu_bridge needs Python 3.7 with TensorFlow 1.15, and this is Python {version}"
    if importlib.util.find_spec("npu_bridge") is None:
        return "Python finds no npu_bridge: source CANN's set_env.sh, or see PYTHONPATH"
    if importlib.util.find_spec("hccl") is None:
        return "Python finds no hccl, CANN's own package: source CANN's set_env.sh"
    return None


def found(name: str) -> str:
    """Return what `hardware=name` is on this machine: auto is the chip where it can be driven."""
    if name != "auto":
        return name
    return "cpu" if missing_for_chip() else "ascend910"


def check_environment(environ: Mapping[str, str] = os.environ) -> None:
    """20, 21: Raise ConfigError for variables that would hang or kill a run on one device."""
    for error in environment_errors(environ):
        raise error


def environment_errors(environ: Mapping[str, str] = os.environ) -> Iterator[ConfigError]:
    """20, 21: Yield an error for each variable that would hang or kill a run on one device."""
    get, table = environ.get, "RANK_TABLE_FILE"
    more = "unset or 1: a run trains on one device, and more would wait for others"
    for name, allowed, is_wrong in (
        ("RANK_SIZE", more, get("RANK_SIZE", "1") != "1"),
        (table, "unset on one device; it needs RANK_ID", get(table) and not get("RANK_ID")),
        (table, "unset where CM_WORKER_SIZE is set", get(table) and get("CM_WORKER_SIZE")),
        (
            "ASCEND_DEVICE_ID",
            "digits: the number of a device",
            not re.fullmatch("[0-9]*", get("ASCEND_DEVICE_ID", ""), re.ASCII),
        ),
    ):
        if is_wrong:
            yield ConfigError(name, environ[name], allowed, f"unset {name}")


def _directory_problem(path: Path) -> str:
    """Return why a directory can't be used or made, or nothing."""
    if path.exists() or path.is_symlink():
        return _existing_problem(path)
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    usable = parent.is_dir() and os.access(str(parent), os.W_OK | os.X_OK)
    return "" if usable else f"it can't be made in {parent}"


def _existing_problem(path: Path) -> str:
    if not path.is_dir():
        return "it is no directory" if path.exists() else "it does not exist"
    usable = os.access(str(path), os.R_OK | os.W_OK | os.X_OK)
    return "" if usable else "it may not be read and written"


def _file_problem(path: Path) -> str:
    if not path.is_file():
        return "there is no such file"
    return "" if os.access(str(path), os.R_OK) else "it may not be read"


def _json_problem(path: Path) -> str:
    try:
        json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"
    return ""


def _mixlist_problem(path: Path) -> str:
    from lenet_exp.precision.target import op_lists  # noqa: PLC0415 - numpy

    return _problem_of(op_lists.read_changes, path)


def _switches_problem(path: Path) -> str:
    from lenet_exp.precision.target import fusion_switches  # noqa: PLC0415 - as above

    return _problem_of(fusion_switches.read_switches, path)


def _problem_of(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except PrecisionError as error:
        return "it holds something else: {}: {}".format(*error.args)
    return ""


def _debug_config_problem(path: Path) -> str:
    content = path.read_bytes()
    return "it has both" if b"ccec_O0" in content and b"oom" in content else ""


def _problem(form: str, text: Any) -> str:
    """Return what is wrong with the file or directory that an option names, or nothing."""
    if form == "profiling":
        problem = _directory_problem(Path(json.loads(text)["output"]).expanduser())
        return f"output: {problem}" if problem else ""
    looks = _LOOKS.get(form, ())
    return next(filter(None, (look(Path(text).expanduser()) for look in looks)), "")


# Those of a form come one after the other, until one finds a problem.
_LOOKS: Dict[str, Tuple[Callable[[Path], str], ...]] = {
    "directory": (_directory_problem,),
    "existing_directory": (_existing_problem,),
    "file": (_file_problem,),
    "json": (_file_problem, _json_problem),
    "mixlist": (_file_problem, _mixlist_problem),
    "switches": (_file_problem, _switches_problem),
    "debug_config": (_file_problem, _debug_config_problem),
}
