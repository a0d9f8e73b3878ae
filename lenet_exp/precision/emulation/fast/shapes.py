"""Which shapes are known before a graph runs."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.analysis.shapes import static_shapes
from lenet_exp.precision.emulation.exact.context import source
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor, node_of
from lenet_exp.precision.ir.op_traits import VARIABLES
from lenet_exp.precision.target.modes import Generation
from lenet_exp.precision.target.operator_library import load_library

Shape = Tuple[int, ...]


def known_shapes(graph: Graph, generation: Generation) -> Dict[str, Shape]:
    """Return the shapes of a graph's tensors, by their names, where they are known."""
    types = output_types(graph, load_library(None, generation))
    tensors = [Tensor(name, slot) for name in graph.nodes for slot in range(len(types[name]))]
    found = static_shapes(graph, types, tensors)
    return {
        tensor.node if tensor.slot == 0 else str(tensor): shape
        for tensor, shape in found.items()
        if shape is not None
    }


def variable_shape(nodes: Mapping[str, Any], text: str) -> Optional[Shape]:
    """Return the shape of a ref variable, None if it isn't one or has no static shape."""
    node = nodes[node_of(source(nodes, text))]
    shape = node.attr["shape"].shape if node.op in VARIABLES - {"VarHandleOp"} else None
    if shape is None or shape.unknown_rank or any(dim.size < 0 for dim in shape.dim):
        return None
    return tuple(int(dim.size) for dim in shape.dim)
