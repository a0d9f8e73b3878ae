"""A plan's graph as float16 hardware would compute it, for a CPU whose tensors stay float32.

Source: precision-modes.md 8, and 6.8 for the Casts.
"""

from __future__ import annotations

from typing import (
    AbstractSet,
    Any,
    Dict,
    FrozenSet,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.frames import Frame, after_entries, find_frames
from lenet_exp.precision.emulation.exact import float_status
from lenet_exp.precision.emulation.exact.context import Context, Lookup, look_up
from lenet_exp.precision.emulation.exact.float_status import FloatStatus, all_true, kind
from lenet_exp.precision.emulation.exact.rewrite import Rewriter
from lenet_exp.precision.emulation.fast.compute import compute_fast
from lenet_exp.precision.emulation.fast.held import rounding_casts
from lenet_exp.precision.emulation.fast.overflow_flags import OverflowFlags
from lenet_exp.precision.emulation.fast.parts import Parts, find_parts
from lenet_exp.precision.emulation.fast.region import (
    Role,
    changes_variable,
    find_roles,
    run_order,
)
from lenet_exp.precision.emulation.fast.saturating import Saturating
from lenet_exp.precision.emulation.hoist import hoisted
from lenet_exp.precision.emulation.inline import inlined
from lenet_exp.precision.emulation.iterations import in_turn
from lenet_exp.precision.emulation.optimizer_updates import (
    fuse_updates,
    is_float16_update,
)
from lenet_exp.precision.emulation.trace.counters import Tracer, Traces
from lenet_exp.precision.emulation.unplanned import unplanned
from lenet_exp.precision.emulation.writers import Writers
from lenet_exp.precision.ir.builder import Nodes, set_inputs
from lenet_exp.precision.ir.graph import Graph, read_graph
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import EXITS, writes
from lenet_exp.precision.plan import Operator, Plan


class Emulated(NamedTuple):
    """The rewritten graph.

    `graph_def` has all names of the given one, and what a plan doesn't speak of as it was. The
    variable `float_status` (float32 []) counts overflows since they were last read and cleared;
    the operation `reset` sets it to 0, and has to be run before the first step. `traces` names
    what counts each rounding, and has a reset of its own; None if nothing was to be traced.
    `inner` are the nodes whose tensors, in a step that overflows, are not what the chip has;
    `twice` those in whose place nothing can be fed: what is behind them may take another node.
    """

    graph_def: Any
    float_status: str
    reset: str
    traces: Optional[Traces] = None
    inner: FrozenSet[str] = frozenset()
    twice: FrozenSet[str] = frozenset()


def emulate(
    graph_def: Any,
    plan: Plan,
    *,
    fetches: Sequence[str] = (),
    reference: bool = False,
    trace: bool = False,
    trace_scope: str = "trace",
    flush_subnormals: bool = False,
    counted: bool = True,
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
        flush_subnormals: take what is below 2^-14 as 0, for comparison. Implies `reference`.
        counted: else, with `reference`, a flag that the graph does not read stays 0: cheaper.

    Raises:
        GraphError: a node `float_status`, or what can't be emulated: see `_names`, `inlined`.
    """
    plan = in_turn(hoisted(inlined(plan)))
    graph = read_graph(plan.graph_def)
    exactly, nodes = reference or trace or flush_subnormals, Nodes(_names(graph, plan, graph_def))
    lookup = _look_up(plan, exactly)
    tracer = Tracer(nodes, lookup, flush_subnormals, trace_scope) if trace else None
    probe = tracer.rounding if tracer else None
    quiet = reference and not (counted or trace or flush_subnormals or _reads_status(graph))
    context = Context(lookup, nodes, [], flush_subnormals, probe, Saturating if quiet else None)
    frames, inner, twice = _rewrite(context, graph, fetches, exactly)
    traces, made = tracer.end(frames) if tracer else None, _assembled(context, graph_def)
    return Emulated(made, f"{float_status.NAME}:0", float_status.RESET, traces, inner, twice)


def _reads_status(graph: Graph) -> bool:
    return any(kind(node) for node in graph.nodes.values())


def _look_up(plan: Plan, reference: bool) -> Lookup:
    lookup = look_up(plan)
    return lookup if reference else lookup._replace(casts=rounding_casts(lookup))


def _names(graph: Graph, plan: Plan, graph_def: Any) -> AbstractSet[str]:
    """Return the names that are taken; refuse what can't be emulated."""
    check_known(graph)
    names = {*graph.nodes, *(node.name for node in graph_def.node)}
    for name in names & {float_status.NAME, float_status.RESET}:
        raise GraphError(name, "the emulation's flag has that name", "another name for this node")
    for row in plan.operators:
        if row.name in graph.nodes and writes(graph.nodes[row.name]) and _widened(row):
            problem = "a float16 variable that float32 is written to can't be emulated"
            raise GraphError(row.name, problem, "a float32 variable, or another precision mode")
    return names


def check_known(graph: Graph) -> None:
    """Refuse an operator that neither this TensorFlow nor the emulation computes.

    Raises:
        GraphError: it is neither registered, nor a function, nor reads the flag.
    """
    for name, node in graph.nodes.items():
        known = node.op in graph.library or tf_compat.op_def(node.op) is not None
        if not known and not kind(node):
            problem = f"this TensorFlow knows no operator {node.op}, so it can't be emulated"
            raise GraphError(name, problem, "fetches= that do not need it, or explain, which can")


def _widened(row: Operator) -> bool:
    """Return whether a tensor that is float16 in the graph is float32 on the chip."""
    origin, chosen = (*row.origin_inputs, *row.origin_outputs), (*row.inputs, *row.outputs)
    return ("float16", "float32") in zip(origin, chosen)


def _rewrite(
    context: Context, graph: Graph, fetches: Sequence[str], reference: bool
) -> Tuple[Mapping[str, Frame], FrozenSet[str], FrozenSet[str]]:
    """Append all nodes of the plan's graph: what only computes first, then the rest in order.

    Returns the while loops that each is in, and `inner` and `twice` of what is emulated.
    """
    lookup, status = context.lookup, FloatStatus(context)
    frames = find_frames(graph, run_order(graph))
    graph = after_entries(graph, run_order(graph), frames.of)
    rows, order = lookup.rows, run_order(graph)
    writers = Writers(context, status, frames.loops, reference)
    roles = find_roles(lookup, graph, order, {name for name in order if frames.of[name]})
    parts = find_parts(lookup, graph, order, roles, fetches)
    clean = (_to_the_letter if reference else compute_fast)(context, parts)
    flags = OverflowFlags(graph, parts, clean)
    updates = {
        name: rows[name]
        for name in order
        if name in rows
        and changes_variable(graph, name)
        and is_float16_update(rows[name], graph.nodes[name])
    }
    fused = {name: [row] for name, row in updates.items() if reference or frames.of[name]}
    if not reference:
        outside = {name: row for name, row in updates.items() if name not in fused}
        fused.update(fuse_updates(graph, order, outside))
    for name in order:
        node = graph.nodes[name]
        if kind(node):
            status.append(node, flags.at(name))
        elif name in fused:
            writers.updates(frames.of[name]).write(fused[name])
        elif roles[name] is Role.OUTSIDE and name not in updates:
            writers.nodes(frames.of[name]).node(node)
    writers.connect_data()
    _count_at_the_end(context, frames.of, status, flags)
    status.connect_buffers()
    _connect_choices(context.nodes.made)
    return (frames.of, *_twice(parts, reference))


def _twice(parts: Parts, reference: bool) -> Tuple[FrozenSet[str], FrozenSet[str]]:
    """Return `inner` and `twice` of what is emulated."""
    if reference:
        return frozenset(), frozenset()
    twice = frozenset(n for part in parts.parts for n in part.names if parts.roles[n].altered)
    return twice.difference(*(part.border for part in parts.parts)), twice


def _to_the_letter(context: Context, found: Parts) -> List[List[str]]:
    """Append the nodes of some parts; return for each bool []: no overflow there."""
    exact, clean = context.exact(), []
    rewriter = Rewriter(context.lookup, exact, shortcuts=False)
    for part in found.parts:
        begin, shared = len(exact.clean), len(rewriter.shared)
        rewriter.rewrite(part.names)
        taken = (exact.checks[t] for t in rewriter.shared[shared:] if t in exact.checks)
        clean.append(list(dict.fromkeys((*exact.clean[begin:], *taken))))
    return clean


def _count_at_the_end(
    context: Context, frames: Mapping[str, Frame], status: FloatStatus, flags: OverflowFlags
) -> None:
    """Have the flag set by what ends a run, for the overflows that nothing reads before."""
    if context.uncounted is not None:
        return
    nodes = context.nodes
    ends = {node.name: node for node in nodes.made}
    waiting: Dict[str, Optional[Any]] = {}
    for names, clean in flags.unread().items():
        count = status.add(all_true(nodes, clean, "emulation/clean"), "emulation")
        for name in names:
            if name not in waiting:
                waiting[name] = _outside_of_loops(nodes, ends[name], frames[name])
            end = waiting[name]
            if end is not None:
                end.input.append(f"^{count}")


def _outside_of_loops(nodes: Nodes, node: Any, frame: Frame) -> Optional[Any]:
    """Return what can wait for a node outside of loops, under this one's name; None if nothing.

    An Exit gives its name to a node behind it: what it waits for itself has to be in its loop.
    """
    if not frame or node.op not in EXITS:
        return None if frame else node
    name, node.name = str(node.name), nodes.free(f"{node.name}/exit")
    kind = nodes.tf.as_dtype(node.attr["T"].type)
    return nodes.add("Identity", [node.name], name, final=name, T=kind).node


def _connect_choices(made: Sequence[Any]) -> None:
    """Have all take what was chosen from the branch itself: its old name is one node more.

    Other branches do also where that node waits for something, which may come after them.
    """
    branches = {node.name for node in made if node.op == "StatelessIf"}
    chosen = {
        node.name: node.input[0]
        for node in made
        if node.op == "Identity" and node_of(node.input[0]) in branches
    }
    gated = {node.name for node in made if node.name in chosen and len(node.input) > 1}
    at_once = {name: text for name, text in chosen.items() if name not in gated}
    for node in made:
        taken = chosen if node.name in branches else at_once
        if not taken.keys().isdisjoint(node.input):
            set_inputs(node, [taken.get(text, text) for text in node.input])


def _assembled(context: Context, graph_def: Any) -> Any:
    made = tf_compat.load().GraphDef(library=graph_def.library, versions=graph_def.versions)
    made.node.extend(context.nodes.made)
    made.node.extend(unplanned(graph_def, context.nodes))
    have = {function.signature.name for function in made.library.function}
    functions = {function.signature.name: function for function in context.library}
    made.library.function.extend(f for name, f in functions.items() if name not in have)
    return made
