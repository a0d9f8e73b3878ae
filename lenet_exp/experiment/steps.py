"""A training step with its values: LeNet's, a recorded run's, or of a person's own graph."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import MappingProxyType
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
from lenet_exp.config.checkpoint_path import prefix_of
from lenet_exp.config.schema.hardware import Chip
from lenet_exp.config.schema.run import PRECISION_FILES, Settings, precision_files
from lenet_exp.data.batches import drawn_from
from lenet_exp.errors import DataError, WordError
from lenet_exp.experiment.dataset import load_for
from lenet_exp.experiment.feeds import FED, captured_fetches, cut_at_feeds, read_feeds
from lenet_exp.experiment.graphs import build_graphs
from lenet_exp.model import weights
from lenet_exp.precision import Plan, assign, load_graph
from lenet_exp.precision.analysis.input_shapes import open_inputs, with_input_shapes
from lenet_exp.precision.diagnosis.refusals import computed, in_words
from lenet_exp.precision.ir.graph import Graph, read_graph
from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.ir.op_traits import VARIABLES
from lenet_exp.precision.planning.options import unread
from lenet_exp.precision.planning.prune import default_roots, fetched_nodes, needed

CAPTURED = "graph.meta", "feeds.npz", "capture.json"
_WAITING = ("IteratorGetNext", "QueueDequeue", "ReaderRead")  # for what no step here does
_CHECKPOINT = "another checkpoint of this network"


class Step(NamedTuple):
    """A training step: its graph, what it fetches, and the values of its variables before it.

    `feeds(number)`: what step `number`, from 0, is fed, by tensor; `steps` how many there are,
    None for no end. `settings` of the run it is of, of a person's graph None; `shapes` of inputs,
    by name, that such a graph leaves open and its feeds have.
    """

    graph_def: Any
    fetches: Tuple[str, ...]
    values: Mapping[str, np.ndarray]
    feeds: Callable[[int], Dict[str, np.ndarray]]
    steps: Optional[int]
    settings: Optional[Settings]
    shapes: Mapping[str, Tuple[int, ...]] = MappingProxyType({})


def lenet_step(settings: Settings, checkpoint: Optional[Path] = None) -> Step:
    """Return the step of a run, with its first values or those of a checkpoint.

    Raises:
        DataError: the data or the checkpoint can't be read, or it is of another network.
    """
    step = build_graphs(settings).step
    draw = drawn_from(load_for(settings).train, settings.seed, settings.schedule.batch_size)

    def feeds(number: int) -> Dict[str, np.ndarray]:
        images, labels = draw(number, 1)
        pixels = images[0].astype(np.float32) * np.float32(1 / 255)
        return {step.images: pixels, step.labels: labels[0].astype(np.int32)}

    names = [name.partition(":")[0] for name in step.variables]
    values = _initial(step.graph_def, step.init, names)
    if checkpoint is not None:
        values.update(_saved(checkpoint, names))
    return Step(step.graph_def, step.fetches, values, feeds, None, settings)


def graph_step(
    graph: Path, feeds: Path, fetches: Sequence[str], checkpoint: Optional[Path] = None
) -> Step:
    """Return the step of a person's own graph.

    Without a checkpoint the values are those of the files beside the graph, else of the graph's
    own initialisers.

    Raises:
        GraphError: it is no graph.
        DataError: a file can't be read, or lacks something.
    """
    tf_compat.look_for_no_clusters()
    loaded = load_graph(graph)
    arrays = read_feeds(feeds, loaded.graph_def)
    shapes = _open_shapes(loaded.graph_def, arrays)
    try:
        shaped = with_input_shapes(loaded.graph_def, shapes=shapes)
    except WordError as error:
        what, problem, _ = error.args
        raise DataError(feeds, f"{what}: {problem}", "arrays that fit each other") from error
    named = tuple(fetches) or loaded.fetches or default_roots(read_graph(loaded.graph_def))
    fetched = tuple(each for each in named if f"{node_of(each)}:{slot_of(each)}" not in arrays)
    graph_def, given = cut_at_feeds(shaped, arrays)
    names = _variables(feeds, graph_def, fetched, given)
    if checkpoint is not None or prefix_of(graph) is not None:
        values = _saved(checkpoint or graph, names)
    else:
        values = _initial(loaded.graph_def, _initialisers(graph, loaded.graph_def, names), names)
    steps = min((len(array) for array in given.values()), default=1)

    def fed(number: int) -> Dict[str, np.ndarray]:
        return {name: array[number % steps] for name, array in given.items()}

    return Step(graph_def, fetched, values, fed, steps, None, shapes)


def _open_shapes(graph_def: Any, arrays: Mapping[str, np.ndarray]) -> Dict[str, Tuple[int, ...]]:
    """Return what the graph leaves open: the chip compiles it for the shapes that it is fed."""
    left_open = {name if ":" in name else f"{name}:0": name for name in open_inputs(graph_def)}
    return {left_open[key]: each.shape[1:] for key, each in arrays.items() if key in left_open}


def _variables(
    path: Path, graph_def: Any, fetches: Sequence[str], given: Mapping[str, np.ndarray]
) -> List[str]:
    """Return the variables that a step takes; refuse feeds that lack what it also takes."""
    graph = read_graph(graph_def)
    taken = needed(graph, fetched_nodes(graph, fetches))
    kept = [name for name in graph.nodes if name in taken]
    lacking = [name for name in _from_outside(graph, kept) if name not in given]
    if lacking:
        named = ", ".join(lacking)
        raise DataError(path, f"lacks {named}, which the step takes", "an array of each, too")
    return [name for name in kept if graph.nodes[name].op in VARIABLES]


def _from_outside(graph: Graph, names: Sequence[str]) -> Iterator[str]:
    """Yield the tensors that a step of some nodes is given, by a feed, a queue or an iterator.

    An iterator that makes itself ready is none of them.
    """
    read = {tensor for name in names for tensor in graph.data[name]}
    slots: Dict[str, List[int]] = {}
    for node, slot in sorted(read):
        slots.setdefault(node, []).append(slot)
    for name in names:
        op, data = graph.nodes[name].op, graph.data[name]
        if op in FED:
            yield f"{name}:0"
        elif op.startswith(_WAITING) and graph.nodes[data[0].node].op != "OneShotIterator":
            yield from (f"{name}:{slot}" for slot in slots.get(name, ()))


def plan_of(step: Step, settings: Settings, mode: Optional[str] = None, **options: Any) -> Plan:
    """Return the plan of a step under the precision settings, or another mode of them.

    Of the settings' files another mode has those that it reads.
    """
    wanted, generation = mode or settings.precision.mode, settings.hardware.cann
    files = {
        key: path
        for key, path in precision_files(settings).items()
        if mode is None or not unread(key, wanted, generation)
    }
    named = {"keep_dtype": settings.precision.keep_dtype, **files, **options}
    return assign(step.graph_def, wanted, fetches=step.fetches, generation=generation, **named)


def with_precision(settings: Settings, other: Settings) -> Settings:
    """Return settings with the precision of others; what a chip's keys say of it is gone, too."""
    hardware = settings.hardware
    if isinstance(hardware, Chip):
        said: Dict[str, Any] = dict.fromkeys((*PRECISION_FILES, "precision_mode_v2"))
        hardware = dataclasses.replace(hardware, **said)
    return dataclasses.replace(settings, precision=other.precision, hardware=hardware)


def _initial(graph_def: Any, init: Sequence[str], names: Sequence[str]) -> Dict[str, np.ndarray]:
    """Return what initialisers make of variables."""
    if not names:
        return {}
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph, in_words():
        # Alone: the rest may have operators that only the chip knows.
        tf.import_graph_def(tf.graph_util.extract_sub_graph(graph_def, [*init, *names]), name="")
        reads = {name: _read_of(graph, name) for name in names}
    with cpu_session.open_session(graph, 0, optimize=False) as session:
        computed(session, list(init), {})
        found: Dict[str, np.ndarray] = computed(session, reads, {})
    return found


def _read_of(graph: Any, name: str) -> Any:
    tf, variable = tf_compat.load(), graph.get_tensor_by_name(f"{name}:0")
    if variable.dtype != tf.resource:
        return variable
    kind = variable.op.get_attr("dtype")
    return tf.raw_ops.ReadVariableOp(resource=variable, dtype=kind)


def _initialisers(path: Path, graph_def: Any, names: Sequence[str]) -> List[str]:
    """Return what assigns each variable first: the node VARIABLE/Assign."""
    nodes = read_graph(graph_def).nodes
    lacking = [name for name in names if f"{name}/Assign" not in nodes]
    if lacking:
        problem = f"gives the variable {lacking[0]} no first value: there is no {lacking[0]}/Assign"
        raise DataError(path, problem, "checkpoint=DIR, which has its value")
    return [f"{name}/Assign" for name in names]


def _saved(path: Path, names: Sequence[str]) -> Dict[str, np.ndarray]:
    prefix = prefix_of(path)
    if prefix is None:
        raise DataError(path, "holds no checkpoint", "a run folder, or PREFIX of PREFIX.index")
    saved = weights.read(prefix)
    lacking = [name for name in names if name not in saved]
    if lacking:
        raise DataError(path, f"holds no {lacking[0]}", _CHECKPOINT)
    return {name: saved[name] for name in names}


def captured_step(folder: Path, fetches: Sequence[str]) -> Step:
    """Return the step of a captured script: graph.meta, feeds.npz, capture.json, checkpoint-N.

    Raises:
        DataError: a file is not there or can't be read.
    """
    graph, feeds, said = (folder / name for name in CAPTURED)
    known = captured_fetches(said)
    named = re.compile(r"(checkpoint-(\d+))\.index")
    found = [match for match in map(named.fullmatch, _names(folder)) if match is not None]
    last = max(found, key=lambda match: int(match.group(2)), default=None)
    prefix = None if last is None else folder / last.group(1)
    return graph_step(graph, feeds, tuple(fetches) or known, prefix)


def _names(folder: Path) -> List[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError as error:
        raise DataError(folder, "can't be read", "the folder of a capture") from error
