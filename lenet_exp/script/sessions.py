"""TensorFlow's sessions, taken over: what the chip would run is emulated, the rest is as it was."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import PrecisionError
from lenet_exp.precision import Plan, verdict
from lenet_exp.precision.emulation.exact import float_status
from lenet_exp.script import asked as asking
from lenet_exp.script.emulated_run import (
    EmulatedRun,
    changes_numbers,
    emulate_run,
    needed,
    plan_run,
    trains,
)
from lenet_exp.script.graft import hide, status_of
from lenet_exp.script.interpreter import in_a_line
from lenet_exp.script.step_graph import StepGraph

_LOOP = "IterationOp"  # the vendor's name of what is run several times


class Prepared(NamedTuple):
    """What is known of one set of fetches and feeds; `run` is None where nothing changes."""

    held: Tuple[Any, ...]  # the keys are ids: what they are of must stay
    run: Optional[EmulatedRun]
    plan: Optional[Plan]
    trains: bool
    step: Optional[StepGraph] = None
    reason: str = ""  # why it runs in float32 though it should not
    number: int = 0  # of this process: what outlives the graph knows it by that


class Call(NamedTuple):
    """One step of a call: its seconds and overflows, and what was fetched of the graph itself."""

    prepared: Prepared
    seconds: float
    overflows: float
    skipped: bool
    tensors: Sequence[Any]
    values: Sequence[Any]
    session: Any
    given: Dict[str, Any]  # what was fed or came out of a pipeline, where it is wanted


class Observer:
    """Hears of what sessions do."""

    def found(self, asked: asking.Asked, told: Sequence[str]) -> None:
        """Hear what mode the process has; at the first session of the chip."""

    def prepared(self, prepared: Prepared) -> None:
        """Hear of a new set of fetches of a graph, before it is first run."""

    def begun(self, prepared: Prepared, session: Any) -> None:
        """Hear that a session is about to run it for the first time."""

    def called(self, call: Call) -> None:
        """Hear of a step that trained or was emulated."""

    def wants_given(self, prepared: Prepared) -> bool:
        """Return whether `given` of the next step is wanted."""
        return False


class Takeover:
    """What all sessions of this process share."""

    def __init__(
        self,
        typed: Dict[str, Any],
        observer: Observer,
        trace: bool = False,
        on_refused: str = "warn",
    ) -> None:
        """Emulate what `typed`, or else the script, asks; tell `observer`."""
        self._typed, self.observer, self._trace = typed, observer, trace
        self._on_refused = on_refused
        self.every_session = "mode" in typed  # also those that say nothing of the chip
        self.asked: Optional[asking.Asked] = None
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._busy = threading.local()
        self._do_run: Callable[..., Any] = lambda *args: None

    def install(self, module: Any) -> None:
        """Take over the sessions of TensorFlow's module of them; again does nothing."""
        base = module.BaseSession
        if hasattr(base, "_lenet_exp_takeover"):
            return
        base._lenet_exp_takeover = self  # noqa: SLF001 - ours
        hide(module.ops.Graph)
        tf_compat.mend_shapes_of_tensors(module.ops)
        self._do_run = base._do_run  # noqa: SLF001
        self._wrap_init(base, module.config_pb2.ConfigProto)
        self._wrap_runs(base)

    def _wrap_init(self, base: Any, config_class: Any) -> None:
        begin = base.__init__

        def init(session: Any, target: Any = "", graph: Any = None, config: Any = None) -> None:
            session._session = None  # noqa: SLF001 - what __del__ looks at, if this raises
            emulated = self._begin(config)
            used = asking.for_emulation(config, config_class) if emulated else config
            begin(session, target, graph, used)
            if emulated:
                known = self._known(session.graph)
                session._lenet_exp = OneSession(asking.read(config).loops, known)  # noqa: SLF001

        base.__init__ = init

    def _known(self, graph: Any) -> Dict[Tuple[Any, ...], Prepared]:
        """Return what is known of a graph; the graph holds it, which is held by it."""
        if not hasattr(graph, "_lenet_exp_known"):
            graph._lenet_exp_known = {}  # noqa: SLF001 - ours
        found: Dict[Tuple[Any, ...], Prepared] = graph._lenet_exp_known.setdefault(  # noqa: SLF001
            (self.asked, self._trace, self._on_refused), {}
        )
        return found

    def _begin(self, config: Any) -> bool:
        """Return whether a session is the chip's; with the first one the mode is settled."""
        said = asking.read(config if hasattr(config, "graph_options") else None)
        on_chip = self.every_session if said.on_chip is None else said.on_chip
        if not on_chip:
            return False
        if self.asked is None:
            self.asked, told = asking.chosen(said.asked, self._typed, self._on_refused)
            self.observer.found(self.asked, told)
        return True

    def _wrap_runs(self, base: Any) -> None:
        make_callable = base.make_callable

        def do_run(session: Any, handle: Any, targets: Any, fetches: Any, feeds: Any,
                   options: Any, metadata: Any) -> Any:  # fmt: skip
            mine = getattr(session, "_lenet_exp", None)
            if mine is None or handle is not None or getattr(self._busy, "on", False):
                return self._do_run(session, handle, targets, fetches, feeds, options, metadata)
            return self._run(mine, session, (targets, fetches, feeds), (options, metadata))

        def callable_of(session: Any, fetches: Any, feed_list: Any = None,
                        accept_options: bool = False) -> Any:  # fmt: skip
            if getattr(session, "_lenet_exp", None) is None:
                return make_callable(session, fetches, feed_list, accept_options)
            feed_list = list(feed_list or ())

            def run(*values: Any, **options: Any) -> Any:
                if len(values) != len(feed_list):
                    told = f"Expected {len(feed_list)} feed values, got {len(values)}"
                    raise ValueError(told)
                return session.run(fetches, dict(zip(feed_list, values)) or None, **options)

            return run

        base._do_run, base.make_callable = do_run, callable_of  # noqa: SLF001
        self._wrap_callables(base)

    def _wrap_callables(self, base: Any) -> None:
        """Take over what Keras runs: fetches, targets and feeds by their names."""
        from_options = base._make_callable_from_options  # noqa: SLF001

        def callable_from(session: Any, options: Any) -> Any:
            if getattr(session, "_lenet_exp", None) is None:
                return from_options(session, options)
            find = session.graph.as_graph_element
            if options.tensor_connection:
                held = tuple(find(name) for name in options.fetch)
                reason = "Keras joins tensors in it"
                number = next(self._numbers)
                self.observer.prepared(Prepared(held, None, None, False, None, reason, number))
                return from_options(session, options)
            fetches, feeds = ([find(name) for name in names]
                              for names in (options.fetch, options.feed))  # fmt: skip
            targets = [find(name, allow_tensor=False) for name in options.target]

            def run(*values: Any, run_metadata: Any = None) -> Any:
                given = _feeds(feeds, values)
                return session._do_run(None, targets, fetches, given, None, run_metadata)  # noqa: SLF001

            return run

        base._make_callable_from_options = callable_from  # noqa: SLF001

    def _run(
        self, mine: OneSession, session: Any, what: Tuple[Any, ...], how: Tuple[Any, ...]
    ) -> Any:
        targets, fetches, feeds = what
        fed = [key.deref() if hasattr(key, "deref") else key for key in feeds]
        key = (*map(id, fetches), None, *map(id, targets), None, *sorted(map(id, fed)))
        prepared = mine.known.get(key)
        if prepared is None:
            with self._lock:
                # Another thread may have been before this one.
                prepared = mine.known.get(key) or self._prepare(session, fetches, targets, fed)
                mine.known[key] = prepared
        if id(prepared) not in mine.begun:
            self._quietly(lambda: self._begin_run(mine, session, prepared))
        if prepared.run is None and not prepared.trains:
            return self._do_run(session, None, targets, fetches, feeds, *how)
        named = {tensor.name: value for tensor, value in zip(fed, feeds.values())}
        for left in reversed(range(mine.times(self._do_run, session, targets))):
            told = (how[0], None) if left else how  # the buffer of metadata is filled once
            call = self._step(mine, session, prepared, (*what, named), told)
            with self._lock:  # a script may train in several threads
                self._quietly(lambda: self.observer.called(call))  # noqa: B023 - is run at once
        return call.values

    def _step(
        self,
        mine: OneSession,
        session: Any,
        prepared: Prepared,
        what: Tuple[Any, ...],
        how: Tuple[Any, ...],
    ) -> Call:
        """Make one step of a call."""
        targets, fetches, feeds, named = what
        run = prepared.run
        data = _pipelines(prepared) if self.observer.wants_given(prepared) else {}
        counts = () if run is None else run.seen
        wanted = [*(fetches if run is None else run.tensors), *counts, *data.values()]
        begun = time.perf_counter()
        ends = targets if run is None else list(run.operations)
        values = self._do_run(session, None, ends, wanted, feeds, *how)
        own, seen, more = _parts(values, len(fetches), len(counts))
        overflows, skipped = mine.counted(self._do_run, session, seen) if run else (0.0, False)
        seconds, given = time.perf_counter() - begun, {**dict(zip(data, more)), **named}
        return Call(prepared, seconds, overflows, skipped, fetches, own, session, given)

    def _quietly(self, work: Callable[[], None]) -> None:
        """Do something in which sessions are not taken over."""
        self._busy.on = True
        try:
            work()
        finally:
            self._busy.on = False

    def _begin_run(self, mine: OneSession, session: Any, prepared: Prepared) -> None:
        """Have a session ready for what it runs for the first time."""
        with self._lock:
            if id(prepared) in mine.begun:
                return
            if prepared.run is not None:
                mine.begin(self._do_run, session, prepared.run)
            self.observer.begun(prepared, session)
            mine.begun.add(id(prepared))

    def _prepare(self, session: Any, fetches: Any, targets: Any, fed: Any) -> Prepared:
        assert self.asked is not None  # noqa: S101 - a session of the chip settled it
        held, graph, asked = (*fetches, *targets, *fed), session.graph, self.asked
        made: List[Prepared] = []

        def work() -> None:
            plan, step, training, run, reason = None, None, False, None, ""
            try:
                step = needed(graph, fetches, targets, fed)
                training = trains(step)  # steps are counted, whatever can't be done with them
                plan = plan_run(step, fetches, targets, asked)
                self._check(plan)
                if changes_numbers(plan):
                    run = emulate_run(step, plan, graph, fetches, targets, self._trace)
            except Exception as error:
                if self._on_refused == "error":
                    raise
                run, reason = None, in_a_line(error)
            number = next(self._numbers)
            made.append(Prepared(held, run, plan, training, step, reason, number))
            self.observer.prepared(made[0])

        self._quietly(work)
        return made[0]

    def _check(self, plan: Plan) -> None:
        found = verdict(plan).refused
        if found and self._on_refused == "error":
            remedy = "on_refused=warn, or another precision mode"
            raise PrecisionError("the chip", f"refuses {', '.join(found)}", remedy)


class OneSession:
    """What is known of one session of the chip."""

    def __init__(self, loops: int, known: Dict[Tuple[Any, ...], Prepared]) -> None:
        self.known = known  # of its graph, by the ids of fetches, targets and feeds
        self.begun: Set[int] = set()  # ids of those that it has run
        self._loops = loops
        self._count = 0.0  # of overflows, when it was last looked at
        self._is_reset = False

    def begin(self, do_run: Callable[..., Any], session: Any, run: EmulatedRun) -> None:
        """Set the overflow flag to 0, once, and what the run counts."""
        resets = [] if run.traces is None else [run.grafted.operation(run.traces.reset)]
        if not self._is_reset:
            resets.append(status_of(session.graph).operation(float_status.RESET))
            self._is_reset = True
        if resets:
            do_run(session, None, resets, [], {}, None, None)

    def counted(
        self, do_run: Callable[..., Any], session: Any, seen: Sequence[Any]
    ) -> Tuple[float, bool]:
        """Return the overflows of a step, and whether a reading of the flag found one.

        The flag is looked at in a run of its own: in the step's, what it waits for may be dead.
        """
        flag = status_of(session.graph).tensor(float_status.NAME)
        after = do_run(session, None, [], [flag], {}, None, None)[0]
        skipped = any(bool(word.any()) for word in seen)
        before, self._count = 0.0 if seen else self._count, float(after)
        return float(skipped) + max(0.0, self._count - before), skipped

    def times(self, do_run: Callable[..., Any], session: Any, targets: Sequence[Any]) -> int:
        """Return how often the chip makes the step of one call."""
        if self._loops <= 1 or not any(op.name == _LOOP for op in targets):
            return 1
        variables = session.graph.get_collection("npu_runconfig_iterations_per_loop")
        if not variables:
            return 1
        element = variables[0]._as_graph_element()  # noqa: SLF001 - makes no node
        value = do_run(session, None, [], [element], {}, None, None)[0]
        return int(value) + 1


def _parts(values: Sequence[Any], *lengths: int) -> List[Sequence[Any]]:
    """Return the first so many values, those after them, and the rest."""
    ends = [0, *itertools.accumulate(lengths), len(values)]
    return [values[begin:end] for begin, end in zip(ends, ends[1:])]


def _pipelines(prepared: Prepared) -> Dict[str, Any]:
    """Return what a run takes out of iterators and queues: the tensors, by the graph's names."""
    operations = prepared.step.operations.values() if prepared.step is not None else ()
    found: Dict[str, Any] = {}
    for op in operations:
        if op.type.startswith(("IteratorGetNext", "QueueDequeue")):
            stands = op if prepared.run is None else prepared.run.grafted.operation(op.name)
            found.update(zip((tensor.name for tensor in op.outputs), stands.outputs))
    return found


def _feeds(tensors: Sequence[Any], values: Sequence[Any]) -> Dict[Any, Any]:
    """Return feeds as `_do_run` takes them: TensorFlow 2 has no tensors for keys."""
    keys = [tensor.ref() if hasattr(tensor, "ref") else tensor for tensor in tensors]
    return dict(zip(keys, values))
