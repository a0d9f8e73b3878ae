"""What is computed before anything is written: fast, and again to the letter if it overflowed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.analysis.shapes import static_shapes
from lenet_exp.precision.emulation.exact.arithmetic import Exact, Fast, Watch, all_finite
from lenet_exp.precision.emulation.exact.rewrite import Lookup, Rewriter, output_dtypes, widened
from lenet_exp.precision.emulation.fast.xla_loops_tf1 import Shape, launched
from lenet_exp.precision.ir.builder import Nodes, copied
from lenet_exp.precision.ir.functions import Typed, branch, function_of, named, outside
from lenet_exp.precision.ir.graph import read_graph
from lenet_exp.precision.ir.names import Tensor, node_of, split
from lenet_exp.precision.ir.op_traits import CONSTANTS, VARIABLES
from lenet_exp.precision.target.operator_library import load_library


class Job(NamedTuple):
    """What is rewritten, and where to: nodes, and functions of the library.

    `flush` and `watch` are what `Exact` takes.
    """

    lookup: Lookup
    nodes: Nodes
    library: List[Any]
    flush: bool = False
    watch: Optional[Watch] = None


def compute_exactly(job: Job, names: Sequence[str]) -> List[str]:
    """Append these nodes, rounded to the letter; return bool [] tensors: nothing overflowed."""
    exact = Exact(job.nodes, job.flush, job.watch)
    Rewriter(job.lookup, exact, shortcuts=False).rewrite(names)
    return exact.clean


def compute_fast(job: Job, names: Sequence[str], asked: Iterable[str]) -> List[str]:
    """Append these nodes, computed fast, and exactly in the steps that overflow.

    Tensors that leave `names`, or are `asked` for, come from the exact computation then. Returns
    as `compute_exactly`.
    """
    shapes = _shapes(job.lookup)
    fast = Fast(job.nodes.scratch())
    Rewriter(job.lookup, fast, shortcuts=True, shapes=shapes).rewrite(names)
    border = _border(job.lookup, names, asked)
    sums = fast.sums(_varying(job.lookup))
    if not sums or not border:
        job.nodes.made.extend(fast.nodes.made)
        return [all_finite(job.nodes, sums, "emulation")] if sums else []
    fast.nodes.made = _compiled(
        job, fast.nodes.made, _everything(job, fast), [*border, *_controls(job.lookup)]
    )
    renamed = {name: job.nodes.free(f"{name}/fast") for name in border}
    job.nodes.made.extend(_renamed(node, renamed) for node in fast.nodes.made)
    clean = all_finite(job.nodes, sums, "emulation")
    exact = Exact(job.nodes.scratch())
    Rewriter(job.lookup, exact, shortcuts=True).rewrite(names)
    body = exact.nodes.made
    leaves = _leaves(job, body)
    results = [
        Typed(name if slot == 0 else f"{name}:{slot}", dtype)
        for name, dtypes in border.items()
        for slot, dtype in enumerate(dtypes)
    ]
    fine = [Typed(_at(each.tensor, renamed), each.dtype) for each in results]
    given = [*fine, *leaves]
    functions = _functions(job, given, len(fine), leaves, body, results)
    outputs = branch(job.nodes, clean, given, functions, "emulation/either")
    _name_outputs(job.nodes, border, outputs)
    return [clean]


def _everything(job: Job, fast: Fast) -> List[Any]:
    """Return the nodes of the fast computation, and those of the graph around it."""
    found = {name: widened(copied(node)) for name, node in job.lookup.nodes.items()}
    found.update((node.name, node) for node in fast.nodes.made)
    return list(found.values())


def _controls(lookup: Lookup) -> List[str]:
    """Return the nodes that others wait for."""
    return [t[1:] for node in lookup.nodes.values() for t in node.input if t.startswith("^")]


def _compiled(
    job: Job,
    made: List[Any],
    whole: List[Any],
    seen: Sequence[str],
    known: Mapping[str, Shape] = MappingProxyType({}),
) -> List[Any]:
    """Return `made` with loops for its chains of operations.

    `whole` is it and what it takes, `known` are shapes that aren't seen there.
    """
    if not tf_compat.compiles_loops():
        return made
    graph_def = tf_compat.load().GraphDef()
    graph_def.node.extend(whole)
    graph = read_graph(graph_def)
    types = output_types(graph, load_library(None, job.lookup.plan.generation))
    asked = [Tensor(name, slot) for name in graph.nodes for slot in range(len(types[name]))]
    shapes = {
        tensor.node if tensor.slot == 0 else f"{tensor.node}:{tensor.slot}": shape
        for tensor, shape in static_shapes(graph, types, asked).items()
        if shape is not None
    }
    found = launched(made, {**shapes, **known}, seen, job.nodes)
    job.library.extend(found.functions)
    return found.nodes


def _shapes(lookup: Lookup) -> Dict[str, Sequence[int]]:
    """Return the shapes of first outputs, where they are known."""
    graph = read_graph(lookup.plan.graph_def)
    types = output_types(graph, load_library(None, lookup.plan.generation))
    asked = [Tensor(name, 0) for name in graph.nodes if types[name]]
    found = static_shapes(graph, types, asked)
    return {tensor.node: shape for tensor, shape in found.items() if shape is not None}


def _varying(lookup: Lookup) -> List[str]:
    """Return the nodes that are fed, variables or their values."""
    sources = {name for name, n in lookup.nodes.items() if n.op in VARIABLES | {"Placeholder"}}
    reads = ("Identity", "ReadVariableOp")
    return [
        name
        for name, n in lookup.nodes.items()
        if name in sources or (n.op in reads and node_of(n.input[0]) in sources)
    ]


def _border(lookup: Lookup, names: Sequence[str], asked: Iterable[str]) -> Dict[str, List[Any]]:
    """Return the nodes whose values are seen from outside, with the DTypes of their outputs."""
    inside, consumed = set(names), set()
    seen = {node_of(tensor) for tensor in asked}
    for node in lookup.nodes.values():
        for text in node.input:
            if not text.startswith("^"):
                consumed.add(node_of(text))
                if node.name not in inside:
                    seen.add(node_of(text))
    found = {}
    for name in names:
        dtypes = output_dtypes(widened(copied(lookup.nodes[name])))
        if dtypes and (name in seen or name not in consumed):
            found[name] = dtypes
    return found


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    """Give a node and its inputs other names, in place."""
    node.name = names.get(node.name, node.name)
    texts = [_at(text, names) for text in node.input]
    del node.input[:]
    node.input.extend(texts)
    return node


def _at(text: str, names: Mapping[str, str]) -> str:
    mark, name, slot = split(text)
    return f"{mark}{names.get(name, name)}{slot}"


def _leaves(job: Job, body: List[Any]) -> List[Typed]:
    """Return what the body takes from outside; constants and what only orders go into it."""
    nodes, found = job.lookup.nodes, []
    inside = {node.name for node in body}
    for tensor in outside(body):
        name, _, slot = tensor.partition(":")
        if nodes[name].op in CONSTANTS:
            constant = widened(copied(nodes[name]))
            del constant.input[:]
            body.append(constant)
            inside.add(name)
        else:
            dtypes = output_dtypes(widened(copied(nodes[name])))
            found.append(Typed(tensor, dtypes[int(slot or 0)]))
    for node in body:
        kept = [t for t in node.input if not t.startswith("^") or node_of(t) in inside]
        del node.input[:]
        node.input.extend(kept)
    return found


def _functions(
    job: Job,
    given: Sequence[Typed],
    count: int,
    leaves: Sequence[Typed],
    body: Sequence[Any],
    results: Sequence[Typed],
) -> Tuple[Any, Any]:
    """Return what passes the first `count` of `given` on, and what computes `results` anew."""
    taken = [Typed(job.nodes.free("given"), each.dtype) for each in given[:count]]
    copies = job.nodes.scratch()
    same = [
        Typed(copies.add("Identity", [each.tensor], "passed", T=each.dtype), each.dtype)
        for each in taken
    ]
    passed = named(function_of([*taken, *leaves], copies.made, same), "pass")
    anew = named(function_of([*taken, *leaves], body, results), "exact")
    job.library.extend((passed, anew))
    return passed, anew


def _name_outputs(nodes: Nodes, border: Mapping[str, List[Any]], outputs: List[str]) -> None:
    place = 0
    for name, dtypes in border.items():
        own = outputs[place : place + len(dtypes)]
        place += len(dtypes)
        if len(dtypes) == 1:
            nodes.add("Identity", own, name, final=name, T=dtypes[0])
        else:
            nodes.add("IdentityN", own, name, final=name, T=dtypes)


def either(
    job: Job,
    leaves: Sequence[str],
    shapes: Sequence[Optional[Sequence[int]]],
    build: Any,
    name: str,
) -> Tuple[List[str], str]:
    """Return float32 outputs of `build(arithmetic, tensors)`, and bool []: nothing overflowed.

    Computed fast, and exactly if that overflowed. `leaves` are float32 tensors, with their
    shapes or None.
    """
    float32 = tf_compat.load().float32
    fast = Fast(job.nodes.scratch())
    fine = [Typed(tensor, float32) for tensor in build(fast, leaves)]
    sums = fast.sums()
    known = {leaf: tuple(shape) for leaf, shape in zip(leaves, shapes) if shape is not None}
    whole = _with_placeholders(job, fast.nodes.made, leaves, known)
    seen = [each.tensor for each in fine]
    job.nodes.made.extend(_compiled(job, fast.nodes.made, whole, seen, known))
    clean = all_finite(job.nodes, sums, name)
    exact = Exact(job.nodes.scratch())
    inner = [Typed(job.nodes.free("leaf"), float32) for _ in leaves]
    results = [Typed(t, float32) for t in build(exact, [each.tensor for each in inner])]
    outer = [*fine, *(Typed(tensor, float32) for tensor in leaves)]
    functions = _functions(job, fine, len(fine), inner, exact.nodes.made, results)
    return branch(job.nodes, clean, outer, functions, f"{name}/either"), clean


def _with_placeholders(
    job: Job, made: Sequence[Any], leaves: Sequence[str], shapes: Mapping[str, Shape]
) -> List[Any]:
    """Return copies of nodes, with placeholders for the leaves."""
    nodes = job.nodes.scratch()
    names = {}
    for leaf in leaves:
        names[leaf] = nodes.add("Placeholder", [], "emulation/leaf", dtype=nodes.tf.float32)
        shape = nodes.tf.TensorShape(shapes.get(leaf))
        nodes.made[-1].attr["shape"].shape.CopyFrom(shape.as_proto())
    for node in map(copied, made):
        texts = [names.get(text, text) for text in node.input]
        del node.input[:]
        node.input.extend(texts)
        nodes.made.append(node)
    return nodes.made
