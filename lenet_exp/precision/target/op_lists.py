"""modify_mixlist: the vendor's JSON that moves operators between the lists.

Source: precision-modes.md 6.4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.target.modes import Colour
from lenet_exp.precision.target.operator_library import OperatorLibrary
from lenet_exp.precision.target.unlisted_types import why_unlisted
from lenet_exp.precision.target.vendor_files import parsed_json, text_given

MixlistInput = Union[str, Path, Mapping[str, Any]]

_LISTS = {"black-list": Colour.BLACK, "white-list": Colour.WHITE, "gray-list": Colour.GRAY}
_ARRAYS = ("to-add", "to-remove")
_ALLOWED = "remove from black or white; add to one list; add to one and remove from another list"
_EXAMPLE = '{"black-list": {"to-remove": ["ReduceMeanD"]}}'


class Change(NamedTuple):
    """What the file asks for one GE type: the lists it is added to and removed from."""

    added: Tuple[Colour, ...]
    removed: Tuple[Colour, ...]


def recoloured(
    source: MixlistInput, library: OperatorLibrary
) -> Tuple[Dict[str, Colour], Tuple[str, ...]]:
    """Return the library's colours as changed by a mixlist, and warnings of what does nothing.

    Args:
        source: a path, the file's text (it begins with "{"), or the parsed object.
        library: whose colours are changed; itself it is not.

    A removal that matches the library's colour gives gray, one that doesn't only warns; then
    comes what is added to black or white; adding to gray alone changes nothing; names that the
    library lacks only warn.

    Raises:
        PrecisionError: as the graph engine refuses to start: unreadable, empty, no JSON, other
            keys, no object or array where one must be, or an impossible combination.
    """
    colours = {name: operator.colour for name, operator in library.operators.items()}
    made = dict(colours)
    warnings = []
    for name, change in read_changes(source).items():
        if name not in colours:
            warnings.append(f"modify_mixlist: {name} {why_unlisted(name, library)}")
            continue
        for colour in change.removed:
            if colours[name] is colour:
                made[name] = Colour.GRAY
            else:
                warnings.append(
                    f"modify_mixlist: {name} is on the {colours[name]} list, so removing it "
                    f"from the {colour} list does nothing"
                )
        if change.added and change.added[0] is not Colour.GRAY:
            made[name] = change.added[0]
        elif change.added and not change.removed and colours[name] is not Colour.GRAY:
            warnings.append(
                f"modify_mixlist: {name} is on the {colours[name]} list, and adding it to the gray "
                f'list alone does nothing: "{colours[name]}-list" "to-remove" makes it gray'
            )
    return made, tuple(warnings)


def read_changes(source: MixlistInput) -> Dict[str, Change]:
    """Return what a mixlist asks for each GE type that it names; raises as `recoloured`."""
    found: Dict[str, Dict[str, List[Colour]]] = {key: {} for key in _ARRAYS}
    for list_name, arrays in _object(_content(source), "the file", tuple(_LISTS)).items():
        for key, names in _object(arrays, f'"{list_name}"', _ARRAYS).items():
            for name in _names(names, f'"{list_name}" "{key}"'):
                found[key].setdefault(name, []).append(_LISTS[list_name])
    added, removed = (found[key] for key in _ARRAYS)
    changes = {
        name: Change(tuple(added.get(name, ())), tuple(removed.get(name, ())))
        for name in (*added, *removed)
    }
    for name, change in changes.items():
        if not _possible(change):
            asked = [f"add to {colour}" for colour in change.added]
            asked += [f"remove from {colour}" for colour in change.removed]
            problem = f"{' and '.join(asked)} is no possible combination"
            raise PrecisionError(f"modify_mixlist {name}", problem, _ALLOWED)
    return changes


def as_lists(changes: Mapping[str, Change]) -> Dict[str, Dict[str, List[str]]]:
    """Return changes, by GE type, in the form of the file."""
    found: Dict[str, Dict[str, List[str]]] = {}
    for name, change in changes.items():
        for key, colours in zip(_ARRAYS, change):
            for colour in colours:
                found.setdefault(f"{colour}-list", {}).setdefault(key, []).append(name)
    return found


def _content(source: MixlistInput) -> Any:
    if isinstance(source, Mapping):
        return source
    where, text = text_given("modify_mixlist", source, _EXAMPLE)
    try:
        return parsed_json(text)
    except ValueError as error:
        raise PrecisionError(where, f"it is no JSON ({error})", _EXAMPLE) from error


def _object(value: Any, where: str, keys: Tuple[str, ...]) -> Mapping[str, Any]:
    allowed = "only the keys " + ", ".join(f'"{key}"' for key in keys)
    if not isinstance(value, Mapping):
        raise PrecisionError(f"modify_mixlist {where}", "it is no JSON object", allowed)
    for key in value:
        if key not in keys:
            raise PrecisionError(f"modify_mixlist {where}", f'it has the key "{key}"', allowed)
    return value


def _names(value: Any, where: str) -> Tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        remedy = 'an array of GE names, such as ["MatMulV2"]'
        raise PrecisionError(f"modify_mixlist {where}", "it is no array of names", remedy)
    return tuple(dict.fromkeys(value))


def _possible(change: Change) -> bool:
    added, removed = change.added, change.removed
    if len(added) > 1 or len(removed) > 1 or (Colour.GRAY in removed and not added):
        return False
    # Removing from gray goes with an addition only (white or black).
    return not (added and removed) or added[0] is not removed[0]
