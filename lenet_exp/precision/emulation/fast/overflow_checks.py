"""Which tensors of the fast path are tested for overflow: the last ones that each value reaches.

An overflow leaves infinity where it happened, and what adds or multiplies it infinity or NaN. So
a test further on sees it too. Not past a factor that may be constant: TensorFlow's optimizer makes
0 of a product with 0, whatever the other factor is. The slow path tests every rounding by itself.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, FrozenSet, Iterable, List, NamedTuple, Sequence, Set

from lenet_exp.precision.emulation.op_types import CARRIED, PRODUCTS, SLIDING, VARYING
from lenet_exp.precision.ir.builder import data_inputs
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_defs import attribute

_SUM = "BiasAddGrad"  # tested in place of what it adds up: smaller, and far below float32's end


class _Use(NamedTuple):
    consumer: Any
    place: int


def tested(nodes: Sequence[Any], rounded: Sequence[str], varying: Iterable[str]) -> List[str]:
    """Return float32 tensors that are all finite exactly if the `rounded` ones are.

    `nodes` are NodeDefs in the order of their computation; `rounded` first outputs of them;
    `varying` what they take from elsewhere that is certainly no constant.
    """
    known = _varying(nodes, varying)
    uses: Dict[str, List[_Use]] = {}
    for node in nodes:
        for index, text in enumerate(node.input):
            uses.setdefault(text, []).append(_Use(node, index))
    candidates = frozenset(rounded)
    chosen: List[str] = []
    shows: Dict[str, bool] = {}  # is something tested that this tensor's infinity reaches?
    for node in reversed(nodes):
        name = str(node.name)
        found = list(uses.get(name, ()))
        if name in candidates and node.op == "Cast":  # its float16 form is used, too
            found += uses[node.input[0]]
        carrying = [use.consumer for use in found if use.place in _carried(use, known)]
        shows[name] = any(shows.get(each.name, False) for each in carrying)
        if name in candidates and not shows[name]:
            sums = [str(each.name) for each in carrying if each.op == _SUM]
            chosen.append(sums[0] if sums else name)
            shows[name] = True
            shows.update((each, True) for each in sums[:1])
    return list(dict.fromkeys(chosen[::-1]))


def _varying(nodes: Sequence[Any], sources: Iterable[str]) -> Set[str]:
    """Return the nodes that TensorFlow's optimizer can make no constant of."""
    found = set(sources)
    for node in nodes:
        data = [node_of(text) in found for text in data_inputs(node.input)]
        if all(data[-2:]) if node.op in PRODUCTS else any(data) and node.op in VARYING:
            found.add(str(node.name))
    return found


def _carried(use: _Use, varying: AbstractSet[str]) -> FrozenSet[int]:
    """Return the inputs of which no infinity is lost in a consumer."""
    node = use.consumer
    data = data_inputs(node.input)
    if node.op == "Sub" and data[0] == data[1]:
        return frozenset()  # 0, by the same optimizer
    if node.op in PRODUCTS:
        other = data[len(data) - 2 if use.place == len(data) - 1 else -1]
        if node_of(other) not in varying and other != data[use.place]:
            return frozenset()
    if node.op in SLIDING:
        steps = (*attribute(node, "strides").list.i, *attribute(node, "dilations").list.i)
        slides = attribute(node, "padding").s == b"SAME" and set(steps) <= {1}
        return frozenset((SLIDING[node.op],)) if slides else frozenset()
    return CARRIED.get(node.op, frozenset())
