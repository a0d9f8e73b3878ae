"""Which Casts to float16 change nothing: those of values that float16 holds already.

An operator of float16 gives such values, and what only moves them on keeps them: a Squeeze that
stays float32, a branch, a loop, the stack on which a loop's gradient finds what the loop computed.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.context import Lookup, source
from lenet_exp.precision.ir.builder import data_inputs
from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.ir.op_defs import argument_types
from lenet_exp.precision.ir.op_traits import (
    BACK_EDGES,
    CONSTANTS,
    ENTERS,
    EXACT,
    EXITS,
    LAYOUTS,
    MERGES,
    PASS_THROUGH,
    PLAIN_WRITES,
    READS,
    SWITCHES,
    writes,
)
from lenet_exp.precision.plan import CastEdge

_FLOATS = ("float16", "float32")
_OTHER_FLOATS = ("bfloat16", "float64", "complex64", "complex128")
_PUSHES, _POPS = {"StackPush": 1, "StackPushV2": 1}, frozenset(("StackPop", "StackPopV2"))
# They give one of their floating inputs, its sign changed or not, or 0 or 1.
_MOVES = (
    (EXACT | LAYOUTS | PASS_THROUGH | BACK_EDGES | ENTERS | EXITS | MERGES | SWITCHES)
    - PLAIN_WRITES
    - (READS - {"Identity"})
)
_MOST_BYTES = 4096  # of a constant that is looked at


def rounding_casts(lookup: Lookup) -> Dict[Tuple[str, int], CastEdge]:
    """Return the Casts to float16 of a plan that may round, by where they are."""
    held = _Held(lookup)
    return {port: edge for port, edge in lookup.casts.items() if edge.on_host or not held.at(*port)}


class _Held:
    """Which tensors hold float16 values, as float32, in a run of the emulated graph.

    Of a loop all are taken to do so until one is found that does not.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup, self._nodes = lookup, lookup.nodes
        self._pushed: Dict[str, List[str]] = {}
        for node in self._nodes.values():
            if node.op in _PUSHES:
                self._pushed.setdefault(self._stack(node), []).append(node.input[1])
        taken = {name: self._taken(node) for name, node in self._nodes.items()}
        self._lost: Set[str] = {name for name, texts in taken.items() if texts is None}
        after: Dict[str, List[str]] = {}
        for name, texts in taken.items():
            for text in texts or ():
                if not self._is_made(text):
                    after.setdefault(node_of(text), []).append(name)
        lost = list(self._lost)
        for name in lost:  # grows on the way
            found = [each for each in after.get(name, ()) if each not in self._lost]
            self._lost.update(found)
            lost.extend(dict.fromkeys(found))

    def at(self, name: str, index: int) -> bool:
        """Return whether an input of a node is one of them."""
        node = self._nodes.get(name)
        if node is None or index >= len(node.input):
            return False
        text = self._lookup.past.get((name, index), node.input[index])
        return self._is_made(text) or node_of(text) not in self._lost

    def _is_made(self, text: str) -> bool:
        """Return whether an operator of float16 gives a tensor, rounded."""
        name, lookup = node_of(text), self._lookup
        row = lookup.rows.get(name)
        if row is None or row.unit == "none" or name in lookup.removed or writes(self._nodes[name]):
            return False
        return any(
            result is not None and result == (name, slot_of(text)) and dtype == "float16"
            for result, dtype in zip(row.results, row.outputs)
        )

    def _taken(self, node: Any) -> Optional[List[str]]:
        """Return the tensors that a node's outputs are made of, None if it makes new values."""
        if node.op in CONSTANTS:
            return [] if _is_held(node.attr["value"].tensor) else None
        if node.op in _PUSHES:
            return [node.input[1]]
        if node.op in _POPS:
            return self._pushed.get(self._stack(node))
        if node.op not in _MOVES or node.name in self._lookup.removed:
            return None
        past = self._lookup.past
        types = argument_types(node, tf_compat.op_def(node.op).input_arg)
        if any(dtype in _OTHER_FLOATS for dtype in types):
            return None
        texts = enumerate(data_inputs(node.input))
        return [
            past.get((node.name, index), text) for index, text in texts if types[index] in _FLOATS
        ]

    def _stack(self, node: Any) -> str:
        return source(self._nodes, node.input[0], PASS_THROUGH | SWITCHES | ENTERS)


def _is_held(tensor: Any) -> bool:
    if tensor.ByteSize() > _MOST_BYTES:
        return False
    value = np.asarray(tf_compat.load().make_ndarray(tensor))
    with np.errstate(over="ignore"):
        half = value.astype(np.float16) if value.dtype.kind == "f" else None
    return half is not None and bool(np.isfinite(half).all() and (half == value).all())
