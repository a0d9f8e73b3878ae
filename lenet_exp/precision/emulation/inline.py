"""A plan without calls: functions where they are called, as TensorFlow itself lowers them.

If becomes Switch and Merge, While the frame of a loop, and any other call its function's nodes. So
all that rounds, counts and traces knows control flow of version 1 alone. Source: TensorFlow's
core/common_runtime/lower_if_op.cc, lower_while_op.cc and inline_function_utils.cc.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Set

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.builder import (
    Handle,
    Nodes,
    control_inputs,
    copied,
    data_inputs,
    set_inputs,
)
from lenet_exp.precision.ir.names import Port, node_of
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.ir.op_traits import CONDITIONAL_CALLS, LOOPS, PASS_THROUGH, writes
from lenet_exp.precision.plan import CastEdge, Plan, PlannedFunction

_HALF = "float16"


def inlined(plan: Plan) -> Plan:
    """Return a plan with the same rows, and in its graph no call of what is float16 anywhere.

    A call's name is that of the node that has its outputs.

    Raises:
        GraphError: a condition that is no bool, or two nodes of one name.
    """
    rounding = _rounding(plan)
    if not rounding:
        return plan
    inliner = _Inliner(plan, rounding)
    for node in plan.graph_def.node:
        inliner.append(node, "")
    made = tf_compat.load().GraphDef(
        library=plan.graph_def.library, versions=plan.graph_def.versions
    )
    made.node.extend(inliner.nodes.made)
    return plan._replace(graph_def=made, casts=(*plan.casts, *inliner.casts), functions=())


def _rounding(plan: Plan) -> Dict[str, List[PlannedFunction]]:
    """Return the functions of every call in which a row is float16, by the call's name."""
    calls = {function.label: function.call for function in plan.functions}
    found: Set[str] = set()
    for row in plan.operators:
        if _HALF in (*row.inputs, *row.outputs, *row.origin_inputs, *row.origin_outputs):
            found.add(row.name)
            end = row.name.find("/")
            while end > 0:
                found.add(calls.get(row.name[:end], ""))
                end = row.name.find("/", end + 1)
    functions: Dict[str, List[PlannedFunction]] = {}
    for function in plan.functions:
        if function.call in found:
            functions.setdefault(function.call, []).append(function)
    return functions


class _Inliner:
    """Appends nodes, in the place of calls what they call; `casts` are those at their borders."""

    def __init__(self, plan: Plan, functions: Dict[str, List[PlannedFunction]]) -> None:
        names = [node.name for node in plan.graph_def.node]
        inner = [node.name for each in functions.values() for f in each for node in f.nodes]
        for name in set(names) & set(inner):
            raise GraphError(name, "a node of a function has its name", "another name")
        self.nodes = Nodes([*names, *inner])
        self.casts: List[CastEdge] = []
        self._functions, self._tf = functions, self.nodes.tf
        self._ends = {(e.consumer, e.slot): e for e in plan.casts if e.port is None}

    def append(self, node: Any, begin: str) -> None:
        """Append a node; `begin`: what in its branch, loop or function runs first, if it is in one.

        What has no input of its own waits for that.
        """
        if begin and not node.input:
            node = copied(node)
            set_inputs(node, [f"^{begin}"])
        functions = self._functions.get(node.name)
        if functions is None:
            self.nodes.made.append(node)
        elif node.op in CONDITIONAL_CALLS and len(functions) == 2:
            self._branches(node, functions)
        elif node.op in LOOPS and len(functions) == 2:
            self._loop(node, functions)
        else:
            self._call(node, functions[0])

    def _call(self, node: Any, function: PlannedFunction) -> None:
        inputs = data_inputs(node.input)
        arguments = [name for name in function.arguments if name in _names(function)]
        before = [*control_inputs(node.input), *arguments]
        begin = self.nodes.add("NoOp", [], f"{function.label}/begin", before)
        done = self._body(function, inputs, begin)
        self._end(node, list(function.results), _types(function), [*done, begin])

    def _branches(self, node: Any, functions: Sequence[PlannedFunction]) -> None:
        add, name, control = self.nodes.add, node.name, control_inputs(node.input)
        choice, *inputs = data_inputs(node.input)
        self._check_bool(name, attribute(node, "Tcond").type)
        types = attribute(node, "Tin").list.type
        switches = [
            add("Switch", [each, choice], f"{name}/switch", control, T=self._tf.as_dtype(kind))
            for each, kind in zip(inputs, types)
        ]
        either = add("Switch", [choice, choice], f"{name}/choice", control, T=self._tf.bool)
        ended = []
        for index, function in enumerate(functions):
            slot = ":1" if index == 0 else ""
            taken = add("Identity", [f"{either}{slot}"], f"{name}/begin", T=self._tf.bool)
            done = self._body(function, [f"{each}{slot}" for each in switches], taken)
            ended.append(add("Identity", [taken], f"{name}/end", done, T=self._tf.bool))
            self._cast_results(function)
        merges = [
            add("Merge", [other, then], f"{name}/merge", T=kind, N=2)
            for then, other, kind in zip(
                functions[0].results, functions[1].results, _types(functions[0])
            )
        ]
        both = add("Merge", ended, f"{name}/ended", T=self._tf.bool, N=2)
        self._end(node, merges, _types(functions[0]), [both])

    def _loop(self, node: Any, functions: Sequence[PlannedFunction]) -> None:
        add, name, (body, cond) = self.nodes.add, node.name, functions
        types = _types(body)
        self._check_bool(name, _types(cond)[0].as_datatype_enum)
        enters = self._enters(node, types, _unchanged(body))
        merges = {
            i: add("Merge", [enter, enter], f"{name}/merge", T=types[i], N=2)
            for i, enter in enumerate(enters)
            if not enter.node.attr["is_constant"].b
        }
        first = min(merges)
        seen = [merges.get(i, enter) for i, enter in enumerate(enters)]
        done = self._body(cond, seen, merges[first])
        going_on = add("LoopCond", [cond.results[0]], f"{name}/going_on", done)
        switches = {
            i: add("Switch", [merge, going_on], f"{name}/switch", T=types[i])
            for i, merge in merges.items()
        }
        begin = add("Identity", [f"{switches[first]}:1"], f"{name}/begin", T=types[first])
        given = [f"{switches[i]}:1" if i in switches else enter for i, enter in enumerate(enters)]
        done = self._body(body, given, begin)
        ends = data_inputs(node.input)
        for i, merge in merges.items():
            again = add("NextIteration", [body.results[i]], f"{name}/next", done, T=types[i])
            set_inputs(merge.node, [enters[i], again])
            ends[i] = add("Exit", [switches[i]], f"{name}/exit", T=types[i])
            self._cast_result(body, i, again)
        self._end(node, ends, types, [])

    def _enters(self, node: Any, types: Sequence[Any], fixed: Set[int]) -> List[Handle]:
        """Append a While's frame; `fixed`: the inputs that stay the same, unless all do."""
        inputs, control = data_inputs(node.input), control_inputs(node.input)
        fixed = fixed if len(fixed) < len(inputs) else set()
        kinds = {
            "frame_name": node.name.encode(),
            "parallel_iterations": int(attribute(node, "parallel_iterations").i),
        }
        name, add = f"{node.name}/enter", self.nodes.add
        return [
            add("Enter", [each], name, control, T=kind, is_constant=i in fixed, **kinds)
            for i, (each, kind) in enumerate(zip(inputs, types))
        ]

    def _body(self, function: PlannedFunction, inputs: Sequence[str], begin: str) -> List[str]:
        """Append a function's nodes; return those that write, which its end waits for."""
        given = dict(zip(function.arguments, inputs))
        written = []
        for node in function.nodes:
            if node.op in ("_Arg", "_Retval"):
                taken = given.get(node.name) or node.input[0]
                kind = self._tf.as_dtype(node.attr["T"].type)
                control = control_inputs(node.input)
                self.nodes.add("Identity", [taken], "", control, final=node.name, T=kind)
            else:
                self.append(node, begin)
            if writes(node):
                written.append(str(node.name))
        return written

    def _end(
        self, node: Any, ends: Sequence[str], types: Sequence[Any], done: Sequence[str]
    ) -> None:
        """Append the node that has a call's name and its outputs."""
        op, kinds = ("IdentityN", {"T": list(types)}) if ends else ("NoOp", {})
        self.nodes.add(op, ends, node.name, done, final=node.name, **kinds)

    def _check_bool(self, name: str, enum: int) -> None:
        if enum != self._tf.bool.as_datatype_enum:
            kind = self._tf.as_dtype(enum).name
            raise GraphError(name, f"its condition is {kind}, which is not emulated", "a bool")

    def _cast_results(self, function: PlannedFunction) -> None:
        """Put the plan's casts of a later branch's results where they enter the graph."""
        for slot, result in enumerate(function.results):
            self._cast_result(function, slot, result)

    def _cast_result(self, function: PlannedFunction, slot: int, node: str) -> None:
        """Put the plan's cast of a function's result, if any, where a node takes it."""
        edge = self._ends.get((function.label, slot))
        if edge is not None:
            self.casts.append(edge._replace(consumer=node, port=Port(node, 0)))


def _names(function: PlannedFunction) -> Set[str]:
    return {node.name for node in function.nodes}


def _types(function: PlannedFunction) -> List[Any]:
    """Return the DTypes of a function's results."""
    nodes = {node.name: node for node in function.nodes}
    return [tf_compat.load().as_dtype(nodes[name].attr["T"].type) for name in function.results]


def _unchanged(body: PlannedFunction) -> Set[int]:
    """Return the arguments that a loop's body returns as they are, in their places."""
    nodes = {node.name: node for node in body.nodes}
    found = set()
    for index, (argument, result) in enumerate(zip(body.arguments, body.results)):
        name, passing = result, PASS_THROUGH | {"_Retval"}
        while nodes[name].op in passing and nodes[name].op != "ReadVariableOp":
            name = node_of(nodes[name].input[0])
        if name == argument:
            found.add(index)
    return found
