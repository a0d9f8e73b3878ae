"""Where the overflows of each part are read: by a status operator, or at the end of a run."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from lenet_exp.precision.emulation.exact.float_status import kind
from lenet_exp.precision.emulation.fast.parts import Parts
from lenet_exp.precision.ir.graph import Graph, reachable


class OverflowFlags:
    """The flags of parts, bool [] tensors, by who waits for them."""

    def __init__(self, graph: Graph, parts: Parts, clean: Sequence[Sequence[str]]) -> None:
        """Say where the flags `clean` of `parts` of `graph` are read."""
        self._parts, self._clean = parts, clean
        self._after = graph.consumers(by_order=True)
        reading = (name for name, node in graph.nodes.items() if kind(node).startswith("get"))
        self._read = {name: self._certain(name) for name in reading}
        self._ends = [name for name in graph.nodes if name not in self._after]

    def at(self, name: str) -> List[str]:
        """Return the flags that a status operator waits for.

        They are of all parts but those that need a source which may be without a value then;
        where it waits for none of them, as no vendor's optimizer has it, of all.
        """
        return [flag for index in self._read.get(name, ()) for flag in self._clean[index]]

    def unread(self) -> Dict[Tuple[str, ...], List[str]]:
        """Return the flags that no status operator reads, by the last nodes behind their parts."""
        read = {index for found in self._read.values() for index in found}
        left: Dict[Tuple[str, ...], List[str]] = {}
        for index, flags in enumerate(self._clean):
            if flags and index not in read:
                behind = self._parts.behind
                names = tuple(name for name in self._ends if behind.get(name, 0) >> index & 1)
                left.setdefault(names, []).extend(flags)
        return left

    def _certain(self, name: str) -> List[int]:
        """Return the parts all of whose sources every run needs that comes to a node."""
        sources = -1
        for end in reachable([name], lambda each: self._after.get(each, ())):
            if end not in self._after:
                sources &= self._parts.needs[end]
        needs = [part.needs for part in self._parts.parts]
        certain = [index for index, each in enumerate(needs) if not each & ~sources]
        return certain if any(self._clean[index] for index in certain) else [*range(len(needs))]
