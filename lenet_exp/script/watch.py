"""What is heard of a script's sessions: said to the person, and kept for the record."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision import Plan, verdict
from lenet_exp.precision.emulation.trace import report as trace_report
from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.report import Counted
from lenet_exp.precision.reporting.records import as_csv_of_run
from lenet_exp.record.terminal import print_on
from lenet_exp.script.asked import Asked
from lenet_exp.script.capture import Capture
from lenet_exp.script.history import History
from lenet_exp.script.interpreter import end_with_enough_steps, in_a_line
from lenet_exp.script.record import ScriptRecord
from lenet_exp.script.seen import AllSeen
from lenet_exp.script.sessions import Call, Observer, Prepared

OVERFLOWS, PLAN = "overflows.csv", "precision.csv"
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
        self._seen = AllSeen()
        self._first = ""  # what is said first, where nothing trains
        self._begun = False
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
        asked, told = self._asked or (Asked(), ())
        self._seen.add(prepared, asked.keep_dtype)
        is_first = prepared.plan is not None and not self._first
        if not self._begun and (prepared.trains or is_first):
            self._first = first_line(asked, told, prepared.plan)
        if prepared.trains:
            self._begin()
        if prepared.reason:
            self.say(f"in float32: {_names(prepared.held)}: {prepared.reason}")

    def begun(self, prepared: Prepared, session: Any) -> None:
        """Write the capture before the first step."""
        if self._capture is not None and prepared.trains and not self._capture.has_begun:
            fetches, mode = prepared.held, self._mode()
            self._captured(lambda capture: capture.begin(prepared.number, session, fetches, mode))

    def _mode(self) -> str:
        return self._asked[0].mode if self._asked else Asked.mode

    def wants_given(self, prepared: Prepared) -> bool:
        """Return whether a capture wants it."""
        return self._capture is not None and self._capture.takes(prepared.number)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self.say(self._first or first_line(*(self._asked or (Asked(), ())), None))

    def called(self, call: Call) -> None:
        """Count a step, and record it."""
        if os.getpid() != self._owner:
            return
        if call.prepared.trains and self._has_enough():  # the script has caught what was to end it
            end_with_enough_steps()
        if self._capture is not None and self._capture.takes(call.prepared.number):
            self._captured(lambda capture: capture.add(call.given))
        if call.prepared.trains:
            self.history.add(call.seconds, call.overflows, call.skipped)
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
        seen = self._seen.of(call.prepared)
        if seen is None or seen.traces is None or seen.tally is None:
            return
        traces, step = seen.traces, max(1, self.history.steps)
        names = [traces.counts, traces.largest, *filter(None, [traces.iterations])]
        values = call.session.run([_of(call.prepared, f"{name.split(':')[0]}") for name in names])
        inside = values[2] if len(values) > 2 else None
        seen.tally = tally.added(seen.tally, traces.sites, values[0], values[1], step, inside)
        call.session.run(_of(call.prepared, traces.reset))

    def counted(self) -> Dict[str, Counted]:
        """Return what was traced so far, by the names of the runs."""
        return self._seen.counted()

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
        counted = self.counted()
        for text in _tables(counted):
            self.say(text)
        files = self._files(counted)
        tags = {"emulated": self._seen.emulated(), **({"error": error} if error else {})}
        for line in self._record.end(status, tags, files, self.history, self._said):
            self.say(line)

    def _say_steps(self) -> None:
        if self._asked is None:
            self.say("no session of the chip was opened: nothing was emulated")
            return
        self._begin()
        lost = self._seen.not_kept(self._asked[0].keep_dtype)
        for text in (self.history.text(), *lost, *not_found(self.history)):
            self.say(text)

    def _captured(self, work: Callable[[Capture], None]) -> None:
        """Do something for the capture, if there is one; what it can't do ends it alone."""
        if self._capture is None:
            return
        try:
            work(self._capture)
        except Exception as error:  # noqa: BLE001 - TensorFlow writes, too, and has its own errors
            self._capture = None
            said = in_a_line(error)
            if isinstance(error, OSError):
                said = f"{error.filename or 'its folder'}: {error.strerror or error}"
            self.say(f"no capture: {said}")

    def _files(self, counted: Dict[str, Counted]) -> Dict[str, str]:
        plans = self._seen.plans()
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


def not_found(history: History) -> List[str]:
    """Return what to say of a metric that no training step fetched."""
    if history.metric is None or history.losses or not history.steps:
        return []
    names = ", ".join(list(history.numbers)[:_MOST_NAMES]) or "no number"
    return [f"metric={history.metric} was not found: the training steps fetched {names}"]


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
    """Return the scale of the graph's last loss-scale manager; None if it has none with a value."""
    scale = getattr(session.graph, "_lenet_exp_loss_scale", None)
    if scale is not None:
        with contextlib.suppress(tf_compat.load().errors.OpError):
            return float(session.run(scale))
    return None
