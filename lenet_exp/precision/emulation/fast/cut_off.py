"""What of a rounded tensor overflowed cut off, in a call that runs only where something did.

A call, not its nodes: what does not run costs a step as much as what does, a node each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.ir.builder import Handle, Nodes
from lenet_exp.precision.ir.functions import Typed, function_of, named


class CutOff(NamedTuple):
    """The same tensor twice, one of which runs: as it `passed`, and `held`, with its ends cut."""

    passed: str
    held: Handle


def saturating(nodes: Nodes) -> Any:
    """Return the function that saturates float16 values in float32, infinity and NaN among them."""
    inner = Nodes()
    held = rounding.saturated(inner, "given", "held")
    kind = nodes.tf.float32
    made = function_of([Typed("given", kind)], inner.made, [Typed(held, kind)])
    made.attr["_noinline"].b = True
    return named(made, "saturate")


def cut_off(nodes: Nodes, wide: str, function: Any, name: str) -> CutOff:
    """Append what saturates float16 values in float32 by `function`, if any is not finite."""
    # Squares of at most 65504 add up to less than float32's largest; infinity and NaN stay.
    total = nodes.float_op("L2Loss", [wide], f"{name}/sum")
    clean = nodes.float_op("Less", [total, nodes.constant(np.inf)], f"{name}/clean")
    either = nodes.float_op("Switch", [wide, clean], f"{name}/either")
    kind = [nodes.tf.float32]
    held = nodes.add("PartitionedCall", [either], f"{name}/saturated", Tin=kind, Tout=kind)
    held.node.attr["f"].func.name = function.signature.name
    return CutOff(f"{either}:1", held)
