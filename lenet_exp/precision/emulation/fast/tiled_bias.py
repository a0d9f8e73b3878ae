"""BiasAdd by a float16 addition of rows as long as an example: of a few channels it is slow."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.fast.arithmetic import Fast
from lenet_exp.precision.ir.builder import Handle
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_defs import attribute


class TiledBias:
    """The form in which `Fast` computes the BiasAdds of one graph, where it can."""

    def __init__(
        self, fast: Fast, graph: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]
    ) -> None:
        """Append to `fast`; `shapes` of first outputs of `graph`, by node, where they are known."""
        self._fast, self._graph, self._shapes = fast, graph, shapes

    def __call__(self, node: Any, inputs: Sequence[str]) -> Optional[Handle]:
        """Append a node with these tensors, if its operands were rounded just before.

        Not one after another: TensorFlow's optimizer would add up the two biases first.
        """
        if node.op != "BiasAdd" or self._is_bias_add(inputs[0]):
            return None
        shape = self._shapes.get(node.name, ())
        fits = (
            len(shape) > 2
            and attribute(node, "data_format").s in (b"", b"NHWC")
            and self._fast.has_half(inputs)
        )
        return self._add(inputs, shape, node.name) if fits else None

    def _is_bias_add(self, tensor: str) -> bool:
        node = self._graph.get(node_of(tensor))
        return node is not None and node.op == "BiasAdd"

    def _add(self, inputs: Sequence[str], shape: Sequence[int], name: str) -> Handle:
        """Return the output of this shape, channels last."""
        nodes, int32 = self._fast.nodes, self._fast.nodes.tf.int32
        value, bias = map(self._fast.begin, inputs)
        kinds = {"T": nodes.tf.float16, "Tshape": int32}
        flat, whole = (
            nodes.constant(np.array(each, np.int32), np.int32)
            for each in ([shape[0], int(np.prod(shape[1:]))], shape)
        )
        times = nodes.constant(np.array([int(np.prod(shape[1:-1]))], np.int32), np.int32)
        rows = nodes.add("Reshape", [value, flat], f"{name}/rows", **kinds)
        row = nodes.add("Tile", [bias, times], f"{name}/row", T=nodes.tf.float16, Tmultiples=int32)
        total = self._fast.step("AddV2", [rows, row], f"{name}/total")
        back = nodes.add("Reshape", [total, whole], f"{name}/back", **kinds)
        return self._fast.end(back, name, final=name)
