"""Which operator runs in which type: a precision mode applied to a graph, phase by phase."""

from __future__ import annotations

import contextlib
import gc
from collections import deque
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence, Tuple, Union

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.input_shapes import with_input_shapes
from lenet_exp.precision.ir.functions import check_calls
from lenet_exp.precision.ir.graph import in_order, read_graph
from lenet_exp.precision.ir.op_defs import KEPT_SHAPES, PLACES, WRITTEN_SHAPES
from lenet_exp.precision.plan import Plan, PlannedFunction
from lenet_exp.precision.planning.compilation import Compilation, Phase, PlanOptions
from lenet_exp.precision.planning.eliminate_casts import eliminate_casts
from lenet_exp.precision.planning.fold_constants import fold_constants
from lenet_exp.precision.planning.fuse import fuse
from lenet_exp.precision.planning.insert_casts import insert_casts
from lenet_exp.precision.planning.lower import lower
from lenet_exp.precision.planning.options import read_options
from lenet_exp.precision.planning.prune import fetched_nodes, prune
from lenet_exp.precision.planning.reasons import warnings_of
from lenet_exp.precision.planning.select import select
from lenet_exp.precision.target.fusion_switches import SwitchesInput
from lenet_exp.precision.target.op_lists import MixlistInput
from lenet_exp.precision.target.operator_library import LibraryInput

# Each phase is a pure function. Folding leaves nodes that nothing needs: pruned once more.
PHASES: Tuple[Phase, ...] = (
    prune,  # what nothing fetched or written needs goes
    fold_constants,  # what depends only on constants and static shapes becomes one
    prune,
    lower,  # TensorFlow's nodes become the chip's operators
    fuse,  # some of them become one
    select,  # every operator gets its types, producers first
    insert_casts,  # where an edge's ends differ
    eliminate_casts,  # pairs of inverse casts go
)
PHASE_NAMES = tuple(
    phase.__name__ + ("_again" if phase in PHASES[:index] else "")
    for index, phase in enumerate(PHASES)
)


def assign(  # noqa: PLR0913 - a keyword for each of the vendor's ways to change a mode
    graph_def: Any,
    mode: str,
    *,
    library: LibraryInput = None,
    generation: str = "today",
    fetches: Sequence[str] = (),
    modify_mixlist: Optional[MixlistInput] = None,
    keep_dtype: Sequence[str] = (),
    customize_dtypes: Union[str, Path, None] = None,
    fusion_switch_file: Optional[SwitchesInput] = None,
    batch: Optional[int] = None,
    shapes: Optional[Mapping[str, Sequence[Optional[int]]]] = None,
) -> Plan:
    """Return what a precision mode does to every operator of a TensorFlow 1 graph.

    Args:
        graph_def: not modified. `Npu*` operators need not be registered; a node with the
            attribute `_ge_type` stands for that operator of the chip.
        mode: a name of either key ("allow_mix_precision" or "mixed_float16").
        library: another chip's table, path or parsed JSON, in the form of `ascend910_ops.json`.
        generation: "today" (CANN 8.1) or "2021" (24 February 2021).
        fetches: what a run asks for, else `prune.default_roots`; only what these need is compiled.
        modify_mixlist: path, text or parsed object; only allow_mix_precision, today.
        keep_dtype: nodes, or name scopes, besides the nodes marked `_keep_dtype`.
        customize_dtypes: path or text of the vendor's file; only today.
        fusion_switch_file: path, text or parsed object; fusions that it switches off are not made.
        batch: the first dimension of every input that leaves it open.
        shapes: dimensions of an input, by its name; see `with_input_shapes`.

    Raises:
        GraphError: the GraphDef is no graph, or a fetch is not in it.
        PrecisionError: any other argument is not possible.

    Source: precision-modes.md.
    """
    files = (modify_mixlist, keep_dtype, customize_dtypes, fusion_switch_file)
    options = read_options(graph_def, mode, library, generation, *files)
    shaped = with_input_shapes(graph_def, batch, shapes)
    return _plan(run(begin(shaped, fetches, options)), graph_def)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Keep Python from searching for cycles.

    A plan makes tuples by the hundred thousand and no cycles; searching them again and again made
    an operator of a large graph cost 1.8 times one of a small graph, without it 1.0.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@_without_collections()
def begin(graph_def: Any, fetches: Sequence[str], options: PlanOptions) -> Compilation:
    """Return what the first phase is given.

    Raises:
        GraphError: the GraphDef is no graph, or a fetch is not in it.
    """
    graph = read_graph(graph_def)
    check_calls(graph)
    deque(in_order(graph), maxlen=0)  # of a cycle nothing may be left that is fetched
    return Compilation(graph, fetched_nodes(graph, fetches), options)


@_without_collections()
def run(state: Compilation, until: str = PHASE_NAMES[-1], after: str = "") -> Compilation:
    """Return what the phases make of a graph.

    Args:
        state: what `begin` gives, or the phase `after`.
        until: the name of the last phase.
        after: the name of the phase that was the last one before; blank: there was none.
    """
    begun = PHASE_NAMES.index(after) + 1 if after else 0
    for phase in PHASES[begun : PHASE_NAMES.index(until) + 1]:
        state = phase(state)
    return state


@_without_collections()
def _plan(state: Compilation, given: Any) -> Plan:
    made = tf_compat.load().GraphDef()
    made.node.extend(state.graph.nodes.values())
    for node in made.node:
        node.attr.pop(PLACES, None)
        if WRITTEN_SHAPES in node.attr:
            node.attr[KEPT_SHAPES].CopyFrom(node.attr.pop(WRITTEN_SHAPES))
    made.library.CopyFrom(given.library)
    made.versions.CopyFrom(given.versions)
    return Plan(
        mode=state.options.mode,
        generation=state.options.generation,
        operators=tuple(one.row for one in state.decided),
        casts=state.casts,
        removed_casts=state.removed_casts,
        warnings=warnings_of(state),
        graph_def=made,
        fetches=state.fetched,
        functions=tuple(_functions(state)),
    )


def _functions(state: Compilation) -> Iterator[PlannedFunction]:
    for call, functions in state.functions.items():
        for label, inner, arguments, results in functions:
            nodes = tuple(inner.graph.nodes.values())
            yield PlannedFunction(call, label, nodes, arguments, results)
            yield from _functions(inner)
