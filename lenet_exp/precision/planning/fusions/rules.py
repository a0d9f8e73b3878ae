"""Several operators that a rule of the vendor makes one of.

Source: `GraphMatcher` of the fusion engine (hicann/ge, graph_fusion/graph_matcher.cc): operands by
their index, from the pattern's first output on.
"""

from __future__ import annotations

from typing import Dict, Iterator, Optional, Tuple

from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.operators import GraphOperator, Input, OperatorGraph
from lenet_exp.precision.target.fusion_rules import FusionRule

Match = Dict[str, GraphOperator]  # which operator is which step of a rule


def by_rule(rule: FusionRule, graph: OperatorGraph, operator: GraphOperator) -> None:
    """Put the operator that a rule makes in the place of its pattern, `operator` its first output.

    The new one has the name of the pattern's last output: of an update, what is written.
    """
    found = match(rule, graph, operator)
    if found is None:
        return
    given: Dict[str, Input] = {}
    for step, part in found.items():
        for name, value in zip(rule.steps[step].takes, part.inputs):
            given[name] = given[name].joined(value) if name in given else value
    last = found[rule.outputs[-1]]
    made = last._replace(
        ge_type=rule.makes,
        inputs=tuple(given[name] for name in rule.inputs),
        outputs=tuple(output for name in rule.outputs for output in found[name].outputs),
    )
    graph.join(tuple(found.values()), made)


def match(rule: FusionRule, graph: OperatorGraph, operator: GraphOperator) -> Optional[Match]:
    """Return the operators that are a rule's steps, in the rule's order; None if there are none."""
    first = rule.outputs[0]
    for found in _completed(rule, graph, {first: operator}):
        if _closed(rule, graph, found):
            return {step: found[step] for step in rule.steps}
    return None


def _completed(rule: FusionRule, graph: OperatorGraph, found: Match) -> Iterator[Match]:
    """Yield every way to find the steps that are left."""
    if not _agrees(rule, found):
        return
    if len(found) == len(rule.steps):
        yield found
        return
    step, candidates = _next(rule, graph, found)
    for each in candidates:
        if all(each is not other for other in found.values()):
            yield from _completed(rule, graph, {**found, step: each})


def _agrees(rule: FusionRule, found: Match) -> bool:
    """Return whether what was found so far are steps: of their type, and joined as they are."""
    given: Dict[str, Tensor] = {}
    for step, operator in found.items():
        ge_type, takes = rule.steps[step]
        if operator.ge_type != ge_type or len(operator.inputs) != len(takes):
            return False
        for name, value in zip(takes, operator.inputs):
            source = found[name].outputs[0].key if name in found else value.source
            if source != value.source or given.setdefault(name, source) != source:
                return False
    return True


def _next(
    rule: FusionRule, graph: OperatorGraph, found: Match
) -> Tuple[str, Tuple[GraphOperator, ...]]:
    """Return a step that is joined to those found, and the operators that can be it."""
    for step, operator in found.items():
        for name, value in zip(rule.steps[step].takes, operator.inputs):
            if name in rule.steps and name not in found:
                made = graph.producer(value.source)
                return name, () if made is None else (made,)
    for step, (_, takes) in rule.steps.items():
        for slot, name in enumerate(takes):
            if step not in found and name in found:
                uses = graph.uses(found[name].outputs[0].key)
                return step, tuple(graph.operators[use.name] for use in uses if use.slot == slot)
    raise ValueError(f"{rule.name} falls into parts")


def _closed(rule: FusionRule, graph: OperatorGraph, found: Match) -> bool:
    """Return whether nothing outside takes what is made inside, but for the outputs."""
    inside = {operator.name for operator in found.values()}
    return not any(
        graph.leaves(operator)
        or any(use.name not in inside for out in operator.outputs for use in graph.uses(out.key))
        for step, operator in found.items()
        if step not in rule.outputs
    )
