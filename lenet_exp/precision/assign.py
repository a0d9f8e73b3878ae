"""Which operator runs in which type: a precision mode applied to a graph.

Source: precision-modes.md; each step names its section.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from lenet_exp import tf_compat
from lenet_exp.errors import PrecisionError
from lenet_exp.precision.custom_dtypes import CustomDtypes, read_custom_dtypes
from lenet_exp.precision.decide import Settings
from lenet_exp.precision.mixlist import MixlistInput, recoloured
from lenet_exp.precision.oplib import LibraryInput, load_library
from lenet_exp.precision.plan import Engine, Generation, Mode, Operator, Plan
from lenet_exp.precision.prepare import Prepared, prepare
from lenet_exp.precision.walk import Decided, walk

# Both keys' names of each mode (2).
_MODES = {
    "allow_mix_precision": Mode.ALLOW_MIX_PRECISION,
    "allow_mix_precision_fp16": Mode.ALLOW_MIX_PRECISION,
    "mixed_float16": Mode.ALLOW_MIX_PRECISION,
    "allow_fp32_to_fp16": Mode.ALLOW_FP32_TO_FP16,
    "force_fp16": Mode.FORCE_FP16,
    "fp16": Mode.FORCE_FP16,
    "must_keep_origin_dtype": Mode.MUST_KEEP,
    "origin": Mode.MUST_KEEP,
}


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
        graph_def: a GraphDef, not modified. `Npu*` operators need not be registered; a node
            with the attribute `_ge_type` stands for that operator of the chip.
        mode: a mode's name, of either key ("allow_mix_precision" or "mixed_float16").
        library: another chip's operator table: a path or the parsed JSON, of the form of the
            shipped `ascend910_ops.json`; its float16-first list is used too.
        generation: "today" (CANN 8.1) or "2021" (24 February 2021).
        fetches: names of operations and tensors that a run asks for. What neither they nor a
            write they reach needs is not compiled. None: see `pruning.default_roots`.
        modify_mixlist: the vendor's JSON: a path, its text, or the parsed object; only
            with allow_mix_precision, and today.
        keep_dtype: names of nodes, or of name scopes, besides nodes marked `_keep_dtype`.
        customize_dtypes: the vendor's file: a path or its text; only today.

    Raises:
        GraphError: the GraphDef is no graph, or a fetch is not in it.
        PrecisionError: the mode, generation, library, mixlist or a line of customize_dtypes is
            not possible; a name of keep_dtype is not in the graph.

    Source: precision-modes.md.
    """
    chosen = _mode(mode)
    age = _generation(generation)
    table = load_library(library, age)
    colours = {name: operator.colour for name, operator in table.operators.items()}
    warnings: List[str] = []
    if modify_mixlist is not None:
        _refuse_mixlist(chosen, age)
        mixlist = recoloured(modify_mixlist, colours)
        colours = dict(mixlist.colours)
        warnings.extend(mixlist.warnings)
    custom = _custom(customize_dtypes, age)
    keeps = _kept_nodes(graph_def, keep_dtype)
    prepared = prepare(graph_def, fetches, table)
    decided = walk(prepared, Settings(chosen, table, colours, custom), keeps)
    warnings.extend(_told(decided, custom))
    return Plan(
        mode=chosen,
        generation=age,
        operators=decided.rows,
        casts=decided.casts,
        removed_casts=(),
        warnings=tuple(warnings),
        graph_def=_graph_def(prepared, graph_def),
    )


def _mode(mode: str) -> Mode:
    if str(mode) not in _MODES:
        raise PrecisionError(f"precision mode {mode}", "it is not known", ", ".join(_MODES))
    return _MODES[str(mode)]


def _generation(generation: str) -> Generation:
    try:
        return Generation(str(generation))
    except ValueError as error:
        allowed = ", ".join(known.value for known in Generation)
        raise PrecisionError(f"generation {generation}", "it is not known", allowed) from error


def _refuse_mixlist(mode: Mode, generation: Generation) -> None:
    if generation is Generation.FEBRUARY_2021:
        problem = "the adapter of February 2021 has no such option"
        raise PrecisionError("modify_mixlist", problem, 'generation "today", or no mixlist')
    if mode is not Mode.ALLOW_MIX_PRECISION:
        problem = f"{mode} has no lists"
        raise PrecisionError("modify_mixlist", problem, "allow_mix_precision, or no mixlist")


def _custom(source: Union[str, Path, None], generation: Generation) -> Optional[CustomDtypes]:
    if source is None:
        return None
    if generation is Generation.FEBRUARY_2021:
        problem = "the adapter of February 2021 has no such option"
        raise PrecisionError("customize_dtypes", problem, 'generation "today", or no such file')
    return read_custom_dtypes(source)


def _kept_nodes(graph_def: Any, names: Sequence[str]) -> Tuple[str, ...]:
    """Return the nodes that keep_dtype names, those of a scope included."""
    nodes = [node.name for node in graph_def.node]
    found: Dict[str, None] = {}
    for name in names:
        scope = f"{name.rstrip('/')}/"
        inside = [node for node in nodes if node == name or node.startswith(scope)]
        if not inside:
            remedy = "the name of a node or of a name scope of this graph"
            raise PrecisionError(f"keep_dtype {name}", "the graph has no such node", remedy)
        found.update((node, None) for node in inside)
    return tuple(found)


def _told(decided: Decided, custom: Optional[CustomDtypes]) -> List[str]:
    """Return what a person should know besides the rows."""
    warnings = []
    unknown = {row.name: row for row in decided.unknown}
    for (ge_type, reason), names in _grouped(list(unknown.values())).items():
        warnings.append(f"{ge_type} is {reason} ({_some(names)})")
    by_engine = {
        Engine.REFUSED: "the chip refuses to compile this graph",
        Engine.AI_CPU: "slower than the AI core",
    }
    for engine, meaning in by_engine.items():
        rows = [row for row in decided.rows if row.engine is engine]
        for (ge_type, reason), names in _grouped(rows).items():
            warnings.append(f"{ge_type} {reason}: {meaning} ({_some(names)})")
    warnings.extend(_unmatched(decided.rows, custom))
    return warnings


def _grouped(rows: Sequence[Operator]) -> Mapping[Tuple[str, str], List[str]]:
    found: Dict[Tuple[str, str], List[str]] = {}
    for row in rows:
        found.setdefault((row.ge_type, row.reason), []).append(row.name)
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _unmatched(rows: Sequence[Operator], custom: Optional[CustomDtypes]) -> List[str]:
    if custom is None:
        return []
    names = {row.name for row in rows}
    types = {row.ge_type for row in rows}
    return [
        f"customize_dtypes: no operator {word} {name}, so its line does nothing"
        for word, wanted, have in (
            ("has the name", custom.names, names),
            ("is a", custom.types, types),
        )
        for name in wanted
        if name not in have
    ]


def _graph_def(prepared: Prepared, given: Any) -> Any:
    made = tf_compat.load().GraphDef()
    made.node.extend(prepared.graph.nodes.values())
    made.library.CopyFrom(given.library)
    made.versions.CopyFrom(given.versions)
    return made
