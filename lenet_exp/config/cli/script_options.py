"""Options of the command that runs somebody's own script."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.config.cli.mend import SWEEPS
from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import key, one_of, switch, within
from lenet_exp.config.schema.modes import ALSO, PRECISION_MODES, RECOMMENDED, with_one_name
from lenet_exp.errors import ConfigError, UsageError

END = "--"  # what follows is the script's own
_SHORT = ("modify_mixlist", "keep_dtype", "customize_dtypes", "trace_overflow")
EXPERIMENT = "lenet-exp-scripts"
NO_STORE = "none"  # as a URI: the folder alone
_VARIED = ("precision", *(f"precision.{name}" for name in _SHORT))
_ARGUMENT = re.compile(r"-{0,2}\w[\w.-]*").fullmatch
_COMMA = re.compile(r",(?![^\[]*\])")  # outside of brackets


@dataclass(frozen=True)
class ScriptOptions(Options):
    """Which script, and what is asked of it; `arguments` are the script's own.

    What is None, or empty, is left to the script. `steps` of training are made, then it is ended;
    `metric` is the name of a fetched number; `capture` a folder for the graph, a checkpoint and
    feeds; `record` the folder of the record. Of a sweep: `out` are arguments of the script that
    take a folder, of which each job has its own.
    """

    VERB = "script"
    BARE = ((r".*\.py", "path"),)

    arguments: Tuple[str, ...]
    path: Optional[Path] = key("a Python file", "train.py", default=None)
    module: Optional[str] = key("a module, as package.train", "package.train",
                                re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*").fullmatch,
                                default=None)  # fmt: skip
    precision: Optional[str] = one_of(*PRECISION_MODES, good=RECOMMENDED, default=None, also=ALSO)
    modify_mixlist: Optional[Path] = key("a JSON file", "FILE", default=None,
                                         name="precision.modify_mixlist")  # fmt: skip
    keep_dtype: Tuple[str, ...] = key("names of nodes or name scopes", "[NAME]", bool, default=(),
                                      name="precision.keep_dtype")  # fmt: skip
    customize_dtypes: Optional[Path] = key("a file of the vendor's form", "FILE", default=None,
                                           name="precision.customize_dtypes")  # fmt: skip
    trace: bool = key("true | false", "true", default=False, name="precision.trace_overflow")
    on_refused: str = one_of("warn", "error", good="error", default="warn")
    metric: Optional[str] = key("the name of a tensor that the script fetches", "loss",
                                default=None)  # fmt: skip
    steps: Optional[int] = key("a whole number from 1 on", 20, within(1, 2**31 - 1), default=None)
    capture: Optional[Path] = key("a folder that does not exist", "DIR", default=None)
    record: Optional[Path] = key("a folder that does not exist", "DIR", default=None)
    uri: Optional[str] = key(
        "an MLflow tracking URI, or none", "URI", default=None, name="tracking.uri"
    )
    experiment: str = key("the name of an experiment", EXPERIMENT, default=EXPERIMENT,
                          name="tracking.experiment")  # fmt: skip
    out: Tuple[str, ...] = key("names of arguments of the script, each of a folder", "output_dir",
                               lambda names: names and all(map(_ARGUMENT, names)),
                               default=())  # fmt: skip
    sweep: Optional[str] = key(
        "a name of letters, digits, dots, - and _, but not latest",
        "mine",
        re.compile(r"(?!latest$)[A-Za-z0-9][A-Za-z0-9_.-]{0,99}").fullmatch,
        default=None,
    )
    dry_run: bool = switch(default=False)
    fail_fast: bool = switch(default=False)

    @classmethod
    def read(cls, arguments: Sequence[str]) -> ScriptOptions:
        """Return what is asked of one run.

        Raises:
            ConfigError: as `Options.read`; no script, two, or one that is not there; a key of
                sweeps.
        """
        cls._check_end(arguments)
        options = cls._read(arguments)
        for name in _OF_SWEEPS:
            if getattr(options, name):
                shown = getattr(options, name)
                value = ",".join(shown) if name == "out" else str(shown).replace("True", "true")
                remedy = options.command(name, value, options.script()).replace(
                    cls.program(), f"{cls.program()} -m"
                )
                raise ConfigError(name, value, "only with -m: it is about a sweep", remedy)
        return options

    @classmethod
    def read_jobs(cls, arguments: Sequence[str]) -> List[JobLine]:
        """Return the jobs of a sweep, -m: each choice of what decides operators with each other.

        Raises:
            ConfigError: as `read`; what is one run's alone.
        """
        cls._check_end(arguments)
        ours, own = parts(arguments)
        choices = [_choices(word) for word in ours if word not in SWEEPS]
        found = []
        for words in itertools.product(*choices):
            options = cls._read([*words, END, *own])
            for name in ("record", "capture"):
                if getattr(options, name) is not None:
                    remedy = options.command("precision", ",".join(PRECISION_MODES[:2]),
                                             options.script())  # fmt: skip
                    allowed = "only without -m: each job has a folder of its own"
                    raise ConfigError(name, getattr(options, name), allowed, remedy)
            if options.uri == NO_STORE:
                remedy = options.command("tracking.uri", "sqlite:///mlflow.db", options.script())
                raise ConfigError("tracking.uri", NO_STORE, "a store, which a sweep needs", remedy)
            found.append(JobLine(words, options))
        return found

    @classmethod
    def _check_end(cls, arguments: Sequence[str]) -> None:
        """Raise for arguments of the script that no -- is in front of, with the line that has it.

        They begin at the first that has dashes; keys of ours may stand behind them.
        """
        ours = [word for word in parts(arguments)[0] if word not in SWEEPS]
        at = next((n for n, word in enumerate(ours) if word.startswith("-")), None)
        if at is None or END in arguments:
            return
        keys = cls.keys()
        behind = [word for word in ours[at:] if word.partition("=")[0] in keys and "=" in word]
        own = [word for word in ours[at:] if word not in behind]
        before = [
            f"path={w}" if "=" not in w and cls._meant_bare(w) else w for w in (*ours[:at], *behind)
        ]
        flags = [SWEEPS[0]] if sweeps(arguments) else []
        line = " ".join([cls.program(), *map(shlex.quote, [*flags, *before, END, *own])])
        name, _, value = ours[at].partition("=")
        allowed = "-- before the script's arguments; ours are key=value, without dashes"
        raise ConfigError(name, value or None, allowed, line)

    @classmethod
    def _read(cls, arguments: Sequence[str]) -> ScriptOptions:
        ours, own = parts(arguments)
        given, others = cls.split(ours)
        for argument in others:
            raise cls.unknown(argument, given)
        options = cls(own, **given)
        options.check()
        return options

    def script(self) -> Dict[str, str]:
        """Return which script it is, as it is typed."""
        return {"path": str(self.path)} if self.path is not None else {"module": str(self.module)}

    def check(self) -> None:
        """Raise where what is named is not there, or there already."""
        if (self.path is None) == (self.module is None):
            problem = "is missing" if self.path is None else "is given beside module"
            raise UsageError("the key path", problem, "path=FILE or module=NAME",
                             self.command("path", "train.py"))  # fmt: skip
        if self.path is not None and not self.path.is_file():
            raise ConfigError("path", self.path, "a file that exists", self.command("path"))
        if self.path is not None and self.path.suffix == ".ipynb":
            allowed = f"a Python file: jupyter nbconvert --to script {self.path} makes one"
            good = self.command("path", str(self.path.with_suffix(".py")))
            raise ConfigError("path", self.path, allowed, good)
        for name in ("capture", "record"):
            folder = getattr(self, name)
            if folder is not None and folder.exists():
                remedy = self.command(name, f"{folder}-2", self.script())
                raise ConfigError(name, folder, "a folder that does not exist yet", remedy)
        for name in ("modify_mixlist", "customize_dtypes"):
            file = getattr(self, name)
            if file is not None and not file.is_file():
                wanted = f"precision.{name}"
                remedy = self.command(wanted, "", self.script())
                raise ConfigError(wanted, file, "a file that exists", remedy)

    @classmethod
    def command(cls, name: str = "", text: str = "", typed: Optional[Dict[str, str]] = None) -> str:
        """Return a command line that works: one of the two names of a script is needed."""
        if name in ("path", "module"):
            return super().command(name, text, typed)
        known = typed or {}
        which = "module" if "module" in known else "path"
        more = super().command(name, text, typed).partition(cls.program())[2]
        return f"{super().command(which, str(known.get(which, '')), {})}{more}"

    def typed(self) -> Dict[str, Any]:
        """Return what decides operators, of what was typed."""
        files = {"modify_mixlist": self.modify_mixlist, "customize_dtypes": self.customize_dtypes}
        found: Dict[str, Any] = {k: str(v.absolute()) for k, v in files.items() if v is not None}
        if self.precision is not None:
            found["mode"] = self.precision
        return {**found, "keep_dtype": self.keep_dtype} if self.keep_dtype else found


class JobLine(NamedTuple):
    """A job of a sweep: our words for it, and what they ask."""

    words: Tuple[str, ...]
    options: ScriptOptions


_OF_SWEEPS = ("out", "sweep", "dry_run", "fail_fast")


def sweeps(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for a sweep."""
    return bool({*SWEEPS} & {*parts(arguments)[0]})


def _choices(word: str) -> List[str]:
    """Return a word for each of its values; `[a,b]` is one."""
    name, _, text = with_one_name([word])[0].partition("=")
    if name not in _VARIED:
        return [word]
    return list(dict.fromkeys(f"{name}={value.strip()}" for value in _COMMA.split(text)))


def parts(arguments: Sequence[str]) -> Tuple[List[str], Tuple[str, ...]]:
    """Return our words, their keys in full, and the script's own."""
    words = list(arguments)
    at = words.index(END) if END in words else len(words)
    ours = [f"precision.{w}" if w.partition("=")[0] in _SHORT else w for w in words[:at]]
    return ours, tuple(words[at + 1 :])
