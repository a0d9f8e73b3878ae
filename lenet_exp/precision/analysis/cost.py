"""What a plan adds up to: casts, the cube's arithmetic, bytes that operators move."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.shapes import Shape, all_shapes, elements, with_variables
from lenet_exp.precision.ir.graph import Graph, read_graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.plan import CastEdge, Engine, Operator, Plan

_HALF = "float16"
_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("float32", "int32", "uint32"), 4),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 8),
    "complex128": 16,
}
# Input of the gradient and output of the operator: what cuDNN keeps, which the chip doesn't have.
_CUDNN_SLOT = 5
_WITH_CUDNN = ("FusedBatchNormV3", "FusedBatchNormGradV3")
_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2")


class Cost(NamedTuple):
    """What one operator does a step.

    `flops` is None off the cube, and where a shape is not static; `moved` are the bytes of its
    inputs and outputs by dtype, None where a shape is not static. `casts` are those in front of
    it, a call's at the end of its branches included; `merged` of them are taken away again, the
    rest of those on the chip move `cast_bytes`.
    """

    flops: Optional[int]
    moved: Optional[Mapping[str, int]]
    casts: int = 0
    merged: int = 0
    cast_bytes: int = 0


class Costs(NamedTuple):
    """The cost of every operator, by name.

    `refusal`: what TensorFlow doesn't take in the graph, and then no cost is known.
    """

    operators: Mapping[str, Cost]
    refusal: str = ""


class Totals(NamedTuple):
    """Sums over a plan. FLOP count a multiplication and an addition as two.

    `float16` operators have at least one float16 tensor. `merged` of the casts are taken away
    again with their inverse. Bytes are those of operators with a kernel; `cast_bytes` are read
    and written by the casts besides. `uncounted` are operators left out of the sums, because a
    shape is not static.
    """

    operators: int
    float16: int
    casts: int
    merged: int
    cube_flops: int
    cube_flops_float16: int
    moved_bytes: int
    moved_bytes_float16: int
    cast_bytes: int
    uncounted: Tuple[str, ...]

    @property
    def cube_share(self) -> Optional[float]:
        """Which share of the cube's FLOP is in float16, 0..1; None where none is counted."""
        return self.cube_flops_float16 / self.cube_flops if self.cube_flops else None


def totals(plan: Plan) -> Totals:
    """Return what a plan adds up to."""
    known = cost_of(plan).operators
    return totals_of([(row, known[row.name]) for row in plan.operators])


def totals_of(rows: Sequence[Tuple[Operator, Cost]]) -> Totals:
    """Return what some operators add up to, with the casts in front of them."""
    costs = [cost for _, cost in rows]
    moved = [cost.moved for cost in costs if cost.moved]
    return Totals(
        operators=len(rows),
        float16=sum(_HALF in (*row.inputs, *row.outputs) for row, _ in rows),
        casts=sum(cost.casts for cost in costs),
        merged=sum(cost.merged for cost in costs),
        cube_flops=sum(cost.flops or 0 for cost in costs),
        cube_flops_float16=sum(c.flops or 0 for row, c in rows if row.inputs[:1] == (_HALF,)),
        moved_bytes=sum(sum(each.values()) for each in moved),
        moved_bytes_float16=sum(each.get(_HALF, 0) for each in moved),
        cast_bytes=sum(cost.cast_bytes for cost in costs),
        uncounted=tuple(
            row.name
            for row, cost in rows
            if cost.moved is None or (row.unit == "cube" and cost.flops is None)
        ),
    )


def cost_of(plan: Plan) -> Costs:
    """Return what every operator costs; a null operator moves nothing.

    This is where a graph is asked to be valid as a whole: `assign` infers only the shapes that a
    decision needs, because those of all nodes take TensorFlow three times as long as a plan.
    """
    graph, refusal = read_graph(plan.graph_def), ""
    try:
        known = with_variables(graph, all_shapes(graph, plan.generation))
        shapes = _Shapes(graph, {**known, **_only_of_the_chip(plan, known)})
    except GraphError as error:  # nothing is counted, and all named
        shapes, refusal = _Shapes(graph, {}), f"{error.args[0]}: {error.args[1]}"
    names = {row.name for row in plan.operators}
    in_front: Dict[str, List[CastEdge]] = {}
    for cast in plan.casts:
        owner = cast.consumer
        while owner and owner not in names:  # at the end of a branch, `owner/function`: the call's
            owner = owner.rpartition("/")[0]
        in_front.setdefault(owner, []).append(cast)
    found = {
        row.name: Cost(
            _flops(shapes, row),
            _moved(shapes, row),
            casts=len(in_front.get(row.name, ())),
            merged=sum(cast.removed for cast in in_front.get(row.name, ())),
            cast_bytes=_cast_bytes(shapes, in_front.get(row.name, ())),
        )
        for row in plan.operators
    }
    return Costs(found, refusal)


def _only_of_the_chip(plan: Plan, known: Mapping[Tensor, Shape]) -> Dict[Tensor, Shape]:
    """Return the shapes of what a fusion puts in front of a cross entropy of integer labels.

    Its OneHotD is as large as what the cross entropy gives for the logits, output 1.
    """
    found: Dict[Tensor, Shape] = {}
    for row in plan.operators:
        if not row.tf_type:
            one_hot = row.ge_type == "OneHotD"
            found[Tensor(row.name, 0)] = known.get(
                Tensor(row.parts[0], 1) if one_hot else row.sources[0]
            )
            found.update((value, ()) for value in row.sources[1:] if one_hot)
    return found


class _Shapes(NamedTuple):
    graph: Graph
    known: Mapping[Tensor, Shape]

    def of_input(self, node: str, index: int) -> Shape:
        inputs = self.graph.data.get(node, ())
        return self.known.get(inputs[index]) if index < len(inputs) else None


def _moved(shapes: _Shapes, operator: Operator) -> Optional[Dict[str, int]]:
    """Return the bytes by dtype; tensors that only the chip has count as the input they replace.

    A mask (ReluV2's, one bit a value) is left out, and so is what batch normalisation keeps for
    a GPU alone, whose shape TensorFlow doesn't know.
    """
    if operator.engine is Engine.NONE:
        return {}
    cudnn = _CUDNN_SLOT if operator.tf_type in _WITH_CUDNN else None
    inputs = [
        shapes.known.get(source) if port is None else shapes.of_input(*port)
        for port, source in zip(operator.ports, operator.sources)
    ]
    sizes: List[Tuple[str, Shape]] = [
        (dtype, shape)
        for dtype, shape, port in zip(operator.inputs, inputs, operator.ports)
        if (shape is not None if port is None else port.slot != cudnn)
    ]
    for index, (dtype, result) in enumerate(zip(operator.outputs, operator.results)):
        own = shapes.known.get(Tensor(operator.name, index)) if result is None else None
        if own is not None:
            sizes.append((dtype, own))
        elif result is None:
            sizes += [(dtype, shape) for shape in inputs[index : index + 1]]
        elif result.slot != cudnn:
            sizes.append((dtype, shapes.known.get(result)))
    found: Dict[str, int] = {}
    for dtype, shape in sizes:
        if shape is None or dtype not in _BYTES:
            return None
        found[dtype] = found.get(dtype, 0) + elements(shape) * _BYTES[dtype]
    return found


def _cast_bytes(shapes: _Shapes, casts: Iterable[CastEdge]) -> int:
    """Return the bytes read and written by casts on the chip; constants are cast on the host."""
    total = 0
    for cast in casts:
        shape = shapes.known.get(cast.producer)
        if shape is not None and not cast.on_host and not cast.removed:
            total += elements(shape) * (_BYTES[cast.source] + _BYTES[cast.target])
    return total


def _flops(shapes: _Shapes, operator: Operator) -> Optional[int]:
    """Return 2 x multiply-adds of a cube operator, None of any other; a bias is not counted.

    A product [m, k] x [k, n] has m*n*k. A convolution has, for each value of its output, one
    per weight of one output channel: kh*kw*c, and both its gradients have as many as itself.
    Source: performance-notes.md 2, whose figures the tests repeat.
    """
    node = shapes.graph.nodes.get(operator.name)
    if operator.unit != "cube" or node is None:
        return None
    return (_product if node.op in _PRODUCTS else _convolution)(shapes, node)


def _product(shapes: _Shapes, node: Any) -> Optional[int]:
    left, made = shapes.of_input(node.name, 0), shapes.known.get(Tensor(node.name, 0))
    if left is None or made is None:
        return None
    turned = attribute(node, "transpose_a" if node.op == "MatMul" else "adj_x").b
    return 2 * elements(made) * left[-2 if turned else -1]


def _convolution(shapes: _Shapes, node: Any) -> Optional[int]:
    """TensorFlow's weights end in [..., inputs, outputs], depthwise in [..., channels, times]."""
    values, weights = shapes.known.get(Tensor(node.name, 0)), shapes.of_input(node.name, 1)
    if "BackpropFilter" in node.op:
        values, weights = shapes.of_input(node.name, 2), values
    elif "BackpropInput" in node.op:
        values = shapes.of_input(node.name, 2)
    if values is None or weights is None:
        return None
    window = weights[: -2 if node.op.startswith("Depthwise") else -1]
    return 2 * elements(values) * elements(window)
