"""The error of every operator of one step: in the emulated step, and where it arises."""

from __future__ import annotations

import contextlib
import functools
from typing import (
    AbstractSet,
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
from lenet_exp.precision.analysis.step_sections import section_of, sections
from lenet_exp.precision.diagnosis.branches import open_choices, taken
from lenet_exp.precision.diagnosis.copies import LOAD, STATE, Copies, copies_of
from lenet_exp.precision.diagnosis.gradients import border_of, measured_gradients
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


class OperatorError(NamedTuple):
    """What one operator does to the numbers.

    `total` is the error of what it gives in the emulated step, `own` that of the operator alone,
    of exact inputs; None where it can't be had alone. `inherited`: the largest distance of its
    inputs in the emulated step. Of an update all are of what a variable changes by. `damage` is
    the own distance as far as the inputs are still right: what is ruined can't be ruined again.
    `is_update`: it writes a variable after the backward pass, or is computed only for that, behind
    the gradients.
    """

    operator: Operator
    section: str
    total: Error
    own: Optional[Error]
    inherited: float
    is_update: bool = False
    is_noise: bool = False

    @property
    def damage(self) -> float:
        """The part of the error that arises here, 0 on."""
        if self.own is None or self.is_noise or self.inherited >= 1:
            return 0.0
        return self.own.distance * (1 - self.inherited)


class Diagnosis(NamedTuple):
    """The errors of one step under a plan, in the order of the step.

    `gradients`: by name, see `Gradient`; `gradient` of all together, 0 numbers without any.
    `inside`: operators in while loops, which are measured at its end only. `flush`: float16 has
    no subnormal numbers.
    """

    plan: Plan
    operators: Tuple[OperatorError, ...]
    gradients: Tuple[Tuple[str, Error], ...]
    gradient: Error
    inside: Tuple[str, ...]
    flush: bool = False

    @property
    def by_damage(self) -> List[OperatorError]:
        """The operators, the most damaging first, in the order of the step where alike."""
        return sorted(self.operators, key=lambda each: -each.damage)  # stable

    @property
    def updates(self) -> List[OperatorError]:
        """What makes changes of variables of the gradients, where there is an error to speak of."""
        made = (each for each in self.operators if each.is_update and not each.is_noise)
        return [each for each in made if each.own is not None]


class _Output(NamedTuple):
    """What is measured of an operator: a tensor of a copy, or the variable that it changes.

    `is_half`: that is float16 in the plan.
    """

    tensor: str
    variable: str
    is_handle: bool
    is_half: bool


def diagnose(
    plan: Plan, values: Values, feeds: Values, threads: int = 0, flush: bool = False
) -> Diagnosis:
    """Make one step of a plan's graph three times, and compare.

    Args:
        plan: of any training step.
        values: of its variables before the step, by their names.
        feeds: of its placeholders, by tensor.
        threads: as `cpu_session.open_session`.
        flush: float16 has no subnormal numbers.

    Raises:
        GraphError: a value is lacking, or it can't be emulated.
    """
    with prepared(plan, values, feeds, threads, flush) as run:
        return run()


@contextlib.contextmanager
def prepared(
    plan: Plan, values: Values, feeds: Values, threads: int = 0, flush: bool = False
) -> Iterator[Callable[[], Diagnosis]]:
    """Yield a function that makes the step, and returns its Diagnosis; see `diagnose`."""
    flat = without_choices(inlined(plan), values, feeds, threads)
    copies = copies_of(flat, flush=flush)
    nodes = {node.name: node for node in copies.plan.graph_def.node}
    outputs = {row.name: _outputs(nodes, row) for row in copies.rows}
    fetches = _append_measures(copies, outputs)
    border = border_of(flat)
    ends = [*fetches.values(), *measured_gradients(copies.nodes, border.gradients)]
    kinds = {"N": len(ends), "axis": 0, "T": copies.nodes.tf.float64}
    whole = copies.nodes.add("Pack", ends, "measures", **kinds) if ends else ""  # one, not hundreds
    known = sections(copies.plan.graph_def)
    with loaded(copies, values, threads) as run_copies:
        fed = {f"{EXACT}/{name}": value for name, value in feeds.items()}

        def run() -> Diagnosis:
            rows = run_copies(f"{whole}:0", fed) if whole else []
            numbers = dict(zip(fetches, rows))
            names = (each.name for each in border.gradients)
            of_gradients = dict(zip(names, rows[len(fetches) :]))
            measured = copies, known, outputs, border.updates
            made = _diagnosis(plan, measured, numbers, of_gradients)
            _check_exact(made.gradients)
            return made._replace(flush=flush)

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


def _outputs(nodes: Mapping[str, Any], row: Operator) -> List[_Output]:
    """Return what is measured of an operator."""
    last = nodes[row.parts[-1]]
    if writes_variable(nodes, row):
        is_half = "float16" in row.outputs
        variable = nodes[node_of(source(nodes, last.input[0]))]
        return (
            [_Output(last.name, variable.name, variable.op == "VarHandleOp", is_half)]
            if variable.op in VARIABLES and dtype_name(variable.attr["dtype"].type) in _FLOATS
            else []
        )
    return [
        _Output(as_input(result), "", False, chosen == "float16")
        for result, dtype, chosen in zip(row.results, row.origin_outputs, row.outputs)
        if result is not None and dtype in _FLOATS and _has(nodes, result)
    ]


def _has(nodes: Mapping[str, Any], tensor: Tensor) -> bool:
    node = nodes.get(tensor.node)
    if node is None or tf_compat.op_def(node.op) is None:
        return False
    if node.op == "FusedBatchNormV3" and tensor.slot == _CUDNN_SLOT:
        return False
    return tensor.slot < len(output_dtypes(node))


def _append_measures(copies: Copies, outputs: Mapping[str, List[_Output]]) -> Dict[str, str]:
    """Append the measuring of every operator; return tensors float64 [...] by "COPY NAME PLACE"."""
    found = {}
    for row in copies.rows:
        prefixes = (EMULATED, *([ALONE] if row.name in copies.alone else []))
        for number, output in enumerate(outputs[row.name]):
            exactly = output._replace(is_half=False)
            value, _ = _value(copies.nodes, exactly, EXACT)
            right = exact(copies.nodes, value, f"measure/{row.name}")
            for prefix in prefixes:
                value, held = _value(copies.nodes, output, prefix)
                name = f"measure/{prefix}/{row.name}"
                text = measure(copies.nodes, value, right, name, output.is_half, held)
                found[f"{prefix} {row.name} {number}"] = text
    return found


def _value(nodes: Nodes, output: _Output, prefix: str) -> Tuple[str, Optional[str]]:
    """Return the tensor of a copy, or what a variable of it changes by, and what it holds then.

    A variable that is updated in float16 was one of float16's values before, too.
    """
    if not output.variable:
        return f"{prefix}/{output.tensor}", None
    tf, name = nodes.tf, f"change/{prefix}/{output.tensor}"
    if output.is_handle:
        variable, done = f"{prefix}/{output.variable}", [f"{prefix}/{output.tensor}"]
        after = nodes.add("ReadVariableOp", [variable], f"{name}/after", done, dtype=tf.float32)
    else:
        taken = f"{prefix}/{output.tensor}"
        after = nodes.add("Identity", [taken], f"{name}/after", T=tf.float32)
    before = f"{STATE}/{output.variable}"
    if output.is_half:
        narrow = nodes.cast(before, "float32", "float16", f"{name}/half")
        before = nodes.cast(narrow, "float16", "float32", f"{name}/before")
    return nodes.float_op("Sub", [after, before], name), after


def _diagnosis(
    plan: Plan,
    measured: Tuple[Copies, Dict[str, str], Mapping[str, List[_Output]], AbstractSet[str]],
    numbers: Mapping[str, np.ndarray],
    gradients: Mapping[str, np.ndarray],
) -> Diagnosis:
    """Read the numbers.

    `measured`: the copies, the sections of their nodes, what is measured, and the updates' nodes.
    """
    copies, known, outputs, updates = measured
    totals: Dict[str, Error] = {}  # of every tensor
    found: List[OperatorError] = []
    nodes = {node.name: node for node in copies.plan.graph_def.node}
    for row in copies.rows:
        if not outputs[row.name]:
            continue
        total, own = (
            [
                numbers[f"{prefix} {row.name} {number}"]
                for number in range(len(outputs[row.name]))
                if f"{prefix} {row.name} {number}" in numbers
            ]
            for prefix in (EMULATED, ALONE)
        )
        each = [error_of([one]) for one in total]
        totals.update((output.tensor, one) for output, one in zip(outputs[row.name], each))
        section, whole = section_of(row.name, known), each[0] if len(each) == 1 else error_of(total)
        alone, is_update = error_of(own) if own else None, not updates.isdisjoint(row.parts)
        found.append(OperatorError(row, section, whole, alone, 0.0, is_update))
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
