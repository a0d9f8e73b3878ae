"""Which operator runs in which type: a precision mode applied to a graph."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import Any, FrozenSet, Iterator, Optional, Sequence, Union

from lenet_exp import tf_compat
from lenet_exp.precision.plan import Plan, Tensor
from lenet_exp.precision.planning.diagnostics import warnings_of
from lenet_exp.precision.planning.eliminate_casts import merge_casts
from lenet_exp.precision.planning.options import (
    kept_nodes,
    read_generation,
    read_mode,
    read_settings,
)
from lenet_exp.precision.planning.prepare import Prepared, prepare
from lenet_exp.precision.planning.select import Settings
from lenet_exp.precision.planning.walk import walk
from lenet_exp.precision.target.op_lists import MixlistInput
from lenet_exp.precision.target.operator_library import LibraryInput, load_library


def assign(
    graph_def: Any,
    mode: str,
    *,
    library: LibraryInput = None,
    generation: str = "today",
    fetches: Sequence[str] = (),
    modify_mixlist: Optional[MixlistInput] = None,
    keep_dtype: Sequence[str] = (),
    customize_dtypes: Union[str, Path, None] = None,
) -> Plan:
    """Return what a precision mode does to every operator of a TensorFlow 1 graph.

    Args:
        graph_def: not modified. `Npu*` operators need not be registered; a node with the
            attribute `_ge_type` stands for that operator of the chip.
        mode: a name of either key ("allow_mix_precision" or "mixed_float16").
        library: another chip's table (path or parsed JSON) in the form of the shipped
            `ascend910_ops.json`, its float16-first list included.
        generation: "today" (CANN 8.1) or "2021" (24 February 2021).
        fetches: operations and tensors a run asks for; what neither they nor a write they
            reach needs is not compiled. None given: see `pruning.default_roots`.
        modify_mixlist: path, text or parsed object; only allow_mix_precision, today.
        keep_dtype: nodes, or name scopes, besides the nodes marked `_keep_dtype`.
        customize_dtypes: path or text of the vendor's file; only today.

    Raises:
        GraphError: the GraphDef is no graph, or a fetch is not in it.
        PrecisionError: any other argument is not possible.

    Source: precision-modes.md.
    """
    age = read_generation(generation)
    table = load_library(library, age)
    lists = (modify_mixlist, customize_dtypes)
    settings, warnings = read_settings(read_mode(mode), age, table, *lists)
    keeps = kept_nodes(graph_def, keep_dtype)
    with _collector_paused():
        prepared = prepare(graph_def, fetches, table)
        return _plan(graph_def, prepared, settings, keeps, warnings)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's search for cycles.

    A plan makes tuples by the hundred thousand and no cycles; searching them again and again
    made an operator of a large graph cost 1.8 times one of a small graph, without it 1.2.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _plan(
    given: Any,
    prepared: Prepared,
    settings: Settings,
    keeps: Sequence[str],
    warnings: Sequence[str],
) -> Plan:
    decided = walk(prepared, settings, keeps)
    leaving = _leaving(prepared)
    merged = merge_casts(decided.operators, decided.casts, leaving, settings.generation)
    return Plan(
        mode=settings.mode,
        generation=settings.generation,
        operators=decided.rows,
        casts=merged.casts,
        removed_casts=merged.removed,
        warnings=(*warnings, *warnings_of(decided, settings.custom)),
        graph_def=_graph_def(prepared, given),
    )


def _leaving(prepared: Prepared) -> FrozenSet[str]:
    """Return the nodes whose outputs leave the graph."""
    source = prepared.graph.source
    return frozenset(source(Tensor(name, 0)).node for name in prepared.fetched)


def _graph_def(prepared: Prepared, given: Any) -> Any:
    made = tf_compat.load().GraphDef()
    made.node.extend(prepared.graph.nodes.values())
    made.library.CopyFrom(given.library)
    made.versions.CopyFrom(given.versions)
    return made
