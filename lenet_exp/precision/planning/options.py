"""What a person asks of a plan, checked and read before any graph is looked at."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.planning.compilation import PlanOptions
from lenet_exp.precision.planning.dtype_overrides import read_custom_dtypes
from lenet_exp.precision.target.fusion_switches import NOTHING_OFF, SwitchesInput, read_switches
from lenet_exp.precision.target.modes import (
    Colour,
    Generation,
    Mode,
    read_generation,
    read_mode,
)
from lenet_exp.precision.target.op_lists import MixlistInput, recoloured
from lenet_exp.precision.target.operator_library import LibraryInput, load_library


class Unread(NamedTuple):
    """Why a file is not read, and the mode or generation that reads it."""

    reason: str
    needs: str


def unread(file: str, mode: str, generation: str) -> Optional[Unread]:
    """Return why the file of this option is not read; None if it is.

    A fusion_switch_file always is. Source: precision-modes.md 6.4, 6.6.
    """
    if file == "fusion_switch_file":
        return None
    if read_generation(generation) is Generation.FEBRUARY_2021:
        return Unread("the adapter of February 2021 has no such option", str(Generation.TODAY))
    if file == "modify_mixlist" and read_mode(mode) is not Mode.ALLOW_MIX_PRECISION:
        return Unread(f"{mode} has no lists", str(Mode.ALLOW_MIX_PRECISION))
    return None


# precision-modes.md 6.4 to 6.6: where every type is kept, none of these has anything to change.
_CHANGES_OF_TYPES = ("modify_mixlist", "customize_dtypes", "keep_dtype")


def without_effect(keys: Iterable[str], mode: str) -> List[str]:
    """Return those of the options that a mode takes and that change nothing in it."""
    keeps = read_mode(mode) is Mode.MUST_KEEP
    return [key for key in keys if keeps and key in _CHANGES_OF_TYPES]


def nodes_of(graph_def: Any, name: str) -> List[str]:
    """Return the node of this name and those of the name scope."""
    scope = f"{name.rstrip('/')}/"
    names = (node.name for node in graph_def.node)
    return [node for node in names if node == name or node.startswith(scope)]


_SHOWN = 8  # of scopes that are near
_COMPARED = 20_000  # of a graph's names: each costs time


def near(graph_def: Any, name: str) -> str:
    """Return the scopes and nodes that a name may have meant: those alike, else the outermost."""
    scopes: Dict[str, None] = {}
    for node in graph_def.node:
        parts = node.name.split("/")
        scopes.update(("/".join(parts[:depth]), None) for depth in range(1, len(parts)))
    names = [*scopes, *(node.name for node in graph_def.node)]
    alike = difflib.get_close_matches(name, names[:_COMPARED], n=_SHOWN, cutoff=0.7)
    alike = alike or [scope for scope in scopes if "/" not in scope][:_SHOWN]
    return f"one of {', '.join(alike)}" if alike else "the name of a node of this graph"


def kept_nodes(graph_def: Any, names: Sequence[str]) -> Tuple[str, ...]:
    """Return the nodes that keep_dtype names, those of a scope included."""
    found: Dict[str, None] = {}
    for name in names:
        inside = nodes_of(graph_def, name)
        if not inside:
            problem = "the graph has no such node or name scope"
            raise PrecisionError(f"keep_dtype {name}", problem, near(graph_def, name))
        found.update((node, None) for node in inside)
    return tuple(found)


def _of_no_adapter(mode: Mode, generation: Generation) -> Tuple[str, ...]:
    """Return what to know of a mode that this generation's adapter would not pass on."""
    if mode is not Mode.FORCE_FP32 or generation is not Generation.FEBRUARY_2021:
        return ()
    lacks = f"the adapter of February 2021 has no {mode} (it came in April 2023)"
    return (f"{lacks}: this is today's rule with the kernels of 2021",)


def read_options(
    graph_def: Any,
    mode: str,
    library: LibraryInput = None,
    generation: str = "today",
    modify_mixlist: Optional[MixlistInput] = None,
    keep_dtype: Sequence[str] = (),
    customize_dtypes: Union[str, Path, None] = None,
    fusion_switch_file: Optional[SwitchesInput] = None,
) -> PlanOptions:
    """Return what decides every operator; the arguments are those of `assign`.

    Raises:
        PrecisionError: an argument is wrong, or this mode or generation has no such list or file.
    """
    wanted, age = read_mode(mode), read_generation(generation)
    table = load_library(library, age)
    for file, given in (("modify_mixlist", modify_mixlist), ("customize_dtypes", customize_dtypes)):
        found = None if given is None else unread(file, wanted.value, age.value)
        if found is not None:
            raise PrecisionError(file, found.reason, f"{found.needs}, or no {file}")
    colours: Mapping[str, Colour] = {name: each.colour for name, each in table.operators.items()}
    warnings: Tuple[str, ...] = ()
    if modify_mixlist is not None:
        colours, warnings = recoloured(modify_mixlist, table)
    custom = None if customize_dtypes is None else read_custom_dtypes(customize_dtypes)
    off = NOTHING_OFF if fusion_switch_file is None else read_switches(fusion_switch_file)
    kept = kept_nodes(graph_def, keep_dtype)
    changing = {"customize_dtypes": customize_dtypes is not None, "keep_dtype": bool(kept)}
    in_vain = without_effect((key for key, given in changing.items() if given), wanted.value)
    said = (f"{key}: {wanted} keeps every type, so it changes nothing" for key in in_vain)
    told = (*warnings, *said, *off.warnings, *_of_no_adapter(wanted, age))
    return PlanOptions(wanted, age, table, colours, custom, kept, off.passes, told)
