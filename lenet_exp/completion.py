"""lenet-exp -sc install=SHELL: completion in bash, zsh and fish, by the scripts that Hydra has.

They ask `lenet-exp -sc query=SHELL` how the line in COMP_LINE may go on. Hydra knows the groups and
keys of a run; verbs, their own keys and the words that a key takes are known here.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from dataclasses import fields
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple, Type

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lenet_exp import cli
from lenet_exp.config.cli import recorded_options as recorded
from lenet_exp.config.cli.config_loader import hydra_session
from lenet_exp.config.cli.explain_options import ExplainOptions
from lenet_exp.config.cli.options import Options
from lenet_exp.config.cli.predict_options import PredictOptions
from lenet_exp.config.schema.run import Settings, Sweep, groups
from lenet_exp.errors import ConfigError
from lenet_exp.modelzoo.flags import CASES, FLAGS

PROGRAM = "lenet-exp"  # what the scripts of the shells complete, and call
_OPTIONS: Tuple[Type[Options], ...] = (
    ExplainOptions, PredictOptions, recorded.CompareOptions, recorded.ExportOptions,
    recorded.RerunOptions, recorded.ResumeOptions, recorded.UploadOptions,
)  # fmt: skip
# verb -> the groups and keys of a run that it takes; all of them where none is named
_OF_A_RUN = {"run": (), "explain": (), "modelzoo": (), "predict": PredictOptions.OF_A_RUN}
_DASHED = {"run": ["-m", "--cfg", "--config-dir"]}
# What Hydra raises for a line that is wrong, where a shell wants nothing to be said.
_WRONG = (HydraException, OmegaConfBaseException, ValueError, TypeError, AttributeError, SystemExit)


def main(arguments: Sequence[str], verbs: Iterable[str]) -> int:
    """Print the script of a shell, or how COMP_LINE may go on; return the exit code."""
    return cli.exit_code(lambda: _answer(" ".join(arguments), verbs))


def _answer(asked: str, verbs: Iterable[str]) -> int:
    if not re.fullmatch("(install|uninstall|query)=(bash|zsh|fish)", asked):
        remedy = f"{PROGRAM} -sc install=bash"
        raise ConfigError("-sc", asked or None, "install= or uninstall=bash, zsh, fish", remedy)
    if asked.startswith("query"):
        print("\n".join(candidates(os.environ.get("COMP_LINE", ""), verbs)))
    else:
        print(_hydra(asked))
    return 0


def candidates(line: str, verbs: Iterable[str]) -> List[str]:
    """Return what the last word of a line may become, or what may follow after a blank."""
    _, *words = line.split() if line[-1:].strip() else [*line.split(), ""]
    *before, last = words or [""]
    found = _following(before, last) if before else [*verbs, "--help", "--version"]
    return sorted(each for each in {*found} if each.startswith(last))


def _following(before: Sequence[str], last: str) -> List[str]:
    if re.match(r"[^=]+=\.{0,2}/", last):
        return _asked_of_hydra([], last)  # files, whatever the key
    verb, own = before[0], _own_keys(before[0])
    found = _values(own, last) if "=" in last else [f"{name}=" for name in own]
    if last.startswith("-"):
        return [*found, *_DASHED.get(verb, []), "--help", "--version"]
    if verb in _OF_A_RUN:
        of_a_run = [word for word in before[1:] if word.partition("=")[0] not in own]
        others = [*_asked_of_hydra(of_a_run, last), *_values(_run_keys(), last)]
        taken = _OF_A_RUN[verb]
        found += [each for each in others if not taken or re.split("[.=]", each)[0] in taken]
    return found


def _own_keys(verb: str) -> Dict[str, str]:
    """Return the keys that only this verb has -> what is allowed, in words."""
    if verb == "modelzoo":
        flags = {f"--{name}": flag.allowed for name, flag in FLAGS.items()}
        return {**flags, "case": " | ".join(CASES), "output": "a folder", "project": "a folder"}
    return {
        item.metadata.get("name", item.name): item.metadata["allowed"]
        for options in _OPTIONS
        for item in fields(options)
        if verb == options.VERB and item.metadata
    }


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


def _values(keys: Mapping[str, str], last: str) -> List[str]:
    """Return KEY=WORD for each word that what is allowed for the key of `last` spells out."""
    key = last.partition("=")[0]
    allowed = keys.get(key, "").partition(";")[0]
    words = allowed.split(" | ") if " | " in allowed else re.findall(" or (latest|mnist)$", allowed)
    return [f"{key}={word}" for word in words if re.fullmatch(r"\w+", word)]


def _asked_of_hydra(before: Sequence[str], last: str) -> List[str]:
    os.environ["COMP_LINE"] = " ".join([PROGRAM, *before, last])
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
