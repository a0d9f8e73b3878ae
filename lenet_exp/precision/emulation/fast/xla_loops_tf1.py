"""Chains of float16 operations on large tensors, each compiled into one loop.

TensorFlow 1.15 converts float16 one value at a time; its XLA compiler makes loops of vector
instructions of the same bits. In a loop there is no float16, whose roundings LLVM would drop, but
float32 that is rounded by arithmetic. A chain is one XlaLaunch: attributes that mark nodes
would leave it to TensorFlow's optimizer what is compiled.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import (
    Any,
    Container,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.context import Context
from lenet_exp.precision.emulation.fast.region import Shape, known_shapes
from lenet_exp.precision.ir.builder import Nodes, control_inputs, data_inputs
from lenet_exp.precision.ir.functions import Typed, function_of, named
from lenet_exp.precision.ir.graph import graph_of, reachable
from lenet_exp.precision.ir.names import node_of

_LEAST = 2048  # elements: below, launching a loop costs more than it saves
_SUMS = frozenset(("AddV2", "Sub"))
_SELECTIONS = frozenset(("Maximum", "Minimum", "Neg"))  # of values that are there
_UNROUNDED = _SELECTIONS | {"Reshape"}
# float16 operations that XLA computes bit by bit as TensorFlow does. Not Sqrt: it is a power.
_COMPILABLE = _SELECTIONS | _SUMS | {"Exp", "Mul", "RealDiv", "Reciprocal"}


def compile_loops(
    context: Context,
    bodies: Sequence[List[Any]],
    whole: Sequence[Any],
    seen: Iterable[str],
    known: Mapping[str, Shape] = MappingProxyType({}),
    shared: Container[str] = (),
) -> List[List[Any]]:
    """Return lists of NodeDefs with a loop for each chain of one of them, where that is faster.

    `whole` are these and what they take, `known` are shapes that aren't seen there; `seen` the
    nodes that are needed elsewhere, `shared` those of them that may wait for nothing else.
    """
    if not tf_compat.compiles_loops():
        return [*bodies]
    own = graph_of(whole, {}, 27)  # up to 21 a placeholder without dimensions had any shape
    shapes = {**known_shapes(own, context.lookup.plan.generation), **known}
    found, elsewhere = [], set(seen)
    for body in bodies:
        rest = {
            node_of(text)
            for other in bodies
            if other is not body
            for n in other
            for text in n.input
        }
        single = {name: shape for name, shape in shapes.items() if name not in shared}
        made, functions = launched(body, single, elsewhere | rest, context.nodes, whole)
        context.library.extend(functions)
        found.append(made)
    return found


def launched(
    nodes: Sequence[Any],
    shapes: Mapping[str, Shape],
    seen: Iterable[str],
    stock: Nodes,
    whole: Sequence[Any] = (),
) -> Tuple[List[Any], List[Any]]:
    """Return nodes with each chain that is worth it as one launch, and the functions launched.

    What only its own chain needs stays, too: TensorFlow leaves it out unless someone asks for it.

    Args:
        nodes: NodeDefs in the order of their computation.
        shapes: of first outputs, where they are known; of what `nodes` take from elsewhere, too.
        seen: the nodes that are needed elsewhere.
        stock: has the names that are free.
        whole: all nodes by which one of `nodes` may wait for another.
    """
    lines = _compilable(nodes, shapes)
    by_name = {str(node.name): node for node in nodes}
    chains = [
        [node for node in nodes if node.name in chain]
        for chain in dict.fromkeys(_chains(nodes, lines, whole).values())
        if any(_rounds(by_name[name]) for name in chain)
    ]
    inside = {node.name: index for index, chain in enumerate(chains) for node in chain}
    used = set(seen)
    for node in nodes:
        index = inside.get(node.name)
        used.update(n for n in map(node_of, node.input) if inside.get(n) != index)
        used.update(control_inputs(node.input))
    launcher = _Launcher(stock.scratch(), shapes, used)
    functions = [launcher.launch(chain) for chain in chains]
    rest = [node for node in nodes if node.name not in inside or node.name not in used]
    return [*rest, *launcher.nodes.made], functions


def _type(node: Any) -> Any:
    """Return the DType of a compilable node's output."""
    return tf_compat.load().as_dtype(node.attr["DstT" if node.op == "Cast" else "T"].type)


def _rounds(node: Any) -> bool:
    return bool(_type(node) == tf_compat.load().float16) and node.op not in _UNROUNDED


def _data(node: Any) -> List[str]:
    """Return the tensors that a compilable node computes with."""
    data = [t[:-2] if t.endswith(":0") else t for t in data_inputs(node.input)]
    return data[:1] if node.op == "Reshape" else data


def _line(shape: Shape) -> Shape:
    """Return a shape with one line an example: a loop over a few channels would be slow."""
    return shape if len(shape) < 3 else (shape[0], int(np.prod(shape[1:])))


def _compilable(nodes: Sequence[Any], shapes: Mapping[str, Shape]) -> Dict[str, Shape]:
    """Return the nodes of large results that XLA computes alike, with the shape in lines."""
    found: Dict[str, Shape] = {}
    products = set()  # float32, not rounded: LLVM would join them with a sum
    for node in nodes:
        line = _line(shapes.get(node.name, ()))
        if int(np.prod(line)) < _LEAST or not _known(node, found):
            continue
        data = _data(node)
        wide = node.op != "Cast" and _type(node) == tf_compat.load().float32
        from_product = any(text in products for text in data)
        if wide and node.op in _SUMS and from_product:
            continue
        if all(_fits(shapes.get(text), line) for text in data):
            found[node.name] = line
            if wide and (node.op == "Mul" or from_product):
                products.add(node.name)
    return found


def _known(node: Any, found: Mapping[str, Shape]) -> bool:
    """Return whether XLA computes an operation bit by bit as TensorFlow does."""
    tf = tf_compat.load()
    if node.op == "Cast":
        types = {tf.as_dtype(node.attr[key].type) for key in ("SrcT", "DstT")}
        return types == {tf.float16, tf.float32}
    if node.op == "Reshape":
        return node_of(node.input[0]) in found
    types = {tf.float16, tf.float32} if node.op in {"Mul", *_SUMS} else {tf.float16}
    return node.op in _COMPILABLE and _type(node) in types


def _fits(shape: Optional[Shape], line: Shape) -> bool:
    return shape is not None and (
        shape == () or _line(shape) == line or (len(line) == 2 and shape == line[1:])
    )


def _chains(
    nodes: Sequence[Any], lines: Mapping[str, Shape], whole: Sequence[Any]
) -> Dict[str, FrozenSet[str]]:
    """Return the names that are compiled as one, by each of them.

    From the end: what only a later chain needs is computed there.
    """
    inputs = {node.name: [*map(node_of, node.input)] for node in (*whole, *nodes)}
    consumers: Dict[str, List[str]] = {}
    for node in nodes:
        if node.name in lines:
            for text in _data(node):
                consumers.setdefault(text, []).append(str(node.name))
    chains: Dict[str, FrozenSet[str]] = {}
    for node in reversed(nodes):
        if node.name not in lines:
            continue
        chain = frozenset((str(node.name),))
        for after in consumers.get(node.name, ()):
            longer = chain | chains[after]
            if lines[after] == lines[node.name] and not _waits_for_itself(longer, inputs, chains):
                chain = longer
        chains.update(dict.fromkeys(chain, chain))
    return chains


def _waits_for_itself(
    chain: FrozenSet[str],
    inputs: Mapping[str, Sequence[str]],
    chains: Mapping[str, FrozenSet[str]],
) -> bool:
    """Return whether something outside a chain stands behind one of its nodes, before another.

    Launched as one, they would wait for each other.
    """
    begin = [name for each in chain for name in inputs[each] if name not in chain]
    found = reachable(begin, lambda name: [*inputs.get(name, ()), *chains.get(name, ())])
    return not chain.isdisjoint(found)


class _Launcher:
    """Appends chains as one node each, with their results under their own names."""

    def __init__(self, nodes: Nodes, shapes: Mapping[str, Shape], used: Set[str]) -> None:
        self.nodes, self._shapes, self._used = nodes, shapes, used
        self._lines: Dict[str, str] = {}  # tensors in lines

    def launch(self, chain: Sequence[Any]) -> Any:
        """Append a chain's launch; return the function that it launches."""
        tf, names = self.nodes.tf, {node.name for node in chain}
        types: Dict[str, Any] = {}
        for node in chain:
            source = node.attr["SrcT" if node.op == "Cast" else "T"].type
            types.update(dict.fromkeys(_data(node), tf.as_dtype(source)))
        arguments = [Typed(t, dtype) for t, dtype in types.items() if node_of(t) not in names]
        results = [Typed(str(node.name), _type(node)) for node in chain if node.name in self._used]
        function = _loop(chain, arguments, results)
        waits = [n for node in chain for n in control_inputs(node.input) if n not in names]
        launch = self.nodes.add(
            "XlaLaunch", [self._in_line(each) for each in arguments], f"{chain[0].name}/loop",
            list(dict.fromkeys(waits)),
            Nresources=0,
            Targs=[each.dtype for each in arguments],
            Tresults=[each.dtype for each in results],
        )  # fmt: skip
        launch.node.attr["Tconstants"].list.SetInParent()
        launch.node.attr["function"].func.name = function.signature.name
        for slot, (name, dtype) in enumerate(results):
            shape = self._shapes[name]
            self.nodes.reshape(f"{launch}:{slot}", shape, f"{name}/lines", dtype, final=name)
        return function

    def _in_line(self, tensor: Typed) -> str:
        """Return a tensor in lines: XLA itself would make loops of the last dimension."""
        name, shape = tensor.tensor, self._shapes[tensor.tensor]
        if _line(shape) == shape:
            return name
        if name not in self._lines:
            made = f"{name.replace(':', '_')}/lines"
            self._lines[name] = self.nodes.reshape(name, _line(shape), made, tensor.dtype)
        return self._lines[name]


def _loop(chain: Sequence[Any], arguments: Sequence[Typed], results: Sequence[Typed]) -> Any:
    """Return the function that computes a chain's results: every value is float32, in lines."""
    nodes = Nodes(each.tensor for each in arguments)
    half = nodes.tf.float16
    values: Dict[str, str] = {
        tensor: nodes.cast(tensor, "float16", "float32", "wide") if dtype == half else tensor
        for tensor, dtype in arguments
    }
    for node in chain:
        inputs = [values[text] for text in _data(node)]
        value = inputs[0]
        if node.op not in ("Cast", "Reshape"):
            value = nodes.float_op(node.op, inputs, "value")
        values[node.name] = _rounded(nodes, value) if _rounds(node) else value
    outputs = []
    for name, dtype in results:
        value = values[name]
        if dtype == half:
            value = nodes.cast(value, "float32", "float16", "half")
        outputs.append(Typed(value, dtype))
    return named(function_of(arguments, nodes.made, outputs), "loop")


def _rounded(nodes: Nodes, value: str) -> str:
    """Round to float16's values, to nearest and to even; infinity or NaN from 65520 on.

    x - 8192x ends where float16 ends, x - 0.75 where its subnormals do; both for x >= 0.
    """
    op, constant = nodes.float_op, nodes.constant
    size = op("Abs", [value], "size")
    most = op("Maximum", [op("Mul", [size, constant(8192.0)], "large"), constant(0.75)], "most")
    near = op("AddV2", [op("Sub", [size, most], "less"), most], "near")
    beyond = op("Mul", [near, constant(2.0**112)], "beyond")  # infinite from 65536 on
    return op("Mul", [_signed(nodes, beyond, value), constant(2.0**-112)], "rounded")


def _signed(nodes: Nodes, size: str, value: str) -> str:
    """Return a tensor of no sign with another's sign, that of 0 included."""
    int32, float32 = nodes.tf.int32, nodes.tf.float32
    words, signs = (
        nodes.add("Bitcast", [each], "words", T=float32, type=int32) for each in (size, value)
    )
    sign = nodes.add("BitwiseAnd", [signs, nodes.constant(-(2**31), np.int32)], "sign", T=int32)
    both = nodes.add("BitwiseOr", [words, sign], "signed", T=int32)
    return nodes.add("Bitcast", [both], "number", T=int32, type=float32)
