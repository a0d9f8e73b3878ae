"""The jobs of a sweep over a script: under which identity, with which folders of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.config.cli.script_options import END, JobLine, ScriptOptions
from lenet_exp.errors import ConfigError
from lenet_exp.script.record import file_of_module
from lenet_exp.sweep.jobs import Job, deltas

OWN = "out"  # of a job's folder: what the script writes
_NOT_PART = ("tracking.", "sweep", "dry_run", "fail_fast")


@dataclass(frozen=True)
class ScriptJob(Job):
    """A run of a script; `cwd` is where it is started, `copied` from where its folders begin."""

    line: JobLine
    delta: str
    identity: str
    folder: Path
    cwd: Path
    arguments: Tuple[str, ...]
    copied: Mapping[str, str]  # own folder -> what it begins as

    @property
    def steps(self) -> int:
        """As they were typed; 0: as many as the script makes."""
        return self.line.options.steps or 0

    @property
    def order(self) -> Dict[str, Any]:
        """What was typed, with its own folders."""
        words = [word for word in self.line.words if not _is_about_the_sweep(word)]
        own = {"copied": dict(self.copied), "identity": self.identity}
        return {"words": [*words, END, *self.arguments], **own}

    def result(self, metrics: Mapping[str, float]) -> str:
        """Return steps, overflows, loss and speed, as far as there were steps."""
        if "steps" not in metrics:
            return "no training step"
        loss = [f"loss {metrics['loss']:.6g}"] if "loss" in metrics else []
        hit = f"overflows in {metrics['overflowed_steps']:.0f} of {metrics['steps']:.0f} steps"
        return ", ".join([hit, *loss, f"sec/step {metrics['sec_per_step']:.5f}"])


def _is_about_the_sweep(word: str) -> bool:
    return word.partition("=")[0] in ("out", "sweep", "dry_run", "fail_fast")


def jobs_of(lines: Sequence[JobLine], folder: Path) -> List[ScriptJob]:
    """Return a job for each line, in order; equal ones once.

    Raises:
        ConfigError: an argument that `out` names has no folder.
    """
    found: Dict[str, ScriptJob] = {}
    told = [[w for w in line.words if not w.startswith(_NOT_PART)] for line in lines]
    for line, delta in zip(lines, deltas(told)):
        identity = _identity(line)
        arguments, copied = own_folders(line.options, folder / identity / OWN)
        made = ScriptJob(line, delta, identity, folder / identity, Path.cwd(), arguments, copied)
        found.setdefault(identity, made)
    return list(found.values())


def own_folders(options: ScriptOptions, place: Path) -> Tuple[Tuple[str, ...], Dict[str, str]]:
    """Return the script's arguments with folders in `place`, and what each of them begins as.

    `--NAME=FOLDER`, `--NAME FOLDER` and one dash alike; what is not there is added.

    Raises:
        ConfigError: it names a file, or a folder that would hold the copy, too.
    """
    words = list(options.arguments)
    copied: Dict[str, str] = {}
    for name in dict.fromkeys(typed.lstrip("-") for typed in options.out):
        mine, theirs = str(place / name), []
        form = re.compile(rf"(--?{re.escape(name)})(=(.*))?", re.DOTALL)
        for at, word in enumerate(list(words)):
            match, after = form.fullmatch(word), words[at + 1 : at + 2]
            if match and not match[2] and after and not after[0].startswith("-"):
                theirs, words[at + 1] = after, mine
            elif match:
                theirs, words[at] = [match[3] or ""], f"{match[1]}={mine}"
        words += [] if theirs else [f"--{name}={mine}"]
        for source in filter(None, theirs):
            _check_copied(options, name, Path(source).expanduser(), place)
            copied[mine] = str(Path(source).expanduser().absolute())
        copied.setdefault(mine, "")
    return tuple(words), copied


def _check_copied(options: ScriptOptions, name: str, source: Path, place: Path) -> None:
    inside = source.resolve() in place.resolve().parents
    if inside or (source.exists() and not source.is_dir()):
        what = "holds the sweep itself" if inside else "is a file"
        allowed = f"an argument whose value is a folder, which is copied ({source} {what})"
        raise ConfigError("out", name, allowed, options.command("out", "output_dir",
                                                                options.script()))  # fmt: skip


def _identity(line: JobLine) -> str:
    """Return 12 hex digits over what is run and how, with the content of files."""
    options = line.options
    values = dict(word.partition("=")[::2] for word in line.words)
    kept: Dict[str, Any] = {k: v for k, v in values.items() if not k.startswith(_NOT_PART)}
    for key in ("precision.modify_mixlist", "precision.customize_dtypes"):
        if key in kept:
            kept[key] = _sha256([Path(kept[key]).expanduser()])
    file = options.path or file_of_module(str(options.module))
    if file is not None:  # and what it may import from beside it
        beside = {*file.resolve().parent.glob("*.py"), file.resolve()}
        kept["path"] = [str(file.resolve()), _sha256(sorted(filter(Path.is_file, beside)))]
    more = [list(options.arguments), str(Path.cwd()), tf_compat.stack_of_this_python()]
    return hashlib.sha256(json.dumps([kept, more], sort_keys=True).encode()).hexdigest()[:12]


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(f"{file.name}\n") + file.read_bytes())
    return digest.hexdigest()
