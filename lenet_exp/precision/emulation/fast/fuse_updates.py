"""Updates that are computed as one: those of a group, on one line of all their elements."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

import numpy as np

from lenet_exp.precision.emulation.exact.optimizer_kernels import UPDATES
from lenet_exp.precision.ir.builder import Nodes
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import VARIABLES
from lenet_exp.precision.plan import Operator

Shape = Tuple[int, ...]


def groups(
    nodes: Mapping[str, Any], order: Sequence[str], updates: Mapping[str, Operator]
) -> Dict[str, List[Operator]]:
    """Return the rows that are computed together, by the last of their nodes in `order`.

    Together are updates by the same rates that the same nodes wait for, none for another.
    """
    waiting: Dict[str, List[str]] = {}
    behind: Dict[str, FrozenSet[str]] = {}
    for name in order:
        before = [node_of(text) for text in nodes[name].input]
        for each in before:
            waiting.setdefault(each, []).append(name)
        found: FrozenSet[str] = frozenset().union(
            *(behind.get(each, frozenset()) for each in before)
        )
        behind[name] = found | {name} if name in updates else found
    alike: Dict[Any, List[str]] = {}
    for name in order:
        if name in updates:
            alike.setdefault(_key(nodes, nodes[name], updates[name], waiting), []).append(name)
    made: Dict[str, List[Operator]] = {}
    for names in alike.values():
        apart = any(behind[name] & set(names) != {name} for name in names)
        for part in [[name] for name in names] if apart else [names]:
            made[part[-1]] = [updates[name] for name in part]
    return made


def _key(nodes: Mapping[str, Any], node: Any, row: Operator, waiting: Mapping[str, Any]) -> Any:
    """Return what is the same in updates that can be computed together."""
    known = UPDATES.get(row.ge_type)
    shape = None if known is None else variable_shape(nodes, node.input[0])
    if known is None or shape is None:
        return node.name
    rates = tuple(
        t for i, t in enumerate(node.input) if i >= known.variables and i != known.gradient
    )
    data = sum(not text.startswith("^") for text in node.input)
    nesterov = node.attr["use_nesterov"].b if "use_nesterov" in node.attr else False
    return (node.op, data, nesterov, rates, tuple(sorted(waiting.get(node.name, ()))))


def variable_shape(nodes: Mapping[str, Any], text: str) -> Any:
    """Return the shape of a ref variable, None if it isn't one or has no static shape."""
    node = nodes[node_of(text)]
    while node.op in ("RefSwitch", "Switch", "Identity", "RefIdentity"):
        node = nodes[node_of(node.input[0])]
    shape = node.attr["shape"].shape if node.op in VARIABLES - {"VarHandleOp"} else None
    if shape is None or shape.unknown_rank or any(dim.size < 0 for dim in shape.dim):
        return None
    return tuple(int(dim.size) for dim in shape.dim)


def in_line(nodes: Nodes, tensors: Sequence[str], name: str) -> str:
    """Return float32 tensors one after another, as one of one dimension."""
    tf, line = nodes.tf, nodes.constant(np.array([-1], np.int32), np.int32)
    kinds = {"T": tf.float32, "Tshape": tf.int32}
    flat = [nodes.add("Reshape", [each, line], f"{name}/flat", **kinds) for each in tensors]
    axis = nodes.constant(0, np.int32)
    kinds = {"T": tf.float32, "Tidx": tf.int32, "N": len(flat)}
    return nodes.add("ConcatV2", [*flat, axis], f"{name}/line", **kinds)


def apart(nodes: Nodes, tensor: str, shapes: Sequence[Shape], name: str) -> List[str]:
    """Return the tensors that `in_line` put together."""
    tf, int32 = nodes.tf, np.int32
    sizes = nodes.constant(np.array([int(np.prod(shape)) for shape in shapes], int32), int32)
    kinds = {"T": tf.float32, "Tlen": tf.int32, "num_split": len(shapes)}
    inputs = [tensor, sizes, nodes.constant(0, int32)]
    split = nodes.add("SplitV", inputs, f"{name}/parts", **kinds)
    found = []
    for slot, shape in enumerate(shapes):
        whole = nodes.constant(np.array(shape, int32).reshape(-1), int32)
        part = split if slot == 0 else f"{split}:{slot}"
        kinds = {"T": tf.float32, "Tshape": tf.int32}
        found.append(nodes.add("Reshape", [part, whole], f"{name}/part", **kinds))
    return found
