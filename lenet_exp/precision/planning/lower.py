"""TensorFlow's nodes become the chip's operators: GE types, D forms, borders.

Source: precision-modes.md 3.3 and 7.
"""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.ir.names import Port, Tensor
from lenet_exp.precision.ir.op_traits import (
    CONSTANTS,
    VARIABLES,
    WITHOUT_D_FORM,
    invisible,
    stand_in,
    updates,
    writes,
)
from lenet_exp.precision.ir.operators import GraphOperator, Input, Output
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.subgraphs import functions_of
from lenet_exp.precision.target.operator_library import (
    GeOperator,
    OperatorLibrary,
    accepts,
    first_failing,
    node_columns,
    positions,
)

# TF inputs that a D form takes from its attributes, where names can't tell (3.3).
_BY_HAND = {
    "ConcatV2": (-1,),
    "Cumprod": (1,),
    "CumulativeLogsumexp": (1,),
    "CropAndResize": (3,),
    "InplaceAdd": (1,),
    "InplaceSub": (1,),
    "StridedSliceAssign": (1, 2, 3),
    "ResourceStridedSliceAssign": (1, 2, 3),
}


def lower(state: Compilation) -> Compilation:
    """Make the operators, in the GraphDef's order, and those of the functions that are called.

    What a call with keep_dtype calls is kept with it.
    """
    state = state._replace(types=output_types(state.graph, state.options.library))
    keeps = state.options.keeps
    named, scopes = frozenset(keeps), tuple(f"{name}/" for name in keeps)
    found = {}
    for name, node in state.graph.nodes.items():
        if not invisible(node):
            keep = name in named or name.startswith(scopes) or _marked(node)
            found[name] = lowered(state, name)._replace(keeps=keep)
    return state._replace(operators=found, functions=functions_of(state, found, lower))


def _marked(node: Any) -> bool:
    # The adapter writes a bool, the fusion engine reads an integer (11).
    if "_keep_dtype" not in node.attr:
        return False
    return bool(node.attr["_keep_dtype"].b or node.attr["_keep_dtype"].i)


def lowered(state: Compilation, name: str) -> GraphOperator:
    """Return the chip's operator that a node becomes, before any is fused."""
    node = state.graph.nodes[name]
    library = state.options.library
    inputs = [_input(state, name, slot) for slot in range(len(state.graph.data[name]))]
    outputs = [Output(Tensor(name, slot), dtype) for slot, dtype in enumerate(state.types[name])]
    ge_type, vanished = _form(library, node, inputs, outputs)
    left = tuple(value for i, value in enumerate(inputs) if i not in vanished)
    entry = library.operators.get(ge_type)
    if entry is not None and (writes(node) or updates(node)):
        outputs.extend(_chip_only(name, entry, left, len(outputs)))
    made = GraphOperator(name, node.op, ge_type, (name,), left, tuple(outputs))
    if stand_in(node) or tf_compat.op_def(node.op) is None:
        _check_ends(made, entry, bool(stand_in(node)))
    return made


def _check_ends(operator: GraphOperator, entry: Optional[GeOperator], stands_in: bool) -> None:
    """Refuse what is called an operator of the chip, or TensorFlow's, and lacks ends of that.

    Of an operator that TensorFlow doesn't know, only that it has inputs can be said.

    Raises:
        GraphError: so.
    """
    names = _ends_of(operator.ge_type) if entry is None else (entry.inputs, entry.outputs)
    counts = len(operator.inputs), len(operator.outputs)
    for side, has, count in zip(("inputs", "outputs"), names, counts):
        lacks = side == "inputs" and not count and not accepts(has, 0)
        # What takes nothing, as NPUAllocFloatStatus, may stand where an operator waits for a value.
        if lacks or (stands_in and has and not accepts(has, count)):
            problem = f"it has {count} {side}, which a {operator.ge_type} can't have"
            raise GraphError(operator.name, problem, f"{side} for {', '.join(has)}")


def _ends_of(tf_type: str) -> Tuple[Tuple[str, ...], ...]:
    """Return how TensorFlow names an operator's inputs and outputs, as the library would."""
    known = tf_compat.op_def(tf_type)
    sides = () if known is None else (known.input_arg, known.output_arg)
    return tuple(
        tuple(f"{a.name}*" if a.number_attr or a.type_list_attr else a.name for a in arguments)
        for arguments in sides
    )


def _input(state: Compilation, name: str, slot: int) -> Input:
    source = state.graph.source(state.graph.data[name][slot])
    node = state.graph.nodes[source.node]
    constant = node.op in CONSTANTS
    late = (constant or node.op in VARIABLES) and not stand_in(node)
    return Input(source, state.dtype(source), Port(name, slot), constant, late)


def _chip_only(name: str, entry: GeOperator, inputs: Sequence[Input], begin: int) -> List[Output]:
    """Return outputs of an update that TensorFlow's operator lacks, such as Adam's m and v."""
    found = []
    for slot, output in enumerate(entry.outputs[begin:], begin):
        index = entry.inputs.index(output) if output in entry.inputs else 0
        dtype = inputs[index].dtype if index < len(inputs) else "float32"
        found.append(Output(Tensor(name, slot), dtype, real=False))
    return found


def _form(
    library: OperatorLibrary, node: Any, inputs: Sequence[Input], outputs: Sequence[Output]
) -> Tuple[str, Tuple[int, ...]]:
    """Return the GE type of a node and the inputs that its D form turns into attributes."""
    if stand_in(node):
        return stand_in(node), ()
    types = library.forms.get(node.op) or ((node.op,) if node.op in library.operators else ())
    count = len(inputs)
    vanishing = {
        t: _vanishing(library, node.op, t, count) for t in _d_forms(library, node.op, types)
    }
    # Without kernels for these types no D form is made: the vendor's passes ask `CheckOpSupported`.
    stays = node.op in library.ai_cpu_only
    # A D form whose attributes are inputs here is none, though ConcatD's take any number.
    full = (t for t in types if not vanishing.get(t))
    plain = next((t for t in full if accepts(library.operators[t].inputs, count)), None)
    for ge_type, vanished in vanishing.items():
        if vanished is None or not all(inputs[i].constant for i in vanished):
            continue
        left = [value.dtype for i, value in enumerate(inputs) if i not in vanished]
        right = [output.dtype for output in outputs]
        needed = plain is None and not stays
        if needed or _runs(library.operators[ge_type], left, right):
            return ge_type, vanished
    return plain or node.op, ()


def _d_forms(library: OperatorLibrary, tf_type: str, types: Sequence[str]) -> Tuple[str, ...]:
    if tf_type in WITHOUT_D_FORM:
        return ()
    made = tuple(f"{t}D" for t in (*types, tf_type) if f"{t}D" in library.operators)
    listed = tuple(t for t in types if t.endswith("D"))
    return (*listed, *(t for t in made if t not in listed))


def _vanishing(
    library: OperatorLibrary, tf_type: str, ge_type: str, count: int
) -> Optional[Tuple[int, ...]]:
    """Return the indexes of a TF operator's inputs that this GE type has no input for.

    None if it is no form of this operator with other inputs as attributes. A D form may have
    all inputs (ApplyAdamD).
    """
    names = library.operators[ge_type].inputs
    full = library.full_inputs.get(tf_type, ())
    if tf_type in _BY_HAND:
        vanished = tuple(i % count for i in _BY_HAND[tf_type])
    elif accepts(full, count):
        letters = positions(full, count)
        vanished = tuple(i for i, letter in enumerate(letters) if full[letter] not in names)
    else:
        return None
    return vanished if accepts(names, count - len(vanished)) else None


def _runs(entry: GeOperator, inputs: Sequence[str], outputs: Sequence[str]) -> bool:
    """Return whether the D form has kernels for these types, or is not known.

    A sum of integers stays ReduceSum, whose D form has only float kernels.
    """
    columns = node_columns(entry, len(inputs), len(outputs))
    types = (*inputs, *outputs)
    return columns is None or first_failing(columns, types, reduces=True) is None
