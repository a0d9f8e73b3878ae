"""What appends the nodes that are computed one by one, in the graph and in each of its loops.

In branches, in while loops and after something was written each overflow counts by itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Mapping, Optional, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.frames import Frame, Loop
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.exact.context import Context, Lookup, source
from lenet_exp.precision.emulation.exact.float_status import FloatStatus
from lenet_exp.precision.emulation.exact.rewrite import Rewriter
from lenet_exp.precision.emulation.fast.bounds import Bounds
from lenet_exp.precision.emulation.fast.guarded import Guarded
from lenet_exp.precision.emulation.optimizer_updates import UpdateWriter
from lenet_exp.precision.ir.builder import Nodes, set_inputs
from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.ir.op_traits import CONTROL_FLOW, PASS_THROUGH
from lenet_exp.precision.plan import CastEdge


class _Rewriter(Rewriter):
    """Rounds what stays the same in all iterations of a loop once, `outer`: in front of it.

    The flow of a TensorArray is no data: it is always 0, and left alone.
    """

    def __init__(
        self, lookup: Lookup, arithmetic: Arithmetic, shortcuts: bool, outer: Optional[Rewriter]
    ) -> None:
        super().__init__(lookup, arithmetic, shortcuts)
        self._nodes_of_plan, self._outer = lookup.nodes, outer
        self._entered: Dict[str, str] = {}

    def rounded(self, tensor: str, edge: CastEdge) -> str:
        if _is_flow(self._nodes_of_plan, tensor):
            return tensor
        origin = source(self._nodes_of_plan, tensor, PASS_THROUGH - {"ReadVariableOp"})
        enter = self._nodes_of_plan[node_of(origin)]
        if self._outer is None or enter.op != "Enter" or not enter.attr["is_constant"].b:
            return super().rounded(tensor, edge)
        if origin not in self._entered:
            given = self._outer.rounded(enter.input[0], edge)
            name = self._nodes.free(f"{enter.name}/float16")
            self._entered[origin] = self.append(enter, [given], name)
        return self._entered[origin]


def _is_flow(nodes: Mapping[str, Any], tensor: str) -> bool:
    origin = source(nodes, tensor, PASS_THROUGH | CONTROL_FLOW)
    node = nodes[node_of(origin)]
    if not node.op.startswith("TensorArray"):
        return False
    outputs = [argument.name for argument in tf_compat.op_def(node.op).output_arg]
    return outputs[slot_of(origin)] in ("flow", "flow_out")


class Writers:
    """A Rewriter and an UpdateWriter for every frame: the letter's values one by one."""

    def __init__(
        self, context: Context, status: FloatStatus, loops: Mapping[Frame, Loop], reference: bool
    ) -> None:
        """Count overflows by `status`; `reference`: no shortcut."""
        self._context, self._status, self._loops = context, status, loops
        self._reference, self._bounds = reference, Bounds(context.nodes)
        self._made: Dict[Frame, Tuple[Rewriter, UpdateWriter]] = {}
        self._nodes: Dict[Frame, Nodes] = {(): context.nodes}

    def nodes(self, frame: Frame) -> Rewriter:
        """Return what appends nodes whose inputs are in a frame."""
        return self._writers(frame)[0]

    def updates(self, frame: Frame) -> UpdateWriter:
        """Return what appends updates in float16 of a frame."""
        return self._writers(frame)[1]

    def connect_data(self) -> None:
        """Have all take what the chip sees of float16 data; only what casts that has these."""
        read: Dict[str, str] = {}
        for rewriter, _ in self._made.values():
            read.update(rewriter.read)
        half = self._context.nodes.tf.float16.as_datatype_enum
        for node in self._context.nodes.made if read else ():
            is_cast = "SrcT" in node.attr and node.attr["SrcT"].type == half
            if not is_cast and not read.keys().isdisjoint(node.input):
                set_inputs(node, [read.get(text, text) for text in node.input])

    def _writers(self, frame: Frame) -> Tuple[Rewriter, UpdateWriter]:
        if frame not in self._made:
            nodes = self._inside(frame)
            context = self._context._replace(nodes=nodes)
            count = partial(self._status.add, nodes=nodes)
            arithmetic: Arithmetic = context.exact(count)
            if not self._reference:
                after = partial(self._status.add_after, nodes=nodes)
                arithmetic = Guarded(nodes, context.library, after, self._bounds)
            outer = self.nodes(frame[:-1]) if frame else None
            rewriter = _Rewriter(context.lookup, arithmetic, not self._reference, outer)
            exact = self._reference or bool(frame)
            self._made[frame] = rewriter, UpdateWriter(context, rewriter, count, exact)
        return self._made[frame]

    def _inside(self, frame: Frame) -> Nodes:
        if frame not in self._nodes:
            condition, parallel_iterations = self._loops[frame]
            outer = self._inside(frame[:-1])
            self._nodes[frame] = outer.inside(frame[-1], parallel_iterations, condition)
        return self._nodes[frame]
