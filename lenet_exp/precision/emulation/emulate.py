"""A plan's graph as float16 hardware would compute it, for a CPU whose tensors stay float32.

Source: precision-modes.md 8, and 6.8 for the Casts.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.emulation.exact import float_status, rounding
from lenet_exp.precision.emulation.exact.float_status import (
    CountedExact,
    FloatStatus,
    kind,
    together,
    waited_for,
)
from lenet_exp.precision.emulation.exact.rewrite import Rewriter, look_up, output_dtypes
from lenet_exp.precision.emulation.fast.fuse_updates import groups
from lenet_exp.precision.emulation.fast.region import computing_region, run_order
from lenet_exp.precision.emulation.fast.speculate import Job, compute_exactly, compute_fast
from lenet_exp.precision.emulation.optimizer_updates import is_float16_update, write_updates
from lenet_exp.precision.emulation.trace.counters import Tracer, Traces
from lenet_exp.precision.ir.builder import Nodes
from lenet_exp.precision.ir.graph import Graph, read_graph
from lenet_exp.precision.ir.names import node_of, split
from lenet_exp.precision.ir.op_traits import CALLS
from lenet_exp.precision.plan import Operator, Plan


class Emulated(NamedTuple):
    """The rewritten graph.

    `graph_def` has all names of the given one, and what a plan doesn't speak of as it was. The
    variable `float_status` (float32 []) counts overflows since they were last read and cleared;
    the operation `reset` sets it to 0, and has to be run before the first step. `traces` names
    what counts each rounding, and has a reset of its own; None if nothing was to be traced.
    """

    graph_def: Any
    float_status: str
    reset: str
    traces: Optional[Traces] = None


def emulate(
    graph_def: Any,
    plan: Plan,
    *,
    fetches: Sequence[str] = (),
    reference: bool = False,
    trace: bool = False,
    trace_scope: str = "trace",
    flush_subnormals: bool = False,
) -> Emulated:
    """Return `graph_def` as the chip computes it under a plan that `assign` made of it.

    For a session without remapping, arithmetic_optimization and constant_folding: other roundings.

    Args:
        graph_def: what `assign` was given; not modified.
        plan: made of it.
        fetches: inner tensors to be seen as the chip has them also in a step that overflows;
            what updates a variable, or nothing consumes, always is.
        reference: round, saturate and test everywhere the rules say, with no shortcut.
        trace: count what each rounding loses; slower, with the same bits. Implies `reference`.
        trace_scope: where the counters' names begin; of two graphs in one session not the same.
        flush_subnormals: take what is below float16's smallest normal, 2^-14, as 0. The chip is
            thought to keep it, so this is for comparison only. Implies `reference`.

    Raises:
        GraphError: float16 in functional control flow or a while loop, or a node `float_status`.
    """
    graph = read_graph(plan.graph_def)
    names = {*graph.nodes, *(node.name for node in graph_def.node)}
    _refuse_what_is_not_emulated(graph, plan, names)
    nodes = Nodes(names)
    tracer = Tracer(nodes, plan.operators, flush_subnormals, trace_scope) if trace else None
    watch = tracer.rounding if tracer else None
    job = Job(look_up(plan), nodes, [], flush_subnormals, watch)
    emulation = _Emulation(job, graph, reference or trace or flush_subnormals)
    emulation.rewrite(run_order(graph), fetches)
    traces = tracer.end(plan) if tracer else None
    made = _graph_def_of(job, graph_def)
    return Emulated(made, f"{float_status.NAME}:0", float_status.RESET, traces)


def _graph_def_of(job: Job, graph_def: Any) -> Any:
    """Return what was made of `graph_def` as a GraphDef."""
    made = tf_compat.load().GraphDef()
    made.node.extend(job.nodes.made)
    made.node.extend(_the_rest(graph_def, job.nodes.made))
    made.library.CopyFrom(graph_def.library)
    have = {function.signature.name for function in made.library.function}
    functions = {function.signature.name: function for function in job.library}
    made.library.function.extend(f for name, f in functions.items() if name not in have)
    made.versions.CopyFrom(graph_def.versions)
    return made


def _the_rest(graph_def: Any, made: Sequence[Any]) -> List[Any]:
    """Return the nodes that a plan doesn't speak of, such as initialisers.

    Without those that take a value which the compiler folded away or left out.
    """
    left = {node.name: node for node in graph_def.node}
    there = {node.name for node in made}
    gone = {n.name for n in made if n.op == "NoOp" and n.name in left and left[n.name].op != "NoOp"}
    folded = {n.name for n in made if n.op == "Const" and n.name in left}  # one output is left
    kept = [
        node
        for node in graph_def.node
        if node.name not in there
        and not any(split(t)[2] and node_of(t) in folded for t in node.input)
    ]
    gone |= left.keys() - there - {node.name for node in kept}
    while True:
        alive = [node for node in kept if not any(node_of(t) in gone for t in node.input)]
        if len(alive) == len(kept):
            return kept
        gone |= {node.name for node in kept} - {node.name for node in alive}
        kept = alive


def _refuse_what_is_not_emulated(graph: Graph, plan: Plan, names: AbstractSet[str]) -> None:
    for name in names & {float_status.NAME, float_status.RESET}:
        raise GraphError(name, "the emulation's flag has that name", "another name for this node")
    remedy = "an unrolled graph, with control flow of version 1 (tf.disable_control_flow_v2())"
    rounds = any("float16" in (*row.inputs, *row.outputs) for row in plan.operators)
    for name, node in graph.nodes.items():
        if rounds and node.op in CALLS | {"Enter", "RefEnter"}:
            problem = f"a {node.op} can be planned but not emulated"
            raise GraphError(name, problem, remedy)


class _Emulation:
    """Appends all nodes of a plan's graph, in order."""

    def __init__(self, job: Job, graph: Graph, reference: bool) -> None:
        self._job, self._graph, self._reference = job, graph, reference
        self._status = FloatStatus(job.nodes)
        # For what stands in branches, or after something was written.
        counted = CountedExact(job.nodes, self._status, job.flush, job.watch)
        self._rewriter = Rewriter(job.lookup, counted, shortcuts=not reference)
        self._words: Dict[str, str] = {}  # what a status buffer is read as

    def rewrite(self, order: List[str], fetches: Sequence[str]) -> None:
        """Append everything."""
        region = computing_region(self._graph, order)
        computing = [name for name in order if name in region]
        if self._reference:
            clean = compute_exactly(self._job, computing)
        else:
            clean = compute_fast(self._job, computing, fetches)
        updates = self._updates(order, region)
        alone = {name: [row] for name, row in updates.items()}
        joined = alone if self._reference else groups(self._graph.nodes, order, updates)
        status = [name for name in order if kind(self._graph.nodes[name]).startswith("get")]
        for name in order:
            node = self._graph.nodes[name]
            if kind(node):
                self._status_operator(node, clean)
            elif name in updates:
                rows = joined.get(name, ())
                if rows:  # of those computed together, the last
                    write_updates(self._job, self._rewriter, self._status, rows, self._reference)
            elif name not in region:
                self._rewriter.node(node)
        if clean and not status:
            self._count_at_the_end(clean)
        self._read_words_for_buffers()

    def _updates(self, order: Sequence[str], region: AbstractSet[str]) -> Dict[str, Operator]:
        """Return the rows of updates in float16, by the nodes that write."""
        rows = self._job.lookup.rows
        found = ((name, rows[name]) for name in order if name in rows and name not in region)
        return {n: row for n, row in found if is_float16_update(row, self._graph.nodes[n])}

    def _count_at_the_end(self, clean: Sequence[str]) -> None:
        """Have the flag set by whatever ends a run of this graph: nothing reads it there."""
        whole = together(self._job.nodes, clean, "emulation/clean")
        count = self._status.add(whole, "emulation")
        fed = {node_of(text) for node in self._graph.nodes.values() for text in node.input}
        for node in self._job.nodes.made:
            if node.name in self._graph.nodes and node.name not in fed:
                node.input.append(f"^{count}")

    def _status_operator(self, node: Any, clean: Sequence[str]) -> None:
        nodes, tf = self._job.nodes, self._job.nodes.tf
        control = [text[1:] for text in node.input if text.startswith("^")]
        verb = kind(node)
        zeros = np.zeros(8, np.float32)
        if verb == "alloc":
            nodes.add(
                "Const", [], node.name, control, final=node.name, dtype=tf.float32, value=zeros
            )
        elif verb == "get":
            words = self._read(node, clean, control, tf.float32)
            self._words[node_of(node.input[0])] = words
            nodes.add(
                "Const", [], node.name, [words], final=node.name, dtype=tf.float32, value=zeros
            )
        elif verb == "get_v2":
            self._read(node, clean, control, tf.int32, final=node.name)
        elif verb == "clear":
            cleared = self._status.clear([*control, *self._words.values()], node.name)
            nodes.add(
                "Const", [], node.name, [cleared], final=node.name, dtype=tf.float32, value=zeros
            )
        else:
            cleared = self._status.clear(control, node.name)
            nodes.add("NoOp", [], node.name, [cleared], final=node.name)

    def _read(
        self, node: Any, clean: Sequence[str], control: Sequence[str], dtype: Any, final: str = ""
    ) -> str:
        """Append the reading of the flag, after all that the vendor's operator waits for."""
        nodes = self._job.nodes
        flags = list(clean)
        for name in waited_for(self._graph.nodes, node):
            row = self._job.lookup.rows.get(name)
            types = output_dtypes(self._graph.nodes[name])
            wide = row is None or "float16" not in row.outputs
            if wide and types and types[0] == nodes.tf.float32:
                flags.append(rounding.finite(nodes, name, f"{node.name}/{name}"))
        fine = self._status.read(flags, control, node.name)
        return self._status.words(fine, node.name, dtype, final)

    def _read_words_for_buffers(self) -> None:
        """Have all but the status operators see what was written into the buffer, Casts too."""
        for node in self._job.nodes.made:
            original = self._graph.nodes.get(node.name)
            if original is not None and kind(original):
                continue
            for place, text in enumerate(node.input):
                if text in self._words:
                    node.input[place] = self._words[text]
