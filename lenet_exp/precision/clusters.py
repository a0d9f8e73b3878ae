"""Roundings of large tensors compiled into one loop each, where float16 kernels are slow.

TensorFlow 1.15 converts float16 one value at a time; its XLA compiler does not. A cluster is one
XlaLaunch of a function: attributes that mark nodes would draw their neighbours in.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision import rounding
from lenet_exp.precision.functions import Typed, function_of, named, outside
from lenet_exp.precision.nodes import Nodes, copied, node_of
from lenet_exp.precision.plan import Plan

_LEAST = 8192  # elements: below, launching a cluster costs more than it saves
# Infinity in float16 like everything from 65520 on. XLA drops the rounding of a float16 sum,
# computing it in float16 registers that are float32, unless something stands between.
_LIMIT = 131008.0
# Computed alike by XLA and by TensorFlow's kernels; Exp and Reciprocal for all that Sigmoid needs.
_COMPILED = frozenset(("AddV2", "Cast", "Maximum", "Minimum", "Mul", "Neg", "RealDiv", "Sub"))
_CHOOSING = frozenset(("Maximum", "Neg"))  # nothing to round
_OF_SIGMOID = _COMPILED | {"Exp", "Reciprocal"}


def compiled(size: int) -> bool:
    """Return whether tensors of so many elements are rounded in clusters."""
    # A TensorFlow built without XLA doesn't know the operator.
    known = tf_compat.compiles_clusters() and tf_compat.op_def("XlaLaunch") is not None
    return known and size >= _LEAST


class Cluster(NamedTuple):
    """A cluster's name, and the shape of its tensors."""

    scope: str
    shape: Tuple[int, ...]


def clusters(plan: Plan, shapes: Mapping[str, Sequence[int]]) -> Dict[str, Cluster]:
    """Return the clusters of large tensors, by node; a float16 Sigmoid shares its input's."""
    nodes = {node.name: node for node in plan.graph_def.node}
    float16 = {part for row in plan.operators if "float16" in row.outputs for part in row.parts}
    found: Dict[str, Cluster] = {}
    for name, shape in shapes.items():
        if compiled(int(np.prod(shape))):
            joins = name in float16 and nodes[name].op in ("BiasAdd", "Sigmoid")
            before = node_of(nodes[name].input[0]) if joins else name
            alone = Cluster(name, tuple(shape))
            found[name] = found.get(before, alone)
    return found


class Within(NamedTuple):
    """What clusters share: whose a node is, and the form in lines of what has it."""

    scopes: Dict[str, str]
    lines: Dict[str, str]


class Launched(NamedTuple):
    """Nodes, and the functions that they launch."""

    nodes: List[Any]
    functions: List[Any]


class Fused:
    """Arithmetic of one cluster: float32 operations, each rounded; examples are lines.

    XLA makes one inner loop of the last dimension, which must not be a few channels long.
    """

    flush = False  # its conversions keep subnormal values

    def __init__(self, nodes: Nodes, ends: List[str], within: Within, cluster: Cluster) -> None:
        """Append to `nodes`, and to `ends` what is to be tested."""
        self.nodes, self._ends, self._within, self._cluster = nodes, ends, within, cluster

    def of(self, tensor: str) -> Fused:
        """Return the arithmetic for a tensor: this one."""
        return self

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> str:
        """Return a float32 tensor cast to float16 and back."""
        last = self.nodes.made[-1:]
        own = any(each.name == tensor and each.op in _COMPILED for each in last)
        lines = tensor if own else self.begin(tensor)
        return self.end(self._through_half(lines, name), name, final)

    def _through_half(self, tensor: str, name: str) -> str:
        inputs = [tensor, self.nodes.constant(_LIMIT)]
        held = self.nodes.float_op("Minimum", inputs, f"{name}/held")
        half = self.nodes.cast(held, "float32", "float16", f"{name}/half")
        return self.nodes.cast(half, "float16", "float32", f"{name}/rounded")

    def begin(self, tensor: str) -> str:
        """Return a float32 tensor in lines."""
        lines, shape = self._within.lines, self._cluster.shape
        if len(shape) > 1 and tensor not in lines:
            lines[tensor] = self._shaped(
                tensor, (shape[0], -1), f"{tensor.replace(':', '_')}/lines"
            )
        return lines.get(tensor, tensor)

    def can_add(self, tensor: str, bias: str) -> bool:
        """Return whether a tensor was rounded in this cluster."""
        return tensor in self._within.lines

    def flat(self, tensor: str) -> str:
        """Return as `begin`."""
        return self.begin(tensor)

    def _shaped(
        self, tensor: str, shape: Sequence[int], name: str, final: Optional[str] = None
    ) -> str:
        tf, nodes = self.nodes.tf, self.nodes
        whole = nodes.constant(np.array(shape, np.int32), np.int32)
        return nodes.add(
            "Reshape", [tensor, whole], name, final=final, T=tf.float32, Tshape=tf.int32
        )

    def biased(self, inputs: Sequence[str], name: str) -> str:
        """Return BiasAdd's output, channels last, under its final name."""
        nodes, shape = self.nodes, self._cluster.shape
        times = nodes.constant(np.array([int(np.prod(shape[1:-1]))], np.int32), np.int32)
        kinds = {"T": nodes.tf.float32, "Tmultiples": nodes.tf.int32}
        row = nodes.add("Tile", [inputs[1], times], f"{name}/row", **kinds)
        return self.end(self.step("AddV2", [self.begin(inputs[0]), row], name), name, final=name)

    def constant(self, value: float) -> str:
        """Return a scalar as the host converts it."""
        return self.nodes.constant(rounding.round_array(np.float32(value)))

    def step(self, op: str, inputs: Sequence[str], name: str, bounded: bool = False) -> str:
        """Return one operation, rounded; `bounded`: its result is from 0 to 65504."""
        if op == "Sqrt":
            return self._root(inputs[0], name)
        wide = self.nodes.float_op(op, inputs, name)
        if op in _CHOOSING:
            return wide
        return self._by_subtraction(wide, name) if bounded else self._through_half(wide, name)

    def _by_subtraction(self, tensor: str, name: str) -> str:
        """Round values from 0 to 65504 without a conversion, of which XLA makes one at a time.

        x - 8192x ends where float16 ends, x - 0.75 where its subnormals do.
        """
        nodes = self.nodes
        large = nodes.float_op("Mul", [tensor, nodes.constant(8192.0)], f"{name}/large")
        larger = nodes.float_op("Maximum", [large, nodes.constant(0.75)], f"{name}/larger")
        less = nodes.float_op("Sub", [tensor, larger], f"{name}/less")
        return nodes.float_op("AddV2", [less, larger], f"{name}/rounded")

    def _root(self, tensor: str, name: str) -> str:
        """Return a square root by the float16 kernel: XLA's own is a power, and not exact."""
        half = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        root = self.nodes.add("Sqrt", [half], name, T=self.nodes.tf.float16)
        return self.nodes.cast(root, "float16", "float32", f"{name}/wide")

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> str:
        """Return a value in its own shape, and have it tested unless `sure`."""
        if len(self._cluster.shape) > 1:
            whole = self._shaped(value, self._cluster.shape, f"{name}/shaped", final)
            self._within.lines[whole], value = value, whole
        elif final is not None:
            value = self.nodes.identity(value, name, final)
        if not sure:
            self._ends.append(value)
        return value

    def appended(self, node: Any, made: Iterable[Any]) -> None:
        """Put the nodes that were made for `node` into the cluster; a root ends one."""
        kinds = _OF_SIGMOID if node is not None and node.op == "Sigmoid" else _COMPILED
        scope, roots = self._cluster.scope, 0
        halves = {each.input[0] for each in made if each.op == "Sqrt"}
        after = {each.name for each in made if each.op == "Sqrt"}
        for each in made:
            if each.op == "Sqrt":
                roots += 1
                scope = f"{self._cluster.scope}/{roots}"
            elif each.op in kinds and each.name not in halves and not after & {*each.input}:
                self._within.scopes[each.name] = scope


def launched(nodes: Sequence[Any], scopes: Mapping[str, str], seen: Iterable[str]) -> Launched:
    """Return nodes with each cluster as one; `seen`: what is read from elsewhere, too."""
    bodies: Dict[str, List[Any]] = {}
    for node in nodes:
        if node.name in scopes:
            bodies.setdefault(scopes[node.name], []).append(node)
    used = set(seen)
    for node in nodes:
        inside = scopes.get(node.name)
        used.update(t for t in map(_tensor, node.input) if scopes.get(t, inside) != inside)
        used.update(t[1:] for t in node.input if t.startswith("^"))
    constants = {node.name: node for node in nodes if node.op == "Const"}
    made = Launched([node for node in nodes if node.name not in scopes], [])
    for scope, body in bodies.items():
        _launch(made, scope, body, used, constants)
    return made


def _tensor(text: str) -> str:
    return text[:-2] if text.endswith(":0") else text


def _launch(
    made: Launched, scope: str, body: List[Any], used: Set[str], constants: Mapping[str, Any]
) -> None:
    """Append a cluster's launch, and its results under their own names."""
    float32 = tf_compat.load().float32
    taken = outside(body)
    whole = [copied(constants[text]) for text in taken if text in constants] + body
    arguments = [Typed(text, float32) for text in taken if text not in constants]
    results = [Typed(node.name, float32) for node in body if node.name in used]
    waits = {text: None for node in body for text in node.input if text.startswith("^")}
    for node in whole:
        kept = [text for text in node.input if not text.startswith("^")]
        del node.input[:]
        node.input.extend(kept)
    function = named(function_of(arguments, whole, results), "cluster")
    made.functions.append(function)
    nodes = Nodes()
    launch = nodes.add(
        "XlaLaunch", [*(each.tensor for each in arguments), *waits], f"{scope}/cluster",
        Nresources=0, Targs=[float32] * len(arguments), Tresults=[float32] * len(results),
    )  # fmt: skip
    nodes.made[-1].attr["Tconstants"].list.SetInParent()
    nodes.made[-1].attr["function"].func.name = function.signature.name
    for slot, result in enumerate(results):
        nodes.identity(f"{launch}:{slot}", result.tensor, final=result.tensor)
    made.nodes.extend(nodes.made)
