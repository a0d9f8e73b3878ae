"""Updates of variables whose operator is float16 on the chip."""

from __future__ import annotations

from typing import Any, FrozenSet, List, Optional, Sequence

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.arithmetic import Exact
from lenet_exp.precision.emulation.exact.float_status import CountedExact, FloatStatus, together
from lenet_exp.precision.emulation.exact.optimizer_kernels import UPDATES, Update
from lenet_exp.precision.emulation.exact.rewrite import Rewriter, takes_reference
from lenet_exp.precision.emulation.fast.fuse_updates import Shape, apart, in_line, variable_shape
from lenet_exp.precision.emulation.fast.speculate import Job, either
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import PLAIN_WRITES
from lenet_exp.precision.plan import Operator


def is_float16_update(row: Operator, node: Any) -> bool:
    """Return whether a node computes a variable's new value in float16."""
    if node.op in PLAIN_WRITES or node.name != row.parts[-1] or "float16" not in row.outputs:
        return False
    definition = tf_compat.op_def(node.op)
    takes = takes_reference(node, 0)
    return takes and definition is not None and node.op not in ("RefSwitch", "RefMerge")


def write_updates(
    job: Job, rewriter: Rewriter, status: FloatStatus, rows: Sequence[Operator], reference: bool
) -> None:
    """Append updates under their old names: read, compute in float16, count overflows, assign."""
    nodes = [job.lookup.nodes[row.parts[-1]] for row in rows]
    known = UPDATES.get(rows[0].ge_type)
    if known is None:
        for node in nodes:
            _rounded_around(job, rewriter, status, node)
        return
    name, count = nodes[0].name, known.variables
    later = [frozenset() if reference else rewriter.unrounded(node) for node in nodes]
    inputs = [rewriter.inputs(node, left) for node, left in zip(nodes, later)]
    data = [[text for text in each if not text.startswith("^")] for each in inputs]
    control = [node_of(text) for each in data for text in each[count:]]
    control += [text[1:] for node in nodes for text in node.input if text.startswith("^")]
    control = list(dict.fromkeys(control))
    lines = [
        [*(_read(job, text, control, n.name) for text in each[:count]), *each[count:]]
        for n, each in zip(nodes, data)
    ]
    shapes = [variable_shape(job.lookup.nodes, each[0]) for each in data]
    leaves = _leaves(job, known, lines, name)
    build = _computation(known, nodes[0], frozenset(range(count)).union(*later))
    if reference:
        exact = Exact(job.nodes, job.flush, job.watch)
        new = build(exact, leaves)
        clean = together(job.nodes, exact.clean, f"{name}/clean")
    else:
        new, clean = either(job, leaves, _shapes_of_leaves(known, shapes, len(leaves)), build, name)
    counted = status.add(clean, name)
    parts = [[each] for each in new]
    if len(nodes) > 1:
        parts = [apart(job.nodes, each, shapes, name) for each in new]
    for node, each, values in zip(nodes, data, zip(*parts)):
        _assign_all(job, node, each[:count], list(values), [counted])


def _leaves(job: Job, known: Update, lines: Sequence[Sequence[str]], name: str) -> List[str]:
    """Return the inputs of one update: variables and gradients of several in a line."""
    if len(lines) == 1:
        return list(lines[0])
    long = {*range(known.variables), known.gradient}
    return [
        in_line(job.nodes, list(each), name) if place in long else each[0]
        for place, each in enumerate(zip(*lines))
    ]


def _shapes_of_leaves(
    known: Update, shapes: Sequence[Optional[Shape]], count: int
) -> List[Optional[Shape]]:
    """Return the shapes of so many inputs of one update: rates are scalars."""
    whole = shapes[0]
    if len(shapes) > 1:  # in a line
        whole = (sum(int(np.prod(shape)) for shape in shapes if shape is not None),)
    long = {*range(known.variables), known.gradient}
    return [whole if place in long else () for place in range(count)]


def _computation(known: Update, node: Any, rounded: FrozenSet[int]) -> Any:
    """Return what computes the new values, rounding those inputs first that are not yet."""

    def build(arithmetic: Any, tensors: Sequence[str]) -> List[str]:
        held = [
            arithmetic.rounded(tensor, f"{node.name}/held_{index}") if index in rounded else tensor
            for index, tensor in enumerate(tensors)
        ]
        return known.new_values(arithmetic, node, held, node.name)

    return build


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
