"""What appends the nodes that are computed one by one, in the graph and in each of its loops.

In branches, in while loops and after something was written each overflow counts by itself.
"""

from __future__ import annotations

from functools import partial
from typing import Dict, Mapping, Tuple

from lenet_exp.precision.analysis.frames import Frame, Loop
from lenet_exp.precision.emulation.exact.context import Context
from lenet_exp.precision.emulation.exact.float_status import FloatStatus
from lenet_exp.precision.emulation.exact.rewrite import Rewriter
from lenet_exp.precision.emulation.optimizer_updates import UpdateWriter
from lenet_exp.precision.ir.builder import Nodes


class Writers:
    """A Rewriter and an UpdateWriter for every frame; in a loop all is to the letter."""

    def __init__(
        self, context: Context, status: FloatStatus, loops: Mapping[Frame, Loop], reference: bool
    ) -> None:
        """Count overflows by `status`; `reference`: no shortcut."""
        self._context, self._status, self._loops = context, status, loops
        self._reference = reference
        self._made: Dict[Frame, Tuple[Rewriter, UpdateWriter]] = {}
        self._nodes: Dict[Frame, Nodes] = {(): context.nodes}

    def nodes(self, frame: Frame) -> Rewriter:
        """Return what appends nodes whose inputs are in a frame."""
        return self._writers(frame)[0]

    def updates(self, frame: Frame) -> UpdateWriter:
        """Return what appends updates in float16 of a frame."""
        return self._writers(frame)[1]

    def _writers(self, frame: Frame) -> Tuple[Rewriter, UpdateWriter]:
        if frame not in self._made:
            nodes = self._inside(frame)
            context = self._context._replace(nodes=nodes)
            count = partial(self._status.add, nodes=nodes)
            shortcuts = not self._reference
            rewriter = Rewriter(context.lookup, context.exact(count), shortcuts)
            exact = self._reference or bool(frame)
            self._made[frame] = rewriter, UpdateWriter(context, rewriter, count, exact)
        return self._made[frame]

    def _inside(self, frame: Frame) -> Nodes:
        if frame not in self._nodes:
            condition, parallel_iterations = self._loops[frame]
            outer = self._inside(frame[:-1])
            self._nodes[frame] = outer.inside(frame[-1], parallel_iterations, condition)
        return self._nodes[frame]
