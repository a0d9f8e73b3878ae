"""Updates of variables whose operator is float16 on the chip."""

from __future__ import annotations

from typing import Any, List, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.arithmetic import Exact
from lenet_exp.precision.computing import Job, either
from lenet_exp.precision.float_status import CountedExact, FloatStatus, together
from lenet_exp.precision.nodes import node_of
from lenet_exp.precision.plan import Operator
from lenet_exp.precision.rewriting import Rewriter, takes_reference
from lenet_exp.precision.updates import UPDATES

_PLAIN = frozenset(("Assign", "AssignVariableOp"))  # what they write was rounded before


def is_float16_update(row: Operator, node: Any) -> bool:
    """Return whether a node computes a variable's new value in float16."""
    if node.op in _PLAIN or node.name != row.parts[-1] or "float16" not in row.outputs:
        return False
    definition = tf_compat.op_def(node.op)
    takes = takes_reference(node, 0)
    return takes and definition is not None and node.op not in ("RefSwitch", "RefMerge")


def write_update(
    job: Job, rewriter: Rewriter, status: FloatStatus, row: Operator, reference: bool
) -> None:
    """Append an update under its old name: read, compute in float16, count overflows, assign."""
    node = job.lookup.nodes[row.parts[-1]]
    known = UPDATES.get(row.ge_type)
    if known is None:
        _rounded_around(job, rewriter, status, node)
        return
    inputs = [text for text in rewriter.inputs(node) if not text.startswith("^")]
    control = [node_of(text) for text in inputs[known.variables :]]
    control += [text[1:] for text in node.input if text.startswith("^")]
    values = [_read(job, text, control, node.name) for text in inputs[: known.variables]]
    leaves = [*values, *inputs[known.variables :]]

    def build(arithmetic: Any, tensors: Sequence[str]) -> List[str]:
        held = [
            arithmetic.rounded(tensor, f"{node.name}/held_{index}")
            for index, tensor in enumerate(tensors[: known.variables])
        ]
        given = [*held, *tensors[known.variables :]]
        return known.new_values(arithmetic, node, given, node.name)

    if reference:
        exact = Exact(job.nodes, job.flush, job.watch)
        new = build(exact, leaves)
        clean = together(job.nodes, exact.clean, f"{node.name}/clean")
    else:
        new, clean = either(job, leaves, build, node.name)
    count = status.add(clean, node.name)
    _assign_all(job, node, inputs[: known.variables], new, [count])


def _read(job: Job, variable: str, control: Sequence[str], name: str) -> str:
    tf = job.nodes.tf
    if _is_resource(job, variable):
        return job.nodes.add(
            "ReadVariableOp", [variable], f"{name}/read", control, dtype=tf.float32
        )
    return job.nodes.add("Identity", [variable], f"{name}/read", control, T=tf.float32)


def _is_resource(job: Job, variable: str) -> bool:
    name = node_of(variable)
    while job.lookup.nodes[name].op in ("Switch", "Identity", "Enter"):
        name = node_of(job.lookup.nodes[name].input[0])
    return bool(job.lookup.nodes[name].op == "VarHandleOp")


def _assign(job: Job, variable: str, value: str, control: Sequence[str], name: str) -> str:
    tf = job.nodes.tf
    if _is_resource(job, variable):
        return job.nodes.add("AssignVariableOp", [variable, value], name, control, dtype=tf.float32)
    return job.nodes.add("Assign", [variable, value], name, control, T=tf.float32)


def _assign_all(
    job: Job, node: Any, variables: Sequence[str], new: Sequence[str], control: Sequence[str]
) -> None:
    """Assign the slots, then the variable; the last node has the update's name."""
    made = [
        _assign(job, variable, value, control, f"{node.name}/assign")
        for variable, value in list(zip(variables, new))[::-1]
    ]
    if _is_resource(job, variables[0]):
        job.nodes.add("NoOp", [], node.name, made, final=node.name)
        return
    tf = job.nodes.tf
    job.nodes.made.pop()
    job.nodes.add(
        "Assign", [variables[0], new[0]], node.name, [*control, *made[:-1]], final=node.name,
        T=tf.float32,
    )  # fmt: skip


def _rounded_around(job: Job, rewriter: Rewriter, status: FloatStatus, node: Any) -> None:
    """Append an update that no rule describes, as once: variables and results are rounded.

    Source: precision-modes.md 8.2 for the optimizers it lists; for others an inference.
    """
    inputs = rewriter.inputs(node)
    data = [text for text in inputs if not text.startswith("^")]
    variables = [t for i, t in enumerate(data) if takes_reference(node, i)]
    after = [node_of(text) for text in data if text not in variables]
    before = _round_variables(job, status, variables, after, f"{node.name}/before")
    kept = [*inputs, *(f"^{name}" for name in before)]
    made = rewriter.append(node, kept, job.nodes.free(f"{node.name}/float32"))
    done = _round_variables(job, status, variables, [made], f"{node.name}/after")
    if _is_resource(job, variables[0]):
        job.nodes.add("NoOp", [], node.name, done, final=node.name)
        return
    tf = job.nodes.tf
    # A reference, for whoever takes the update's output.
    job.nodes.add("Identity", [variables[0]], node.name, done, final=node.name, T=tf.float32)


def _round_variables(
    job: Job, status: FloatStatus, variables: Sequence[str], control: Sequence[str], name: str
) -> List[str]:
    counted = CountedExact(job.nodes, status, job.flush, job.watch)
    values = [counted.rounded(_read(job, each, control, name), name) for each in variables]
    pairs = zip(variables, values)
    return [_assign(job, variable, value, (), f"{name}/assign") for variable, value in pairs]
