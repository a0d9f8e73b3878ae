"""What is heard of a script's sessions: said to the person, and kept for the record."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from lenet_exp.precision import Plan, report, verdict
from lenet_exp.precision.emulation.trace import report as trace_report
from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.report import Counted
from lenet_exp.precision.planning.options import near, nodes_of
from lenet_exp.precision.reporting.records import as_csv_of_run
from lenet_exp.record.terminal import print_on
from lenet_exp.script.asked import Asked
from lenet_exp.script.capture import Capture
from lenet_exp.script.history import History
from lenet_exp.script.interpreter import end_with_enough_steps
from lenet_exp.script.record import ScriptRecord
from lenet_exp.script.sessions import Call, Observer, Prepared

OVERFLOWS, PLAN = "overflows.csv", "precision.csv"
_MOST_PLANS = 8
_MOST_NAMES = 4


class Watch(Observer):
    """Tells on the terminal's error output, so that the script's own output stays its own."""

    def __init__(
        self,
        record: ScriptRecord,
        metric: Optional[str],
        steps: Optional[int] = None,
        capture: Optional[Capture] = None,
    ) -> None:
        """Record into `record`; `metric` as for `History`; end the script after `steps`."""
        self._most, self._capture = steps, capture
        self.history = History(metric)
        self._record = record
        self._owner, self._stream = os.getpid(), sys.stderr  # whatever the script puts there
        self._asked: Optional[Tuple[Asked, Sequence[str]]] = None
        self._begun = False
        self._runs: List[Prepared] = []
        self._tallies: Dict[int, tally.Tally] = {}
        self._said: List[str] = []
        self._ended = False

    def say(self, text: str) -> None:
        """Print, and keep for the report."""
        self._said.append(text)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the script's doing
            print_on(self._stream, f"lenet-exp: {text}\n")

    def found(self, asked: Asked, told: Sequence[str]) -> None:
        """Keep what mode the process has."""
        self._asked = asked, told
        self._record.settings(asked)

    def prepared(self, prepared: Prepared) -> None:
        """Say the first line before the first step, and what can't be emulated when it is met."""
        self._runs.append(prepared)
        if prepared.trains and not self._begun:
            self._begin(prepared.plan)
        if prepared.reason:
            self.say(f"in float32: {_names(prepared.held)}: {prepared.reason}")
        traces = prepared.run.traces if prepared.run is not None else None
        if traces is not None:
            self._tallies[id(prepared)] = tally.empty(traces.sites)

    def begun(self, prepared: Prepared, session: Any) -> None:
        """Write the capture before the first step."""
        if self._capture is not None and prepared.trains and not self._capture.has_begun:
            fetches, mode = prepared.held, self._mode()
            self._captured(lambda capture: capture.begin(prepared, session, fetches, mode))

    def _mode(self) -> str:
        return self._asked[0].mode if self._asked else Asked.mode

    def wants_given(self, prepared: Prepared) -> bool:
        """Return whether a capture wants it."""
        return self._capture is not None and self._capture.takes(prepared)

    def _begin(self, plan: Optional[Plan]) -> None:
        self._begun = True
        self.say(first_line(*(self._asked or (Asked(), ())), plan))

    def called(self, call: Call) -> None:
        """Count a step, and record it."""
        if os.getpid() != self._owner:
            return
        if call.prepared.trains and self._has_enough():  # the script has caught what was to end it
            end_with_enough_steps()
        if self._capture is not None and self._capture.takes(call.prepared):
            self._captured(lambda capture: capture.add(call.given))
        if call.prepared.trains:
            self.history.add(call.steps, call.seconds, call.overflows, call.skipped)
            self.history.loss(call.tensors, call.values)
        self._trace(call)
        if call.prepared.trains and self.history.is_noted():
            scale = _scale(call.session)
            if scale is not None:
                self.history.scales[self.history.steps] = scale
            self._record.metrics(self.history.metrics(), self.history.steps)
        if self._has_enough():
            end_with_enough_steps()

    def _has_enough(self) -> bool:
        return self._most is not None and self.history.steps >= self._most

    def _trace(self, call: Call) -> None:
        before = self._tallies.get(id(call.prepared))
        run = call.prepared.run
        if before is None or run is None or run.traces is None:
            return
        traces, step = run.traces, max(1, self.history.steps)
        names = [traces.counts, traces.largest, *filter(None, [traces.iterations])]
        values = call.session.run([_of(call.prepared, f"{name.split(':')[0]}") for name in names])
        inside = values[2] if len(values) > 2 else None
        made = tally.added(before, traces.sites, values[0], values[1], step, inside)
        self._tallies[id(call.prepared)] = made
        call.session.run(_of(call.prepared, traces.reset))

    def let_go(self) -> None:
        """Have no part in the record, in a fork of the script."""
        self._record.let_go()

    def end(self, status: str, error: str = "") -> None:
        """Say what came of it, and close the record; once, and only in the script's process.

        `error`: what the script raised.
        """
        if self._ended or os.getpid() != self._owner:
            return
        self._ended = True
        self._say_steps()
        self._captured(lambda capture: capture.end())
        counted = self._counted()
        for text in _tables(counted):
            self.say(text)
        files = self._files(counted)
        tags = {"emulated": emulated(self._runs), **({"error": error} if error else {})}
        for line in self._record.end(status, tags, files, self.history, self._said):
            self.say(line)

    def _say_steps(self) -> None:
        if self._asked is None:
            self.say("no session of the chip was opened: nothing was emulated")
            return
        if not self._begun:
            self._begin(next((r.plan for r in self._runs if r.plan is not None), None))
        lost = not_kept(self._asked[0].keep_dtype, self._runs)
        for text in (self.history.text(), *lost, *not_found(self.history)):
            self.say(text)

    def _captured(self, work: Callable[[Capture], None]) -> None:
        """Do something for the capture, if there is one; what the system refuses ends it alone."""
        if self._capture is None:
            return
        try:
            work(self._capture)
        except OSError as error:
            self._capture = None
            self.say(f"no capture: {error.filename or 'its folder'}: {error.strerror or error}")

    def _counted(self) -> Dict[str, Counted]:
        found = {}
        for name, prepared in _named(self._runs).items():
            traces = prepared.run.traces if prepared.run is not None else None
            if traces is not None:
                found[name] = Counted(traces, self._tallies[id(prepared)])
        return {name: each for name, each in found.items() if each.tally.calls}

    def _files(self, counted: Dict[str, Counted]) -> Dict[str, str]:
        plans = {
            name: report(prepared.plan)
            for name, prepared in list(_named(self._runs).items())[:_MOST_PLANS]
            if prepared.plan is not None and prepared.plan.operators
        }
        made = {PLAN: as_csv_of_run(plans)} if plans else {}
        return {**made, OVERFLOWS: trace_report.as_csv(counted)} if counted else made


def first_line(asked: Asked, told: Sequence[str], plan: Optional[Plan]) -> str:
    """Return the mode, who asked for it, and what it does to a plan's operators."""
    parts = [f"{asked.mode} ({asked.where})", *told]
    files = {name: value for name, value in asked.options().items() if value}
    parts += [f"{name} {value}" for name, value in files.items()]
    if plan is not None:
        rows = [row for row in plan.operators if row.outputs]
        narrow = sum("float16" in row.outputs for row in rows)
        share = f" ({narrow / len(rows):.0%})" if rows else ""
        parts.append(f"{len(rows)} operators, {narrow} of them{share} in float16")
        found = str(verdict(plan))
        unknown = sorted({row.ge_type for row in rows if row.rule.value == "unknown"})
        parts += [found] if found != "compiles" else []
        parts += [f"not in the table of operators: {', '.join(unknown)}"] if unknown else []
        parts += [f"warning: {text}" for text in plan.warnings[:2]]
        more = len(plan.warnings) - 2
        parts += [f"{more} warnings more"] if more > 0 else []
    return "; ".join(parts)


def emulated(runs: Sequence[Prepared]) -> str:
    """Return whether what was run was computed as the chip does: true, false or partly."""
    if not any(prepared.reason for prepared in runs):
        return "true"
    return "partly" if any(prepared.run is not None for prepared in runs) else "false"


def not_kept(names: Sequence[str], runs: Sequence[Prepared]) -> List[str]:
    """Return what to say of names of keep_dtype that are in no graph that was run."""
    graphs = [prepared.step.graph_def for prepared in runs if prepared.step is not None]
    if not graphs:
        return []
    largest = max(graphs, key=lambda graph_def: len(graph_def.node))
    lost = [n for n in names if not any(nodes_of(graph_def, n) for graph_def in graphs)]
    problem = "changed nothing: no run of the script has such a node or name scope"
    return [f"keep_dtype={name} {problem}; try {near(largest, name)}" for name in lost]


def not_found(history: History) -> List[str]:
    """Return what to say of a metric that no training step fetched."""
    if history.metric is None or history.losses or not history.steps:
        return []
    names = ", ".join(list(history.numbers)[:_MOST_NAMES]) or "no number"
    return [f"metric={history.metric} was not found: the training steps fetched {names}"]


def _named(runs: Sequence[Prepared]) -> Dict[str, Prepared]:
    """Return the runs by name: train, train_2, run_1 ...; those that train first."""
    training = [run for run in runs if run.trains]
    others = [run for run in runs if not run.trains and run.run is not None]
    names = ["train", *(f"train_{number}" for number in range(2, len(training) + 1))]
    found = dict(zip(names, training))
    found.update((f"run_{number}", run) for number, run in enumerate(others, 1))
    return found


def _tables(counted: Dict[str, Counted]) -> List[str]:
    nothing = {n: c for n, c in counted.items() if not n.startswith("train")}
    other = next(iter(nothing.values()), None)
    found: List[str] = []
    for name, each in counted.items():
        if name.startswith("train"):
            empty = Counted(each.traces, tally.empty(each.traces.sites))
            text = trace_report.text(each, other if other and not found else empty, OVERFLOWS)
            found.append(text if name == "train" else f"{name}: {text}")
    return found


def _of(prepared: Prepared, name: str) -> Any:
    """Return what stands for a node of a run's emulated graph."""
    assert prepared.run is not None  # noqa: S101 - only those that are emulated are traced
    op = prepared.run.grafted.operation(name)
    return op.outputs[0] if op.outputs and not op.type.startswith("Assign") else op


def _names(held: Sequence[Any]) -> str:
    names = [str(element.name) for element in held]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _scale(session: Any) -> Optional[float]:
    """Return the scale of the script's last loss-scale manager; None if it has none here."""
    made = sys.modules.get("lenet_exp.script.bridge.loss_scale")
    of_graph = [
        m for m in getattr(made, "MANAGERS", ()) if m.get_loss_scale().graph is session.graph
    ]
    return float(session.run(of_graph[-1].get_loss_scale())) if of_graph else None
