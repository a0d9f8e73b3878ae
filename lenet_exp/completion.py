"""lenet-exp -sc install=SHELL: completion in bash, zsh and fish, by the scripts that Hydra has.

They ask `lenet-exp -sc query=SHELL` how the line in COMP_LINE may go on. Hydra knows the groups and
keys of a run; verbs, their own keys and the words that a key takes are known here.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
from dataclasses import fields
from typing import Any, Collection, Dict, Iterable, Iterator, List, Mapping, Sequence, Type

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lenet_exp import cli
from lenet_exp.config.cli.config_loader import hydra_session
from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.modes import OTHER_NAMES, PRECISION_MODES, with_one_name
from lenet_exp.config.schema.run import Settings, Sweep, groups
from lenet_exp.errors import ConfigError
from lenet_exp.modelzoo.flags import CASES, FLAGS

PROGRAM = "lenet-exp"  # what the scripts of the shells complete, and call
_DASHED = {"run": ["-m", "--cfg", "--config-dir"]}
# What Hydra raises for a line that is wrong, where a shell wants nothing to be said.
_WRONG = (HydraException, OmegaConfBaseException, ValueError, TypeError, AttributeError, SystemExit)


def main(arguments: Sequence[str], verbs: Collection[str]) -> int:
    """Print the script of a shell, or how COMP_LINE may go on; return the exit code."""
    return cli.exit_code(lambda: _answer(" ".join(arguments), verbs))


def _answer(asked: str, verbs: Collection[str]) -> int:
    if not re.fullmatch("(install|uninstall|query)=(bash|zsh|fish)", asked):
        remedy = f"{PROGRAM} -sc install=bash"
        raise ConfigError("-sc", asked or None, "install= or uninstall=bash, zsh, fish", remedy)
    if asked.startswith("query"):
        print("\n".join(candidates(os.environ.get("COMP_LINE", ""), verbs)))
    else:
        print(_hydra(asked))
    return 0


def candidates(line: str, verbs: Collection[str]) -> List[str]:
    """Return what the last word of a line may become, or what may follow after a blank."""
    _, *words = line.split() if line[-1:].strip() else [*line.split(), ""]
    *before, last = words or [""]
    found: List[str] = []
    if not before:
        found = [*verbs, "--help", "--version"]
    elif re.match(r"[^=]+=\.{0,2}/", last):
        found = _asked_of_hydra([], last)  # files, whatever the key
    elif before[0] in verbs:
        found = _of_verb(before[0], before[1:], last)
    return sorted(each for each in {*found} if each.startswith(last))


def _of_verb(verb: str, before: Sequence[str], last: str) -> List[str]:
    importlib.import_module(f"lenet_exp.{verb}")  # which has the options
    options = [each for each in _all_below(Options) if getattr(each, "VERB", "") == verb]
    own = _own_keys(options) if verb != "modelzoo" else _modelzoo_keys()
    several = {name for name, item in _fields(options).items() if item.type.startswith("Tuple")}
    before_last = last[: last.rfind(",") + 1] if last.partition("=")[0] in several else ""
    found = _values(own, last, before_last) if "=" in last else [f"{name}=" for name in own]
    if last.startswith("-"):
        return [*found, *_DASHED.get(verb, []), "--help", "--version"]
    names = {item.name for each in options for item in fields(each)}
    if verb not in ("run", "modelzoo") and "settings" not in names:
        return found
    of_a_run = [word for word in before if word.partition("=")[0] not in own]
    others = [*_of_a_run(of_a_run, last), *_values(_run_keys(), last)]
    taken = {name for each in options for name in each.OF_A_RUN}  # all of them where none is named
    return found + [each for each in others if not taken or re.split("[.=]", each)[0] in taken]


def _all_below(options: Type[Options]) -> Iterator[Type[Options]]:
    for each in options.__subclasses__():
        yield each
        yield from _all_below(each)


def _own_keys(options: Iterable[Type[Options]]) -> Dict[str, str]:
    """Return key -> what is allowed, in words."""
    return {name: item.metadata["allowed"] for name, item in _fields(options).items()}


def _fields(options: Iterable[Type[Options]]) -> Dict[str, Any]:
    return {
        item.metadata.get("name", item.name): item
        for each in options
        for item in fields(each)
        if item.metadata
    }


def _modelzoo_keys() -> Dict[str, str]:
    flags = {f"--{name}": flag.allowed for name, flag in FLAGS.items()}
    return {**flags, "case": " | ".join(CASES), "output": "a folder", "project": "a folder"}


def _run_keys() -> Dict[str, str]:
    """Return the keys of a run, dotted -> what is allowed, in words."""
    classes = [("", Settings), ("", Sweep)]
    classes += [(f"{group}.", option) for group, found in groups().items() for option in found]
    return {
        prefix + item.name: item.metadata["allowed"]
        for prefix, option in classes
        for item in fields(option)
        if item.metadata
    }


def _values(keys: Mapping[str, str], last: str, before: str = "") -> List[str]:
    """Return KEY=WORD for each word that what is allowed for the key of `last` spells out.

    `before`: of a key of several words, what is typed in front of the last one.
    """
    key, _, begun = last.partition("=")
    allowed = keys.get(key, "").partition(";")[0]
    words = allowed.split(" | ") if " | " in allowed else re.findall(" or (latest|mnist)$", allowed)
    if begun and {*PRECISION_MODES} <= {*words}:
        words = [*words, *OTHER_NAMES]
    return [f"{before or key + '='}{word}" for word in words if re.fullmatch(r"\w+", word)]


def _of_a_run(before: Sequence[str], last: str) -> List[str]:
    """Return what Hydra offers; of a mode that was begun, its other names too."""
    key, _, begun = last.partition("=")
    if key != "precision" or not begun:
        return _asked_of_hydra(before, last)
    found = _asked_of_hydra(before, "precision=")
    return [*found, *(f"precision={name}" for name in OTHER_NAMES if found)]


def _asked_of_hydra(before: Sequence[str], last: str) -> List[str]:
    os.environ["COMP_LINE"] = " ".join([PROGRAM, *with_one_name(before), last])
    return _hydra("query=bash").split()


def _hydra(asked: str) -> str:
    """Return what Hydra prints when asked by `-sc`."""
    sys.argv[0] = PROGRAM
    said, silent = io.StringIO(), contextlib.redirect_stderr(io.StringIO())
    with contextlib.suppress(*_WRONG), silent, hydra_session("complete"):
        hydra: Any = GlobalHydra.instance().hydra
        with contextlib.redirect_stdout(said):
            hydra.shell_completion("config", [asked])
    return said.getvalue()
