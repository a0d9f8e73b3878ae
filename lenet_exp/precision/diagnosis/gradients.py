"""Where the gradients of a step end, and what its updates make of them."""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    Container,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.step_sections import BACKWARD, UPDATE, sections
from lenet_exp.precision.diagnosis.measures import exact, in_float32, measure
from lenet_exp.precision.diagnosis.refusals import EMULATED, EXACT
from lenet_exp.precision.emulation.exact.context import source
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes
from lenet_exp.precision.emulation.fast.region import changes_variable, known_shapes
from lenet_exp.precision.ir.builder import Nodes, data_inputs
from lenet_exp.precision.ir.graph import Graph, reachable, read_graph
from lenet_exp.precision.ir.names import as_input, node_of, slot_of
from lenet_exp.precision.ir.op_traits import PASS_THROUGH
from lenet_exp.precision.plan import Plan

_ARGUMENTS = ("grad", "delta")  # of an update that takes a gradient as such


class Gradient(NamedTuple):
    """A gradient: `tensor` as inputs name it, its `dtype` in the graph, float16 in the plan?

    `name` is that of its variable, with the update's where it has several; where no update takes
    it as such, for it is written by hand, that of the tensor.
    """

    name: str
    tensor: str
    dtype: str
    is_half: bool


class Border(NamedTuple):
    """The gradients of a step, and `updates`, the nodes behind them: what changes variables.

    Clipping or unscaling is in front, where an update takes the gradient as such; a schedule of
    the learning rate is one of the updates.
    """

    gradients: Tuple[Gradient, ...]
    updates: FrozenSet[str]


def border_of(plan: Plan) -> Border:
    """Return the border between the gradients and the updates.

    Gradients are what updates take as such, and what leaves the backward pass for other writes of
    variables; where nothing is written, whatever leaves it.
    """
    graph = read_graph(plan.graph_def)
    nodes, taken = graph.nodes, _taken(plan, graph.nodes)
    updates, by_hand = _updates(plan, graph, taken)
    named = _named(nodes, taken)
    named.update((origin, origin) for origin in by_hand)
    if not named:
        named = {origin: origin for origin in leaving(plan)}
    halves = {
        as_input(result)
        for row in plan.operators
        for result, dtype in zip(row.results, row.outputs)
        if result is not None and dtype == "float16"
    }
    gradients = tuple(
        Gradient(name, text, *_kind(nodes, text, halves)) for name, text in named.items()
    )
    return Border(gradients, frozenset(updates))


def _kind(nodes: Mapping[str, Any], text: str, halves: Set[str]) -> Tuple[str, bool]:
    """Return the type of a tensor in the graph, and whether it is float16 in the plan."""
    dtype = _dtype(nodes, text)
    return dtype.name if dtype else "float32", source(nodes, text, PASS_THROUGH) in halves


def _taken(plan: Plan, nodes: Mapping[str, Any]) -> Dict[str, str]:
    """Return the gradients that updates take as such, by the updates' nodes."""
    found = {}
    for row in plan.operators:
        node = nodes[row.parts[-1]]
        index = _gradient_index(node)
        if index is not None:
            found[node.name] = node.input[index]
    return found


def _gradient_index(node: Any) -> Optional[int]:
    """Return which input of an update is the gradient; None of all else."""
    definition = tf_compat.op_def(node.op)
    names = [argument.name for argument in definition.input_arg] if definition else []
    if not names or names[0] != "var":
        return None
    return next((names.index(name) for name in _ARGUMENTS if name in names), None)


def _named(nodes: Mapping[str, Any], taken: Mapping[str, str]) -> Dict[str, str]:
    """Return gradients by the names of their variables, and of the updates if several."""
    variables = {update: node_of(source(nodes, nodes[update].input[0])) for update in taken}
    several = [*variables.values()]
    return {
        name if several.count(name) == 1 else f"{name} ({update})": taken[update]
        for update, name in variables.items()
    }


def _updates(
    plan: Plan, graph: Graph, taken: Mapping[str, str]
) -> Tuple[Set[str], Dict[str, None]]:
    """Return what writes variables after the backward pass, with what is computed for it only.

    And the tensors of the backward pass that it takes, but for gradients that are `taken`, and
    those of which it takes a single number, such as a norm.
    """
    known = sections(plan.graph_def)
    ends = {source(graph.nodes, text, PASS_THROUGH) for text in taken.values()}
    names = (row.parts[-1] for row in plan.operators)
    writers = [n for n in names if known[n] == UPDATE and changes_variable(graph, n)]

    def given(name: str) -> Iterator[str]:
        for text in data_inputs(graph.nodes[name].input):
            origin = source(graph.nodes, text, PASS_THROUGH)
            if text != taken.get(name) and origin not in ends and _is_number(graph.nodes, origin):
                yield origin

    def before(name: str) -> Iterator[str]:
        return (each for each in map(node_of, given(name)) if known[each] == UPDATE)

    single = _single_numbers(plan, graph, given)
    whole = reachable(writers, lambda name: () if name in single else before(name))
    tensors = (origin for name in whole if name not in single for origin in given(name))
    left = {origin: None for origin in tensors if known[node_of(origin)] == BACKWARD}
    return set(reachable(writers, before)), left


def _single_numbers(
    plan: Plan, graph: Graph, given: Callable[[str], Iterable[str]]
) -> Container[str]:
    """Return what makes a single number of tensors that may have more."""
    shapes = known_shapes(graph, plan.generation)
    return {
        name
        for name in graph.nodes
        if shapes.get(name) == () and any(shapes.get(each) != () for each in given(name))
    }


def leaving(plan: Plan) -> List[str]:
    """Return the tensors that leave the backward pass for the update, as inputs name them."""
    nodes = {node.name: node for node in plan.graph_def.node}
    known, found = sections(plan.graph_def), {}  # type: Dict[str, str], Dict[str, None]
    for row in plan.operators:
        for part in row.parts:
            for text in data_inputs(nodes[part].input) if known[part] == UPDATE else ():
                origin = source(nodes, text, PASS_THROUGH)
                if known[node_of(origin)] == BACKWARD and _is_number(nodes, origin):
                    found[origin] = None
    return list(found)


def _is_number(nodes: Mapping[str, Any], text: str) -> bool:
    dtype = _dtype(nodes, text)
    return dtype is not None and (dtype.is_floating or dtype.is_complex)


def _dtype(nodes: Mapping[str, Any], text: str) -> Optional[Any]:
    """Return the type of a tensor; None of what this TensorFlow doesn't know."""
    node, slot = nodes[node_of(text)], slot_of(text)
    types = output_dtypes(node) if tf_compat.op_def(node.op) is not None else ()
    return types[slot] if slot < len(types) else None


def measured_gradients(nodes: Nodes, gradients: Sequence[Gradient]) -> List[str]:
    """Append the measuring of gradients: tensors float64 [SIZE, 1], one each."""
    found = []
    for number, each in enumerate(gradients):
        name = f"gradient/{number}"
        value, wanted = (
            in_float32(nodes, f"{prefix}/{each.tensor}", each.dtype, name)
            for prefix in (EMULATED, EXACT)
        )
        found.append(measure(nodes, value, exact(nodes, wanted, name), name, each.is_half))
    return found
