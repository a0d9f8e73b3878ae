"""Fast, and exactly in the steps in which that overflowed."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

from lenet_exp.precision.emulation.exact.context import Context
from lenet_exp.precision.emulation.fast.arithmetic import all_finite
from lenet_exp.precision.ir.functions import Typed, branch, function_of, named


class Attempt(NamedTuple):
    """What is computed in every step.

    `results` are tensors of `body`, NodeDefs; they count if the float32 [] tensors `sums` are
    all finite.
    """

    body: Sequence[Any]
    results: Sequence[Typed]
    sums: Sequence[str]


class Fallback(NamedTuple):
    """What is computed where the attempt overflowed: the same `results` of `body`, NodeDefs.

    `arguments` are the tensors that `body` takes from outside.
    """

    body: Sequence[Any]
    arguments: Sequence[Typed]
    results: Sequence[Typed]


def speculate(
    context: Context, fast: Attempt, exact: Callable[[], Fallback], name: str
) -> Tuple[List[str], str]:
    """Append `fast`, and a branch to what `exact` returns.

    Returns the results, and bool []: nothing overflowed.
    """
    context.nodes.made.extend(fast.body)
    clean = all_finite(context.nodes, fast.sums, name)
    fallback = exact()
    inputs = [*fast.results, *fallback.arguments]
    functions = _functions(context, [each.dtype for each in fast.results], fallback)
    return branch(context.nodes, clean, inputs, functions, f"{name}/either"), clean


def _functions(context: Context, dtypes: Sequence[Any], fallback: Fallback) -> Tuple[Any, Any]:
    """Return what passes results of these DTypes on, and what computes them anew."""
    given = [Typed(context.nodes.free("given"), dtype) for dtype in dtypes]
    copies = context.nodes.scratch()
    passed = [
        Typed(copies.add("Identity", [tensor], "passed", T=dtype), dtype) for tensor, dtype in given
    ]
    arguments = [*given, *fallback.arguments]
    functions = (
        named(function_of(arguments, copies.made, passed), "pass"),
        named(function_of(arguments, fallback.body, fallback.results), "exact"),
    )
    context.library.extend(functions)
    return functions
