"""The epsilon of an update, and whether float16 still has it."""

from __future__ import annotations

from typing import Optional

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.context import source
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import CONSTANTS, PASS_THROUGH
from lenet_exp.precision.plan import Operator, Plan

_SUBNORMAL, _NORMAL = 2.0**-24, 2.0**-14  # float16's least numbers


def least(flush: bool = False) -> float:
    """Return the least number that float16 has; `flush`: it has no subnormal ones."""
    return _NORMAL if flush else _SUBNORMAL


def epsilon_of(plan: Plan, row: Operator) -> Optional[float]:
    """Return the epsilon of an operator; None where it has none, or none that is constant."""
    nodes = {node.name: node for node in plan.graph_def.node}
    node = nodes.get(row.parts[-1])
    definition = None if node is None else tf_compat.op_def(node.op)
    if node is None or definition is None:
        return None
    names = [argument.name for argument in definition.input_arg]
    if "epsilon" not in names:
        return None
    held = nodes[node_of(source(nodes, node.input[names.index("epsilon")], PASS_THROUGH))]
    if held.op not in CONSTANTS:
        return None
    return float(tf_compat.load().make_ndarray(held.attr["value"].tensor))


def is_lost(epsilon: Optional[float], flush: bool = False) -> bool:
    """Return whether float16 has a known epsilon as 0; `flush`: as of `least`."""
    return epsilon is not None and float(np.float16(epsilon)) < least(flush)
