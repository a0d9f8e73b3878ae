"""Which tensors of the fast path are tested for overflow: the last ones that each value reaches.

An overflow leaves infinity where it happened, and what adds or multiplies it infinity or NaN. So
a test further on sees it too. The slow path tests every rounding by itself.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, NamedTuple, Sequence

_ONE, _TWO = frozenset((0,)), frozenset((0, 1))
# Data inputs of which every element takes part in a sum or product of the result: what is not
# finite there is not finite here either, whatever the other values are (0 * infinity is NaN).
_CARRIED = {
    "Identity": _ONE, "Cast": _ONE, "Reshape": _ONE, "Squeeze": _ONE, "ExpandDims": _ONE,
    "Transpose": _ONE, "Neg": _ONE, "Square": _ONE, "BiasAddGrad": _ONE, "Add": _TWO,
    "AddV2": _TWO, "Sub": _TWO, "Mul": _TWO, "BiasAdd": _TWO, "MatMul": _TWO,
    "Tile": _ONE,
}  # fmt: skip
# What a convolution slides over, one step at a time: of the filter only the middle, which is
# there for any size, meets every element.
_SLIDING = {"Conv2D": 0, "Conv2DBackpropInput": 2}
_SUM = "BiasAddGrad"  # tested in place of what it adds up: smaller, and far below float32's end


class _Use(NamedTuple):
    consumer: Any
    place: int


def tested(nodes: Sequence[Any], rounded: Sequence[str]) -> List[str]:
    """Return float32 tensors that are all finite exactly if the `rounded` ones are.

    `nodes` are NodeDefs in the order of their computation; `rounded` first outputs of them.
    """
    uses: Dict[str, List[_Use]] = {}
    for node in nodes:
        for index, text in enumerate(node.input):
            uses.setdefault(text, []).append(_Use(node, index))
    asked = frozenset(rounded)
    chosen: List[str] = []
    shows: Dict[str, bool] = {}  # is something tested that this tensor's infinity reaches?
    for node in reversed(nodes):
        name = str(node.name)
        found = list(uses.get(name, ()))
        if name in asked and node.op == "Cast":  # its float16 form is used, too
            found += uses[node.input[0]]
        carrying = [use.consumer for use in found if use.place in _carried(use)]
        shows[name] = any(shows.get(each.name, False) for each in carrying)
        if name in asked and not shows[name]:
            sums = [str(each.name) for each in carrying if each.op == _SUM]
            chosen.append(sums[0] if sums else name)
            shows[name] = True
            shows.update((each, True) for each in sums[:1])
    return list(dict.fromkeys(chosen[::-1]))


def _carried(use: _Use) -> FrozenSet[int]:
    node = use.consumer
    if node.op in _SLIDING:
        steps = (*node.attr["strides"].list.i, *node.attr["dilations"].list.i)
        slides = node.attr["padding"].s == b"SAME" and set(steps) <= {1}
        return frozenset((_SLIDING[node.op],)) if slides else frozenset()
    return _CARRIED.get(node.op, frozenset())
