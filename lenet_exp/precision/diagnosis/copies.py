"""One step three times in one graph: exact, emulated, and each operator emulated alone.

- `exact/`: the step in the types of the graph;
- `emulated/`: as the chip computes it under the plan;
- `alone/`: each operator as the chip computes it, of what the exact step gives it. An input that
  the plan has in float16 already keeps eleven bits here, but any exponent: what overflows or
  becomes 0 is the fault of the operator that made it, what comes of a short input is its own. A
  Cast in front of an operator is a part of it.

All read the variables from `state/`, which nothing writes, and all take the data and the random
numbers of the exact step. Each writes variables of its own.
"""

from __future__ import annotations

import functools
from typing import AbstractSet, Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.frames import find_frames
from lenet_exp.precision.diagnosis.branches import restricted
from lenet_exp.precision.diagnosis.refusals import ALONE, EMULATED, EXACT
from lenet_exp.precision.emulation.emulate import check_known, emulate
from lenet_exp.precision.emulation.exact.context import Lookup, look_up, source
from lenet_exp.precision.emulation.exact.float_status import kind as status_kind
from lenet_exp.precision.emulation.exact.own_types import own_halves, read_by_chip
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes, takes_reference
from lenet_exp.precision.emulation.fast.region import brings_values, run_order
from lenet_exp.precision.ir.builder import Nodes, copied, data_inputs, set_attribute, set_inputs
from lenet_exp.precision.ir.graph import Graph, reachable, read_graph
from lenet_exp.precision.ir.names import Tensor, as_input, node_of, slot_of, split
from lenet_exp.precision.ir.op_traits import CONSTANTS, DATA, ENTERS, PASS_THROUGH, VARIABLES
from lenet_exp.precision.plan import Operator, Plan

STATE, LOAD = "state", "load"
_SPLITTER = np.float32(2.0**13 + 1)  # Veltkamp's: of a float32 it leaves eleven bits
_FLOATS = ("float32", "float16")
_OF_A_STEP = ("TensorArray", "Stack")  # state that each copy makes and uses up by itself


class Copies(NamedTuple):
    """Nodes of the three steps, which more can be added to.

    `rows` are the operators that can be measured, those of `alone` alone too; `inside` those that
    can't be, for they are in while loops. The operation `load` writes what is fed to
    `load/VARIABLE` into all copies of the `variables`, and makes ready what else there is.
    """

    nodes: Nodes
    library: Any
    versions: Any
    rows: Tuple[Operator, ...]
    alone: Set[str]
    inside: Tuple[str, ...]
    variables: Tuple[str, ...]
    plan: Plan

    def graph_def(self) -> Any:
        """Return all nodes as a GraphDef."""
        made = tf_compat.load().GraphDef(versions=self.versions, library=self.library)
        made.node.extend(self.nodes.made)
        return made


class _Source(NamedTuple):
    """A tensor of the whole graph, `is_short`: as float16 has it but for the exponent."""

    tensor: str
    is_short: bool = False


class _Placeholders:
    """Placeholders for tensors of the whole graph, one for each; float32 for float16.

    What they stand for is float32: an emulation reads float16 data once more as the chip does.
    """

    def __init__(self, graph_def: Any) -> None:
        """Begin with none; a node of `graph_def` may have any name."""
        self._names = Nodes(node.name for node in graph_def.node)
        self._known: Dict[_Source, str] = {}
        self.sources: Dict[str, _Source] = {}  # by the placeholders
        self.made: Dict[str, Any] = {}

    def placeholder(self, source: _Source, dtype: Any) -> str:
        """Return the name of the placeholder for a tensor."""
        if source not in self._known:
            name, tf = self._names.free("given"), tf_compat.load()
            node = tf.NodeDef(name=name, op="Placeholder")
            set_attribute(node, "dtype", tf.float32 if dtype == tf.float16 else dtype)
            self._known[source], self.sources[name], self.made[name] = name, source, node
        return self._known[source]


def exact_plan(plan: Plan) -> Plan:
    """Return the plan under which every operator keeps the types of the graph."""
    rows = tuple(
        row._replace(inputs=row.origin_inputs, outputs=row.origin_outputs, casts=())
        for row in plan.operators
    )
    return plan._replace(operators=rows, casts=(), removed_casts=())


def copies_of(
    plan: Plan, wanted: Sequence[str] = (EXACT, EMULATED, ALONE), flush: bool = False
) -> Copies:
    """Return a plan's step three times, or those copies that are `wanted`; EXACT always is.

    The plan is without calls and choices, see `inlined` and `branches`. `flush`: float16 has no
    subnormal numbers.
    """
    given = _Placeholders(plan.graph_def)
    whole = _with_reads_of_state(plan, given)
    graph = read_graph(whole.graph_def)
    check_known(graph)
    frames = find_frames(graph, run_order(graph)).of
    tf = tf_compat.load()
    nodes = Nodes()
    library = tf.GraphDef().library
    parts = {EXACT: exact_plan(whole)}
    alone: Set[str] = set()
    if EMULATED in wanted:
        parts[EMULATED] = _with_given_data(whole, graph, frames, given)
    if ALONE in wanted:
        parts[ALONE], alone = _cut(whole, graph, frames, given)
    data = (node for node in graph.nodes.values() if node.op in DATA)
    short = (Tensor(node.name, slot) for node in data for slot in own_halves(node))
    halves = {f"{EXACT}/{as_input(tensor)}" for tensor in short}
    taken = functools.lru_cache(maxsize=None)(functools.partial(_taken, nodes, halves))
    resets = []
    for prefix, each in parts.items():
        flushes = flush and prefix != EXACT
        made = emulate(
            each.graph_def, each, reference=True, counted=False, flush_subnormals=flushes
        )
        _merge_library(library, made.graph_def.library)
        nodes.made.extend(_prefixed(made.graph_def, prefix, given, taken))
        resets.append(f"{prefix}/{made.reset}")
    variables = _state(nodes, whole, parts, resets)
    looping = {name for name, node in graph.nodes.items() if frames[name] or node.op in ENTERS}
    inside = tuple(row.name for row in plan.operators if row.name in looping)
    rows = tuple(row for row in whole.operators if row.name not in looping)
    return Copies(nodes, library, plan.graph_def.versions, rows, alone, inside, variables, whole)


def _merge_library(library: Any, other: Any) -> None:
    have = {function.signature.name for function in library.function}
    library.function.extend(f for f in other.function if f.signature.name not in have)


def _with_reads_of_state(plan: Plan, given: _Placeholders) -> Plan:
    """Return a plan in which whatever reads a variable reads it as it was before the step."""
    nodes = {node.name: node for node in plan.graph_def.node}
    tf, made = tf_compat.load(), []
    for node in plan.graph_def.node:
        indices = [
            index
            for index, text in enumerate(data_inputs(node.input))
            if nodes[node_of(text)].op in VARIABLES
            and (
                node.op in ("ReadVariableOp", "ResourceGather") or not takes_reference(node, index)
            )
        ]
        if node.op in VARIABLES or not indices:
            made.append(node)
            continue
        copy, texts = copied(node), list(node.input)
        for index in indices:
            variable = nodes[node_of(texts[index])]
            dtype = tf.as_dtype(variable.attr["dtype"].type)
            texts[index] = given.placeholder(_Source(f"{STATE}/{variable.name}"), dtype)
        set_inputs(copy, texts)
        made.append(_of_a_value(copy))
    return _with_nodes(plan, [*given.made.values(), *made])


def _of_a_value(node: Any) -> Any:
    """Return what does to a value what a node does to a variable's handle."""
    if node.op not in ("ReadVariableOp", "ResourceGather"):
        return node
    made = type(node)(name=node.name, op="Identity")
    set_inputs(made, node.input)
    made.attr["T"].CopyFrom(node.attr["dtype"])
    if node.op == "ResourceGather":
        del made.attr["T"]
        made.op = "Gather"
        made.attr["Tparams"].CopyFrom(node.attr["dtype"])
        made.attr["Tindices"].CopyFrom(node.attr["Tindices"])
    return made


def _with_nodes(plan: Plan, node_defs: Sequence[Any]) -> Plan:
    made = type(plan.graph_def)(library=plan.graph_def.library, versions=plan.graph_def.versions)
    made.node.extend(node_defs)
    return plan._replace(graph_def=made)


def _is_source(graph: Graph, frames: Mapping[str, Any], name: str, given: _Placeholders) -> bool:
    """Return whether what a node gives is the same for all copies: data, random numbers."""
    node = graph.nodes[name]
    if frames[name] or status_kind(node) or name in given.made:
        return False
    if node.op.startswith(_OF_A_STEP):
        return False
    tf = tf_compat.load()
    known = tf_compat.op_def(node.op) is not None
    taken = known and not any(dtype == tf.resource for dtype in output_dtypes(node))
    return bool(taken) and (node.op in DATA or brings_values(graph, name))


def _with_given_data(
    plan: Plan, graph: Graph, frames: Mapping[str, Any], given: _Placeholders
) -> Plan:
    """Return a plan in which data and random numbers are those of the exact step."""
    before = set(given.made)
    made: Dict[str, Any] = {}
    for name, node in graph.nodes.items():
        made[name] = node
        if _is_source(graph, frames, name, given) and output_dtypes(node):
            types = output_dtypes(node)
            instead = type(node)(name=name, op="IdentityN")
            set_attribute(instead, "T", types)
            tensors = (f"{EXACT}/{as_input(Tensor(name, slot))}" for slot in range(len(types)))
            pairs = zip(map(_Source, tensors), types)
            set_inputs(instead, [given.placeholder(*pair) for pair in pairs])
            made[name] = instead
    new = {name: node for name, node in given.made.items() if name not in before}
    made.update(new)
    ends = [part for row in plan.operators for part in row.parts]
    ends += [name for name in map(node_of, plan.fetches) if name in made]
    needed = reachable(ends, lambda name: [node_of(text) for text in made[name].input])
    return _with_nodes(plan, [node for name, node in made.items() if name in needed])


class _Cutter:
    """Takes operators out of their graph: what another operator gives them is given."""

    def __init__(self, lookup: Lookup, given: _Placeholders) -> None:
        self._lookup, self._given, self._nodes = lookup, given, lookup.nodes
        self.made: Dict[str, Any] = {}
        self._types: Dict[str, Any] = {}

    def add(self, row: Operator) -> None:
        """Take the nodes of one operator."""
        for part in row.parts:
            node = copied(self._nodes[part])
            texts = data_inputs(node.input)
            set_inputs(node, [self._text(row, node, i, text) for i, text in enumerate(texts)])
            self.made[part] = node

    def _text(self, row: Operator, node: Any, index: int, text: str) -> str:
        """Return what an input of a node becomes."""
        origin = self._nodes[node_of(source(self._nodes, text, PASS_THROUGH))]
        within = origin.name in row.parts or origin.op in CONSTANTS
        if within or (origin.op in VARIABLES and takes_reference(node, index)):
            self._keep(text, row)
            return text
        dtype = self._dtype(text)
        short = dtype.name in _FLOATS and self._is_short(row, node, index)
        given = self._given.sources.get(text, _Source(f"{EXACT}/{text}"))
        return self._given.placeholder(given._replace(is_short=short), dtype)

    def _keep(self, text: str, row: Operator) -> None:
        """Keep what is in front of an input up to the operator itself, a constant, a variable."""
        while node_of(text) not in row.parts:
            node = copied(self._nodes[node_of(text)])
            texts = data_inputs(node.input)
            set_inputs(node, texts)
            self.made[node.name] = node
            if not texts:
                break
            text = texts[0]

    def _dtype(self, text: str) -> Any:
        return output_dtypes(self._nodes[node_of(text)])[slot_of(text)]

    def _is_short(self, row: Operator, node: Any, index: int) -> bool:
        """Return whether an input is float16 in the plan without a Cast in front of it."""
        if (node.name, index) in self._lookup.casts:
            return False
        for number, port in enumerate(row.ports):
            if port is not None and (port.node, port.slot) == (node.name, index):
                return row.inputs[number] == "float16"
        return False


def _cut(
    plan: Plan, graph: Graph, frames: Mapping[str, Any], given: _Placeholders
) -> Tuple[Plan, Set[str]]:
    """Return a plan of operators without edges between them, and their names."""
    lookup = look_up(plan)
    cutter = _Cutter(lookup, given)
    rows = [row for row in plan.operators if _stands_alone(row, graph, frames, given)]
    for row in rows:
        cutter.add(row)
    taken = {text for node in cutter.made.values() for text in node.input}
    cutter.made.update((text, given.made[text]) for text in taken & given.made.keys())
    made = _with_nodes(plan, list(cutter.made.values()))
    names = {row.name for row in rows}
    kept = restricted(made, made.graph_def, set(cutter.made))
    casts = tuple(edge for edge in kept.casts if not edge.removed)
    removed = tuple(cast._replace(reads=None) for cast in kept.removed_casts)
    own = tuple(row for row in kept.operators if row.name in names)
    return kept._replace(operators=own, casts=casts, removed_casts=removed, fetches=()), names


def _stands_alone(
    row: Operator, graph: Graph, frames: Mapping[str, Any], given: _Placeholders
) -> bool:
    return all(
        part in graph.nodes
        and not frames[part]
        and graph.nodes[part].op not in ENTERS
        and not graph.nodes[part].op.startswith(_OF_A_STEP)
        and not status_kind(graph.nodes[part])
        and tf_compat.op_def(graph.nodes[part].op) is not None
        and not _is_source(graph, frames, part, given)
        for part in row.parts
    )


def _prefixed(
    graph_def: Any, prefix: str, given: _Placeholders, taken: Callable[[_Source], str]
) -> List[Any]:
    """Return nodes under other names, with what is given in the place of its placeholders.

    `taken(source)` is the tensor that has it.
    """
    made = []
    for node in graph_def.node:
        if node.name in given.made:
            continue
        copy = copied(node)
        copy.name = f"{prefix}/{node.name}"
        texts = []
        for text in node.input:
            mark, name, slot = split(text)
            stands_for = given.sources.get(name)
            if stands_for is None:
                texts.append(f"{mark}{prefix}/{name}{slot}")
                continue
            texts.append(f"^{node_of(stands_for.tensor)}" if mark else taken(stands_for))
        set_inputs(copy, texts)
        if "frame_name" in copy.attr:
            copy.attr["frame_name"].s = f"{prefix}/".encode() + copy.attr["frame_name"].s
        if node.op in VARIABLES:
            copy.attr["shared_name"].s = copy.name.encode()
        made.append(copy)
    return made


def _state(
    nodes: Nodes, plan: Plan, parts: Mapping[str, Plan], resets: Sequence[str]
) -> Tuple[str, ...]:
    """Append the variables that all copies read, and the operation that loads all copies."""
    tf, found, done = nodes.tf, [], list(resets)
    have = {node.name for node in nodes.made}
    for node in plan.graph_def.node:
        if node.op not in VARIABLES:
            continue
        dtype = tf.as_dtype(node.attr["dtype"].type)
        dtype = tf.float32 if dtype == tf.float16 else dtype
        fed = nodes.add("Placeholder", [], "", final=f"{LOAD}/{node.name}", dtype=dtype)
        state = nodes.add("VariableV2", [], "", final=f"{STATE}/{node.name}", dtype=dtype)
        state.node.attr["shape"].CopyFrom(node.attr["shape"])
        copies = [f"{prefix}/{node.name}" for prefix in parts if f"{prefix}/{node.name}" in have]
        done.append(_assign(nodes, state, fed, dtype, handle=False))
        handle = node.op == "VarHandleOp"
        done += [_assign(nodes, each, fed, dtype, handle) for each in copies]
        found.append(node.name)
    nodes.add("NoOp", [], LOAD, [str(each) for each in done], final=LOAD)
    return tuple(found)


def _assign(nodes: Nodes, variable: str, value: str, dtype: Any, handle: bool) -> str:
    if handle:
        return nodes.add("AssignVariableOp", [variable, value], f"{variable}/load", dtype=dtype)
    kinds = {"T": dtype, "validate_shape": False}
    return nodes.add("Assign", [variable, value], f"{variable}/load", **kinds)


def _taken(nodes: Nodes, halves: AbstractSet[str], given: _Source) -> str:
    """Return what has a tensor of the whole graph as float32, appended where it is another.

    `halves`: data that are fed as float16.
    """
    tensor = given.tensor
    if tensor in halves:
        tensor = read_by_chip(nodes, tensor, True, f"given/{tensor.replace(':', '_')}")
    return _shortened(nodes, tensor) if given.is_short else tensor


def _shortened(nodes: Nodes, tensor: str) -> str:
    """Append what leaves eleven bits of a tensor."""
    name = f"short/{tensor.replace(':', '_')}"
    scaled = nodes.float_op("Mul", [tensor, nodes.constant(_SPLITTER)], f"{name}/scaled")
    rest = nodes.float_op("Sub", [scaled, tensor], f"{name}/rest")
    return nodes.float_op("Sub", [scaled, rest], f"{name}/short")
