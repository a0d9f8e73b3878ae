"""What is kept of a script's runs until its end: not their graphs, which are the script's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Set

from lenet_exp import tf_compat
from lenet_exp.precision import report
from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.counters import Traces
from lenet_exp.precision.emulation.trace.report import Counted
from lenet_exp.precision.planning.options import near, nodes_of
from lenet_exp.precision.reporting.records import Report
from lenet_exp.script.sessions import Prepared

_MOST_PLANS = 8


@dataclass
class Seen:
    """A set of fetches of a graph; `plan` of the first ones alone."""

    trains: bool
    is_emulated: bool
    reason: str = ""
    plan: Optional[Report] = None
    traces: Optional[Traces] = None
    tally: Optional[tally.Tally] = None

    @property
    def counted(self) -> Optional[Counted]:
        """What its counters have counted, if it has any and was run."""
        if self.traces is None or self.tally is None or not self.tally.calls:
            return None
        return Counted(self.traces, self.tally)


class AllSeen:
    """Every set of fetches of the script's graphs, and which names of keep_dtype they have."""

    def __init__(self) -> None:
        self._runs: Dict[int, Seen] = {}  # by their numbers
        self._found: Set[str] = set()
        self._largest: Any = None  # a GraphDef of names alone

    def add(self, prepared: Prepared, keep_dtype: Sequence[str]) -> None:
        """Keep what will be asked for."""
        alike = [one for one in self._runs.values() if one.trains == prepared.trains and one.plan]
        plan = prepared.plan if len(alike) < _MOST_PLANS else None
        read = report(plan) if plan is not None and plan.operators else None
        traces = None if prepared.run is None else prepared.run.traces
        counted = None if traces is None else tally.empty(traces.sites)
        known = (prepared.trains, prepared.run is not None, prepared.reason, read, traces, counted)
        self._runs[prepared.number] = Seen(*known)
        if keep_dtype and prepared.step is not None:
            self._look_for(keep_dtype, prepared.step.graph_def)

    def _look_for(self, keep_dtype: Sequence[str], graph_def: Any) -> None:
        self._found |= {name for name in keep_dtype if nodes_of(graph_def, name)}
        if self._largest is None or len(graph_def.node) > len(self._largest.node):
            self._largest = tf_compat.load().GraphDef()
            for node in graph_def.node:
                self._largest.node.add(name=node.name)

    def of(self, prepared: Prepared) -> Optional[Seen]:
        """Return what is kept of a set of fetches."""
        return self._runs.get(prepared.number)

    def emulated(self) -> str:
        """Return whether what was run was computed as the chip does: true, false or partly."""
        if not any(one.reason for one in self._runs.values()):
            return "true"
        return "partly" if any(one.is_emulated for one in self._runs.values()) else "false"

    def not_kept(self, keep_dtype: Sequence[str]) -> List[str]:
        """Return what to say of names of keep_dtype that are in no graph that was run."""
        if self._largest is None:
            return []
        lost = [name for name in keep_dtype if name not in self._found]
        problem = "changed nothing: no run of the script has such a node or name scope"
        return [f"keep_dtype={name} {problem}; try {near(self._largest, name)}" for name in lost]

    def plans(self) -> Dict[str, Report]:
        """Return the first plans by the names of their runs."""
        read = {name: one.plan for name, one in self._named().items() if one.plan is not None}
        return dict(list(read.items())[:_MOST_PLANS])

    def counted(self) -> Dict[str, Counted]:
        """Return what was traced, by the names of the runs."""
        named = self._named().items()
        return {name: one.counted for name, one in named if one.counted is not None}

    def _named(self) -> Dict[str, Seen]:
        """Return the runs by name: train, train_2, run_1 ...; those that train first."""
        training = [one for one in self._runs.values() if one.trains]
        others = [one for one in self._runs.values() if not one.trains and one.is_emulated]
        names = ["train", *(f"train_{number}" for number in range(2, len(training) + 1))]
        found = dict(zip(names, training))
        found.update((f"run_{number}", one) for number, one in enumerate(others, 1))
        return found
