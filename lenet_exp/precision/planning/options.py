"""What a person asks of a plan, checked and read before any graph is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.plan import Generation, Mode
from lenet_exp.precision.planning.dtype_overrides import CustomDtypes, read_custom_dtypes
from lenet_exp.precision.planning.select import Settings
from lenet_exp.precision.target.op_lists import MixlistInput, recoloured
from lenet_exp.precision.target.operator_library import OperatorLibrary

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


def read_mode(mode: str) -> Mode:
    """Return a mode by its name in either key (2)."""
    if str(mode) not in _MODES:
        raise PrecisionError(f"precision mode {mode}", "it is not known", ", ".join(_MODES))
    return _MODES[str(mode)]


def read_generation(generation: str) -> Generation:
    """Return a documented generation."""
    try:
        return Generation(str(generation))
    except ValueError as error:
        allowed = ", ".join(known.value for known in Generation)
        raise PrecisionError(f"generation {generation}", "it is not known", allowed) from error


class Unread(NamedTuple):
    """Why a file is not read, and the mode or generation that reads it."""

    reason: str
    needs: str


def unread(file: str, mode: str, generation: str) -> Optional[Unread]:
    """Return why `file` (modify_mixlist or customize_dtypes) is not read; None if it is.

    Source: precision-modes.md 6.4, 6.6.
    """
    if read_generation(generation) is Generation.FEBRUARY_2021:
        return Unread("the adapter of February 2021 has no such option", str(Generation.TODAY))
    if file == "modify_mixlist" and read_mode(mode) is not Mode.ALLOW_MIX_PRECISION:
        return Unread(f"{mode} has no lists", str(Mode.ALLOW_MIX_PRECISION))
    return None


def _refuse_unread(file: str, mode: Mode, generation: Generation) -> None:
    found = unread(file, str(mode), str(generation))
    if found is not None:
        raise PrecisionError(file, found.reason, f"{found.needs}, or no {file}")


def nodes_of(graph_def: Any, name: str) -> List[str]:
    """Return the node of this name and those of the name scope."""
    scope = f"{name.rstrip('/')}/"
    names = (node.name for node in graph_def.node)
    return [node for node in names if node == name or node.startswith(scope)]


def kept_nodes(graph_def: Any, names: Sequence[str]) -> Tuple[str, ...]:
    """Return the nodes that keep_dtype names, those of a scope included."""
    found: Dict[str, None] = {}
    for name in names:
        inside = nodes_of(graph_def, name)
        if not inside:
            remedy = "the name of a node or of a name scope of this graph"
            raise PrecisionError(f"keep_dtype {name}", "the graph has no such node", remedy)
        found.update((node, None) for node in inside)
    return tuple(found)


def read_settings(
    mode: Mode,
    generation: Generation,
    library: OperatorLibrary,
    modify_mixlist: Optional[MixlistInput],
    customize_dtypes: Union[str, Path, None],
) -> Tuple[Settings, Tuple[str, ...]]:
    """Return what decides every operator, and the mixlist's warnings.

    Raises:
        PrecisionError: a list or file is wrong, or this mode or generation has none.
    """
    colours = {name: operator.colour for name, operator in library.operators.items()}
    warnings: Tuple[str, ...] = ()
    if modify_mixlist is not None:
        _refuse_unread("modify_mixlist", mode, generation)
        mixlist = recoloured(modify_mixlist, colours)
        colours, warnings = dict(mixlist.colours), mixlist.warnings
    custom: Optional[CustomDtypes] = None
    if customize_dtypes is not None:
        _refuse_unread("customize_dtypes", mode, generation)
        custom = read_custom_dtypes(customize_dtypes)
    return Settings(mode, generation, library, colours, custom), warnings
