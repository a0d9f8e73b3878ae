"""What this machine, its files and its environment lack for a run on an Ascend 910.

npu-bridge-contract.md, 8; the numbers of its checks stand at the functions. Nothing heavy is
imported, and nothing made that stays: this comes before TensorFlow.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Container, Dict, Iterator, Mapping, Optional, Tuple

from lenet_exp.config.chip import options, rank_table
from lenet_exp.config.chip.checks import impossible
from lenet_exp.config.chip.options import TABLE
from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.hardware import Chip
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError, PrecisionError

Environment = Mapping[str, str]


def check_machine(settings: Settings) -> None:
    """4 to 25: Raise ConfigError where this machine, its files or environment can't run a chip."""
    if not isinstance(settings.hardware, Chip):
        if found(settings.hardware.name) != "cpu":
            check_environment()
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
            of_profile = TABLE[key].form == "profiling"
            typed = {**json.loads(value), "output": ""} if of_profile else value
            good = f"hardware.{key}={options.mended(TABLE[key], typed)}"
            raise impossible(key, value, f"{TABLE[key].allowed} ({problem})", good)


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


def check_environment(environ: Environment = os.environ) -> None:
    """20, 21: Raise ConfigError for variables that would hang or kill a run on one device."""
    for error in environment_errors(environ):
        raise error


def environment_errors(environ: Environment = os.environ) -> Iterator[ConfigError]:
    """20, 21: Yield an error for each variable that would hang or kill a run on one device."""
    wrong: Dict[str, str] = {}
    for name, allowed, is_wrong in _VARIABLES:
        if name in environ and is_wrong(environ):
            wrong.setdefault(name, allowed)
    for name, allowed in wrong.items():
        yield ConfigError(name, environ[name], allowed, f"unset {name}")


def environment_notices(
    chosen: Container[str] = (), known: Container[str] = TABLE, environ: Environment = os.environ
) -> Iterator[str]:
    """Yield a sentence for each variable that turns on what none of the `chosen` options does.

    `known`: the options of the adapter, which reads no variable of another one.
    """
    for name, key, effect in _SWITCHES:
        value = environ.get(name)
        if value and value != "false" and key in known and key not in chosen:
            yield f"{name}={value} in the environment {effect}; without it: unset {name}"


def _is_number(text: str) -> bool:
    return re.fullmatch("[0-9]*", text, re.ASCII) is not None


_ALONE = "a run trains on one device, and more would wait for others"
# A variable, what it may be, and whether it is something else. Sources: chip-second-reading.md, 1;
# what an empty one is differs between adapters and their parts.
_VARIABLES: Tuple[Tuple[str, str, Callable[[Environment], object]], ...] = (
    ("RANK_SIZE", f"unset or 1: {_ALONE}", lambda environ: environ["RANK_SIZE"] != "1"),
    ("CM_WORKER_SIZE", f"unset or 1: {_ALONE}", lambda environ: environ["CM_WORKER_SIZE"] != "1"),
    ("CM_WORKER_SIZE", "unset where RANK_SIZE is set", lambda environ: "RANK_SIZE" in environ),
    ("RANK_TABLE_FILE", "unset on one device, or a file that can be read",
     lambda environ: not os.access(environ["RANK_TABLE_FILE"], os.R_OK)),
    ("RANK_TABLE_FILE", "unset on one device; it needs RANK_ID or POD_NAME",
     lambda environ: not (environ.get("RANK_ID") or environ.get("POD_NAME"))),
    ("RANK_TABLE_FILE", 'unset on one device, or a .json file of JSON with "status": "completed"',
     lambda environ: not rank_table.is_loaded(environ["RANK_TABLE_FILE"])),
    ("RANK_TABLE_FILE", f"unset, or a table of one device: {_ALONE}",
     lambda environ: rank_table.devices(environ["RANK_TABLE_FILE"]) > 1),
    ("RANK_TABLE_FILE", "unset where CM_WORKER_SIZE or CM_CHIEF_IP is set",
     lambda environ: environ.get("CM_WORKER_SIZE") or environ.get("CM_CHIEF_IP")),
    ("ASCEND_DEVICE_ID", "digits: the number of a device",
     lambda environ: not _is_number(environ["ASCEND_DEVICE_ID"])),
    ("DEVICE_ID", "digits: the number of a device",
     lambda environ: not (environ.get("ASCEND_DEVICE_ID") or _is_number(environ["DEVICE_ID"]))),
    ("TF_CONFIG", "unset, or of a task that is no ps: for that no device is opened",
     lambda environ: not rank_table.task_is_trained(environ["TF_CONFIG"])),
    ("AOE_MODE", " | ".join(TABLE["aoe_mode"].values),
     lambda environ: environ["AOE_MODE"] not in ("", *TABLE["aoe_mode"].values)),
)  # fmt: skip
# A variable, the option that is read instead of it, and what it does without that option.
_SWITCHES = (
    ("AOE_MODE", "aoe_mode", "tunes instead of training, as hardware.aoe_mode does"),
    ("PROFILING_MODE", "profiling_mode", "profiles the run, as hardware.profiling_mode does"),
    ("NPU_COLLECT_PATH", "enable_exception_dump", "dumps what fails, beside graphs and logs"),
)


def _directory_problem(path: Path) -> str:
    """Return why a directory can't be used or made, or nothing."""
    if path.exists() or path.is_symlink():
        return _existing_problem(path)
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    reason = _unwritable(parent) if parent.is_dir() else "it is no directory"
    return f"it can't be made in {parent}: {reason}" if reason else ""


def _existing_problem(path: Path) -> str:
    if not path.is_dir():
        return "it is no directory" if path.exists() else "it does not exist"
    reason = "" if os.access(str(path), os.R_OK) else "Permission denied"
    reason = reason or _unwritable(path)
    return f"it may not be read and written: {reason}" if reason else ""


def _unwritable(folder: Path) -> str:
    """Return why nothing can be made in a folder: tried, as no permission tells of /proc."""
    try:
        Path(tempfile.mkdtemp(prefix=".lenet-exp-", dir=str(folder))).rmdir()
    except OSError as error:
        return error.strerror or str(error)
    return ""


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
    content = path.read_text(encoding="utf-8")
    return "it has both" if "ccec_O0" in content and "oom" in content else ""


def _problem(form: str, text: Any) -> str:
    """Return what is wrong with the file or directory that an option names, or nothing."""
    if form == "profiling":
        problem = _problem("directory", json.loads(text)["output"])
        return f"output: {problem}" if problem else ""
    try:
        path = Path(text).expanduser() if form in _LOOKS else Path()
        return next(filter(None, (look(path) for look in _LOOKS.get(form, ()))), "")
    except (OSError, RuntimeError, ValueError) as error:  # the way there; no such ~user; no text
        return getattr(error, "strerror", None) or str(error)


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
