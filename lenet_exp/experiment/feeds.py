"""What the steps of a person's own graph are fed, out of files."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Mapping, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.errors import DataError
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes
from lenet_exp.precision.ir.builder import set_attribute, set_inputs
from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.ir.op_traits import DATA, stand_in

_REMEDY = "np.savez(FILE, **{'images:0': array}), axis 0 the steps"
_CAPTURE = "the folder of a capture"
FED = ("Placeholder", "PlaceholderV2")  # which have no value of their own
# What numpy raises of files that are cut, damaged, no npz, or hold pickled objects.
_DAMAGED = (
    OSError, ValueError, LookupError, AttributeError, EOFError, TypeError, MemoryError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_feeds(path: Path, graph_def: Any) -> Dict[str, np.ndarray]:
    """Return what the tensors of a graph are fed, [steps, ...] each, from an npz.

    Raises:
        DataError: it is no npz, or an array in it can't be fed.
    """
    arrays = _arrays(path)
    nodes = {node.name: node for node in graph_def.node}
    for key, array in arrays.items():
        node = nodes.get(key.partition(":")[0])
        if node is None or not _has_output(node, key):
            offered = ", ".join(_inputs(graph_def.node)) or _REMEDY
            raise DataError(path, f"{key} is no tensor of the graph", offered)
        _check(path, key, array, node)
    return arrays


def _inputs(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        kinds = output_dtypes(node) if node.op in DATA and not stand_in(node) else ()
        yield from (f"{node.name}:{i}" for i, kind in enumerate(kinds) if kind.is_numpy_compatible)


def _arrays(path: Path) -> Dict[str, np.ndarray]:
    try:
        if path.exists() and not path.is_file():  # a pipe or /dev/zero has no end
            raise DataError(path, "is no regular file", _REMEDY)
        held = np.load(str(path))
    except _DAMAGED as error:
        raise DataError(path, "is no npz that can be read", _REMEDY) from error
    if isinstance(held, np.ndarray):
        raise DataError(path, "holds one array without a name, it is no npz", _REMEDY)
    arrays: Dict[str, np.ndarray] = {}
    with held:
        for key in held.files:
            name = key if ":" in key else f"{key}:0"
            if name in arrays:
                problem = f"holds {name} twice: as {name}, and as {name.partition(':')[0]}"
                raise DataError(path, problem, "one array for each tensor that is fed")
            try:
                arrays[name] = held[key]
            except _DAMAGED as error:
                problem = f"{name} can't be read: damaged, or no array of numbers"
                raise DataError(path, problem, _REMEDY) from error
            if not isinstance(arrays[name], np.ndarray):
                raise DataError(path, f"{name} is no array", _REMEDY)
    return arrays


def _has_output(node: Any, key: str) -> bool:
    _, _, slot = key.partition(":")
    known = tf_compat.op_def(node.op) is not None
    return slot.isdecimal() and (not known or int(slot) < len(output_dtypes(node)))


def _check(path: Path, key: str, array: np.ndarray, node: Any) -> None:
    """Refuse an array that has no steps, or steps that the tensor doesn't take."""
    if not array.ndim:
        raise DataError(path, f"{key} has no axis of steps", _REMEDY)
    if not len(array):
        raise DataError(path, f"{key} holds 0 steps", _REMEDY)
    if tf_compat.op_def(node.op) is None:
        return
    kind = output_dtypes(node)[slot_of(key)].base_dtype
    if not kind.is_numpy_compatible or not _becomes(array.dtype, kind.as_numpy_dtype):
        problem = f"{key} holds {array.dtype}, where the graph takes {kind.name}"
        raise DataError(path, problem, f"an array of {kind.name}")
    shape = node.attr["shape"].shape if node.op in DATA and "shape" in node.attr else None
    if shape is None or shape.unknown_rank or (node.op == "Placeholder" and not shape.dim):
        return  # before TensorFlow 1.0 a placeholder without dimensions took any
    wanted = tuple(dim.size for dim in shape.dim)
    given = array.shape[1:]
    if len(given) != len(wanted) or any(w not in (-1, g) for w, g in zip(wanted, given)):
        shown = ", ".join("any" if size < 0 else str(size) for size in wanted)
        problem = f"{key} holds steps of shape {list(given)}, where the graph takes [{shown}]"
        raise DataError(path, problem, f"an array of shape [steps{shown and ', '}{shown}]")


def cut_at_feeds(
    graph_def: Any, arrays: Mapping[str, np.ndarray]
) -> Tuple[Any, Dict[str, np.ndarray]]:
    """Return a graph in which all that is fed is a Placeholder, and the arrays by their tensors.

    A constant, a default or the output of an iterator that is fed is no more what it is in the
    graph: nothing may be folded or computed of its own value.
    """
    nodes = {node.name: node for node in graph_def.node}
    borders: Dict[str, str] = {}
    made = type(graph_def)()
    made.CopyFrom(graph_def)
    for key, array in arrays.items():
        node = nodes[node_of(key)]
        if node.op not in FED and tf_compat.op_def(node.op) is not None:
            borders[key] = f"{node.name}/fed_{slot_of(key)}"
            fed = made.node.add(name=borders[key], op="Placeholder")
            set_attribute(fed, "dtype", output_dtypes(node)[slot_of(key)].base_dtype)
            for size in array.shape[1:]:
                fed.attr["shape"].shape.dim.add(size=size)
            fed.attr["shape"].shape.SetInParent()
    for node in made.node if borders else ():
        texts = [borders.get(text if ":" in text else f"{text}:0", text) for text in node.input]
        if texts != list(node.input):
            set_inputs(node, texts)
    named = {key: f"{borders[key]}:0" if key in borders else key for key in arrays}
    return made, {named[key]: array for key, array in arrays.items()}


def _becomes(given: np.dtype, wanted: Any) -> bool:
    """Return whether values of a type are fed to one of another without a loss of their kind."""
    as_fed = np.dtype(wanted)
    if as_fed.kind == "O":  # texts
        return given.kind in "SU"
    is_number = given.kind in "biufc"
    of_numpy = as_fed.kind in "biufc"  # bfloat16 is not
    return is_number and (
        not of_numpy or given.kind in "biu" or bool(np.can_cast(given, as_fed, "same_kind"))
    )


def captured_fetches(path: Path) -> Tuple[str, ...]:
    """Return the fetches that capture.json names; none without that file.

    Raises:
        DataError: it is no such file.
    """
    try:
        said = json.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(path, "is no JSON that can be read", _CAPTURE) from error
    if not isinstance(said, dict):
        raise DataError(path, "holds no JSON object", _CAPTURE)
    fetches = said.get("fetches", [])
    if not isinstance(fetches, list) or not all(isinstance(each, str) for each in fetches):
        raise DataError(path, "fetches is no list of names", _CAPTURE)
    return tuple(fetches)
