"""The chip's sticky overflow flag, as a variable beside the graph.

Set by any overflow; read and cleared where NPULossScaleOptimizer does. So it covers everything
since the previous clear, the previous step's update included. Source: precision-modes.md 8.4.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact.arithmetic import Exact, Probe
from lenet_exp.precision.ir.builder import Handle, Nodes, control_inputs
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import stand_in

NAME = "float_status"
RESET = f"{NAME}/reset"
BUFFER_SIZE = 8  # floats of the vendor's status buffer


def kind(node: Any) -> str:
    """Return "alloc", "get", "clear", "get_v2", "clear_v2" for a status operator, else ""."""
    name = (stand_in(node) or str(node.op)).lower()
    if not name.startswith("npu") or "floatstatus" not in name:
        return ""
    verb = name[len("npu") : name.index("floatstatus")]
    return verb + ("_v2" if name.endswith("v2") else "")


class CountedExact(Exact):
    """Arithmetic to the letter, for branches and after a write: each overflow counts by itself.

    Whoever takes a rounded value has its overflow counted, whichever of its consumers that is.
    """

    def __init__(
        self, nodes: Nodes, status: FloatStatus, flush: bool = False, probe: Optional[Probe] = None
    ) -> None:
        """Append to `nodes`, and count in `status`."""
        super().__init__(nodes, flush, probe)
        self.status = status

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return as `Exact.rounded`; its node waits for the count."""
        result = super().rounded(tensor, name, final)
        result.node.input.append(f"^{self.status.add(self.clean.pop(), name)}")
        return result


class FloatStatus:
    """The flag's variable: float32 [], how many overflows were seen since it was cleared."""

    def __init__(self, nodes: Nodes) -> None:
        """Append the variable and its reset, which also initialises it."""
        tf = self._tf = nodes.tf
        self._nodes = nodes
        self.variable = nodes.add(
            "VariableV2", [], NAME, final=NAME, dtype=tf.float32, shape=tf.TensorShape([])
        )
        nodes.add("Assign", [self.variable, nodes.constant(0)], RESET, final=RESET, T=tf.float32)

    def add(self, clean: str, name: str) -> str:
        """Append the count of what was not `clean` (bool []); return the node that counts."""
        nodes = self._nodes
        fine = nodes.cast(clean, "bool", "float32", f"{name}/fine")
        bad = nodes.float_op("Sub", [nodes.constant(1), fine], f"{name}/overflowed")
        # Locked: updates of several variables may count at the same time.
        return nodes.float_op("AssignAdd", [self.variable, bad], f"{name}/count", use_locking=True)

    def read(self, clean: Sequence[str], control: Sequence[str], name: str) -> str:
        """Return bool []: nothing overflowed since the clear; `clean` bool [] are this step's."""
        nodes, tf = self._nodes, self._tf
        count = nodes.add("Identity", [self.variable], f"{name}/seen", control, T=tf.float32)
        fine = nodes.float_op("Less", [count, nodes.constant(0.5)], f"{name}/none_seen")
        return all_true(nodes, [fine, *clean], f"{name}/clean")

    def clear(self, control: Sequence[str], name: str) -> str:
        """Append the clearing, after the nodes in `control`; return its node."""
        nodes, tf = self._nodes, self._tf
        inputs = [self.variable, nodes.constant(0)]
        return nodes.add("Assign", inputs, f"{name}/cleared", control, T=tf.float32)

    def buffer(self, clean: str, name: str, dtype: Any, final: str = "") -> Handle:
        """Return the status as the vendor's buffer of eight numbers: 0 where nothing overflowed."""
        nodes = self._nodes
        number = dtype.as_numpy_dtype
        chosen = nodes.add(
            "Select", [clean, nodes.constant(0, number), nodes.constant(1, number)],
            f"{name}/word", T=dtype,
        )  # fmt: skip
        shape = nodes.constant(np.array([BUFFER_SIZE], np.int32), np.int32)
        kinds = {"T": dtype, "index_type": self._tf.int32}
        return nodes.add("Fill", [shape, chosen], f"{name}/words", final=final or None, **kinds)


def all_true(nodes: Nodes, flags: Sequence[str], name: str) -> str:
    """Return bool []: all of some bool [] tensors."""
    if len(flags) == 1:
        return flags[0]
    packed = nodes.add("Pack", flags, f"{name}/packed", T=nodes.tf.bool, N=len(flags), axis=0)
    axis = nodes.constant(np.array([0], np.int32), np.int32)
    return nodes.add("All", [packed, axis], name, Tidx=nodes.tf.int32, keep_dims=False)


def waited_for(graph: Mapping[str, Any], node: Any) -> List[str]:
    """Return the nodes whose end a node waits for, groups of them looked through."""
    found: Dict[str, None] = {}
    stack = control_inputs(node.input)
    seen = set()
    while stack:
        name = stack.pop()
        if name in seen or name not in graph:
            continue
        seen.add(name)
        if graph[name].op == "NoOp":
            stack.extend(node_of(text) for text in graph[name].input)
        else:
            found[name] = None
    return list(found)
