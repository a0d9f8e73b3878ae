"""Where an operator runs: AI core, AI CPU, the compiler itself, the host, or refused.

Sources: precision-modes.md 4.1; for the compiler's own engines hicann/ge, compiler/engines:
local_engine/ops_kernel_store/op and rts_engine/ops_kernel_store/op/op_factory.cc, the operators
registered there; for the host hicann/tensorflow, tf_adapter/optimizers/
om_partition_subgraphs_pass.cc, `IsNpuSupportingNode`.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.ir.op_traits import TAKEN_APART
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.plan import Engine, Rule
from lenet_exp.precision.target.library_file import LETTERS
from lenet_exp.precision.target.operator_library import (
    NodeColumn,
    OperatorLibrary,
    first_failing,
    node_columns,
)

_FLOATS = frozenset(("float16", "float32"))
_WIDE = frozenset(LETTERS[letter] for letter in "hfilbd")  # of these every kernel is known
_INTEGERS = frozenset(LETTERS[letter] for letter in "ilcustvw")


class Support(NamedTuple):
    """The engine, and the columns to choose from; without any, the rule and why."""

    engine: Engine
    columns: Tuple[NodeColumn, ...]
    rule: Rule = Rule.KEEP
    why: str = ""


def support(operator: GraphOperator, library: OperatorLibrary, reduces: bool) -> Support:
    """Return where an operator runs; `reduces` says whether float32 may become float16 here."""
    entry = library.operators.get(operator.ge_type)
    if entry is None:
        return _without_entry(operator, library)
    known = with_kernels(operator, library)
    columns = known.columns
    if not columns:
        return _undecided("its kernels' types are not known")
    index = first_failing(columns, operator.origin, reduces)
    if index is None and operator.ge_type == "Cast" and operator.origin not in columns:
        return together(operator, library)
    if index is None:
        return known
    if entry.null:
        why = "a null operator of a type without float kernels: type kept"
        return Support(Engine.NONE, (), Rule.GRAY, why)
    return _failing(operator, index, library)


def with_kernels(operator: GraphOperator, library: OperatorLibrary) -> Support:
    """Return where an operator runs whose types no test refuses; no columns: none are known."""
    entry = library.operators.get(operator.ge_type)
    if entry is None:
        return Support(Engine.NONE, ())
    columns = node_columns(entry, len(operator.inputs), len(operator.outputs))
    return Support(Engine.NONE if entry.null else Engine.AI_CORE, columns or ())


def _without_entry(operator: GraphOperator, library: OperatorLibrary) -> Support:
    names = {operator.tf_type, operator.ge_type}
    if names & library.own_engines:
        why = "the compiler runs it itself and chooses no types: those of the graph are kept"
        return Support(Engine.NONE, (), Rule.KEEP, why)
    if names & library.ai_cpu_only:
        return _on_the_ai_cpu("the AI core has no such operator")
    if operator.tf_type in TAKEN_APART:
        return _undecided("the compiler takes it apart, which a plan does not")
    if tf_compat.op_def(operator.tf_type) is not None and operator.ge_type == operator.tf_type:
        why = "on the host: neither the AI core nor the AI CPU has it, so TensorFlow runs it"
        return Support(Engine.HOST, (), Rule.KEEP, why)
    return _undecided("the operator library lacks it")


def _undecided(why: str) -> Support:
    text = f"not decided: {why}; the types of the graph are left"
    return Support(Engine.NONE, (), Rule.UNKNOWN, text)


def _on_the_ai_cpu(why: str) -> Support:
    text = f"AI CPU: {why}; it keeps the types of the graph"
    return Support(Engine.AI_CPU, (), Rule.AI_CPU, text)


def _failing(operator: GraphOperator, index: int, library: OperatorLibrary) -> Support:
    dtype, count = operator.origin[index], len(operator.inputs)
    tensor = f"input {index}" if index < count else f"output {index - count}"
    if dtype not in _WIDE and library.operators[operator.ge_type].by_code:
        why = f"{dtype} for {tensor} leaves nothing to choose: the types of the graph are kept"
        return Support(Engine.NONE, (), Rule.KEEP, why)
    return _elsewhere(operator, library, f"no AI core kernel has {dtype} for {tensor}")


def together(operator: GraphOperator, library: OperatorLibrary) -> Support:
    """Return where an operator runs that has kernels for each of its types, but for none at once.

    A Cast's kernel writes the type that its attribute `dst_type` says, which no selection
    changes: a column with another output is none for it. Sources: `cast` in impl/cast.py and
    impl/dynamic/cast.py of the operator library, whose `check_supported` asks for the pair; that
    nothing sets the attribute again: hicann/ge, compiler/engines/nn_engine, CAST_ATTR_DST_TYPE.
    """
    have, given = (operator.origin[side] for side in operator.sides)
    types = f"{', '.join(have)} to {', '.join(given)}"
    return _elsewhere(operator, library, f"no AI core kernel takes {types}")


def _elsewhere(operator: GraphOperator, library: OperatorLibrary, why: str) -> Support:
    if operator.ge_type in library.ai_cpu_fallback:
        return _on_the_ai_cpu(why)
    text = f"refused: {why}, and the AI CPU has no such operator"
    return Support(Engine.REFUSED, (), Rule.REFUSED, text)


def same_kinds(types: Sequence[str], origin: Sequence[str]) -> bool:
    """Return whether a choice of types left floats floats, integers integers, and the rest."""
    for kind in (_FLOATS, _INTEGERS):
        if any((t in kind) != (o in kind) for t, o in zip(types, origin)):
            return False
    other = _FLOATS | _INTEGERS
    return all(t == o or o in other for t, o in zip(types, origin))
