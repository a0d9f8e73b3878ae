"""Options of `explain`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Tuple

from lenet_exp.config.cli import suggest
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import key, one_of, switch
from lenet_exp.config.schema.run import PRECISION_MODES, Settings, all_keys, groups
from lenet_exp.errors import ConfigError

_GENERATIONS = ("today", "2021")
PHASES = (
    "prune", "fold_constants", "prune_again", "lower", "fuse", "select", "insert_casts",
    "eliminate_casts",
)  # fmt: skip
# What of a run's settings still means something to a graph that is not LeNet's.
_OF_ANY_GRAPH = (
    "precision", "precision.mode", "precision.modify_mixlist", "precision.keep_dtype",
    "precision.customize_dtypes", "hardware", "hardware.cann",
)  # fmt: skip


@dataclass(frozen=True)
class ExplainOptions(Options):
    """A plan, the difference of two, or the configuration of the chip's session.

    `graph` is a file, None for LeNet as `settings` describe it; `fetches` are of that file.
    `session` asks for the chip's session configuration instead of a plan, `phase` for the graph
    after that phase of the compiler.
    """

    VERB = "explain"

    settings: Settings
    diff: Optional[str] = one_of(*PRECISION_MODES, *_GENERATIONS, good="force_fp16", default=None)
    graph: Optional[Path] = key("a file", "FILE", default=None)
    fetches: Tuple[str, ...] = key("names", "[NAME]", bool, default=())
    inference: bool = switch(default=False)
    summary: bool = switch(default=False)
    format: str = one_of("table", "csv", "json", good="csv", default="table")
    session: bool = switch(default=False)
    phase: Optional[str] = one_of(*PHASES, good="fuse", default=None)

    @property
    def against(self) -> Optional[Tuple[str, str]]:
        """The mode and the generation that the plan is held against."""
        if self.diff is None:
            return None
        mode, generation = self.settings.precision.mode, self.settings.hardware.cann
        return (mode, self.diff) if self.diff in _GENERATIONS else (self.diff, generation)

    @classmethod
    def command(
        cls, name: str = "", text: str = "", typed: Optional[Mapping[str, str]] = None
    ) -> str:
        """Return a command line that works: `fetches` are of a graph."""
        if name != "fetches":
            return super().command(name, text, typed)
        graph = super().command("graph", (typed or {}).get("graph", ""))
        return f"{graph} fetches={text or '[NAME]'}"

    @classmethod
    def read(cls, arguments: Sequence[str]) -> ExplainOptions:
        """Return what is asked.

        Raises:
            ConfigError: as `Options.read`, and as a run for its settings.
        """
        given, others = cls.split(arguments)
        _check_combination(given)
        if "graph" in given:
            _check_beside_graph(given, others)
        options = cls(settings_to_explain(others, cls.program()), **given)
        _check_difference(options)
        return options


def _check_combination(given: Mapping[str, Any]) -> None:
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
    if "fetches" in given and "graph" not in given:
        shown, remedy = f"[{','.join(given['fetches'])}]", f"{command('graph')} fetches=[NAME]"
        raise ConfigError("fetches", shown, "only with graph=FILE", remedy)


def _check_beside_graph(given: Mapping[str, Any], others: Sequence[str]) -> None:
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
