"""The error of every operator of one step: in the emulated step, and where it arises."""

from __future__ import annotations

import contextlib
import functools
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp import cpu_session, tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.step_sections import BACKWARD, UPDATE, section_of, sections
from lenet_exp.precision.diagnosis.branches import open_choices, taken
from lenet_exp.precision.diagnosis.copies import LOAD, STATE, Copies, copies_of
from lenet_exp.precision.diagnosis.measures import Error, error_of, exact, measure
from lenet_exp.precision.diagnosis.refusals import (
    ALONE,
    EMULATED,
    EXACT,
    computed,
    imported,
    in_words,
)
from lenet_exp.precision.emulation.exact.context import source
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes, takes_reference
from lenet_exp.precision.emulation.inline import inlined
from lenet_exp.precision.ir.builder import Nodes, data_inputs
from lenet_exp.precision.ir.names import Tensor, as_input, node_of
from lenet_exp.precision.ir.op_defs import dtype_name
from lenet_exp.precision.ir.op_traits import ADDING, PASS_THROUGH, VARIABLES
from lenet_exp.precision.plan import Operator, Plan

Values = Mapping[str, np.ndarray]
_FLOATS = ("float16", "float32")
_NOISE = 1e-5  # of the inputs' norm: what float32 leaves of a sum that is 0
_CUDNN_SLOT = 5  # of FusedBatchNormV3: what only a GPU fills, and a CPU leaves as memory was
_GRADIENTS = ("grad", "delta")  # an update's argument


class OperatorError(NamedTuple):
    """What one operator does to the numbers.

    `total` is the error of what it gives in the emulated step, `own` that of the operator alone,
    of exact inputs; None where it can't be had alone. `inherited`: the largest distance of its
    inputs in the emulated step. Of an update all are of what a variable changes by. `damage` is
    the own distance as far as the inputs are still right: what is ruined can't be ruined again.
    """

    operator: Operator
    section: str
    total: Error
    own: Optional[Error]
    inherited: float
    is_noise: bool = False

    @property
    def damage(self) -> float:
        """The part of the error that arises here, 0 on."""
        if self.own is None or self.is_noise:
            return 0.0
        return self.own.distance * (1 - min(1.0, self.inherited))


class Diagnosis(NamedTuple):
    """The errors of one step under a plan, in the order of the step.

    `gradients`: of each variable, as its update takes it; `gradient` of all together, 0 numbers
    without any. `inside`: operators in while loops, which are measured at its end only.
    """

    plan: Plan
    operators: Tuple[OperatorError, ...]
    gradients: Tuple[Tuple[str, Error], ...]
    gradient: Error
    inside: Tuple[str, ...]

    @property
    def by_damage(self) -> List[OperatorError]:
        """The operators, the most damaging first, in the order of the step where alike."""
        return sorted(self.operators, key=lambda each: -each.damage)  # stable

    @property
    def updates(self) -> List[OperatorError]:
        """Those that write variables."""
        return [each for each in self.operators if each.section == UPDATE and each.own is not None]


class _Place(NamedTuple):
    """What is measured of an operator: tensors of a copy, or the variable that it changes."""

    tensor: str
    variable: str
    is_handle: bool


def diagnose(plan: Plan, values: Values, feeds: Values, threads: int = 0) -> Diagnosis:
    """Make one step of a plan's graph three times, and compare.

    Args:
        plan: of any training step.
        values: of its variables before the step, by their names.
        feeds: of its placeholders, by tensor.
        threads: as `cpu_session.open_session`.

    Raises:
        GraphError: a value is lacking, or it can't be emulated.
    """
    with prepared(plan, values, feeds, threads) as run:
        return run()


@contextlib.contextmanager
def prepared(
    plan: Plan, values: Values, feeds: Values, threads: int = 0
) -> Iterator[Callable[[], Diagnosis]]:
    """Yield a function that makes the step, and returns its Diagnosis; see `diagnose`."""
    flat = without_choices(inlined(plan), values, feeds, threads)
    copies = copies_of(flat)
    nodes = {node.name: node for node in copies.plan.graph_def.node}
    places = {row.name: _places(nodes, row) for row in copies.rows}
    fetches = _append_measures(copies, places)
    borders = border_of(copies.plan)
    gradients = measured_gradients(copies.nodes, borders)
    ends = [*fetches.values(), *gradients.values()]
    kinds = {"N": len(ends), "axis": 0, "T": copies.nodes.tf.float64}
    whole = copies.nodes.add("Pack", ends, "measures", **kinds) if ends else ""  # one, not hundreds
    known = sections(copies.plan.graph_def)
    with loaded(copies, values, threads) as run_copies:
        fed = {f"{EXACT}/{name}": value for name, value in feeds.items()}

        def run() -> Diagnosis:
            rows = run_copies(f"{whole}:0", fed) if whole else []
            numbers = dict(zip(fetches, rows))
            of_gradients = dict(zip(gradients, rows[len(fetches) :]))
            made = _diagnosis(plan, (copies, known, places), numbers, of_gradients)
            _check_exact(made.gradients)
            return made

        yield run


def without_choices(
    plan: Plan,
    values: Values,
    feeds: Values,
    threads: int = 0,
    known: Optional[Dict[str, bool]] = None,
) -> Plan:
    """Return a plan of what runs in the exact step: its conditions are computed for that.

    Those `known` are not computed again, and others are added to them.
    """
    known = {} if known is None else known
    while True:
        conditions = open_choices(plan)
        if not conditions:
            return plan
        if known.keys() >= set(conditions):
            plan = taken(plan, known)
            continue
        copies = copies_of(plan, [EXACT])
        fed = {f"{EXACT}/{name}": value for name, value in feeds.items()}
        with loaded(copies, values, threads) as run:
            texts = [text if ":" in text else f"{text}:0" for text in conditions]
            found = run([f"{EXACT}/{text}" for text in texts], fed)
        known.update(zip(conditions, map(bool, found)))


@contextlib.contextmanager
def loaded(copies: Copies, values: Values, threads: int) -> Iterator[Callable[[Any, Any], Any]]:
    """Yield what runs fetches of the copies, fed; their variables have been given their values."""
    tf = tf_compat.load()
    lacking = [name for name in copies.variables if name not in values]
    if lacking:
        raise GraphError(lacking[0], "its value before the step isn't known", "a whole checkpoint")
    with tf.Graph().as_default() as graph, in_words():
        imported(copies.graph_def())
    fed = {
        f"{LOAD}/{name}:0": np.asarray(values[name]).astype(
            graph.get_tensor_by_name(f"{LOAD}/{name}:0").dtype.as_numpy_dtype
        )
        for name in copies.variables
    }
    with cpu_session.open_session(graph, threads, optimize=False) as session:
        computed(session, LOAD, fed)
        yield functools.partial(computed, session)


def _places(nodes: Mapping[str, Any], row: Operator) -> List[_Place]:
    """Return what is measured of an operator."""
    last = nodes[row.parts[-1]]
    if writes_variable(nodes, row):
        variable = nodes[node_of(source(nodes, last.input[0]))]
        return (
            [_Place(last.name, variable.name, variable.op == "VarHandleOp")]
            if variable.op in VARIABLES and dtype_name(variable.attr["dtype"].type) in _FLOATS
            else []
        )
    return [
        _Place(as_input(result), "", False)
        for result, dtype in zip(row.results, row.origin_outputs)
        if result is not None and dtype in _FLOATS and _has(nodes, result)
    ]


def _has(nodes: Mapping[str, Any], tensor: Tensor) -> bool:
    node = nodes.get(tensor.node)
    if node is None or tf_compat.op_def(node.op) is None:
        return False
    if node.op == "FusedBatchNormV3" and tensor.slot == _CUDNN_SLOT:
        return False
    return tensor.slot < len(output_dtypes(node))


def _append_measures(copies: Copies, places: Mapping[str, List[_Place]]) -> Dict[str, str]:
    """Append the measuring of every operator; return tensors float64 [...] by "COPY NAME PLACE"."""
    found = {}
    for row in copies.rows:
        prefixes = (EMULATED, *([ALONE] if row.name in copies.alone else []))
        for number, place in enumerate(places[row.name]):
            half, name = "float16" in row.outputs, f"measure/{row.name}"
            right = exact(copies.nodes, _value(copies.nodes, place, EXACT, False), name)
            for prefix in prefixes:
                value = _value(copies.nodes, place, prefix, half)
                text = measure(copies.nodes, value, right, f"measure/{prefix}/{row.name}", half)
                found[f"{prefix} {row.name} {number}"] = text
    return found


def measured_gradients(nodes: Nodes, borders: Mapping[str, str]) -> Dict[str, str]:
    """Append the measuring of gradients, by their names; see `border_of`."""
    found = {}
    for name, text in borders.items():
        right = exact(nodes, f"{EXACT}/{text}", f"gradient/{name}")
        found[name] = measure(nodes, f"{EMULATED}/{text}", right, f"gradient/{name}", True)
    return found


def _value(nodes: Nodes, place: _Place, prefix: str, half: bool) -> str:
    """Return the tensor of a copy, or what a variable of it changes by.

    A variable that is updated in float16 was one of float16's values before, too.
    """
    if not place.variable:
        return f"{prefix}/{place.tensor}"
    tf, name = nodes.tf, f"change/{prefix}/{place.tensor}"
    if place.is_handle:
        variable, done = f"{prefix}/{place.variable}", [f"{prefix}/{place.tensor}"]
        after = nodes.add("ReadVariableOp", [variable], f"{name}/after", done, dtype=tf.float32)
    else:
        taken = f"{prefix}/{place.tensor}"
        after = nodes.add("Identity", [taken], f"{name}/after", T=tf.float32)
    before = f"{STATE}/{place.variable}"
    if half:
        narrow = nodes.cast(before, "float32", "float16", f"{name}/half")
        before = nodes.cast(narrow, "float16", "float32", f"{name}/before")
    return nodes.float_op("Sub", [after, before], name)


def border_of(plan: Plan) -> Dict[str, str]:
    """Return the gradients of a step, as inputs name them, by variable or, by hand, by tensor.

    They are what updates take as such; where none does, what leaves the backward pass for what
    comes after it.
    """
    nodes = {node.name: node for node in plan.graph_def.node}
    found: Dict[str, str] = {}
    for row in plan.operators:
        node = nodes[row.parts[-1]]
        definition = tf_compat.op_def(node.op)
        names = [argument.name for argument in definition.input_arg] if definition else []
        place = next((names.index(name) for name in _GRADIENTS if name in names), None)
        if place is not None and names[0] == "var":
            found[node_of(source(nodes, node.input[0]))] = node.input[place]
    return found or leaving(plan)


def leaving(plan: Plan) -> Dict[str, str]:
    """Return the tensors that leave the backward pass for the update, by their names."""
    nodes = {node.name: node for node in plan.graph_def.node}
    known, found = sections(plan.graph_def), {}
    for row in plan.operators:
        for part in row.parts:
            for text in data_inputs(nodes[part].input) if known[part] == UPDATE else ():
                origin = source(nodes, text, PASS_THROUGH)
                producer = nodes[node_of(origin)]
                if known[producer.name] == BACKWARD and _is_float(producer, origin):
                    found[origin.replace(":", "_")] = origin
    return found


def _is_float(node: Any, text: str) -> bool:
    types = output_dtypes(node) if tf_compat.op_def(node.op) is not None else ()
    return any(dtype.name in _FLOATS for dtype in types[int(text.partition(":")[2] or 0) :][:1])


def _diagnosis(
    plan: Plan,
    measured: Tuple[Copies, Dict[str, str], Mapping[str, List[_Place]]],
    numbers: Mapping[str, np.ndarray],
    gradients: Mapping[str, np.ndarray],
) -> Diagnosis:
    """Read the numbers; `measured`: the copies, the sections of their nodes, what is measured."""
    copies, known, places = measured
    totals: Dict[str, Error] = {}  # of every tensor
    found: List[OperatorError] = []
    nodes = {node.name: node for node in copies.plan.graph_def.node}
    for row in copies.rows:
        if not places[row.name]:
            continue
        total, own = (
            [
                numbers[f"{prefix} {row.name} {number}"]
                for number in range(len(places[row.name]))
                if f"{prefix} {row.name} {number}" in numbers
            ]
            for prefix in (EMULATED, ALONE)
        )
        each = [error_of([one]) for one in total]
        totals.update((place.tensor, one) for place, one in zip(places[row.name], each))
        section, whole = section_of(row.name, known), each[0] if len(each) == 1 else error_of(total)
        found.append(OperatorError(row, section, whole, error_of(own) if own else None, 0.0))
    rows = tuple(_of_inputs(nodes, each, totals) for each in found)
    errors = tuple((name, error_of([each])) for name, each in gradients.items())
    together = error_of(list(gradients.values()))
    return Diagnosis(plan, rows, errors, together, copies.inside)


def _check_exact(gradients: Sequence[Tuple[str, Error]]) -> None:
    for name, error in gradients:
        if not np.isfinite(error.exact):
            raise GraphError(
                f"the gradient of {name}",
                "it is no finite number in float32 either: nothing can be told from it",
                "other values in feeds=, or the checkpoint= of a step that is right in float32",
            )


def _of_inputs(
    nodes: Mapping[str, Any], found: OperatorError, totals: Mapping[str, Error]
) -> OperatorError:
    """Return an operator's error with what its inputs say of it, its own parts' left out."""
    row = found.operator
    texts = [
        source(nodes, text, PASS_THROUGH)
        for part in row.parts
        for text in data_inputs(nodes[part].input)
    ]
    given = [totals[t] for t in texts if t in totals and node_of(t) not in row.parts]
    inherited = max((error.distance for error in given), default=0.0)
    size = max((error.exact for error in given), default=0.0)
    changes = writes_variable(nodes, row)
    noise = found.total.exact == 0 if changes else found.total.exact <= _NOISE * size
    adds_up = changes or row.tf_type in ADDING
    return found._replace(inherited=inherited, is_noise=noise and adds_up)


def writes_variable(nodes: Mapping[str, Any], row: Operator) -> bool:
    """Return whether an operator writes a variable."""
    last = nodes[row.parts[-1]]
    return bool(data_inputs(last.input)) and takes_reference(last, 0)
