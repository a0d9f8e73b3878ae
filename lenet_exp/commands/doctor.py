"""What this machine, this environment and this folder lack for a run, and what to do about it.

Nothing is changed, and nothing heavy imported here: this has to work where nothing else does.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

from lenet_exp.config.chip import machine
from lenet_exp.config.cli.options import Options
from lenet_exp.config.passwords import without_password
from lenet_exp.data import files
from lenet_exp.errors import LenetExpError
from lenet_exp.hardware import cpu, presence
from lenet_exp.record.store import store_check

OK, NOTE, MISSING = "ok", "note", "missing"
_VERSION = tuple(sys.version_info[:3])
_FREE_BYTES = 200 * 2**20  # a sweep's outputs and store


class Finding(NamedTuple):
    """One thing that was looked at: `level` ok, note or missing; `remedy` where there is one."""

    level: str
    what: str
    detail: str
    remedy: str = ""


def main(options: Options) -> int:
    """Look at everything, and print what is found as it is; return 1 if anything is missing."""
    looks = (
        _python, _packages, _hidden_host, _environment, _chip, _mnist, _store, _folders
    )  # fmt: skip
    missing = 0
    for found in itertools.chain.from_iterable(map(_findings, looks)):
        missing += found.level == MISSING
        print(f"{found.level:8} {found.what:16} {found.detail}", flush=True)
        if found.remedy:
            print(f"{'':8} try: {found.remedy}", flush=True)
    print(f"\n{missing or 'nothing'} missing" + ("" if missing else ": python -m lenet_exp.run"))
    return 1 if missing else 0


def _findings(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a look finds; that it could not look is a finding too."""
    try:
        yield from look()
    except (LenetExpError, OSError) as error:
        yield Finding(MISSING, look.__name__.strip("_"), str(error).splitlines()[0])


def stack_of(version: Tuple[int, ...]) -> Optional[str]:
    """Return the stack that a Python is for, None if there is none."""
    if version[:2] == (3, 7):
        return "tf1"
    return "tf2" if (3, 10) <= version[:2] <= (3, 13) else None


def _python() -> Iterator[Finding]:
    stack = stack_of(_VERSION)
    shown = f"{'.'.join(map(str, _VERSION))} ({sys.executable})"
    if stack:
        yield Finding(OK, "Python", f"{shown}, stack {stack}")
    else:
        detail = f"{shown} has no stack: 3.7, 3.10 to 3.13 have one"
        remedy = "make setup PYTHON=python3.7, or PYTHON=python3.11"
        yield Finding(MISSING, "Python", detail, remedy)


def _packages() -> Iterator[Finding]:
    stack = stack_of(_VERSION) or "tf2"
    tensorflow, mlflow = {"tf1": ("1.15.", "1.30"), "tf2": ("2.", "3.")}[stack]
    for name, begins in (("TensorFlow", tensorflow), ("MLflow", mlflow)):
        version, reason = presence.version_of(name.lower())
        if version and version.startswith(begins):
            yield Finding(OK, name, version)
            continue
        detail = f"{version}; the stack {stack} is made for {begins.rstrip('.')}"
        yield Finding(
            MISSING, name, detail if version else f"can't be imported: {reason}", _setup()
        )


def _setup(host: bool = False, python: str = "") -> str:
    default = "python3.7" if _VERSION[:2] == (3, 7) else "python3"
    return f"make setup{' HOST=1' if host else ''} PYTHON={python or default}"


def _hidden_host() -> Iterator[Finding]:
    """Does this environment hide what the vendor installed for the host's Python?"""
    if sys.prefix == sys.base_prefix:
        return
    here, python, detail = presence.found(), "python3.7", ""
    own = presence.found("tensorflow") if here else None
    if here is None:
        places = ((python, presence.found_by(python)) for python in _other_pythons())
        python, place = next((each for each in places if each[1]), ("", None))
        detail = f"this environment hides the npu_bridge of {python} ({place})" if place else ""
    elif own is not None and _is_ours(own) and not _is_ours(here):
        detail = f"this environment's own TensorFlow ({own.parent}) hides the host's"
    if detail:
        yield Finding(MISSING, "host's packages", detail, _setup(host=True, python=python))


def _is_ours(path: Path) -> bool:
    return Path(sys.prefix).resolve() in path.resolve().parents


def _other_pythons() -> List[str]:
    """Return the Pythons of the PATH, and the one that made this environment."""
    named = f"python{_VERSION[0]}.{_VERSION[1]}"
    candidates = [os.path.join(sys.base_prefix, "bin", named)]  # noqa: PTH118 - a command
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for name in ("python3.7", "python3"):
            python = shutil.which(name, path=folder)
            if python and Path(python).parent != Path(sys.prefix, "bin"):
                candidates.append(python)
    return list(dict.fromkeys(candidates))


def _chip() -> Iterator[Finding]:
    """What there is of a chip, and what hardware=auto comes to."""
    place = presence.found()
    if place is not None and _VERSION[:2] == (3, 7):
        yield from _installed(place)
        return
    if place is not None:
        detail = f"{place.parent} needs Python 3.7 with TensorFlow 1.15"
        yield Finding(MISSING, "npu_bridge", detail, _setup(host=True, python="python3.7"))
    elif presence.devices():
        detail = "a chip is here, and Python finds no npu_bridge"
        remedy = "the adapter's folder on PYTHONPATH: source CANN's set_env.sh"
        yield Finding(MISSING, "npu_bridge", detail, remedy)
    detail = f"cpu ({cpu.device()}, {os.cpu_count()} cores); precision modes are emulated"
    yield Finding(OK, "hardware", detail)


def _installed(place: Path) -> Iterator[Finding]:
    adapter = presence.adapter()
    level = OK if adapter.loads else MISSING
    yield Finding(level, "npu_bridge", f"{place.parent}: {adapter.description}", adapter.remedy)
    numbers = presence.devices()
    if numbers:
        yield Finding(OK, "devices", " ".join(map(str, numbers)))
    else:
        detail = "the driver shows no chip (/dev/davinci0 to 7)"
        remedy = "install the driver; in a container, give it the devices"
        yield Finding(MISSING, "devices", detail, remedy)
    taken = "auto takes the chip" if adapter.loads else "auto takes npu_bridge, and fails"
    if machine.found("auto") == "cpu":
        taken = "auto takes the CPU"
    yield Finding(NOTE, "hardware", f"{taken}; hardware=cpu stays on the CPU")


def _environment() -> Iterator[Finding]:
    """Variables that would hang or kill a run on one device (npu-bridge-contract.md, 8)."""
    if presence.found() is None:
        return
    for error in machine.environment_errors():
        name, value, allowed, remedy = error.args
        yield Finding(MISSING, name, f"is {value or 'empty'}; allowed: {allowed}", remedy)
    for notice in machine.environment_notices():
        yield Finding(NOTE, "environment", notice)


def _mnist() -> Iterator[Finding]:
    folder = files.cache_folder()
    absent = [file.name for file in files.missing(folder)]
    if not absent:
        yield Finding(OK, "MNIST", f"four verified files in {folder}")
        return
    remedy = "python -m lenet_exp.fetch_mnist, or data.path=DIR with your own"
    yield Finding(MISSING, "MNIST", f"{folder} lacks {', '.join(absent)}", remedy)
    if not _can_write(folder):
        yield Finding(MISSING, "MNIST", f"{folder} can't be written", "LENET_EXP_DATA=DIR")


def _store() -> Iterator[Finding]:
    stack = stack_of(_VERSION) or "tf2"
    uri = store_check.chosen_uri(None)
    try:
        store_check.check_root(uri, Path.cwd(), stack)
        if uri:
            store_check.check_writable(uri)
        default = "sqlite:///mlflow.db" if stack == "tf2" else ""
        path = store_check.sqlite_path(uri or default)
        if path is not None and path.exists():
            from lenet_exp.record.store import mlflow_store  # noqa: PLC0415 - MLflow

            store_check.check_schema(uri or default, mlflow_store.schema(), stack)
    except ImportError as error:
        yield Finding(NOTE, "MLflow store", f"not looked at: {error}")
        return
    except LenetExpError as error:
        what, problem, remedy = error.args
        yield Finding(MISSING, "MLflow store", f"{what} {problem}", remedy)
        return
    shown = without_password(uri) if uri else "MLflow's default in this folder"
    yield Finding(OK, "MLflow store", f"{shown}; {store_check.ui_command(uri)}")


def _folders() -> Iterator[Finding]:
    """Can results be written here, and temporary files anywhere?"""
    for folder, key in ((Path.cwd(), "cd DIR"), (Path(tempfile.gettempdir()), "export TMPDIR=DIR")):
        if not _can_write(folder):
            yield Finding(MISSING, "permission", f"{folder} can't be written", key)
            continue
        free = shutil.disk_usage(str(folder)).free
        if free < _FREE_BYTES:
            detail = f"{free // 2**20} MB are free in {folder}"
            yield Finding(MISSING, "room", detail, f"free some, or {key}")
    outputs = [Path(name) for name in ("outputs", "multirun") if Path(name).exists()]
    locked = [path for path in outputs if not _can_write(path)]
    for path in locked:
        detail = f"{path.absolute()} can't be written: another user's?"
        yield Finding(MISSING, "permission", detail, "hydra.run.dir=DIR, or another folder")
    if not locked and _can_write(Path.cwd()):
        yield Finding(OK, "results", str(Path.cwd() / "outputs"))


def _can_write(folder: Path) -> bool:
    place = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    return os.access(str(place), os.W_OK | os.X_OK)
