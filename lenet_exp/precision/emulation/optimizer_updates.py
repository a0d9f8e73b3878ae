"""Updates of variables whose operator is float16 on the chip."""

from __future__ import annotations

from typing import Any, List, Sequence

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.exact.context import Context, source
from lenet_exp.precision.emulation.exact.float_status import CountedExact, all_true
from lenet_exp.precision.emulation.exact.optimizer_kernels import UPDATES, Update
from lenet_exp.precision.emulation.exact.rewrite import Rewriter, takes_reference
from lenet_exp.precision.emulation.fast.compute import compute_tensors
from lenet_exp.precision.emulation.fast.fuse_updates import Fusion
from lenet_exp.precision.emulation.fast.shapes import variable_shape
from lenet_exp.precision.emulation.op_types import ASSIGNS
from lenet_exp.precision.ir.builder import Handle, control_inputs, data_inputs
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.plan import Operator


def is_float16_update(row: Operator, node: Any) -> bool:
    """Return whether a node computes a variable's new value in float16."""
    if node.op in ASSIGNS:  # what they write was rounded before
        return False
    last = node.name == row.parts[-1] and "float16" in row.outputs
    return last and takes_reference(node, 0) and node.op not in ("RefSwitch", "RefMerge")


class UpdateWriter:
    """Appends updates under their old names: read, compute in float16, count overflows, assign."""

    def __init__(
        self, context: Context, rewriter: Rewriter, counted: CountedExact, reference: bool
    ) -> None:
        """Round inputs by `rewriter`; `reference`: compute to the letter, with no shortcut."""
        self._context, self._nodes = context, context.nodes
        self._rewriter, self._counted, self._reference = rewriter, counted, reference

    def write(self, rows: Sequence[Operator]) -> None:
        """Append the updates of these rows, computed as one."""
        nodes = [self._context.lookup.nodes[row.parts[-1]] for row in rows]
        known = UPDATES.get(rows[0].ge_type)
        if known is not None:
            self._write_known(known, nodes)
            return
        for node in nodes:
            self._round_around(node)

    def _write_known(self, known: Update, nodes: Sequence[Any]) -> None:
        name, count = nodes[0].name, known.variables
        later = [frozenset() if self._reference else self._rewriter.unrounded(n) for n in nodes]
        inputs = [data_inputs(self._rewriter.inputs(n, left)) for n, left in zip(nodes, later)]
        control = [node_of(text) for each in inputs for text in each[count:]]
        control += [before for node in nodes for before in control_inputs(node.input)]
        control = list(dict.fromkeys(control))
        operands = [
            [*(self._read(text, control, n.name) for text in each[:count]), *each[count:]]
            for n, each in zip(nodes, inputs)
        ]
        shapes = [variable_shape(self._context.lookup.nodes, each[0]) for each in inputs]
        unrounded = frozenset(range(count)).union(*later)

        def build(arithmetic: Arithmetic, tensors: Sequence[str]) -> List[str]:
            held = [
                arithmetic.rounded(tensor, f"{name}/held_{index}") if index in unrounded else tensor
                for index, tensor in enumerate(tensors)
            ]
            return known.new_values(arithmetic, nodes[0], held)

        fusion = Fusion(known, shapes)
        leaves = fusion.pack(self._nodes, operands, name)
        if self._reference:
            exact = self._context.exact()
            new, clean = build(exact, leaves), all_true(self._nodes, exact.clean, f"{name}/clean")
        else:
            sizes = fusion.operand_shapes(len(leaves))
            new, clean = compute_tensors(self._context, build, leaves, sizes, name)
        counted = self._counted.status.add(clean, name)
        for node, each, values in zip(nodes, inputs, fusion.unpack(self._nodes, new, name)):
            self._assign_all(node, each[:count], values, counted)

    def _is_resource(self, variable: str) -> bool:
        graph = self._context.lookup.nodes
        return bool(graph[node_of(source(graph, variable))].op == "VarHandleOp")

    def _read(self, variable: str, control: Sequence[str], name: str) -> Handle:
        op = "ReadVariableOp" if self._is_resource(variable) else "Identity"
        return self._add(op, [variable], f"{name}/read", control)

    def _assign(self, variable: str, value: str, control: Sequence[str], name: str) -> Handle:
        op = "AssignVariableOp" if self._is_resource(variable) else "Assign"
        return self._add(op, [variable, value], f"{name}/assign", control)

    def _add(self, op: str, inputs: Sequence[str], name: str, control: Sequence[str]) -> Handle:
        kinds = {"dtype" if "VariableOp" in op else "T": self._nodes.tf.float32}
        return self._nodes.add(op, inputs, name, control, **kinds)

    def _assign_all(
        self, node: Any, variables: Sequence[str], new: Sequence[str], counted: str
    ) -> None:
        """Assign the slots, then the variable; the last node has the update's name."""
        (variable, value), *slots = zip(variables, new)
        made = [self._assign(slot, held, [counted], node.name) for slot, held in slots[::-1]]
        if self._is_resource(variable):
            made.append(self._assign(variable, value, [counted], node.name))
            self._nodes.add("NoOp", [], node.name, made, final=node.name)
            return
        control, float32 = [counted, *made], self._nodes.tf.float32
        self._nodes.add("Assign", [variable, value], node.name, control, final=node.name, T=float32)

    def _round_around(self, node: Any) -> None:
        """Append an update that no rule describes, as once: variables and results are rounded.

        Source: precision-modes.md 8.2 for the optimizers it lists; for others an inference.
        """
        inputs = self._rewriter.inputs(node)
        data = data_inputs(inputs)
        variables = [t for i, t in enumerate(data) if takes_reference(node, i)]
        after = [node_of(text) for text in data if text not in variables]
        before = self._round_variables(variables, after, f"{node.name}/before")
        kept = [*inputs, *(f"^{name}" for name in before)]
        made = self._rewriter.append(node, kept, self._nodes.free(f"{node.name}/float32"))
        done = self._round_variables(variables, [made], f"{node.name}/after")
        if self._is_resource(variables[0]):
            self._nodes.add("NoOp", [], node.name, done, final=node.name)
            return
        # A reference, for whoever takes the update's output.
        float32 = self._nodes.tf.float32
        self._nodes.add("Identity", variables[:1], node.name, done, final=node.name, T=float32)

    def _round_variables(
        self, variables: Sequence[str], control: Sequence[str], name: str
    ) -> List[Handle]:
        rounded = self._counted.rounded
        values = [rounded(self._read(each, control, name), name) for each in variables]
        return [
            self._assign(variable, value, (), name) for variable, value in zip(variables, values)
        ]
