"""The chip's sticky overflow flag, as a variable beside the graph, and the vendor's operators.

Set by any overflow; read and cleared where NPULossScaleOptimizer does. So it covers everything
since the previous clear, the previous step's update included. Source: precision-modes.md 8.4.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.context import Context
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes
from lenet_exp.precision.ir.builder import Handle, Nodes, control_inputs
from lenet_exp.precision.ir.graph import reachable
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import stand_in

NAME = "float_status"
RESET = f"{NAME}/reset"
_BUFFER_SIZE = 8  # floats of the vendor's status buffer


def kind(node: Any) -> str:
    """Return "alloc", "get", "clear", "get_v2", "clear_v2" for a status operator, else ""."""
    name = (stand_in(node) or str(node.op)).lower()
    if not name.startswith("npu") or "floatstatus" not in name:
        return ""
    verb = name[len("npu") : name.index("floatstatus")]
    return verb + ("_v2" if name.endswith("v2") else "")


class FloatStatus:
    """The flag's variable: float32 [], how many overflows were seen since it was cleared."""

    def __init__(self, context: Context) -> None:
        """Append the variable and its reset, which also initialises it."""
        self._rows, self._graph = context.lookup.rows, context.lookup.nodes
        nodes = self._nodes = context.nodes
        tf = self._tf = nodes.tf
        self._buffers: Dict[str, str] = {}  # what a status buffer is read as
        self._variable = nodes.add(
            "VariableV2", [], NAME, final=NAME, dtype=tf.float32, shape=tf.TensorShape([])
        )
        nodes.add("Assign", [self._variable, nodes.constant(0)], RESET, final=RESET, T=tf.float32)

    def add(self, clean: str, name: str, nodes: Optional[Nodes] = None) -> str:
        """Append the count of what was not `clean` (bool []); return the node that counts.

        `nodes`: those of the while loop that `clean` is in, if it is in one.
        """
        nodes = nodes or self._nodes
        fine = nodes.cast(clean, "bool", "float32", f"{name}/fine")
        bad = nodes.float_op("Sub", [nodes.constant(1), fine], f"{name}/overflowed")
        return self._added(nodes, bad, name)

    def add_after(self, overflowed: str, name: str, nodes: Nodes) -> str:
        """Append the count of one overflow, to `nodes`, after a node that runs only then."""
        return self._added(nodes, nodes.constant(1), name, [overflowed])

    def _added(self, nodes: Nodes, number: str, name: str, control: Sequence[str] = ()) -> str:
        inputs = [nodes.entered(self._variable, is_ref=True), number]
        # Locked: updates of several variables may count at the same time.
        kinds = {"T": self._tf.float32, "use_locking": True}
        return nodes.add("AssignAdd", inputs, f"{name}/count", control, **kinds)

    def append(self, node: Any, clean: Sequence[str]) -> None:
        """Append a status operator under its name; `clean`: bool [], no overflow in this step."""
        control, verb = control_inputs(node.input), kind(node)
        if verb == "get_v2":
            self._read(node, clean, self._tf.int32, final=node.name)
        elif verb == "clear_v2":
            cleared = self._clear(control, node.name)
            self._nodes.add("NoOp", [], node.name, [cleared], final=node.name)
        else:
            if verb == "get":
                control = [self._read(node, clean, self._tf.float32)]
                self._buffers[node_of(node.input[0])] = control[0]
            elif verb == "clear":
                control = [self._clear([*control, *self._buffers.values()], node.name)]
            zeros = np.zeros(_BUFFER_SIZE, np.float32)
            kinds = {"dtype": self._tf.float32, "value": zeros}
            self._nodes.add("Const", [], node.name, control, final=node.name, **kinds)

    def connect_buffers(self) -> None:
        """Have all but the status operators see what was written into the buffer, Casts too."""
        for node in self._nodes.made:
            original = self._graph.get(node.name)
            if original is None or not kind(original):
                for index, text in enumerate(node.input):
                    if text in self._buffers:
                        node.input[index] = self._buffers[text]

    def _clear(self, control: Sequence[str], name: str) -> str:
        """Append the clearing, after the nodes in `control`; return its node."""
        inputs = [self._variable, self._nodes.constant(0)]
        return self._nodes.add("Assign", inputs, f"{name}/cleared", control, T=self._tf.float32)

    def _read(self, node: Any, clean: Sequence[str], dtype: Any, final: str = "") -> Handle:
        """Append the reading of the flag, after all that the vendor's operator waits for.

        Returns the vendor's buffer of eight numbers: 0 where nothing overflowed since the clear.
        """
        nodes, tf, name, number = self._nodes, self._tf, node.name, dtype.as_numpy_dtype
        flags = [*clean, *self._finite(node)]
        control = control_inputs(node.input)
        count = nodes.add("Identity", [self._variable], f"{name}/seen", control, T=tf.float32)
        fine = nodes.float_op("Less", [count, nodes.constant(0.5)], f"{name}/none_seen")
        words = [all_true(nodes, [fine, *flags], f"{name}/clean")]
        words += [nodes.constant(0, number), nodes.constant(1, number)]
        chosen = nodes.add("Select", words, f"{name}/word", T=dtype)
        shape = nodes.constant(np.array([_BUFFER_SIZE], np.int32), np.int32)
        kinds = {"T": dtype, "index_type": tf.int32}
        return nodes.add("Fill", [shape, chosen], f"{name}/words", final=final or None, **kinds)

    def _finite(self, node: Any) -> List[str]:
        """Return bool []: float32 values that a status operator waits for are finite."""
        flags = []
        for name in _waited_for(self._graph, node):
            row, types = self._rows.get(name), output_dtypes(self._graph[name])
            wide = row is None or "float16" not in row.outputs
            if wide and types and types[0] == self._tf.float32:
                flags.append(rounding.finite(self._nodes, name, f"{node.name}/{name}"))
        return flags


def all_true(nodes: Nodes, flags: Sequence[str], name: str) -> str:
    """Return bool []: all of some bool [] tensors."""
    if len(flags) == 1:
        return flags[0]
    packed = nodes.add("Pack", flags, f"{name}/packed", T=nodes.tf.bool, N=len(flags), axis=0)
    axis = nodes.constant(np.array([0], np.int32), np.int32)
    return nodes.add("All", [packed, axis], name, Tidx=nodes.tf.int32, keep_dims=False)


def _waited_for(graph: Mapping[str, Any], node: Any) -> List[str]:
    """Return the nodes whose end a node waits for, groups of them looked through."""

    def grouped(name: str) -> List[str]:
        return [node_of(t) for t in graph[name].input[::-1]] if graph[name].op == "NoOp" else []

    found = reachable(control_inputs(node.input)[::-1], grouped)
    return [name for name in found if graph[name].op != "NoOp"]
