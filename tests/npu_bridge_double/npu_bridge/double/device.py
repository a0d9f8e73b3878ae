"""Wraps TensorFlow's BaseSession: reads the entry, loops, and records what was done.

Here the configuration already shows what today's adapter changes in it.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.client import session as session_lib

from npu_bridge.double import environment, rules, switches

_BASE = session_lib.BaseSession
_INIT, _RUN, _CLOSE = _BASE.__init__, _BASE.run, _BASE.close
SESSIONS = []  # a Record for each, in order
OPENED = set()  # the devices that this process has opened
_frozen = {}  # the process's init options, of its first graph


class Record:
    """One session, as the device saw it."""

    def __init__(self, config):
        rewrite = config.graph_options.rewrite_options if config else None
        entries = list(rewrite.custom_optimizers) if config else []
        self.names = [entry.name for entry in entries]
        self.map = dict(entries[0].parameter_map) if entries else {}
        self.flags = {
            "remapping": rewrite.remapping if config else 0,
            "memory_optimization": rewrite.memory_optimization if config else 0,
        }
        self.options = None  # known once a graph was run
        self.on_device = self.names[:1] == ["NpuOptimizer"] and not self._is_for_host()
        self.device = self.queue = None
        self.compiled = set()
        self.runs = self.calls = self.steps = self.fed_loops = 0
        self.closed = False

    def _is_for_host(self):
        asked = self.map.get("use_off_line")
        return asked is not None and not asked.b

    def plain(self):
        shown = {}
        for key, value in sorted(self.map.items()):
            field = value.WhichOneof("value")
            held = getattr(value, field)
            shown[key] = [field, held.decode() if isinstance(held, bytes) else held]
        counted = {"compiles": len(self.compiled), "runs": self.runs, "steps": self.steps}
        return {
            **counted,
            "map": shown,
            "entries": self.names,
            "flags": self.flags,
            "on_device": self.on_device,
            "device": self.device,
            "opened": sorted(OPENED),
            "tuned": (self.options or {}).get("aoe_mode", b"").decode(),
            "pid": os.getpid(),
            "fed_loops": self.fed_loops,
            "closed": self.closed,
            "init_options": {k: str(v) for k, v in sorted(_frozen.items())},
        }

    def read(self):
        """Read the options, at the first run of a graph."""
        options = rules.read(self.map)
        if not self.on_device:
            return
        rules.check(options)
        if self.options is None:
            inherited = ("precision_mode", "precision_mode_v2", "op_debug_level")
            if switches.is_today() and _frozen:
                for key in set(inherited) & set(_frozen) - set(options):
                    options[key] = _frozen[key]
            if not any(record.options for record in SESSIONS if not record.closed):
                _frozen.clear()
                _frozen.update({k: v for k, v in options.items() if rules.KNOWN[k].get("init")})
            self.options = options
            self.open(options)

    def open(self, options):
        """Open what a process opens: the environment's device too, whatever a session asks."""
        environment.check_rank_table()
        self.device = options.get("session_device_id", environment.device())
        OPENED.update({environment.device(), self.device})

    def feed(self, types):
        """Open the queue with an iterator, and wait at its end, on the session's device."""
        if any(name.startswith("MakeIterator") for name in types):
            self.queue = environment.queue_device(self.options)
            OPENED.add(self.queue)
        if "IteratorGetNext" in types and self.queue != self.device:
            raise rules.Abort(f"E30008: the queue ends on device {self.queue}, not {self.device}")


def _init(self, target="", graph=None, config=None):
    record = Record(config)
    SESSIONS.append(record)
    _INIT(self, target, graph, config)
    self.npu_double = record


def _closure(roots):
    """Return every operation that `roots` need."""
    found, todo = set(), list(roots)
    while todo:
        op = todo.pop()
        if op not in found:
            found.add(op)
            todo.extend([t.op for t in op.inputs] + list(op.control_inputs))
    return found


def _operations(graph, fetches):
    flat = tf.nest.flatten(fetches)
    elements = [graph.as_graph_element(f, allow_tensor=True, allow_operation=True) for f in flat]
    return [element if isinstance(element, tf.Operation) else element.op for element in elements]


def _run(self, fetches, feed_dict=None, options=None, run_metadata=None):
    record = self.npu_double
    names = sorted(str(key) for key in feed_dict or {})
    signature = (str(fetches), tuple(names))
    fetched = _operations(self.graph, fetches)
    if signature not in record.compiled:
        record.read()
        _check_graph(self.graph, record)
        if record.on_device:
            record.feed({op.type for op in _closure(fetched)})
    if not record.on_device:
        return _RUN(self, fetches, feed_dict, options, run_metadata)
    record.compiled.add(signature)
    times = _times(self, fetched, record)
    record.runs += 1
    if any(op.name == "IterationOp" for op in fetched) or times > 1:
        if switches.fails_at(record.calls):
            _fail()
        record.calls += 1
        record.steps += times
        record.fed_loops += bool(feed_dict)
    for _ in range(times):
        values = _RUN(self, fetches, feed_dict, options, run_metadata)
    _zero_what_stayed_on_the_host(self, fetched)
    return values


def _fail():
    if not switches.is_today():
        raise rules.Abort("the device failed")
    raise tf.errors.InternalError(None, None, "E39999: aicore exception\nmore of it")


def _check_graph(graph, record):
    looped = (record.options or {}).get("iterations_per_loop", 1) != 1
    if looped and any(op.type == "OneShotIterator" for op in graph.get_operations()):
        raise rules.Abort("OneShotIterator")


def _times(session, fetched, record):
    """Return how often a device makes the step: each missing condition means once."""
    variables = session.graph.get_collection("npu_runconfig_iterations_per_loop")
    enabled = record.options.get("iterations_per_loop", 1) > 1 and switches.loops()
    if not (enabled and variables and any(op.name == "IterationOp" for op in fetched)):
        return 1
    return int(_RUN(session, variables[0])) + 1


def _zero_what_stayed_on_the_host(session, fetched):
    """Initialised beside an iterator, variables are zeros on the device."""
    needed = _closure(fetched)
    if not any(op.type.startswith("MakeIterator") for op in needed):
        return
    for op in needed:
        if op.type == "Assign":
            value = op.inputs[1]
            shape = op.inputs[0].shape.as_list()
            _RUN(session, op, {value: np.zeros(shape, value.dtype.as_numpy_dtype)})


def _close(self):
    record = self.npu_double
    if not record.closed:
        record.closed = True
        path = switches.record_file()
        if path:
            with Path(path).open("a") as stream:
                stream.write(json.dumps(record.plain()) + "\n")
    _CLOSE(self)


def close_queue():
    """Do what npu_bridge does at the end of a process: it closes the environment's queue."""
    queues = {record.queue for record in SESSIONS} - {None}
    if queues and environment.device() not in queues:
        print(f"the queue of device {max(queues)} stays open", file=sys.stderr)


def install():
    """Wrap BaseSession; done once, when the package is imported."""
    _BASE.__init__, _BASE.run, _BASE.close = _init, _run, _close
