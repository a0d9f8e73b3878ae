"""Updates of variables whose operator is float16 on the chip; those of a group fused into one."""

from __future__ import annotations

from typing import (
    Any,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic, Count
from lenet_exp.precision.emulation.exact.context import Context, source
from lenet_exp.precision.emulation.exact.float_status import all_true
from lenet_exp.precision.emulation.exact.kernels import UPDATES, Update
from lenet_exp.precision.emulation.exact.packing import Packing
from lenet_exp.precision.emulation.exact.rewrite import Rewriter, output_dtypes, takes_reference
from lenet_exp.precision.emulation.fast.compute import Build, compute_tensors
from lenet_exp.precision.emulation.fast.region import Shape
from lenet_exp.precision.ir.builder import Handle, control_inputs, data_inputs
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.ir.op_traits import (
    CONSTANTS,
    CONTROL_FLOW,
    DATA,
    PLAIN_WRITES,
    VARIABLES,
)
from lenet_exp.precision.plan import Operator

# (a ref variable, indices into its first dimension, values)
_WRITE_ROWS = frozenset(
    f"Scatter{what}" for what in ("Add", "Div", "Max", "Min", "Mul", "Sub", "Update")
)

_LARGE = 2**17  # elements: joining and parting them would cost more than the nodes it saves
_GIVEN = CONSTANTS | DATA | VARIABLES  # nobody has rounded these


def is_float16_update(row: Operator, node: Any) -> bool:
    """Return whether a node computes a variable's new value in float16."""
    last = node.name == row.parts[-1] and "float16" in row.outputs
    others = PLAIN_WRITES | CONTROL_FLOW | {"ResourceGather", "ResourceGatherNd"}
    return last and takes_reference(node, 0) and node.op not in others


def fuse_updates(
    graph: Graph, order: Sequence[str], updates: Mapping[str, Operator]
) -> Dict[str, List[Operator]]:
    """Return the rows that are computed as one, by the last of their nodes in `order`.

    These are updates by the same rates that the same nodes wait for, none for another.
    """
    waiting = graph.consumers(by_order=True)
    behind: Dict[str, FrozenSet[str]] = {}
    alike: Dict[Any, List[str]] = {}
    for name in order:
        before = (behind.get(each, frozenset()) for each in graph.producers(name))
        behind[name] = frozenset().union(*before)
        if name in updates:
            behind[name] |= {name}
            key = _key(graph.nodes, graph.nodes[name], updates[name], waiting.get(name, ()))
            alike.setdefault(key, []).append(name)
    made: Dict[str, List[Operator]] = {}
    for names in alike.values():
        dependent = any(behind[name] & set(names) != {name} for name in names)
        for part in [[name] for name in names] if dependent else [names]:
            made[part[-1]] = [updates[name] for name in part]
    return made


def _key(nodes: Mapping[str, Any], node: Any, row: Operator, waiting: Iterable[str]) -> Any:
    """Return what is the same in updates that can be fused."""
    known, shape = UPDATES.get(row.ge_type), _variable_shape(nodes, node.input[0])
    if known is None or shape is None or np.prod(shape) > _LARGE:
        return node.name
    rates = tuple(t for i, t in enumerate(node.input) if known.variables <= i != known.gradient)
    data = len(data_inputs(node.input))
    nesterov = node.attr["use_nesterov"].b if "use_nesterov" in node.attr else False
    return (node.op, data, nesterov, rates, tuple(sorted(waiting)))


def _variable_shape(nodes: Mapping[str, Any], text: str) -> Optional[Shape]:
    """Return the shape of a ref variable, None if it isn't one or has no static shape."""
    node = nodes[node_of(source(nodes, text))]
    shape = node.attr["shape"].shape if node.op in VARIABLES - {"VarHandleOp"} else None
    if shape is None or shape.unknown_rank or any(dim.size < 0 for dim in shape.dim):
        return None
    return tuple(int(dim.size) for dim in shape.dim)


class UpdateWriter:
    """Appends updates under their old names: read, compute in float16, count overflows, assign."""

    def __init__(self, context: Context, rewriter: Rewriter, count: Count, reference: bool) -> None:
        """Round inputs by `rewriter`; `reference`: compute to the letter, with no shortcut.

        `count` gets what says whether an update overflowed.
        """
        self._context, self._nodes, self._graph = context, context.nodes, context.lookup.nodes
        self._rewriter, self._count, self._reference = rewriter, count, reference

    def write(self, rows: Sequence[Operator]) -> None:
        """Append the updates of these rows, computed as one."""
        nodes = [self._graph[row.parts[-1]] for row in rows]
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
        operands = inputs  # several variables are read where they are packed
        if len(nodes) == 1:
            read = (self._read(text, control, name) for text in inputs[0][:count])
            operands = [[*read, *inputs[0][count:]]]
        shapes = [_variable_shape(self._graph, each[0]) for each in inputs]
        packing = Packing(self._nodes, [shape or () for shape in shapes], name)
        unrounded = frozenset(range(count)).union(*later)

        def build(arithmetic: Arithmetic, tensors: Sequence[str]) -> List[str]:
            held = [
                arithmetic.rounded(tensor, f"{name}/held_{index}") if index in unrounded else tensor
                for index, tensor in enumerate(tensors)
            ]
            return known.new_values(arithmetic, nodes[0], held)

        leaves, sizes = _packed(packing, known, operands, shapes, control)
        halves = [leaves[known.gradient]] if self._are_made(known.gradient, nodes) else []
        new, counted = self._computed(build, leaves, sizes, halves, name)
        alone = len(nodes) == 1
        parts = [[tensor] if alone else packing.unpack(tensor) for tensor in new]
        for node, each, values in zip(nodes, inputs, zip(*parts)):
            self._assign_all(node, each[:count], values, counted)

    def _computed(
        self,
        build: Build,
        leaves: Sequence[str],
        sizes: Sequence[Optional[Shape]],
        halves: Sequence[str],
        name: str,
    ) -> Tuple[List[str], str]:
        """Append the new values; return them, and what waits for all and counts an overflow."""
        if not self._reference:
            new, clean = compute_tensors(self._context, build, leaves, sizes, halves, name)
            return new, self._count(clean, name)
        exact = self._context.exact()
        new = build(exact, leaves)
        if self._context.uncounted is not None:
            return new, self._nodes.add("NoOp", [], f"{name}/computed", [*map(node_of, new)])
        return new, self._count(all_true(self._nodes, exact.clean, f"{name}/clean"), name)

    def _are_made(self, index: int, nodes: Sequence[Any]) -> bool:
        """Return whether an input of each node is of an operator, so that it was rounded."""
        texts = [source(self._graph, node.input[index]) for node in nodes]
        unrounded = any(index in self._rewriter.unrounded(node) for node in nodes)
        return not unrounded and all(self._graph[node_of(t)].op not in _GIVEN for t in texts)

    def _is_resource(self, variable: str) -> bool:
        # By its type: the handle may have entered a loop or a branch.
        given = output_dtypes(self._graph[node_of(variable)])[slot_of(variable)]
        return bool(given == self._nodes.tf.resource)

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
        self._end(node, "Assign", [variable, value], made, [counted])

    def _round_around(self, node: Any) -> None:
        """Append an update that no rule describes, as once: variables and results are rounded.

        Source: precision-modes.md 8.2 for the optimizers it lists; for others an inference.
        """
        inputs = self._rewriter.inputs(node)
        data = data_inputs(inputs)
        variables = [t for i, t in enumerate(data) if takes_reference(node, i)]
        after = [node_of(text) for text in data if text not in variables]
        after += control_inputs(inputs)
        before = self._round_variables(variables, after, f"{node.name}/before")
        kept = [*inputs, *(f"^{name}" for name in before)]
        made = self._rewriter.append(node, kept, self._nodes.free(f"{node.name}/float32"))
        name = f"{node.name}/after"
        if node.op in _WRITE_ROWS and not self._reference:
            kind = self._nodes.tf.as_dtype(node.attr["Tindices"].type)
            done = [self._round_rows(variables[0], data[1], kind, made, name)]
        else:
            done = self._round_variables(variables, [made], name)
        self._end(node, "Identity", variables[:1], done)

    def _end(
        self,
        node: Any,
        op: str,
        inputs: Sequence[str],
        done: Sequence[str],
        counted: Sequence[str] = (),
    ) -> None:
        """Append the node that has an update's name, after `done`.

        Of a ref variable it is the reference, for whoever takes the update's output.
        """
        if self._is_resource(inputs[0]):
            self._nodes.add("NoOp", [], node.name, done, final=node.name)
        else:
            control, kinds = [*counted, *done], {"T": self._nodes.tf.float32}
            self._nodes.add(op, inputs, node.name, control, final=node.name, **kinds)

    def _round_variables(
        self, variables: Sequence[str], control: Sequence[str], name: str
    ) -> List[Handle]:
        rounded = self._rewriter.arithmetic.rounded
        values = [rounded(self._read(each, control, name), name) for each in variables]
        return [self._assign(each, value, (), name) for each, value in zip(variables, values)]

    def _round_rows(self, variable: str, indices: str, kind: Any, made: str, name: str) -> Handle:
        """Round the rows of a ref variable that `made` wrote; the others are rounded already."""
        nodes, int32 = self._nodes, self._nodes.tf.int32
        taken = [variable, indices, nodes.constant(0, np.int32)]
        kinds = {"Tparams": nodes.tf.float32, "Tindices": kind, "Taxis": int32}
        rows = nodes.add("GatherV2", taken, f"{name}/rows", [made], **kinds)
        rounded = self._rewriter.arithmetic.rounded(rows, name)
        inputs = [variable, indices, rounded]
        return nodes.float_op("ScatterUpdate", inputs, f"{name}/update", Tindices=kind)


def _packed(
    packing: Packing,
    update: Update,
    operands: Sequence[Sequence[str]],
    shapes: Sequence[Any],
    control: Sequence[str],
) -> Tuple[List[str], List[Optional[Shape]]]:
    """Return the operands of updates of one kind as those of one update, and their shapes.

    Variables and gradients become a long tensor; of rates, which are scalars, it is the first.
    `shapes` are those of the variables, one for each update; known if there are several, which
    are read after the nodes in `control`.
    """
    packed, whole = list(operands[0]), shapes[0]
    long = {*range(update.variables), update.gradient}
    if len(operands) > 1:
        ready = [packing.after(control)]
        packed = [
            packing.pack(each, ready if index < update.variables else ())
            if index in long
            else each[0]
            for index, each in enumerate(zip(*operands))
        ]
        whole = (packing.size,)
    return packed, [whole if index in long else () for index in range(len(packed))]
