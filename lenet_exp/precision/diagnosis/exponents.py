"""How large the gradients of some steps are: a histogram of exponents for each place they round.

The steps are exact, unscaled, and train: what a loss scale does to a gradient is to shift it.
"""

from __future__ import annotations

from typing import (
    AbstractSet,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp import cpu_session, tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.frames import find_frames
from lenet_exp.precision.analysis.step_sections import BACKWARD, FORWARD, section_of, sections
from lenet_exp.precision.diagnosis.copies import exact_plan
from lenet_exp.precision.diagnosis.errors import Values, without_choices
from lenet_exp.precision.diagnosis.gradients import border_of, leaving
from lenet_exp.precision.diagnosis.refusals import computed, imported, in_words
from lenet_exp.precision.emulation.emulate import emulate
from lenet_exp.precision.emulation.exact.context import source
from lenet_exp.precision.emulation.fast.region import changes_variable, run_order
from lenet_exp.precision.emulation.inline import inlined
from lenet_exp.precision.ir.builder import Nodes, copied
from lenet_exp.precision.ir.graph import Graph, reachable, read_graph
from lenet_exp.precision.ir.names import as_input, node_of
from lenet_exp.precision.ir.op_traits import ENTERS, PASS_THROUGH, VARIABLES
from lenet_exp.precision.plan import Operator, Plan

SCALE = "loss_scale"  # the node that a scaled loss is multiplied by
INVERSE = "inverse_scale"  # the one that its gradients are
BINS = 256  # a float32 has so many exponents
BIAS = 127  # of them, by IEEE 754
_MANTISSA = 23
_OTHER_VALUES = "other values in feeds=, or the checkpoint= of a step that is right in float32"


class _Least(NamedTuple):
    """The least exponent that float16 keeps of values to whose bits, as an integer, was `added`.

    Rounded to nearest, ties to even, is 0 what is at most 2^-25, the value after which the bits
    are changed to the exponent -25; or, where subnormals are flushed, below 2^-14 - 2^-25.
    """

    exponent: int
    added: int


_LEAST, _LEAST_NORMAL = _Least(-25, -1), _Least(-14, 2**13)


class Site(NamedTuple):
    """A place where a gradient becomes float16: `tensor`, as `operator` gives or takes it.

    `is_last`: the gradient of a variable, which several devices add up in its own type.
    `is_inverse`: no gradient, but what a scaled one is multiplied by, which falls with the scale.
    """

    operator: str
    ge_type: str
    tensor: str
    is_last: bool
    is_inverse: bool = False


class Exponents(NamedTuple):
    """What went through a site: `counts` int64 [BINS] by the exponent's bits, bin 0 is 0.

    A value's exponent is as `_Least` has it, so that what is below `least` becomes 0, and nothing
    else. `largest`: the largest magnitude.
    """

    site: Site
    counts: np.ndarray
    largest: float
    least: int = _LEAST.exponent


class Trace(NamedTuple):
    """What went through all sites in some exact steps, and how far those are a training.

    `batches`: of how many different ones, None for no end. `other`: the first step, from 1, that
    would take another branch of a condition than the first step, which all were made with.
    """

    sites: Tuple[Exponents, ...]
    steps: int
    batches: Optional[int] = None
    other: Optional[int] = None


def exponents(
    plan: Plan,
    values: Values,
    feeds: Callable[[int], Values],
    steps: int,
    threads: int = 0,
    say: Callable[[int], None] = lambda step: None,
    flush: bool = False,
    batches: Optional[int] = None,
) -> Trace:
    """Train exactly for some steps from given values; return what goes through each site.

    Args:
        plan: of a training step whose loss is not scaled, or by 1.
        values: of its variables before the first step.
        feeds: of a step's number, from 0: by tensor.
        steps: how many are made.
        threads: as `cpu_session.open_session`.
        say: is told how many are done.
        flush: float16 has no subnormal numbers.
        batches: how many different ones there are of `feeds`, None for no end.

    Raises:
        GraphError: a value is lacking, or a gradient becomes no finite number.
    """
    known: Dict[str, bool] = {}
    flat = without_choices(inlined(plan), values, feeds(0), threads, known)
    sites, least = sites_of(flat), _LEAST_NORMAL if flush else _LEAST
    made, wanted = _counting(_waiting(flat, list(known)), sites, least.added)
    wanted["step"] = [node_of(name) for name in plan.fetches]
    wanted["conditions"] = [text if ":" in text else f"{text}:0" for text in known]
    begin = np.zeros(BINS, np.int64), 0.0, least.exponent
    trace = Trace(tuple(Exponents(site, *begin) for site in sites), steps, batches)
    with _session(made, flat, values, threads) as session:
        for step in range(steps):
            found = computed(session, wanted, feeds(step))
            is_other = list(map(bool, found["conditions"])) != list(known.values())
            trace = _added(trace, found["sites"], step, is_other)
            say(step + 1)
    return trace


def _added(trace: Trace, found: Sequence[Any], step: int, is_other: bool) -> Trace:
    """Return a trace with what went through its sites in one step more, from 0."""
    sites = []
    for each, (bins, most) in zip(trace.sites, found):
        if not np.isfinite(most) or bins[-1]:
            problem = f"has a gradient at {each.site.operator} that is no finite number"
            remedy = f"steps={step}, or a smaller learning rate" if step else _OTHER_VALUES
            raise GraphError(f"step {step + 1} in float32", problem, remedy)
        largest = max(each.largest, float(most))
        sites.append(each._replace(counts=each.counts + bins, largest=largest))
    other = step + 1 if trace.other is None and is_other else trace.other
    return trace._replace(sites=tuple(sites), other=other)


def _waiting(plan: Plan, conditions: Sequence[str]) -> Plan:
    """Return the plan in which variables wait for the conditions of choices, as they did."""
    graph_def = copied(plan.graph_def)
    graph = read_graph(graph_def)
    frames = find_frames(graph, run_order(graph)).of
    before = reachable(map(node_of, conditions), graph.producers)
    for node in graph_def.node if conditions else ():
        if changes_variable(graph, node.name) and not frames[node.name]:
            waits = node.name not in before
            node.input.extend(f"^{node_of(text)}" for text in conditions if waits)
    return plan._replace(graph_def=graph_def)


def sites_of(plan: Plan) -> List[Site]:
    """Return the places in the backward pass where the plan rounds to float16."""
    graph = read_graph(plan.graph_def)
    order = run_order(graph)
    frames, known = find_frames(graph, order).of, sections(plan.graph_def)
    ends = (*(each.tensor for each in border_of(plan).gradients), *leaving(plan))
    last = {source(graph.nodes, text, PASS_THROUGH) for text in ends}
    rows = {row.name: row for row in plan.operators}
    scaled = _scaled_before(graph, known)

    def inside(name: str) -> bool:
        return bool(frames[name]) or graph.nodes[name].op in ENTERS

    found: Dict[Tuple[str, str], Site] = {}
    for row, text in _rounded(plan, rows):
        producer = node_of(text)
        moves = producer in scaled or section_of(producer, known) == BACKWARD
        if moves and producer in graph.nodes and not inside(producer) and not inside(row.name):
            site = Site(row.name, row.ge_type, text, text in last)
            found[row.name, text] = site
    return [*found.values(), *_inverses(plan, rows)]


def _inverses(plan: Plan, rows: Mapping[str, Operator]) -> Iterator[Site]:
    """Yield where the inverse of the scale is rounded to float16, by a Cast of the host too."""
    for edge in plan.casts:
        if edge.producer.node == INVERSE and edge.target == "float16" and not edge.removed:
            text = as_input(edge.producer)
            yield Site(edge.consumer, rows[edge.consumer].ge_type, text, False, is_inverse=True)


def _scaled_before(graph: Graph, known: Mapping[str, str]) -> AbstractSet[str]:
    """Return what a scale of the loss does in front of the backward pass: the scaled loss."""
    behind = graph.consumers(by_order=False)
    scales = [name for name in graph.nodes if name == SCALE]
    found = reachable(scales, lambda name: behind.get(name, ()))
    return {name for name in found if known[name] == FORWARD and name not in scales}


def _rounded(plan: Plan, rows: Mapping[str, Operator]) -> Iterator[Tuple[Operator, str]]:
    """Yield what each operator rounds: what it gives in float16, and what is cast for it."""
    for row in plan.operators:
        for result, dtype in zip(row.results, row.outputs):
            if result is not None and dtype == "float16" and row.unit != "none":
                yield row, as_input(result)
    for edge in plan.casts:
        if edge.target == "float16" and not edge.removed and not edge.on_host:
            yield rows[edge.consumer], as_input(edge.producer)


def _counting(plan: Plan, sites: List[Site], added: int) -> Tuple[Any, Dict[str, Any]]:
    """Return the exact step with a histogram and the largest magnitude of each of its "sites"."""
    made = emulate(plan.graph_def, exact_plan(plan)).graph_def
    nodes = Nodes(node.name for node in made.node)
    counted = {site.tensor: _histogram(nodes, site.tensor, added) for site in sites}
    made.node.extend(nodes.made)
    return made, {"sites": [counted[site.tensor] for site in sites]}


def _histogram(nodes: Nodes, tensor: str, added: int) -> Tuple[str, str]:
    """Return int32 [BINS] of a tensor's exponents, see `_Least`, and its largest magnitude."""
    tf, name = nodes.tf, f"exponents/{tensor.replace(':', '_')}"
    size = nodes.float_op("Abs", [nodes.reshape(tensor, [-1], name)], name)
    bits = nodes.add("Bitcast", [size], name, T=tf.float32, type=tf.int32)
    moved = nodes.add("AddV2", [bits, nodes.constant(added, np.int32)], name, T=tf.int32)
    positive = nodes.add("Maximum", [moved, nodes.constant(0, np.int32)], name, T=tf.int32)
    shift = nodes.constant(_MANTISSA, np.int32)
    exponent = nodes.add("RightShift", [positive, shift], name, T=tf.int32)
    ones = nodes.constant(np.zeros(0, np.int32), np.int32)
    inputs = [exponent, nodes.constant(BINS, np.int32), ones]
    bins = nodes.add("Bincount", inputs, name, T=tf.int32)
    axis = nodes.constant(np.array([0], np.int32), np.int32)
    most = nodes.float_op("Max", [size, axis], name, Tidx=tf.int32, keep_dims=False)
    return f"{bins}:0", f"{most}:0"


def _session(graph_def: Any, plan: Plan, values: Values, threads: int) -> Any:
    """Return a session of a graph whose variables have been given their values."""
    tf = tf_compat.load()
    variables = [node.name for node in plan.graph_def.node if node.op in VARIABLES]
    with tf.Graph().as_default() as graph, in_words():
        imported(graph_def)
        handles = [graph.get_tensor_by_name(f"{name}:0") for name in variables]
        fed = [tf.placeholder(_dtype_of(tf, handle)) for handle in handles]
        writes = [_write(tf, *pair) for pair in zip(handles, fed)]
    session = cpu_session.open_session(graph, threads)
    # What the emulation knows as float32 may have been float16.
    given = [np.asarray(values[name]) for name in variables]
    held = [value.astype(each.dtype.as_numpy_dtype) for value, each in zip(given, fed)]
    reset = [name for name in ("float_status/reset",) if _has(graph, name)]
    computed(session, [*writes, *reset], dict(zip(fed, held)))
    return session


def _dtype_of(tf: Any, handle: Any) -> Any:
    is_handle = handle.dtype == tf.resource
    return handle.op.get_attr("dtype") if is_handle else handle.dtype.base_dtype


def _write(tf: Any, handle: Any, value: Any) -> Any:
    if handle.dtype == tf.resource:
        return tf.raw_ops.AssignVariableOp(resource=handle, value=value)
    return tf.raw_ops.Assign(ref=handle, value=value, validate_shape=False)


def _has(graph: Any, name: str) -> bool:
    return any(operation.name == name for operation in graph.get_operations())
