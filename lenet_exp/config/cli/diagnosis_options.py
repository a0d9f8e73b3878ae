"""Options of the commands that make a step of a network to say what a mode does to its numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Dict, List, Optional, Sequence, Tuple, Type, TypeVar

from lenet_exp.config.checks import check_steps
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.options import Options, typed_values
from lenet_exp.config.schema.keys import key, one_of, switch, within
from lenet_exp.config.schema.modes import PRECISION_MODES
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError

_Self = TypeVar("_Self", bound="StepOptions")
_OF_ANY_GRAPH = ("precision", "hardware.cann")  # groups and keys of a run that mean something
_ADVISED = ("precision", "loss_scale")  # what advise decides itself
_GOOD = {"cosine": "cosine>=0.999", "accuracy": "accuracy>=0.975"}  # targets
_SOURCES = ("run", "graph", "capture")


@dataclass(frozen=True)
class StepOptions(Options):
    """The network whose steps are made: LeNet as `settings` describe it, or another one.

    `run`: a recorded run, its settings and its newest checkpoint. `checkpoint`: the values of the
    variables; without one those that training begins with. `graph` and `feeds`: a person's own
    training graph and what a step is fed, an npz of tensor names, axis 0 the steps. `capture`: a
    folder that has both. `chosen`: a precision mode was typed.
    """

    BESIDE_A_RUN: ClassVar[Tuple[str, ...]] = ("precision",)  # all else is what was recorded

    settings: Settings
    chosen: bool = False
    run: Optional[str] = key("FOLDER, ID or latest", "latest", default=None)
    checkpoint: Optional[Path] = key("a checkpoint: a folder or PREFIX", "DIR", default=None)
    graph: Optional[Path] = key("a training graph, as model.ckpt.meta", "FILE", default=None)
    feeds: Optional[Path] = key("an npz: tensor names, axis 0 the steps", "FILE", default=None)
    capture: Optional[Path] = key("a folder that a captured script left", "DIR", default=None)
    fetches: Tuple[str, ...] = key("names", "[NAME]", bool, default=())

    @classmethod
    def read(cls: Type[_Self], arguments: Sequence[str]) -> _Self:
        """Return what is asked.

        Raises:
            ConfigError: as `Options.read`, and as a run for its settings.
        """
        given, others = cls.split(arguments)
        typed = typed_values(arguments)
        _check_sources(cls, typed)
        if "graph" in given or "capture" in given:
            _check_beside(cls, typed, others, _OF_ANY_GRAPH)
        if "run" in given:
            _check_beside(cls, typed, others, cls.BESIDE_A_RUN)
        settings = settings_to_explain(others, cls.program(), cls.keys(), check_steps)
        chosen = any(each.startswith(("precision=", "precision.")) for each in others)
        return cls(settings, chosen, **given)


def _check_sources(cls: Type[StepOptions], typed: Dict[str, str]) -> None:
    named = [name for name in _SOURCES if name in typed]
    if len(named) > 1:
        allowed = f"one of {', '.join(f'{name}=' for name in _SOURCES)}, or none of them for LeNet"
        remedy = cls.command(named[0], typed[named[0]])
        raise ConfigError(named[1], typed[named[1]], allowed, remedy)
    if "graph" in typed and "feeds" not in typed:
        remedy = f"{cls.command('graph', typed['graph'])} feeds=FILE.npz"
        raise ConfigError("feeds", None, "an npz of what a step is fed, by tensor names", remedy)
    for name in ("feeds", "fetches"):
        if name in typed and not {"graph", "capture"} & typed.keys():
            remedy = f"{cls.command('graph', 'FILE.meta')} feeds=FILE.npz"
            raise ConfigError(name, typed[name], "only with graph=FILE", remedy)
    for name in ("run", "capture"):
        if name in typed and "checkpoint" in typed:
            allowed = f"without {name}=, which has its own"
            remedy = cls.command("checkpoint", typed["checkpoint"])
            raise ConfigError("checkpoint", typed["checkpoint"], allowed, remedy)


def _check_beside(
    cls: Type[StepOptions], typed: Dict[str, str], others: List[str], taken: Tuple[str, ...]
) -> None:
    """Refuse settings that mean nothing where the network is another one, or a run's."""
    source = next(name for name in _SOURCES if name in typed)
    for argument in others:
        name, _, value = argument.partition("=")
        if name not in taken and not name.startswith(tuple(f"{each}." for each in taken)):
            allowed = f"with {source}= only {', '.join(taken)} and the keys of {cls.VERB}"
            raise ConfigError(name, value or None, allowed, cls.command(source, typed[source]))


@dataclass(frozen=True)
class DiagnoseOptions(StepOptions):
    """What is shown of the error of every operator: the `operators` with the most damage."""

    VERB = "diagnose"
    BARE = ((r".*\.(pb|pbtxt|meta)", "graph"), (r".*\.npz", "feeds"), (".+", "run"))

    operators: str = key("a whole number from 1 on, or all", "all",
                         re.compile("all|0*[1-9][0-9]{0,8}").fullmatch, default="20")  # fmt: skip
    format: str = one_of("table", "csv", "json", good="csv", default="table")


class Goal:
    """What is to be reached: "cosine>=0.999", or the number alone, or "accuracy>=0.975"."""

    def __init__(self, text: str) -> None:
        """Read a text; raises ValueError where it is no such text."""
        measure, _, number = text.rpartition(">=")
        self.measure, self.least = measure.strip() or "cosine", float(number)
        if self.measure not in _GOOD or not 0 <= self.least <= 1:
            raise ValueError(text)

    def __str__(self) -> str:
        return f"{self.measure}>={self.least:g}"


def _same_measure(text: str) -> str:
    """Return a target of the measure that was meant."""
    return _GOOD["accuracy" if text.startswith("accuracy") else "cosine"]


@dataclass(frozen=True)
class AdviseOptions(StepOptions):
    """What is tried: these `modes`, to reach `target` in at most `budget` steps for each.

    `steps` of training are traced for the loss scale, for `ranks` devices; what has to stay
    float32, looked for `by` names, types or scopes, is written to the folder `to`. `check`: what
    is recommended is trained, and float32 beside it. `words`: what was typed of a run's settings.
    """

    VERB = "advise"
    BARE = DiagnoseOptions.BARE
    BESIDE_A_RUN = _ADVISED

    target: Goal = key("cosine>=0.999, how near the gradients are, or accuracy>=0.975, how far a"
                       " training gets: from 0 to 1", _GOOD["cosine"], mend=_same_measure,
                       default=Goal(_GOOD["cosine"]))  # fmt: skip
    modes: Tuple[str, ...] = key(f"precision modes: {' '.join(PRECISION_MODES)}", "[force_fp16]",
                                 lambda modes: modes and {*modes} <= {*PRECISION_MODES},
                                 default=PRECISION_MODES)  # fmt: skip
    budget: int = key("a whole number from 1 on", 40, within(1, 100_000), default=40)
    steps: int = key("a whole number from 1 on", 200, within(1, 1_000_000), default=200)
    ranks: int = key("a whole number from 1 on", 8, within(1, 100_000), default=1)
    to: Path = key("a folder", "DIR", default=Path("advice"))
    by: str = one_of("name", "type", "scope", good="type", default="name")
    check: bool = switch(default=False)
    format: str = one_of("table", "json", good="json", default="table")
    words: Tuple[str, ...] = ()

    @classmethod
    def read(cls, arguments: Sequence[str]) -> AdviseOptions:
        """Return what is asked; precision=MODE is modes=[MODE]."""
        options = super().read(arguments)
        if options.target.measure == "accuracy":
            _check_trains(cls, options, "target", str(options.target))
        _check_check(cls, options)
        typed = typed_values(arguments)
        if "modes" not in typed and {"precision", "precision.mode"} & typed.keys():
            options = replace(options, modes=(options.settings.precision.mode,))
        _, others = cls.split(arguments)
        return replace(options, words=tuple(w for w in others if not w.startswith(_ADVISED)))


def _check_check(cls: Type[AdviseOptions], options: AdviseOptions) -> None:
    """Refuse to train what is no network of ours, or in the middle of JSON."""
    if options.check:
        _check_trains(cls, options, "check", "true")
    if options.check and options.format == "json":
        allowed = "format=table with check=true, whose trainings print what they do"
        raise ConfigError("format", "json", allowed, cls.command("check", "true"))


def _check_trains(cls: Type[AdviseOptions], options: AdviseOptions, key: str, value: str) -> None:
    if options.graph is not None or options.capture is not None:
        allowed = "only for LeNet and run=: a graph of yours is trained by its own script"
        raise ConfigError(key, value, allowed, cls.command(key, value))
