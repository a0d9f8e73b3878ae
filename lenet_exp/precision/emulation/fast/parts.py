"""Which nodes of a graph are computed fast, and in which parts to the letter where that overflows.

A part is what is computed again as one. It takes no source, such as a placeholder, that not all of
its values need, so that what is fetched demands and draws no more than it would by itself. What a
part gives to an operator that happens once, and what is behind that, are of two parts.
"""

from __future__ import annotations

from typing import (
    Any,
    Container,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Sequence,
    Set,
    Tuple,
)

from lenet_exp.precision.emulation.exact.context import Lookup, tensors_read
from lenet_exp.precision.emulation.fast.region import Role, brings_values
from lenet_exp.precision.ir.graph import Graph, reachable
from lenet_exp.precision.ir.names import node_of

_ALL = -1  # a set of everything; sets of sources and of parts are numbers of one bit each


class Part(NamedTuple):
    """Some nodes, in the order of a run.

    `again`: those of them that the letter computes too; `border`: those of these whose values
    something else takes; `waits`: what of other parts these wait for, as an update must not write
    what is still read. `before`: the parts whose fast values these nodes take, by index, those
    before them included. `needs`: the sources of all of them, as a number's bits.
    """

    names: Tuple[str, ...]
    again: Tuple[str, ...]
    border: Tuple[str, ...]
    waits: Mapping[str, Tuple[str, ...]]
    before: FrozenSet[int]
    needs: int


class Parts(NamedTuple):
    """The parts of a graph, those that others take values of first.

    `drawn` are what happens once and is rounded by both; `roles` are each node's, `needs` its
    sources, `behind` the parts that it stands in or behind: bits.
    """

    parts: Tuple[Part, ...]
    drawn: FrozenSet[str]
    roles: Mapping[str, Role]
    needs: Mapping[str, int]
    behind: Mapping[str, int]


def find_parts(
    lookup: Lookup,
    graph: Graph,
    order: Sequence[str],
    roles: Mapping[str, Role],
    fetches: Iterable[str],
) -> Parts:
    """Return the parts of a graph.

    Args:
        lookup: of the plan that `graph` is of.
        graph: the plan's.
        order: its names, producers first.
        roles: as `find_roles` returns them.
        fetches: inner tensors that are seen from outside.
    """
    reads = {name: [*map(node_of, tensors_read(lookup, graph.nodes[name]))] for name in order}
    needs = _needs(graph, order)
    seen = _seen(graph, order, reads, roles, fetches)
    members = _members(graph, order, roles, _shares(order, reads, seen, needs), reads)
    part_of = {name: index for index, names in enumerate(members) for name in names}
    before = _before(order, reads, part_of)
    border = _border(order, reads, roles, seen, part_of)
    waits = _waits(graph, roles, border, part_of)
    border |= {each for names in waits.values() for each in names}
    parts = tuple(
        Part(
            tuple(names),
            tuple(name for name in names if roles[name].repeated),
            tuple(name for name in names if name in border),
            {name: waits[name] for name in names if name in waits},
            frozenset().union(*(before[name] for name in names)) - {index},
            _union(needs[name] for name in names),
        )
        for index, names in enumerate(members)
    )
    drawn = frozenset(name for name in order if roles[name] is Role.DRAWN)
    return Parts(parts, drawn, roles, needs, _behind(graph, order, part_of))


def ordered_after(
    nodes: Mapping[str, Any], roles: Mapping[str, Role], names: Iterable[str]
) -> List[str]:
    """Return what is computed twice and comes before others, with nothing but `ONCE` between."""

    def before(name: str) -> List[str]:
        return [*map(node_of, nodes[name].input)] if roles.get(name) is Role.ONCE else []

    found = reachable(names, before)
    return [name for name in found if name in roles and roles[name].repeated]


def _union(sets: Iterable[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def _needs(graph: Graph, order: Iterable[str]) -> Dict[str, int]:
    """Return the sources that each node needs."""
    found: Dict[str, int] = {}
    sources = 0
    for name in order:
        found[name] = _union(found.get(each, 0) for each in graph.producers(name))
        if brings_values(graph, name):
            found[name] |= 1 << sources
            sources += 1
    return found


def _seen(
    graph: Graph,
    order: Iterable[str],
    reads: Mapping[str, Sequence[str]],
    roles: Mapping[str, Role],
    fetches: Iterable[str],
) -> FrozenSet[str]:
    """Return the nodes whose values are fetched, taken from outside, or by nothing at all."""
    seen = {node_of(tensor) for tensor in fetches}
    consumed: Set[str] = set()
    for name in order:
        consumed.update(reads[name])
        if roles[name] is Role.OUTSIDE:
            seen.update((*reads[name], *graph.control[name]))
    return frozenset(name for name in order if name in seen or name not in consumed)


def _shares(
    order: Sequence[str],
    reads: Mapping[str, Sequence[str]],
    seen: Container[str],
    needs: Mapping[str, int],
) -> Dict[str, int]:
    """Return the sources that everything needs which is seen and made of a node."""
    found: Dict[str, int] = {}
    for name in reversed(order):
        share = found.get(name, _ALL) & (needs[name] if name in seen else _ALL)
        found[name] = share
        for each in reads[name]:
            found[each] = found.get(each, _ALL) & share
    return found


def _border(
    order: Iterable[str],
    reads: Mapping[str, Sequence[str]],
    roles: Mapping[str, Role],
    seen: Iterable[str],
    part_of: Mapping[str, int],
) -> Set[str]:
    """Return what is computed twice and seen from outside its part."""
    border = {name for name in seen if roles[name].repeated}
    for name in order:
        if roles[name].repeated:
            others = (each for each in reads[name] if part_of.get(each) != part_of[name])
            border.update(each for each in others if roles[each].repeated)
    return border


def _waits(
    graph: Graph, roles: Mapping[str, Role], border: Iterable[str], part_of: Mapping[str, int]
) -> Dict[str, Tuple[str, ...]]:
    found: Dict[str, Tuple[str, ...]] = {}
    for name in border:
        before = ordered_after(graph.nodes, roles, graph.control[name])
        others = tuple(each for each in before if part_of[each] != part_of[name])
        if others:
            found[name] = others
    return found


def _members(
    graph: Graph,
    order: Sequence[str],
    roles: Mapping[str, Role],
    shares: Mapping[str, int],
    reads: Mapping[str, Sequence[str]],
) -> List[List[str]]:
    """Return the names of each part: alike in their shares and in their level.

    A level ends where something outside takes a value that has to be exact.
    """
    level: Dict[str, int] = {}
    found: Dict[Tuple[int, int], List[str]] = {}
    for name in order:
        outside = roles[name] is Role.OUTSIDE
        level[name] = max(
            (
                level.get(each, 0) + (outside and each in roles and roles[each].repeated)
                for each in (*graph.producers(name), *reads[name])
            ),
            default=0,
        )
        if not outside:
            found.setdefault((level[name], shares[name]), []).append(name)
    keys = sorted(found, key=lambda key: (key[0], bin(key[1]).count("1")))
    return [found[key] for key in keys]


def _before(
    order: Iterable[str], reads: Mapping[str, Sequence[str]], part_of: Mapping[str, int]
) -> Dict[str, FrozenSet[int]]:
    """Return the parts of each node and of those it is made of, as far as nothing is outside."""
    found: Dict[str, FrozenSet[int]] = {}
    for name in order:
        if name in part_of:
            inner = (found[each] for each in reads[name] if each in part_of)
            found[name] = frozenset((part_of[name],)).union(*inner)
    return found


def _behind(graph: Graph, order: Iterable[str], part_of: Mapping[str, int]) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for name in order:
        own = 1 << part_of[name] if name in part_of else 0
        found[name] = own | _union(found.get(each, 0) for each in graph.producers(name))
    return found
