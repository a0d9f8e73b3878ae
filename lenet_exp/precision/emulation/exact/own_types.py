"""What is float16 in the graph itself, and made where no float16 hardware is.

On the AI CPU, on the host, or outside of the graph: as IEEE has it, and no flag is set. The chip
reads infinity there as its largest value and NaN as 0 (precision-modes.md 6.1, 8.3 and 11).
"""

from __future__ import annotations

from typing import Any, Optional, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.context import Lookup, source
from lenet_exp.precision.ir.builder import Handle, Nodes, data_inputs
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_defs import argument_types, dtype_name
from lenet_exp.precision.ir.op_traits import (
    CALLS,
    CONTROL_FLOW,
    DATA,
    ENTERS,
    EXACT,
    LAYOUTS,
    PASS_THROUGH,
    SWITCHES,
    VARIABLES,
)
from lenet_exp.precision.plan import Engine, Operator

_HALF = "float16"
_MOVING = CONTROL_FLOW | LAYOUTS | PASS_THROUGH | EXACT
_APART = (Engine.AI_CPU, Engine.HOST)


def is_apart(row: Operator) -> bool:
    """Return whether an operator runs where nothing saturates: not on the AI core."""
    return row.engine in _APART or row.unit == "none"


def keeps_types(lookup: Lookup, node: Any) -> bool:
    """Return whether float16 stays that in a node: its type is not the graph's to choose.

    Placeholders, iterators, bytes that are read, queues, Python's functions.
    """
    definition = tf_compat.op_def(node.op)
    if definition is None or not _has_half(node):
        return False
    if node.op in DATA:
        return True
    if node.op in VARIABLES | CONTROL_FLOW | CALLS | PASS_THROUGH or _is_of_one_run(node):
        return False
    if any(arg.is_ref for arg in definition.input_arg) or _takes_variable(lookup, node):
        return False
    seeded = any(attr.name == "seed2" for attr in definition.attr)
    types = (*argument_types(node, definition.input_arg), *_given(node))
    return bool(definition.is_stateful and not seeded) or not {"string", "variant"}.isdisjoint(
        types
    )


def rounded_apart(lookup: Lookup, node: Any) -> Tuple[int, ...]:
    """Return the outputs that are float16 of a node's own, and made where nothing saturates.

    Of its own is what the graph says, and on the AI CPU what a line of customize_dtypes gives.
    """
    row = lookup.rows.get(node.name)
    if row is None or not is_apart(row) or node.op in _MOVING or _is_of_one_run(node):
        return ()
    halves = {each.slot for each, kind in zip(row.results, row.outputs) if each and kind == _HALF}
    own = (_HALF, "float32") if row.engine is Engine.AI_CPU else (_HALF,)
    return tuple(slot for slot, kind in enumerate(_given(node)) if kind in own and slot in halves)


def own_halves(node: Any) -> Tuple[int, ...]:
    """Return the outputs of a node that are float16 in the graph."""
    return tuple(slot for slot, kind in enumerate(_given(node)) if kind == _HALF)


def read_by_chip(
    nodes: Nodes, tensor: str, is_half: bool, name: str, final: Optional[str] = None
) -> Handle:
    """Append what the chip sees of a tensor that was made elsewhere, as float32; return it."""
    half = tensor if is_half else nodes.cast(tensor, "float32", "float16", f"{name}/half")
    wide = nodes.cast(half, "float16", "float32", f"{name}/wide")
    return rounding.saturated(nodes, wide, f"{name}/read", final)


def _given(node: Any) -> Tuple[str, ...]:
    definition = tf_compat.op_def(node.op)
    return argument_types(node, definition.output_arg) if definition is not None else ()


def _is_of_one_run(node: Any) -> bool:
    """Return whether a node gives what others of the same run put into it, or takes it."""
    return bool(node.op.startswith(("TensorArray", "Stack")))


def _has_half(node: Any) -> bool:
    kinds = (kind for value in node.attr.values() for kind in (value.type, *value.list.type))
    return any(kind and dtype_name(kind) == _HALF for kind in kinds)


def _takes_variable(lookup: Lookup, node: Any) -> bool:
    through = PASS_THROUGH | SWITCHES | ENTERS
    taken = (source(lookup.nodes, text, through) for text in data_inputs(node.input))
    return any(lookup.nodes[node_of(text)].op in VARIABLES for text in taken)
