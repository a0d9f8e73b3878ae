"""The fusions that the vendor gives as patterns: several operators that become one.

Source: `built_in_graph_rules.json` of the 910B's library (hicann/ge, the stub under
tests/engines/nn_engine/depends); of its rules those whose operator the 910's library has too. That
the 910 has had them since 2021, under the same names, is inferred: the operators they make have
been in its library since then.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Mapping, NamedTuple, Tuple

_PATH = Path(__file__).with_name("fusion_rules.json")


class Step(NamedTuple):
    """An operator of a pattern: its GE type, and what it takes, inputs or other steps."""

    ge_type: str
    takes: Tuple[str, ...]


class FusionRule(NamedTuple):
    """A pattern of operators, by names of its own, and the operator that is made of it.

    The operands stand in one order only. Nothing else may take what a step makes that is not among
    `outputs`. `inputs` and `outputs` are those of the operator that is made, in its order.
    """

    name: str
    makes: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    steps: Mapping[str, Step]


@functools.lru_cache(maxsize=None)
def fusion_rules() -> Tuple[FusionRule, ...]:
    """Return the rules, in the order of the compiler."""
    found = json.loads(_PATH.read_text(encoding="utf-8"))["rules"]
    return tuple(
        FusionRule(
            name,
            rule["makes"],
            tuple(rule["inputs"].split()),
            tuple(rule["outputs"].split()),
            {step: _step(*text.split()) for step, text in rule["of"].items()},
        )
        for name, rule in found.items()
    )


def _step(ge_type: str, *takes: str) -> Step:
    return Step(ge_type, takes)
