"""Transfer learning: which variables of a network start from a checkpoint's values."""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Sequence, Tuple

from lenet_exp.errors import ConfigError, DataError

Shapes = Mapping[str, Tuple[int, ...]]
_PROGRAM = "python -m lenet_exp.run"


class Start(NamedTuple):
    """The checkpoint `prefix`, whose values `names` start with, and the variables `afresh`."""

    prefix: str
    names: List[str]
    afresh: List[str]

    def __str__(self) -> str:
        others = f", not {', '.join(self.afresh)}" if self.afresh else ""
        return f"starts from {self.prefix}: {len(self.names)} variables{others}"


def choose(prefix: str, saved: Shapes, network: Shapes, exclude: Sequence[str]) -> Start:
    """Return a start of `network` but for the variables in a scope of `exclude`.

    Args:
        prefix: the checkpoint, for errors and remedies.
        saved: what it holds; slots, scales and counters besides the network do no harm.
        network: the variables to start.
        exclude: scopes, or names of variables, that start afresh.

    Raises:
        ConfigError: a scope of `exclude` holds nothing, or all of them everything.
        DataError: the checkpoint lacks a variable, or has it in another shape.
    """
    command = f"{_PROGRAM} init_from={prefix}"
    scopes = list(dict.fromkeys(name.partition("/")[0] for name in network))
    for scope in exclude:
        if not any(_within(name, scope) for name in network):
            allowed = f"scopes of the network: {', '.join(scopes)}"
            raise ConfigError("exclude", scope, allowed, f"{command} 'exclude=[{scopes[-1]}]'")
    chosen = [name for name in network if not any(_within(name, scope) for scope in exclude)]
    if not chosen:
        allowed = "fewer scopes: nothing is left to start from the checkpoint"
        raise ConfigError("exclude", f"[{','.join(exclude)}]", allowed, command)
    for name in chosen:
        problem = ""
        if name not in saved:
            problem = f"holds no {name}"
        elif saved[name] != network[name]:
            problem = f"holds {name} as {list(saved[name])}, the network as {list(network[name])}"
        if problem:
            unlike = ",".join([*exclude, name.partition("/")[0]])
            raise DataError(prefix, problem, f"{command} 'exclude=[{unlike}]'")
    return Start(prefix, chosen, [name for name in network if name not in chosen])


def _within(name: str, scope: str) -> bool:
    return name == scope or name.startswith(scope.rstrip("/") + "/")
