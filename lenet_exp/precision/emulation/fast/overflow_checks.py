"""Which tensors of the fast path are tested for overflow: the last ones that each value reaches.

An overflow leaves infinity where it happened, and what adds or multiplies it infinity or NaN. So
a test further on sees it too. Not past a factor that may be constant: TensorFlow's optimizer makes
0 of a product with 0, whatever the other factor is. The slow path tests every rounding by itself.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.ir.builder import data_inputs
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_defs import attribute

_SUM = "BiasAddGrad"  # tested in place of what it adds up: smaller, and far below float32's end
# How many first inputs have every element take part in a sum or product of the result: what is
# not finite there is not finite here either, whatever the other values are (0 * infinity is NaN).
_CARRIED = {
    "Identity": 1, "Reshape": 1, "Squeeze": 1, "ExpandDims": 1, "Transpose": 1,
    "Neg": 1, "Square": 1, "BiasAddGrad": 1, "Tile": 1, "Pad": 1, "Sum": 1, "Mean": 1, "L2Loss": 1,
    "Add": 2, "AddV2": 2, "Sub": 2, "Mul": 2, "BiasAdd": 2, "MatMul": 2, "BatchMatMul": 2,
    "BatchMatMulV2": 2, "SquaredDifference": 2, "TanhGrad": 2,
}  # fmt: skip
_JOINED = {"AddN": 0, "Pack": 0, "ConcatV2": 1}  # how many last inputs are no values
# Within +-65504 whatever they are given, except for NaN.
_BOUNDED = frozenset(("Cos", "Erf", "Sigmoid", "Sin", "Tanh"))
# What a convolution slides over, one step at a time: of the filter only the middle, which is
# there for any size, meets every element.
_SLIDING = {"Conv2D": 0, "Conv2DBackpropInput": 2}
_PRODUCTS = frozenset(  # of the last two inputs
    ("BatchMatMul", "BatchMatMulV2", "Conv2D", "Conv2DBackpropInput", "MatMul", "Mul")
)
# What is no constant if any of its inputs is none.
_VARYING = frozenset(
    (
        "Abs", "Elu", "Exp", "Gather", "GatherV2", "LeakyRelu", "Log", "Log1p", "MaxPool",
        "Maximum", "Minimum", "Reciprocal", "Relu", "Relu6", "Rsqrt", "Selu", "Sigmoid", "Slice",
        "Softmax", "Softplus", "Split", "SplitV", "Sqrt", "StridedSlice", "Tanh", "Unpack",
        "Cast", *_CARRIED, *_JOINED,
    )
)  # fmt: skip


def tested(nodes: Sequence[Any], rounded: Sequence[str], known: AbstractSet[str]) -> List[str]:
    """Return float32 tensors that are all finite exactly if the `rounded` ones are.

    `nodes` are NodeDefs in the order of their computation; `rounded` first outputs of them;
    `known` what of them and in front of them is `varying`.
    """
    uses: Dict[str, List[Tuple[Any, int]]] = {}
    for node in nodes:
        for index, text in enumerate(node.input):
            uses.setdefault(text, []).append((node, index))
    candidates, made = frozenset(rounded), {str(node.name): node for node in nodes}
    chosen: List[str] = []
    shows: Dict[str, bool] = {}  # is something tested that this tensor's infinity reaches?
    for node in reversed(nodes):
        name = str(node.name)
        found = list(uses.get(name, ()))
        if name in candidates and node.op == "Cast":  # its float16 form is used, too
            found += uses[node.input[0]]
        carrying = [consumer for consumer, index in found if _carries(consumer, index, known)]
        shows[name] = any(shows.get(each.name, False) for each in carrying)
        if name in candidates and not shows[name] and not _is_bounded(node, made, candidates):
            sums = [str(each.name) for each in carrying if each.op == _SUM]
            chosen.append(sums[0] if sums else name)
            shows[name] = True
            shows.update((each, True) for each in sums[:1])
    return list(dict.fromkeys(chosen[::-1]))


def varying(nodes: Sequence[Any], sources: Iterable[str]) -> Set[str]:
    """Return the nodes that TensorFlow's optimizer can make no constant of.

    `nodes` are in the order of their computation; `sources` are no constants.
    """
    found = set(sources)
    for node in nodes:
        data = [node_of(text) in found for text in data_inputs(node.input)]
        if all(data[-2:]) if node.op in _PRODUCTS else any(data) and node.op in _VARYING:
            found.add(str(node.name))
    return found


def _carries(node: Any, index: int, known: AbstractSet[str]) -> bool:
    """Return whether no infinity in this input of a node is lost."""
    data = data_inputs(node.input)
    if node.op == "Sub" and data[0] == data[1]:
        return False  # 0, by the same optimizer
    if node.op == "Cast":
        return bool(tf_compat.load().as_dtype(attribute(node, "DstT").type).is_floating)
    if node.op in _PRODUCTS:
        other = data[len(data) - 2 if index == len(data) - 1 else -1]
        if node_of(other) not in known and other != data[index]:
            return False
    if node.op in _SLIDING:
        steps = (*attribute(node, "strides").list.i, *attribute(node, "dilations").list.i)
        slides = attribute(node, "padding").s == b"SAME" and set(steps) <= {1}
        return slides and index == _SLIDING[node.op]
    if node.op in _JOINED:
        return index < len(data) - _JOINED[node.op]
    return index < _CARRIED.get(node.op, 0)


def _is_bounded(node: Any, made: Mapping[str, Any], candidates: AbstractSet[str]) -> bool:
    """Return whether a rounded tensor can't be beyond 65504 unless what it is made of is."""
    for _ in range(2):  # casts to float16 and back
        if node.op != "Cast" or node.input[0] not in made:
            return False
        node = made[node.input[0]]
    if node.op == "Cast":
        return bool(attribute(node, "SrcT").type == tf_compat.load().bool.as_datatype_enum)
    return node.op in _BOUNDED and node.input[0] in candidates
