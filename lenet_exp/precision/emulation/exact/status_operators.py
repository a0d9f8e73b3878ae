"""The vendor's float status operators, as reads and writes of the emulation's flag."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.context import Context
from lenet_exp.precision.emulation.exact.float_status import (
    BUFFER_SIZE,
    FloatStatus,
    kind,
    waited_for,
)
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes
from lenet_exp.precision.ir.builder import Handle, control_inputs
from lenet_exp.precision.ir.names import node_of


class StatusOperators:
    """Appends the status operators of one graph, each under its own name."""

    def __init__(
        self, context: Context, graph: Mapping[str, Any], status: FloatStatus, clean: Sequence[str]
    ) -> None:
        """`clean` are bool [] tensors: nothing overflowed in this step."""
        self._context, self._graph, self._status, self._clean = context, graph, status, clean
        self._reads: Dict[str, str] = {}  # what a status buffer is read as

    def append(self, node: Any) -> None:
        """Append what a status operator does."""
        control, verb = control_inputs(node.input), kind(node)
        tf = self._context.nodes.tf
        if verb == "alloc":
            self._zeros(node, control)
        elif verb == "get":
            read = self._read(node, control, tf.float32)
            self._reads[node_of(node.input[0])] = read
            self._zeros(node, [read])
        elif verb == "get_v2":
            self._read(node, control, tf.int32, final=node.name)
        elif verb == "clear":
            before = [*control, *self._reads.values()]
            self._zeros(node, [self._status.clear(before, node.name)])
        else:
            cleared = self._status.clear(control, node.name)
            self._context.nodes.add("NoOp", [], node.name, [cleared], final=node.name)

    def connect_buffers(self) -> None:
        """Have all but the status operators see what was written into the buffer, Casts too."""
        for node in self._context.nodes.made:
            original = self._graph.get(node.name)
            if original is not None and kind(original):
                continue
            for place, text in enumerate(node.input):
                if text in self._reads:
                    node.input[place] = self._reads[text]

    def _zeros(self, node: Any, control: Sequence[str]) -> None:
        """Append what a status operator returns: a buffer of zeros."""
        nodes, zeros = self._context.nodes, np.zeros(BUFFER_SIZE, np.float32)
        kinds = {"dtype": nodes.tf.float32, "value": zeros}
        nodes.add("Const", [], node.name, control, final=node.name, **kinds)

    def _read(self, node: Any, control: Sequence[str], dtype: Any, final: str = "") -> Handle:
        """Append the reading of the flag, after all that the vendor's operator waits for."""
        nodes, flags = self._context.nodes, list(self._clean)
        for name in waited_for(self._graph, node):
            row = self._context.lookup.rows.get(name)
            types = output_dtypes(self._graph[name])
            wide = row is None or "float16" not in row.outputs
            if wide and types and types[0] == nodes.tf.float32:
                flags.append(rounding.finite(nodes, name, f"{node.name}/{name}"))
        clean = self._status.read(flags, control, node.name)
        return self._status.buffer(clean, node.name, dtype, final)
