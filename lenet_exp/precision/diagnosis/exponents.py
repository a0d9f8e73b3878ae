"""How large the gradients of some steps are: a histogram of exponents for each place they round.

The steps are exact, unscaled, and train: what a loss scale does to a gradient is to shift it.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Tuple

import numpy as np

from lenet_exp import cpu_session, tf_compat
from lenet_exp.precision.analysis.frames import find_frames
from lenet_exp.precision.analysis.step_sections import BACKWARD, FORWARD, section_of, sections
from lenet_exp.precision.diagnosis.copies import exact_plan
from lenet_exp.precision.diagnosis.errors import Values, border_of, leaving, without_choices
from lenet_exp.precision.diagnosis.refusals import computed, imported, in_words
from lenet_exp.precision.emulation.emulate import emulate
from lenet_exp.precision.emulation.exact.context import source
from lenet_exp.precision.emulation.fast.region import run_order
from lenet_exp.precision.emulation.inline import inlined
from lenet_exp.precision.ir.builder import Nodes
from lenet_exp.precision.ir.graph import Graph, reachable, read_graph
from lenet_exp.precision.ir.names import as_input, node_of
from lenet_exp.precision.ir.op_traits import ENTERS, PASS_THROUGH, VARIABLES
from lenet_exp.precision.plan import Operator, Plan

SCALE = "loss_scale"  # the node that a scaled loss is multiplied by
BINS = 256  # a float32 has so many exponents
BIAS = 127  # of them, by IEEE 754
_MANTISSA = 23


class Site(NamedTuple):
    """A place where a gradient becomes float16: `tensor`, as `operator` gives or takes it.

    `is_last`: the gradient of a variable, which several devices add up in its own type.
    """

    operator: str
    ge_type: str
    tensor: str
    is_last: bool


class Exponents(NamedTuple):
    """What went through a site: `counts` int64 [BINS] by the exponent's bits, bin 0 is 0.

    `largest`: the largest magnitude.
    """

    site: Site
    counts: np.ndarray
    largest: float


def exponents(
    plan: Plan,
    values: Values,
    feeds: Callable[[int], Values],
    steps: int,
    threads: int = 0,
    say: Callable[[int], None] = lambda step: None,
) -> List[Exponents]:
    """Train exactly for some steps from given values; return what goes through each site.

    Args:
        plan: of a training step whose loss is not scaled, or by 1.
        values: of its variables before the first step.
        feeds: of a step's number, from 0: by tensor.
        steps: how many are made.
        threads: as `cpu_session.open_session`.
        say: is told how many are done.
    """
    flat = without_choices(inlined(plan), values, feeds(0), threads)
    sites = sites_of(flat)
    made, fetches = _counting(flat, sites)
    counts = np.zeros((len(sites), BINS), np.int64)
    largest = np.zeros(len(sites), np.float64)
    done = [node_of(name) for name in plan.fetches]
    with _session(made, flat, values, threads) as session:
        for step in range(steps):
            found = computed(session, {"sites": fetches, "step": done}, feeds(step))["sites"]
            for place, (bins, most) in enumerate(found):
                counts[place] += bins
                largest[place] = max(largest[place], float(most))
            say(step + 1)
    return [Exponents(*each) for each in zip(sites, counts, map(float, largest))]


def sites_of(plan: Plan) -> List[Site]:
    """Return the places in the backward pass where the plan rounds to float16."""
    graph = read_graph(plan.graph_def)
    order = run_order(graph)
    frames, known = find_frames(graph, order).of, sections(plan.graph_def)
    ends = (*border_of(plan).values(), *leaving(plan).values())
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
    return list(found.values())


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


def _counting(plan: Plan, sites: List[Site]) -> Tuple[Any, List[Tuple[str, str]]]:
    """Return the exact step with a histogram and the largest magnitude of each site."""
    made = emulate(plan.graph_def, exact_plan(plan)).graph_def
    nodes = Nodes(node.name for node in made.node)
    counted = {site.tensor: _histogram(nodes, site.tensor) for site in sites}
    made.node.extend(nodes.made)
    return made, [counted[site.tensor] for site in sites]


def _histogram(nodes: Nodes, tensor: str) -> Tuple[str, str]:
    tf, name = nodes.tf, f"exponents/{tensor.replace(':', '_')}"
    size = nodes.float_op("Abs", [nodes.reshape(tensor, [-1], name)], name)
    bits = nodes.add("Bitcast", [size], name, T=tf.float32, type=tf.int32)
    shift = nodes.constant(_MANTISSA, np.int32)
    exponent = nodes.add("RightShift", [bits, shift], name, T=tf.int32)
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
