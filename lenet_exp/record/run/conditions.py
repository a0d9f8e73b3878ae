"""Everything outside the settings that a repetition of a run would have to have alike."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

if sys.version_info >= (3, 8):
    from importlib.metadata import distributions  # novm
else:
    from importlib_metadata import distributions

from lenet_exp.config.passwords import without_password
from lenet_exp.errors import ConfigError, DataError
from lenet_exp.hardware import cpu

NAME = "conditions.json"
# What changes kernels, threads or their order; TensorFlow and its libraries read these.
_VARIABLES = ("TF_", "OMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "XLA_", "CUDA_VISIBLE_DEVICES")
_HERE = Path(__file__).resolve().parents[2]
# Untracked files elsewhere are a person's own, and a diff goes to the tracking server.
_CODE = ("lenet_exp", "conf", "hydra_plugins")
# Whatever a person's git is set to, `git apply` takes it.
_DIFF = (
    "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/",
    "--dst-prefix=b/",
)  # fmt: skip
# Of what is read again: anything else was not written here.
_KINDS = {"data_sha256": str, "code_sha256": str, "python": str, "tensorflow": dict,
          "files_sha256": dict}  # fmt: skip
_LARGEST_FILE = 1_000_000  # bytes of an untracked file that goes into the diff


def files(
    data_sha256: str, device: str, tensorflow: Dict[str, str], hashes: Dict[str, str]
) -> Dict[str, bytes]:
    """Return what is kept of this process's conditions: conditions.json, and git.diff if any.

    Each of them is comparable with another run's. `data_sha256` is of the raw images and labels;
    `device` what the session runs on; `tensorflow` its version, oneDNN, threads; `hashes` the
    SHA-256 of each file that the settings name, by its key.
    """
    loaded = _kept[0] if _kept else _loaded()
    diff = loaded.git_diff
    made = {
        "command": _command(sys.argv),
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "device": device,
        "cores": cores(),  # that this process may use
        "cpu_flags": sorted(cpu.known_as("flags", "Features").split()),
        "packages": loaded.packages,
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(_VARIABLES)},
        "code_sha256": loaded.code_sha256,
        "git_commit": loaded.git_commit,
        "git_diff_sha256": hashlib.sha256(diff).hexdigest() if diff else "none",
        "data_sha256": data_sha256,
        "tensorflow": tensorflow,
        "files_sha256": hashes,
    }
    kept = {NAME: json.dumps(made, indent=1).encode()}
    return {**kept, "git.diff": diff} if diff else kept


class _Loaded(NamedTuple):
    """The code that a process runs, and the packages that it imports from."""

    packages: Dict[str, str]
    code_sha256: str
    git_commit: str
    git_diff: bytes


_kept: List[_Loaded] = []  # of the process that this one was forked from


def keep() -> None:
    """Look at code and packages now, for all processes that are forked of this one.

    They run what is loaded, however its files change later.
    """
    _kept[:] = [_loaded()]


def _loaded() -> _Loaded:
    commit = _git("rev-parse", "HEAD").decode().strip() if _is_tracked() else "none"
    return _Loaded(_packages(), code_sha256(), commit, uncommitted_diff())


def _command(argv: Sequence[str]) -> List[str]:
    program, words = Path(argv[0]), map(without_password, argv[1:])
    if program.suffix == ".py":  # `python -m` puts the module's file there
        return ["python", "-m", f"lenet_exp.{program.stem}", *words]
    return [*argv[0].split(), *words]


def uncommitted_diff() -> bytes:
    """Return the changes against the code's commit, new files of the code included.

    Empty where nothing is changed, and where the code is in no repository of its own.
    """
    if not _is_tracked():
        return b""
    parts = [_git("diff", *_DIFF, "HEAD")]
    listed = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE)
    for name in filter(None, listed.split(b"\0")):
        path = _HERE.parent / os.fsdecode(name)
        if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
            parts.append(_git("diff", "--no-index", *_DIFF, os.devnull, os.fsdecode(name)))
    return b"".join(parts)


def _is_tracked() -> bool:
    """Return whether the code is tracked; a wheel inside somebody's project is not."""
    return bool(_git("ls-files", "lenet_exp/run.py"))


def _git(*args: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and our own words
            ["git", *args],  # noqa: S607 - wherever a person's PATH has it
            cwd=str(_HERE.parent),
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    # `diff --no-index` exits with 1 where the files differ.
    return done.stdout if done.returncode == 0 or "--no-index" in args else b""


def code_sha256() -> str:
    """Return the hash of the package's Python files and data, which a wheel has too."""
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*")):
        if path.suffix in (".py", ".json") and path.is_file():
            digest.update(str(path.relative_to(_HERE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _packages() -> Dict[str, str]:
    # `item.metadata` would read every word of a package's description: a second for all.
    texts = [item.read_text("METADATA") or item.read_text("PKG-INFO") for item in distributions()]
    found = {}
    for text in filter(None, texts):
        head = text.partition("\n\n")[0]
        fields = re.findall("^(Name|Version): *(.+?) *$", head, re.MULTILINE)
        named = dict(reversed(fields))  # the first of each counts
        if len(named) == 2:
            found[named["Name"]] = named["Version"]
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def recorded(folder: Path) -> Dict[str, Any]:
    """Return the conditions a run was begun with, as read from its folder; {} if unknown."""
    try:
        return read(folder / NAME)
    except (OSError, ValueError):
        return {}


def read(path: Path) -> Dict[str, Any]:
    """Return the conditions that are in a file.

    Raises:
        OSError: it can't be read.
        ValueError: it is damaged.
    """
    found = json.loads(path.read_text())
    whole = isinstance(found, dict) and all(
        isinstance(found.get(key, kind()), kind) for key, kind in _KINDS.items()
    )
    if not whole:
        raise ValueError(f"{path} holds no conditions")
    return dict(found)


def check_to_go_on(folder: Path, data_sha256: str, hashes: Dict[str, str], stack: str) -> None:
    """Refuse to go on with a run on other data or another stack than it was begun with.

    Or by other files; of those that `hashes` lacks, it is no matter what became of them.

    Raises:
        DataError: the data, or a file that the settings name, is another.
        ConfigError: the stack is.
    """
    begun = recorded(folder)
    if begun.get("data_sha256", data_sha256) != data_sha256:
        problem = f"this run was begun on other data (SHA-256 {begun['data_sha256'][:12]}...)"
        raise DataError(f"data {data_sha256[:12]}...", problem, "the folder it was begun with")
    for key, then in begun.get("files_sha256", {}).items():
        if hashes.get(key, then) != then:
            problem = "the file has changed since this run was begun"
            raise DataError(key, problem, f"the file with SHA-256 {then[:12]}..., or a new run")
    before = begun.get("tensorflow", {}).get("tensorflow", "")
    if before and f"tf{before.split('.')[0]}" != stack:
        allowed = f"the stack it was begun on, TensorFlow {before} (Python {begun['python']})"
        remedy = f"source .venv/tf{before.split('.')[0]}/bin/activate, then the same command"
        raise ConfigError("resume", stack, allowed, remedy)


def differences(one: Dict[str, object], other: Dict[str, object]) -> List[str]:
    """Return a line for each condition that is not the same; what was typed is none.

    Both are as they were read from conditions.json.
    """
    lines = []
    for name in sorted({*one, *other} - {"command"}):
        mine, theirs = one.get(name), other.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            lines += [f"{name}.{line}" for line in differences(mine, theirs)]
        elif isinstance(mine, list) and isinstance(theirs, list) and mine != theirs:
            gone, new = sorted({*mine} - {*theirs}), sorted({*theirs} - {*mine})
            lines.append(f"{name}: without {' '.join(gone)}; with {' '.join(new)}")
        elif mine != theirs:
            lines.append(f"{name}: {mine} then, {theirs} now")
    return lines
