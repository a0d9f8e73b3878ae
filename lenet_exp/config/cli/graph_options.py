"""Options of the commands about a graph, which take settings of a run besides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

from lenet_exp.config.checks import check_runnable
from lenet_exp.config.cli import suggest
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.options import Options, typed_values
from lenet_exp.config.input_shapes import InputShapes
from lenet_exp.config.schema.keys import key, one_of, switch, within
from lenet_exp.config.schema.modes import ALSO, PRECISION_MODES
from lenet_exp.config.schema.run import PLAN_FILES, Settings, all_keys, groups
from lenet_exp.errors import ConfigError

_GENERATIONS = ("today", "2021")
_OF_A_GRAPH = ("fetches", "batch", "shapes")  # keys of a person's own graph alone
_TO_A_FILE = ("html", "model_explorer")
PHASES = (
    "prune", "fold_constants", "prune_again", "lower", "fuse", "select", "insert_casts",
    "eliminate_casts",
)  # fmt: skip
_GROUPINGS = re.compile("type|scope(:[1-9][0-9]?)?")
_WORDS = (
    "float16 | float32 | cast | changed | refused | ai_cpu | warning | white | black | gray"
    " | forward | backward | update; type:Mul, scope:fc_1, name:*bias*, list: rule: dtype: section:"
)
# What of a run's settings still means something to a graph that is not LeNet's.
_OF_ANY_GRAPH = (
    "precision", "precision.mode", "precision.modify_mixlist", "precision.keep_dtype",
    "precision.customize_dtypes", "hardware", "hardware.cann",
    *(f"hardware.{key}" for key in PLAN_FILES),
)  # fmt: skip


@dataclass(frozen=True)
class ExplainOptions(Options):
    """A plan, the difference of two, or the configuration of the chip's session.

    `graph` is a file, None for LeNet as `settings` describe it; `fetches` are of that file.
    `session` asks for the chip's session configuration instead of a plan, `phase` for the graph
    after that phase of the compiler, `operator` for the decisions behind one operator. `only`,
    `without` and `group` choose what is shown; `batch` and `shapes` fill in what a file leaves
    open of its inputs. `to` is the file that a page is written to, with what `diagnosis` measured.
    """

    VERB = "explain"
    BARE = ((r".*\.(pb|pbtxt|meta)|.*/.*", "graph"),)

    settings: Settings
    diff: Optional[str] = one_of(*PRECISION_MODES, *_GENERATIONS, good="force_fp16", default=None,
                                 also=ALSO)  # fmt: skip
    graph: Optional[Path] = key("a file", "FILE", default=None)
    fetches: Tuple[str, ...] = key("names", "[NAME]", bool, default=())
    inference: bool = switch(default=False)
    summary: bool = switch(default=False)
    format: str = one_of("table", "csv", "json", *_TO_A_FILE, good="csv", default="table")
    to: Optional[Path] = key("a file", "plan.html", default=None)
    diagnosis: Optional[Path] = key("a CSV or JSON of diagnose", "FILE", default=None)
    session: bool = switch(default=False)
    operator: Optional[str] = key("the name of an operator", "layer_1/Conv2D", bool, default=None)
    phase: Optional[str] = one_of(*PHASES, good="fuse", default=None)
    only: Tuple[str, ...] = key(_WORDS, "float16", bool, default=())
    without: Tuple[str, ...] = key(_WORDS, "cast", bool, default=())
    group: Optional[str] = key("scope | type; scope:2 is two names deep", "scope",
                               _GROUPINGS.fullmatch, default=None,
                               mend=lambda text: text.partition(":")[0])  # fmt: skip
    batch: Optional[int] = key("a whole number from 1 on", 32, within(1, 2**31 - 1), default=None)
    shapes: Optional[InputShapes] = key("INPUT:32x28x28x1,INPUT:32 or {INPUT: [32, 28, 28, 1]}",
                                        "INPUT:32x28x28x1", bool, default=None)  # fmt: skip

    @property
    def against(self) -> Optional[Tuple[str, str]]:
        """The mode and the generation that the plan is held against."""
        if self.diff is None:
            return None
        mode, generation = self.settings.precision.mode, self.settings.hardware.cann
        return (mode, self.diff) if self.diff in _GENERATIONS else (self.diff, generation)

    @classmethod
    def command(cls, name: str = "", text: str = "", typed: Optional[Dict[str, str]] = None) -> str:
        """Return a command line that works: some keys are only of a graph."""
        if name not in _OF_A_GRAPH:
            return super().command(name, text, typed)
        graph = super().command("graph", (typed or {}).get("graph", ""))
        good = {"fetches": "[NAME]", "batch": "32", "shapes": "INPUT:32x28x28x1"}
        return f"{graph} {name}={text or good[name]}"

    @classmethod
    def read(cls, arguments: Sequence[str]) -> ExplainOptions:
        """Return what is asked.

        Raises:
            ConfigError: as `Options.read`, and as a run for its settings.
        """
        given, others = cls.split(arguments)
        _check_combination(given)
        _check_words(given)
        if "graph" in given:
            _check_beside_graph(given, others)
        options = cls(settings_to_explain(others, cls.program(), cls.keys()), **given)
        _check_difference(options)
        return options


def _check_combination(given: Dict[str, Any]) -> None:
    command = ExplainOptions.command
    if given.get("session") and len(given) > 1:
        others = ", ".join(sorted(set(given) - {"session"}))
        allowed = f"session=true or {others}, not both: a session has no plan"
        raise ConfigError("session", "true", allowed, command("session"))
    if given.get("summary") and "diff" in given:
        remedy = command("diff", given["diff"])
        raise ConfigError("summary", "true", "diff= or summary=true, not both", remedy)
    if "phase" in given and ("diff" in given or given.get("summary")):
        allowed = "without diff= and summary=true: a phase has one graph, in full"
        raise ConfigError("phase", given["phase"], allowed, command("phase", given["phase"]))
    _check_group(given)
    _check_operator(given)
    _check_file(given)
    for name in _OF_A_GRAPH:
        if name in given and "graph" not in given:
            value = given[name]
            shown = f"[{','.join(value)}]" if isinstance(value, tuple) else str(value)
            allowed, remedy = "only with graph=FILE", command(name)
            if name != "fetches":
                allowed += "; of LeNet schedule.batch_size"
            raise ConfigError(name, shown, allowed, remedy)


def _check_group(given: Dict[str, Any]) -> None:
    command = ExplainOptions.command
    for other, shown in (("summary", "true"), ("phase", given.get("phase"))):
        if "group" in given and given.get(other):
            allowed = f"group= or {other}={shown}, not both"
            raise ConfigError(other, shown, allowed, command("group", given["group"]))


def _check_operator(given: Dict[str, Any]) -> None:
    """Refuse, beside one operator, what chooses or shapes a table of many."""
    if "operator" not in given:
        return
    remedy = f"{ExplainOptions.command('operator', given['operator'])}"
    for other in ("diff", "summary", "phase", "group", "only", "without"):
        if given.get(other):
            allowed = f"operator= or {other}=, not both: one operator is shown whole"
            raise ConfigError("operator", given["operator"], allowed, remedy)
    if given.get("format") not in (None, "table", "json"):
        allowed = "with operator= table or json"
        raise ConfigError("format", given["format"], allowed, f"{remedy} format=json")


def _check_file(given: Dict[str, Any]) -> None:
    """Check what goes with a plan that is written to a file, each operator by itself."""
    form = given.get("format", "")
    names = {"html": "plan.html", "model_explorer": "plan.json"}
    good = f"{ExplainOptions.command('format', form or 'html')} to={names.get(form, 'plan.html')}"
    if form not in _TO_A_FILE:
        for name in ("to", "diagnosis"):
            if name in given:
                allowed = "only with format=html or format=model_explorer"
                remedy = good.replace(f"format={form or 'html'}", "format=html")
                raise ConfigError(name, given[name], allowed, remedy)
        return
    for name in ("summary", "group", "phase"):
        if given.get(name):
            shown = "true" if name == "summary" else given[name]
            allowed = f"not with format={form}, which has every operator of a plan"
            raise ConfigError(name, shown, allowed, good)
    if "to" not in given:
        raise ConfigError("to", None, f"the file that format={form} is written to", good)
    _check_place(given, good)


def _check_place(given: Dict[str, Any], good: str) -> None:
    """Refuse to write where no file can be, or over what is read."""
    to = given["to"]
    if to.exists() and not to.is_file():
        what = "a folder" if to.is_dir() else "none"
        raise ConfigError("to", to, f"a file; this is {what}", good)
    for name in ("graph", "diagnosis"):
        if name in given and to.resolve() == given[name].resolve():
            raise ConfigError("to", to, f"another file than {name}=, which is read", good)


def _check_words(given: Dict[str, Any]) -> None:
    for name in {"only", "without"} & given.keys():
        from lenet_exp.precision.reporting.filters import read_words  # noqa: PLC0415 - numpy

        read_words(name, given[name])


def _check_beside_graph(given: Dict[str, Any], others: Sequence[str]) -> None:
    allowed = "with graph=FILE only precision, hardware.cann and the keys of explain"
    command = ExplainOptions.command
    if given.get("inference"):
        remedy = f"{command('graph')} fetches=[NAME], with the network's output"
        raise ConfigError("inference", "true", allowed, remedy)
    for argument in others:
        name, _, value = argument.partition("=")
        known = name in (*all_keys(), *groups(), *suggest.PRESETS)
        if known and name not in _OF_ANY_GRAPH:
            raise ConfigError(name, value, allowed, command("graph", str(given["graph"])))


def _check_difference(options: ExplainOptions) -> None:
    mode = options.settings.precision.mode
    if options.diff in (mode, options.settings.hardware.cann):
        other = next(each for each in PRECISION_MODES[::-1] if each != mode)
        allowed = f"another one; {options.diff} is what it would be compared with"
        remedy = f"{options.program()} precision={mode} diff={other}"
        raise ConfigError("diff", options.diff, allowed, remedy)


@dataclass(frozen=True)
class PredictOptions(Options):
    """`model` and `images`: a path, or the id of a run, latest, mnist; `batch` images a call."""

    VERB = "predict"
    BARE = ((r".*\.(pb|pbtxt|index)|latest|outputs/.*", "model"), (".+", "images"))
    OF_A_RUN = ("precision", "hardware", "threads")

    settings: Settings
    model: Path = key("a .pb, a SavedModel, a checkpoint, a run folder, ID or latest", "latest")
    images: Path = key("a PNG, a folder of PNGs or of a test set, a file of images, or mnist",
                       "mnist")  # fmt: skip
    batch: int = key("a whole number from 1 to 99999", 64, within(1, 99999), default=64)
    format: str = one_of("table", "csv", good="csv", default="table")

    @classmethod
    def read(cls, arguments: Sequence[str]) -> PredictOptions:
        """Return what is asked; in float32, as the graph has it, where no mode is.

        Raises:
            ConfigError: as `Options.read`, and as a run for its settings.
        """
        given, others = cls.split(arguments)
        for argument in others:  # what else means nothing to a network that is trained already
            if argument.partition("=")[0].partition(".")[0] not in cls.OF_A_RUN:
                raise cls.unknown(argument, typed_values(arguments))
        chosen = any(argument.startswith("precision=") for argument in others)
        of_run = [*([] if chosen else ["precision=must_keep_origin_dtype"]), *others]
        return cls(settings_to_explain(of_run, cls.program(), check=check_runnable), **given)
