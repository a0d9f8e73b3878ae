"""Shapes that a person gives to a graph's inputs, for dimensions that the graph leaves open.

The chip compiles a graph for the shapes that it is fed with, so they count from the first phase on:
more is constant then, and costs can be counted.
"""

from __future__ import annotations

import contextlib
import difflib
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from lenet_exp.errors import WordError
from lenet_exp.precision.analysis.scratch import RefusedError
from lenet_exp.precision.analysis.shapes import all_shapes
from lenet_exp.precision.ir.builder import copied
from lenet_exp.precision.ir.graph import read_graph
from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.ir.op_defs import WRITTEN_SHAPES
from lenet_exp.precision.target.modes import Generation

_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_ITERATORS = ("IteratorGetNext", "IteratorGetNextSync")
_EMPTY_IS_ANY = 21  # up to this producer; source: TensorFlow's shape function of Placeholder
_SHOWN = 5  # names, in a message
_EXAMPLE = 32  # for a size that is not known, in a remedy


class _Entry(NamedTuple):
    """An input of the graph: output `slot` of a node, and the TensorShapeProtos that say it."""

    node: Any
    slot: int
    protos: Sequence[Any]

    @property
    def name(self) -> str:
        return f"{self.node.name}:{self.slot}" if self.slot else str(self.node.name)

    @property
    def dims(self) -> Optional[List[int]]:
        """Its dimensions, -1 for an unknown one; None if not even their number is known."""
        proto = self.protos[0]
        return None if proto.unknown_rank else [int(dim.size) for dim in proto.dim]


def open_inputs(graph_def: Any) -> List[str]:
    """Return the names of the inputs of which the graph leaves a dimension open."""
    any_shape = graph_def.versions.producer <= _EMPTY_IS_ANY
    inputs = (copied(node) for node in graph_def.node if node.op in _PLACEHOLDERS + _ITERATORS)
    entries = [entry for node in inputs for entry in _entries(node, any_shape)]
    return [entry.name for entry in entries if entry.dims is None or -1 in entry.dims]


def with_input_shapes(
    graph_def: Any, batch: Optional[int] = None, shapes: Optional[Mapping[str, Any]] = None
) -> Any:
    """Return a graph whose inputs have these shapes; the given one is not modified.

    Args:
        graph_def: its placeholders and its iterators' outputs are inputs.
        batch: the first dimension of every input whose first dimension is unknown.
        shapes: the dimensions of an input, all of them, by its name ("images", "next:1"); a
            dimension may be None where it stays unknown, or where `batch` gives it.

    Raises:
        WordError: nothing is left open that they could say, there is no such input, or what
            the graph knows of it is another shape.
    """
    if batch is None and not shapes:
        return graph_def
    made = type(graph_def)()
    made.CopyFrom(graph_def)
    empty_is_any = graph_def.versions.producer <= _EMPTY_IS_ANY
    entries = {entry.name: entry for node in made.node for entry in _entries(node, empty_is_any)}
    for name, shape in (shapes or {}).items():
        _set(_named(entries, name, shape), name, shape)
    if batch is not None:
        _set_batch(entries, batch)
    _check(made, graph_def)
    return made


def _check(made: Any, given: Any) -> None:
    """Refuse shapes with which TensorFlow no longer takes a graph that it took without them."""
    try:
        all_shapes(read_graph(made), Generation.TODAY)
    except RefusedError as refused:
        with contextlib.suppress(RefusedError):  # a graph that has this fault by itself stays
            all_shapes(read_graph(given), Generation.TODAY)
            node, problem, _ = refused.args
            remedy = "shapes that fit each other and the graph"
            keys = ("batch", "shapes")
            raise WordError(f"these shapes at {node}", problem, remedy, keys) from refused


def _entries(node: Any, empty_is_any: bool) -> List[_Entry]:
    """Return a node's inputs of the graph; an unknown number of dimensions is written into it."""
    if node.op in _PLACEHOLDERS:
        known = "shape" in node.attr
        said = [node.attr["shape"].shape]
        if not known or (empty_is_any and not said[0].dim):
            said[0].unknown_rank = True
    elif node.op in _ITERATORS and "output_shapes" in node.attr:
        said = list(node.attr["output_shapes"].list.shape)
    else:
        return []
    written = node.attr[WRITTEN_SHAPES].list.shape if WRITTEN_SHAPES in node.attr else ()
    return [_Entry(node, i, [proto, *written[i : i + 1]]) for i, proto in enumerate(said)]


def _named(entries: Mapping[str, _Entry], name: str, shape: Any) -> _Entry:
    own = name if name in entries or slot_of(name) else node_of(name)
    if own in entries:
        return entries[own]
    near = difflib.get_close_matches(own, list(entries), n=1, cutoff=0.5)
    shown = ", ".join([*entries][:_SHOWN]) + (", ..." if len(entries) > _SHOWN else "")
    allowed = f"one of {shown}" if entries else "a graph with placeholders"
    good = near[0] if near else None
    if good:
        dims, known = _sizes(shape), entries[good].dims
        good = _typed(good, dims if known is None or _fits(known, dims) else _filled(known))
    problem = "the graph has no such input" + (f": {allowed}" if entries else "")
    remedy = near[0] if near else allowed
    raise WordError(f"shapes: {name}", problem, remedy, ("shapes",), name, good)


def _sizes(shape: Any) -> List[int]:
    return [-1 if each is None else int(each) for each in shape]


def _fits(known: Sequence[int], dims: Sequence[int]) -> bool:
    pairs = zip(known, dims)
    return len(known) == len(dims) and all(-1 in (has, one) or has == one for has, one in pairs)


def _filled(known: Sequence[int]) -> List[int]:
    return [_EXAMPLE if size < 0 else size for size in known]


def _typed(name: str, dims: Sequence[int]) -> str:
    """Return a shape as the key shapes of explain has it."""
    return f"{name}:{'x'.join(map(str, dims)) or '[]'}"


def _set(entry: _Entry, name: str, shape: Any) -> None:
    """Write a shape that fits what is known into a node; `name` is how the input was named."""
    dims, known = _sizes(shape), entry.dims
    shown = f"shapes: {entry.name} {_text(dims)}"
    good = None if known is None else _typed(entry.name, _filled(known))
    said = (("shapes",), name, good)
    if any(size < -1 or size == 0 for size in dims):
        remedy = f"{entry.name}: [32, 28, 28, 1]"
        raise WordError(shown, "a dimension is 1 or more", remedy, *said)
    if known is not None:
        if not _fits(known, dims):
            problem = f"in the graph it is {_text(known)}"
            raise WordError(shown, problem, f"{entry.name}: {_text(known, _EXAMPLE)}", *said)
        dims = [has if given == -1 else given for has, given in zip(known, dims)]
    for proto in entry.protos:
        proto.Clear()
        for size in dims:
            proto.dim.add(size=size)


def _text(dims: Sequence[int], unknown: object = "?") -> str:
    return f"[{', '.join(str(unknown if size < 0 else size) for size in dims)}]"


def _set_batch(entries: Mapping[str, _Entry], batch: int) -> None:
    if batch < 1:
        raise WordError(f"batch {batch}", "it is no number of examples", "batch 32", ("batch",))
    known: Dict[str, Optional[List[int]]] = {name: each.dims for name, each in entries.items()}
    open_ones = [name for name, dims in known.items() if dims and dims[0] < 0]
    for name in open_ones:
        _set(entries[name], name, [batch, *(known[name] or [])[1:]])
    if not open_ones:
        without = [name for name, dims in known.items() if dims is None]
        problem = "no input of this graph has an unknown first dimension"
        remedy = "the graph without batch: its shapes are known"
        if without:
            problem += "; of some not even the number of dimensions is known"
            remedy = f"shapes: {without[0]} [{batch}, ...]"
        raise WordError(f"batch {batch}", problem, remedy, ("batch",))
