"""A plan without its choices: of every cond the branch that a step takes, and not the other.

What is in a branch could not be measured: TensorFlow gives no value for what doesn't run.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Sequence, Set

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.frames import find_frames
from lenet_exp.precision.emulation.fast.region import run_order
from lenet_exp.precision.ir.builder import copied, data_inputs, set_attribute, set_inputs
from lenet_exp.precision.ir.graph import Graph, read_graph
from lenet_exp.precision.ir.names import Tensor, as_input, node_of, slot_of
from lenet_exp.precision.ir.op_traits import MERGES, SWITCHES
from lenet_exp.precision.plan import CastEdge, Plan


def open_choices(plan: Plan) -> List[str]:
    """Return the conditions, as inputs name them, that no other choice is in front of.

    The choices of while loops are none.
    """
    graph = read_graph(plan.graph_def)
    order = run_order(graph)
    frames = find_frames(graph, order).of
    behind: Set[str] = set()
    found: Dict[str, None] = {}
    for name in order:
        node, before = graph.nodes[name], graph.producers(name)
        if not behind.isdisjoint(before):
            behind.add(name)
        if node.op in SWITCHES and not frames[name]:
            if graph.data[name][1].node not in behind:
                found[as_input(graph.data[name][1])] = None
            behind.add(name)
    return list(found)


def taken(plan: Plan, conditions: Mapping[str, bool]) -> Plan:
    """Return the plan of what runs where some conditions are as given.

    A Switch gives its input at both ends, and a Merge is the end that runs.
    """
    graph = read_graph(plan.graph_def)
    order = run_order(graph)
    frames = find_frames(graph, order).of
    kept: Dict[str, Any] = {}
    dead: Set[Tensor] = set()  # those that no run gives; of a node that never runs slot -1
    ends: Dict[str, int] = {}  # of a Merge: which input runs
    references: Dict[str, str] = {}  # of a RefSwitch, by its outputs: the variable
    for name in order:
        node = graph.nodes[name]
        if node.op in MERGES and not frames[name]:
            texts = data_inputs(node.input)
            alive = [index for index, text in enumerate(texts) if not _is_dead(text, dead)]
            runs, made = bool(alive), node
            if len(alive) == 1:
                ends[name], made = alive[0], _one_end(node, texts[alive[0]])
        else:
            runs, made = bool(frames[name]) or _runs(graph, name, dead), node
        if runs and node.op in SWITCHES and as_input(graph.data[name][1]) in conditions:
            choice = conditions[as_input(graph.data[name][1])]
            dead.add(Tensor(name, int(not choice)))
            if node.op == "Switch":
                made = _both_ends(node)
            else:
                references[as_input(Tensor(name, int(choice)))] = node.input[0]
                continue
        if runs:
            kept[name] = _past(made, references)
        else:
            dead.add(Tensor(name, -1))
    nodes = [kept[node.name] for node in plan.graph_def.node if node.name in kept]
    return _narrowed(plan._replace(casts=tuple(_of_ends(plan.casts, ends))), nodes)


def _of_ends(casts: Sequence[CastEdge], ends: Mapping[str, int]) -> Iterator[CastEdge]:
    """Yield the Casts that run: of a Merge's that of its one input, which is then the first."""
    for edge in casts:
        index = None if edge.port is None else ends.get(edge.port.node)
        if edge.port is None or index is None:
            yield edge
        elif edge.port.slot == index:
            yield edge._replace(port=edge.port._replace(slot=0))


def _runs(graph: Graph, name: str, dead: Set[Tensor]) -> bool:
    """Return whether nothing that a node waits for is dead.

    A Switch itself runs, and what it orders: only one of its outputs is dead.
    """
    given = [*map(as_input, graph.data[name]), *(f"{each}:-1" for each in graph.control[name])]
    return not any(_is_dead(text, dead) for text in given)


def _is_dead(text: str, dead: Set[Tensor]) -> bool:
    return not dead.isdisjoint((Tensor(node_of(text), slot_of(text)), Tensor(node_of(text), -1)))


def _past(node: Any, references: Mapping[str, str]) -> Any:
    """Return a node that takes variables themselves, not what a RefSwitch passes on of them."""
    if references.keys().isdisjoint(node.input):
        return node
    copy = copied(node)
    texts = [str(text) for text in node.input]
    while not references.keys().isdisjoint(texts):
        texts = [references.get(text, text) for text in texts]
    set_inputs(copy, texts)
    return copy


def _both_ends(node: Any) -> Any:
    """Return a node with a Switch's name and outputs."""
    made = type(node)(name=node.name, op="IdentityN")
    kind = tf_compat.load().as_dtype(node.attr["T"].type)
    set_attribute(made, "T", [kind, kind])
    set_inputs(made, [node.input[0], node.input[0]])
    return made


def _one_end(node: Any, text: str) -> Any:
    """Return a node with a Merge's name; its second output, which end it was, is gone."""
    made = type(node)(name=node.name, op="Identity")
    made.attr["T"].CopyFrom(node.attr["T"])
    set_inputs(made, [text])
    return made


def _narrowed(plan: Plan, node_defs: List[Any]) -> Plan:
    graph_def = type(plan.graph_def)(
        library=plan.graph_def.library, versions=plan.graph_def.versions
    )
    graph_def.node.extend(node_defs)
    names = {node.name for node in node_defs}
    return restricted(plan, graph_def, names)


def restricted(plan: Plan, graph_def: Any, names: Set[str]) -> Plan:
    """Return a plan of a part of its graph: of the rows whose nodes are all among `names`.

    A fused operator of which some node is not among them goes, and its casts with it.
    """
    kept = tuple(row for row in plan.operators if names.issuperset(row.parts))
    gone = {row.name for row in plan.operators} - {row.name for row in kept}
    edges = (edge for edge in plan.casts if edge.port and edge.port.node in names)
    return plan._replace(
        operators=kept,
        casts=tuple(edge for edge in edges if edge.consumer not in gone),
        removed_casts=tuple(cast for cast in plan.removed_casts if cast.name in names),
        graph_def=graph_def,
    )
