"""Where an operator runs: AI core, AI CPU, refused, or not in the library.

Source: precision-modes.md 4.1.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.plan import Engine
from lenet_exp.precision.target.operator_library import (
    LEFT_OUT,
    NodeColumn,
    OperatorLibrary,
    first_failing,
    node_columns,
)


class Support(NamedTuple):
    """The engine, the columns if it is the AI core or a null operator, and else why not.

    `why` is "" too of a null operator that has no columns for its types.
    """

    engine: Engine
    columns: Tuple[NodeColumn, ...]
    why: str


def support(operator: GraphOperator, library: OperatorLibrary, reduces: bool) -> Support:
    """Return where an operator runs; `reduces` says whether float32 may become float16 here."""
    entry = library.operators.get(operator.ge_type)
    if entry is None and {operator.tf_type, operator.ge_type} & library.ai_cpu_only:
        return Support(Engine.AI_CPU, (), "the AI core has no such operator")
    if entry is None:
        return Support(Engine.NONE, (), "the operator library lacks it")
    columns = node_columns(entry, len(operator.inputs), len(operator.outputs))
    if columns is None:
        return Support(Engine.NONE, (), "its kernels' types are not known")
    index = first_failing(columns, operator.origin, reduces)
    if entry.null:
        return Support(Engine.NONE, columns if index is None else (), "")
    if index is None:
        return Support(Engine.AI_CORE, columns, "")
    return _failing(operator, index, library)


def _failing(operator: GraphOperator, index: int, library: OperatorLibrary) -> Support:
    dtype = operator.origin[index]
    if dtype not in LEFT_OUT:
        return Support(Engine.NONE, (), f"the library's table says nothing about {dtype}")
    count = len(operator.inputs)
    tensor = f"input {index}" if index < count else f"output {index - count}"
    fallback = operator.ge_type in library.ai_cpu_fallback
    why = f"no AI core kernel has {dtype} for {tensor}"
    return Support(Engine.AI_CPU if fallback else Engine.REFUSED, (), why)
