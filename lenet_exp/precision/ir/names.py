"""The names of nodes and tensors in a GraphDef: "node", "node:slot" and, of an order, "^node"."""

from __future__ import annotations

from typing import NamedTuple, Tuple


class Tensor(NamedTuple):
    """Output `slot` of the node `node`."""

    node: str
    slot: int

    def __str__(self) -> str:
        return f"{self.node}:{self.slot}"


class Port(NamedTuple):
    """Data input `slot` of the node `node` in the plan's GraphDef."""

    node: str
    slot: int


def split(text: str) -> Tuple[str, str, str]:
    """Return the "^", the node and the ":slot" of a node's input; what isn't there is ""."""
    mark = "^" if is_control(text) else ""
    name, colon, slot = text[len(mark) :].partition(":")
    return mark, name, colon + slot


def is_control(text: str) -> bool:
    """Return whether a node's input is only an order."""
    return text.startswith("^")


def node_of(text: str) -> str:
    """Return the node of a tensor or of a control input."""
    return text.lstrip("^").partition(":")[0]


def slot_of(text: str) -> int:
    """Return the slot of a tensor, 0 if its name has none."""
    return int(split(text)[2][1:] or 0)


def as_input(tensor: Tensor) -> str:
    """Return a tensor as a NodeDef names it: without the slot if that is 0."""
    return tensor.node if tensor.slot == 0 else str(tensor)
