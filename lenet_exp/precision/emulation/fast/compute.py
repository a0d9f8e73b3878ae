"""What is computed fast, and exactly in the steps that overflow: nodes of a graph, or tensors."""

from __future__ import annotations

from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.exact.context import Context, Lookup
from lenet_exp.precision.emulation.exact.float_status import all_true
from lenet_exp.precision.emulation.exact.rewrite import (
    Rewriter,
    emulated_dtypes,
    output_dtypes,
    widened,
)
from lenet_exp.precision.emulation.fast.arithmetic import Fast, all_finite, native, tiled_bias
from lenet_exp.precision.emulation.fast.cut_off import saturating
from lenet_exp.precision.emulation.fast.overflow_checks import tested, varying
from lenet_exp.precision.emulation.fast.parts import Part, Parts, ordered_after
from lenet_exp.precision.emulation.fast.region import Role, Shape, known_shapes
from lenet_exp.precision.emulation.fast.saturating import Saturating, SaturatingHalves
from lenet_exp.precision.emulation.fast.xla_loops_tf1 import compile_loops
from lenet_exp.precision.ir.builder import (
    Handle,
    Nodes,
    control_inputs,
    copied,
    data_inputs,
    set_inputs,
)
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
    halves: Iterable[str],
    name: str,
) -> Tuple[List[str], str]:
    """Return what `build` makes of these operands, and bool []: nothing overflowed.

    `halves` are the operands that hold float16 values already.
    """
    nodes = context.nodes
    fast = Fast(nodes.scratch())
    results = build(fast, operands)
    sums = fast.sums(tested(fast.nodes.made, fast.ends, frozenset()))
    known = {tensor: shape for tensor, shape in zip(operands, shapes) if shape is not None}
    whole = _with_placeholders(context, fast.nodes.made, operands, known)
    nodes.made.extend(compile_loops(context, [fast.nodes.made], whole, results, known)[0])
    clean = all_finite(nodes, sums, name)
    letter, cast = _letter_after(context, fast, operands, halves)
    again = build(letter, operands)
    quick, given, exact = (_floats(nodes, each) for each in (results, operands, again))
    given += [Typed(half, nodes.tf.float16) for half in cast]
    return _either(context, clean, quick, letter.nodes.made, given, exact, name), clean


def _letter_after(
    context: Context, fast: Fast, operands: Sequence[str], halves: Iterable[str]
) -> Tuple[Saturating, List[str]]:
    """Return what computes to the letter, and what it takes of what was computed fast.

    That is what operands are as float16, where no loop that XLA compiles has them.
    """
    nodes = context.nodes.scratch()
    if not tf_compat.has_fast_float16():
        return Saturating(nodes, halves), []
    cast = {each: fast.cast[each] for each in operands if each in fast.cast}
    return _letter(context, nodes, cast, halves), [*cast.values()]


def _letter(
    context: Context, nodes: Nodes, cast: Mapping[str, str], halves: Iterable[str] = ()
) -> SaturatingHalves:
    function = saturating(nodes)
    context.library.append(function)
    return SaturatingHalves(nodes, halves, cast, function)


def _letter_beside(
    context: Context, roles: Mapping[str, Role], fast: Fast
) -> Tuple[Saturating, List[Handle]]:
    """Return what computes a part to the letter, and what it takes of what was computed fast.

    That is what variables and other exact values are as float16.
    """
    nodes = context.nodes.scratch()
    if not tf_compat.has_fast_float16():
        return Saturating(nodes), []
    exact = {name for name, role in roles.items() if not role.repeated}
    cast = {tensor: half for tensor, half in fast.cast.items() if node_of(tensor) in exact}
    return _letter(context, nodes, cast), [*cast.values()]


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


def compute_fast(context: Context, found: Parts) -> List[List[str]]:
    """Append the nodes of some parts, computed fast, and exactly in the steps that overflow.

    What leaves a part comes from the exact computation then. Returns for each part bool []
    tensors: nothing overflowed in it.
    """
    lookup, nodes, parts = context.lookup, context.nodes, found.parts
    shapes = known_shapes(read_graph(lookup.plan.graph_def), lookup.plan.generation)
    fast = Fast(nodes.scratch())

    def form(node: Any, tensors: Sequence[str]) -> Optional[Handle]:
        tiled = tiled_bias(fast, lookup.nodes, shapes, node, tensors)
        return tiled or native(fast, lookup.rows, node, tensors)

    rewriter = Rewriter(lookup, fast, shortcuts=True, form=form)
    streams = [_streamed(rewriter, fast, part.names) for part in parts]
    ends = {rewriter.rounded_from.get(end, end): end for end in fast.ends}
    known = {end: shapes[tensor] for tensor, end in ends.items() if tensor in shapes}
    sums = _sums(lookup, fast, found, streams, known)
    tests = [bool(sums[i]) or any(sums[j] for j in part.before) for i, part in enumerate(parts)]
    borders = [part.border if test else () for part, test in zip(parts, tests)]
    bodies = _compiled(context, [stream.nodes for stream in streams], parts, borders)
    renamed = {name: nodes.free(f"{name}/fast") for border in borders for name in border}
    nodes.made.extend(_renamed(node, renamed) for body in bodies for node in body)
    clean = [[all_finite(nodes, each, "emulation")] if each else [] for each in sums]
    drawn = {name: rewriter.appended[name] for name in found.drawn}
    for index, (part, border) in enumerate(zip(parts, borders)):
        if border:
            flags = [flag for each in sorted((index, *part.before)) for flag in clean[each]]
            fine = all_true(nodes, flags, "emulation/all_clean")
            _choose(context, found, part, renamed, fine, drawn, fast)
    return clean


class _Stream(NamedTuple):
    """The fast nodes of a part, and the rounded tensors that it is made of."""

    nodes: List[Any]
    ends: List[str]


def _streamed(rewriter: Rewriter, fast: Fast, names: Iterable[str]) -> _Stream:
    made, ends, shared = len(fast.nodes.made), len(fast.ends), len(rewriter.shared)
    rewriter.rewrite(names)
    found = {*fast.ends}.intersection(rewriter.shared[shared:])
    own = [each for each in fast.ends[:ends] if each in found]
    return _Stream(fast.nodes.made[made:], [*own, *fast.ends[ends:]])


def _sums(
    lookup: Lookup,
    fast: Fast,
    found: Parts,
    streams: Sequence[_Stream],
    shapes: Mapping[str, Shape],
) -> List[List[str]]:
    """Append what each part is tested by: float32 [], finite if nothing overflowed in it."""
    made = {str(node.name): node for node in fast.nodes.made}
    known = varying(fast.nodes.made, (*_sources(lookup), *found.drawn))
    sums = []
    for part, stream in zip(found.parts, streams):
        seen = {end for index in part.before for end in streams[index].ends}
        ends = [end for end in stream.ends if end not in seen]
        own = {node.name for node in stream.nodes}
        before = [made[end] for end in ends if end not in own]
        begin = len(fast.nodes.made)
        sums.append(fast.sums(tested([*before, *stream.nodes], ends, known), shapes))
        stream.nodes.extend(fast.nodes.made[begin:])
    return sums


def _compiled(
    context: Context,
    bodies: Sequence[List[Any]],
    parts: Sequence[Part],
    borders: Sequence[Sequence[str]],
) -> List[List[Any]]:
    """Return the fast nodes with loops, among the other nodes of the graph."""
    graph = context.lookup.nodes
    whole = {name: widened(node) for name, node in graph.items()}
    whole.update((node.name, node) for body in bodies for node in body)
    controls = [name for node in graph.values() for name in control_inputs(node.input)]
    seen = [*(name for border in borders for name in border), *controls]
    body_of = {node.name: index for index, body in enumerate(bodies) for node in body}
    shared = {
        node_of(text)
        for index, body in enumerate(bodies)
        for node in body
        for text in node.input
        if body_of.get(node_of(text), index) not in {index, *parts[index].before}
    }
    return compile_loops(context, bodies, list(whole.values()), seen, shared=shared)


def _choose(
    context: Context,
    found: Parts,
    part: Part,
    renamed: Mapping[str, str],
    clean: str,
    drawn: Mapping[str, Handle],
    fast: Fast,
) -> None:
    """Append a part's values, the fast or, where they are not `clean`, the letter's."""
    lookup, nodes = context.lookup, context.nodes
    exact, shared = _letter_beside(context, found.roles, fast)
    form = partial(native, exact, lookup.rows)
    Rewriter(lookup, exact, shortcuts=True, form=form, drawn=drawn).rewrite(part.again)
    dtypes = {name: emulated_dtypes(lookup.nodes[name]) for name in part.border}
    results = [
        Typed(as_input(Tensor(name, slot)), dtype)
        for name, each in dtypes.items()
        for slot, dtype in enumerate(each)
    ]
    again = exact.nodes.made
    _order(lookup, found.roles, again)
    others = (*drawn.values(), *shared)
    given = _arguments(lookup, again, {str(handle): handle.node for handle in others})
    fine = [Typed(_at(tensor, renamed), dtype) for tensor, dtype in results]
    # What the letter's values wait for outside, such as the end of all gradients, stands in front
    # of the fast ones: else an update could write what is still read.
    before = [renamed[name] for name in part.border]
    ready = nodes.add("Identity", [clean], "emulation/ready", before, T=nodes.tf.bool)
    outputs = _either(context, ready, fine, again, given, results, "emulation")
    for name, each in dtypes.items():
        own = [outputs.pop(0) for _ in each]
        op, kinds = ("Identity", each[0]) if len(each) == 1 else ("IdentityN", each)
        after = part.waits.get(name, ()) if len(each) == 1 else ()
        nodes.add(op, own, name, after, final=name, T=kinds)


def _order(lookup: Lookup, roles: Mapping[str, Role], body: Iterable[Any]) -> None:
    """Have the nodes of a body wait for each other as before, past those that are not in it.

    A gradient of weights waits for that of the layer's input: who updates them must not do so
    while the other still reads them. What stands outside only orders the fast nodes.
    """
    inside = {str(node.name) for node in body}
    for node in body:
        control = ordered_after(lookup.nodes, roles, control_inputs(node.input))
        kept = [*data_inputs(node.input), *(f"^{name}" for name in control if name in inside)]
        set_inputs(node, kept)


def _sources(lookup: Lookup) -> List[str]:
    """Return the nodes that are fed, variables or their values."""
    sources = {name for name, n in lookup.nodes.items() if n.op in VARIABLES | {"Placeholder"}}
    return [
        name
        for name, n in lookup.nodes.items()
        if name in sources or (n.op in READS and node_of(n.input[0]) in sources)
    ]


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    """Give a node and its inputs other names, in place."""
    node.name = names.get(node.name, node.name)
    set_inputs(node, [_at(text, names) for text in node.input])
    return node


def _at(text: str, names: Mapping[str, str]) -> str:
    mark, name, slot = split(text)
    return f"{mark}{names.get(name, name)}{slot}"


def _arguments(lookup: Lookup, body: List[Any], drawn: Mapping[str, Any]) -> List[Typed]:
    """Return what a body takes from outside; constants go into it.

    `drawn` are nodes that the plan's graph doesn't have.
    """
    nodes, found = lookup.nodes, []
    for tensor in outside(body):
        name, _, slot = tensor.partition(":")
        if name not in drawn and nodes[name].op in CONSTANTS:
            constant = widened(nodes[name])
            set_inputs(constant, [])
            body.append(constant)
        else:
            dtypes = output_dtypes(drawn[name] if name in drawn else widened(nodes[name]))
            found.append(Typed(tensor, dtypes[int(slot or 0)]))
    return found
