"""What is computed fast, and exactly in the steps that overflow: nodes of a graph, or tensors."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.exact.context import Context, Lookup
from lenet_exp.precision.emulation.exact.rewrite import Rewriter, emulated_dtypes, widened
from lenet_exp.precision.emulation.fast.arithmetic import Fast, all_finite, tiled_bias
from lenet_exp.precision.emulation.fast.region import Shape, known_shapes
from lenet_exp.precision.emulation.fast.xla_loops_tf1 import compile_loops
from lenet_exp.precision.ir.builder import Nodes, control_inputs, copied, data_inputs, set_inputs
from lenet_exp.precision.ir.functions import Typed, branch, function_of, named, outside
from lenet_exp.precision.ir.graph import read_graph
from lenet_exp.precision.ir.names import Tensor, as_input, node_of, split
from lenet_exp.precision.ir.op_traits import CONSTANTS, READS, VARIABLES

# (arithmetic, float32 tensors) -> float32 tensors
Build = Callable[[Arithmetic, Sequence[str]], List[str]]


def _either(
    context: Context,
    clean: str,
    fast: Sequence[Typed],
    body: Sequence[Any],
    taken: Sequence[Typed],
    exact: Sequence[Typed],
    name: str,
) -> List[str]:
    """Append a branch: the tensors `fast` where they are `clean` (bool []), else `exact`.

    These are of `body`, NodeDefs that take the tensors `taken` from outside.
    """
    nodes = context.nodes
    given = [Typed(nodes.free("given"), each.dtype) for each in fast]
    copies = nodes.scratch()
    passed = [
        Typed(copies.add("Identity", [tensor], "passed", T=dtype), dtype) for tensor, dtype in given
    ]
    arguments = [*given, *taken]
    functions = (
        named(function_of(arguments, copies.made, passed), "pass"),
        named(function_of(arguments, body, exact), "exact"),
    )
    context.library.extend(functions)
    return branch(nodes, clean, [*fast, *taken], functions, f"{name}/either")


def compute_tensors(
    context: Context,
    build: Build,
    operands: Sequence[str],
    shapes: Sequence[Optional[Shape]],
    name: str,
) -> Tuple[List[str], str]:
    """Return what `build` makes of these operands, and bool []: nothing overflowed."""
    nodes = context.nodes
    fast = Fast(nodes.scratch())
    results = build(fast, operands)
    sums = fast.sums()
    known = {tensor: shape for tensor, shape in zip(operands, shapes) if shape is not None}
    whole = _with_placeholders(context, fast.nodes.made, operands, known)
    nodes.made.extend(compile_loops(context, fast.nodes.made, whole, results, known))
    clean = all_finite(nodes, sums, name)
    letter = Arithmetic(nodes.scratch())
    again = build(letter, operands)
    quick, given, exact = (_floats(nodes, each) for each in (results, operands, again))
    return _either(context, clean, quick, letter.nodes.made, given, exact, name), clean


def _floats(nodes: Nodes, tensors: Sequence[str]) -> List[Typed]:
    return [Typed(tensor, nodes.tf.float32) for tensor in tensors]


def _with_placeholders(
    context: Context, body: Sequence[Any], operands: Sequence[str], shapes: Dict[str, Shape]
) -> List[Any]:
    """Return copies of nodes, with placeholders for the operands."""
    nodes, tf = context.nodes.scratch(), context.nodes.tf
    instead: Dict[str, str] = {}
    for tensor in operands:
        kinds = {"dtype": tf.float32, "shape": tf.TensorShape(shapes.get(tensor))}
        instead[tensor] = nodes.add("Placeholder", [], "emulation/operand", **kinds)
    for node in map(copied, body):
        set_inputs(node, [instead.get(text, text) for text in node.input])
        nodes.made.append(node)
    return nodes.made


def compute_fast(context: Context, names: Sequence[str], fetches: Iterable[str]) -> List[str]:
    """Append these nodes, computed fast, and exactly in the steps that overflow.

    Tensors that leave `names`, or are `fetches`, come from the exact computation then. Returns
    bool [] tensors: nothing overflowed.
    """
    lookup, nodes = context.lookup, context.nodes
    shapes = known_shapes(read_graph(lookup.plan.graph_def), lookup.plan.generation)
    fast = Fast(nodes.scratch())
    form = partial(tiled_bias, fast, lookup.nodes, shapes)
    Rewriter(lookup, fast, shortcuts=True, form=form).rewrite(names)
    border = _border(lookup, names, fetches)
    sums = fast.sums(_varying(lookup))
    if not sums or not border:
        nodes.made.extend(fast.nodes.made)
        return [all_finite(nodes, sums, "emulation")] if sums else []
    body = _compiled(context, fast.nodes.made, border)
    renamed = {name: nodes.free(f"{name}/fast") for name in border}
    nodes.made.extend(_renamed(node, renamed) for node in body)
    clean = all_finite(nodes, sums, "emulation")
    exact = Arithmetic(nodes.scratch())
    Rewriter(lookup, exact, shortcuts=True).rewrite(names)
    results = [
        Typed(as_input(Tensor(name, slot)), dtype)
        for name, dtypes in border.items()
        for slot, dtype in enumerate(dtypes)
    ]
    again = exact.nodes.made
    fine = [Typed(_at(tensor, renamed), dtype) for tensor, dtype in results]
    outputs = _either(context, clean, fine, again, _arguments(lookup, again), results, "emulation")
    for name, dtypes in border.items():
        own = [outputs.pop(0) for _ in dtypes]
        op, kinds = ("Identity", dtypes[0]) if len(dtypes) == 1 else ("IdentityN", dtypes)
        nodes.add(op, own, name, final=name, T=kinds)
    return [clean]


def _compiled(context: Context, body: List[Any], border: Iterable[str]) -> List[Any]:
    """Return the fast nodes with loops, among the other nodes of the graph."""
    graph = context.lookup.nodes
    whole = {name: widened(node) for name, node in graph.items()}
    whole.update((node.name, node) for node in body)
    controls = [name for node in graph.values() for name in control_inputs(node.input)]
    return compile_loops(context, body, list(whole.values()), [*border, *controls])


def _varying(lookup: Lookup) -> List[str]:
    """Return the nodes that are fed, variables or their values."""
    sources = {name for name, n in lookup.nodes.items() if n.op in VARIABLES | {"Placeholder"}}
    return [
        name
        for name, n in lookup.nodes.items()
        if name in sources or (n.op in READS and node_of(n.input[0]) in sources)
    ]


def _border(lookup: Lookup, names: Sequence[str], fetches: Iterable[str]) -> Dict[str, List[Any]]:
    """Return the nodes whose values are seen from outside, with the DTypes of their outputs."""
    inside = set(names)
    seen, consumed = {node_of(tensor) for tensor in fetches}, set()
    for name, node in lookup.nodes.items():
        producers = [node_of(tensor) for tensor in data_inputs(node.input)]
        consumed.update(producers)
        if name not in inside:
            seen.update(producers)
    shown = (name for name in names if name in seen or name not in consumed)
    dtypes = ((name, emulated_dtypes(lookup.nodes[name])) for name in shown)
    return {name: each for name, each in dtypes if each}


def _renamed(node: Any, names: Dict[str, str]) -> Any:
    """Give a node and its inputs other names, in place."""
    node.name = names.get(node.name, node.name)
    set_inputs(node, [_at(text, names) for text in node.input])
    return node


def _at(text: str, names: Dict[str, str]) -> str:
    mark, name, slot = split(text)
    return f"{mark}{names.get(name, name)}{slot}"


def _arguments(lookup: Lookup, body: List[Any]) -> List[Typed]:
    """Return what a body takes from outside; constants and what only orders go into it."""
    nodes, found = lookup.nodes, []
    inside = {node.name for node in body}
    for tensor in outside(body):
        name, _, slot = tensor.partition(":")
        if nodes[name].op in CONSTANTS:
            constant = widened(nodes[name])
            set_inputs(constant, [])
            body.append(constant)
            inside.add(name)
        else:
            found.append(Typed(tensor, emulated_dtypes(nodes[name])[int(slot or 0)]))
    for node in body:
        set_inputs(node, [t for t in node.input if not t.startswith("^") or node_of(t) in inside])
    return found
