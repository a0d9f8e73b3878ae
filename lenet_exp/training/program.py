"""What is put around the step: pixels, several steps a call, the scale's update, inference.

Tried on both stacks before it was chosen: the step's GraphDef, with ref variables and a cond of
version 1, imported into the body of a while loop. Ten steps a call give the same bits as ten
calls, in 0.96 (tf1) and 0.93 (tf2) of the time.
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import DynamicLossScale, LossScale
from lenet_exp.training.graphs import InferenceGraph, StepGraph
from lenet_exp.training.loss_scale import ScaleState, advance

STEPS_PER_CALL = 10


class Steps(NamedTuple):
    """What some steps did: `losses` float32 [k], `skipped` bool [k], `loss_scale` after them."""

    losses: np.ndarray
    skipped: np.ndarray
    loss_scale: float


def joined(parts: Sequence[Steps]) -> Steps:
    """Return what some steps and then others did, at least one, as one."""
    losses = np.concatenate([part.losses for part in parts])
    return Steps(losses, np.concatenate([part.skipped for part in parts]), parts[-1].loss_scale)


class Program(NamedTuple):
    """A session's graph with the tensors and operations that are run in it."""

    graph: Any
    init: Any
    step_images: Any  # uint8 [k, batch, ...]
    step_labels: Any  # uint8 [k, batch]
    steps: Sequence[Any]  # losses, finite, loss scale
    images: Any  # uint8 [inference batch, ...]
    classes: Any  # int32 [inference batch]
    variables: Dict[str, Any]  # name -> ref tensor: all that a checkpoint holds
    saver: Any  # of all variables


def assemble(step: StepGraph, inference: InferenceGraph, loss_scale: LossScale) -> Program:
    """Return the graph of a whole run; neither argument is modified."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        extract = tf.graph_util.extract_sub_graph
        tf.import_graph_def(extract(step.graph_def, list(step.init)), name="")
        variables = {name: graph.get_tensor_by_name(name) for name in step.variables}
        state = _state_of(tf, step, variables, loss_scale)
        counters, resets = _counters(tf, graph, (step, inference))
        begin = [graph.get_operation_by_name(name) for name in (*step.init, *resets)]
        init = tf.group(*begin, *_initializers(state))
        placeholders = _step_placeholders(tf, step)
        known = {**variables, **counters}
        steps = _loop(tf, step, known, state, loss_scale, placeholders)
        images, classes = _inference(tf, inference, known)
        kept = {**variables, **_own(state)}
        named = {name.partition(":")[0]: ref for name, ref in kept.items()}
        saver = tf.train.Saver(named, max_to_keep=0)  # which ones are kept is the record's to say
    return Program(graph, init, *placeholders, steps, images, classes, kept, saver)


def _counters(tf: Any, graph: Any, traced: Sequence[Any]) -> Tuple[Dict[str, Any], List[str]]:
    """Import the counters, which no checkpoint holds; return them and the names of their resets."""
    found, resets = {}, []
    for each in traced:
        if each.traces is not None:
            needed = tf.graph_util.extract_sub_graph(each.graph_def, [each.traces.reset])
            tf.import_graph_def(needed, name="")
            resets.append(each.traces.reset)
            for name in (each.traces.counts, each.traces.largest):
                found[name] = graph.get_tensor_by_name(name)
    return found, resets


def _state_of(
    tf: Any, step: StepGraph, variables: Dict[str, Any], settings: LossScale
) -> Optional[ScaleState]:
    """Return the dynamic scale's variables: the step's own scale, and two counters beside it."""
    if not isinstance(settings, DynamicLossScale) or step.loss_scale is None:
        return None
    counters = [tf.get_variable(name, initializer=0, trainable=False) for name in _COUNTERS]
    return ScaleState(variables[step.loss_scale], *counters)


_COUNTERS = ("good_steps", "bad_steps")


def _initializers(state: Optional[ScaleState]) -> List[Any]:
    return [] if state is None else [state.good.initializer, state.bad.initializer]


def _own(state: Optional[ScaleState]) -> Dict[str, Any]:
    return {} if state is None else {v.name: v for v in (state.good, state.bad)}


def _step_placeholders(tf: Any, step: StepGraph) -> Tuple[Any, Any]:
    shape = _shape_of(step.graph_def, step.images)
    images = tf.placeholder(tf.uint8, [None, *shape], "step_images")
    return images, tf.placeholder(tf.uint8, [None, shape[0]], "step_labels")


def _shape_of(graph_def: Any, tensor: str) -> List[int]:
    name = tensor.partition(":")[0]
    node = next(node for node in graph_def.node if node.name == name)
    return [int(dim.size) for dim in node.attr["shape"].shape.dim]


def _pixels(tf: Any, images: Any) -> Any:
    """Return uint8 0..255 as float32 0..1."""
    return tf.cast(images, tf.float32) * np.float32(1 / 255)


def _loop(
    tf: Any,
    step: StepGraph,
    variables: Dict[str, Any],
    state: Optional[ScaleState],
    settings: LossScale,
    placeholders: Tuple[Any, Any],
) -> Sequence[Any]:
    """Return losses, finite flags and the final scale of one step per row of the placeholders."""
    images, labels = placeholders
    count = tf.shape(images)[0]

    def body(index: Any, losses: Any, finites: Any) -> Tuple[Any, Any, Any]:
        inputs = {
            step.images: _pixels(tf, images[index]),
            step.labels: tf.cast(labels[index], tf.int32),
        }
        wanted = [step.loss, step.train] + ([step.finite] if step.finite else [])
        loss, train, *rest = _place(tf, step.graph_def, inputs, variables, wanted, "step")
        finite = rest[0] if rest else tf.constant(True)
        with tf.control_dependencies([train, *_update(tf, state, finite, settings)]):
            return (
                index + 1,
                losses.write(index, tf.identity(loss)),
                finites.write(index, tf.identity(finite)),
            )

    # One iteration at a time: the variables are shared by all of them.
    arrays = [tf.TensorArray(dtype, size=count) for dtype in (tf.float32, tf.bool)]
    _, losses, finites = tf.while_loop(
        lambda index, *_: index < count, body, [0, *arrays], parallel_iterations=1, back_prop=False
    )
    stacked = [losses.stack(), finites.stack()]
    with tf.control_dependencies(stacked):
        scale = tf.identity(state.scale) if state else tf.constant(_constant_scale(settings))
    return [*stacked, scale]


def _update(tf: Any, state: Optional[ScaleState], finite: Any, settings: LossScale) -> List[Any]:
    if state is None or not isinstance(settings, DynamicLossScale):
        return []
    after = advance(ScaleState(*(tf.identity(part) for part in state)), finite, settings)
    with tf.control_dependencies(list(after)):  # all three are computed before one is written
        return [tf.assign(part, value).op for part, value in zip(state, after)]


def _constant_scale(settings: LossScale) -> float:
    return float(getattr(settings, "value", 1.0))


def _inference(tf: Any, inference: InferenceGraph, variables: Dict[str, Any]) -> Tuple[Any, Any]:
    shape = _shape_of(inference.graph_def, inference.images)
    images = tf.placeholder(tf.uint8, shape, "inference_images")
    inputs = {inference.images: _pixels(tf, images)}
    wanted = [inference.classes]
    (classes,) = _place(tf, inference.graph_def, inputs, variables, wanted, "inference")
    return images, classes


def _place(
    tf: Any,
    graph_def: Any,
    inputs: Dict[str, Any],
    variables: Dict[str, Any],
    wanted: List[str],
    name: str,
) -> Sequence[Any]:
    """Import what `wanted` needs into the current graph, over its own variables; return it."""
    needed = tf.graph_util.extract_sub_graph(graph_def, [w.partition(":")[0] for w in wanted])
    present = {node.name for node in needed.node}
    used = {key: ref for key, ref in variables.items() if key.partition(":")[0] in present}
    return list(
        tf.import_graph_def(needed, input_map={**inputs, **used}, return_elements=wanted, name=name)
    )


def _reason(message: str) -> str:
    """Return the line that names a file and its problem, out of a report on the whole graph."""
    lines = message.splitlines()
    return next((line.strip() for line in lines if "; " in line), lines[0])


class Runner:
    """A program in a session: the only place that calls it."""

    def __init__(self, program: Program, session: Any) -> None:
        """Initialise the variables; the session stays the caller's to close."""
        self.program = program
        self.session = session
        session.run(program.init)
        self._steps = session.make_callable(
            list(program.steps), [program.step_images, program.step_labels]
        )
        self.classes = session.make_callable(program.classes, [program.images])

    def run_steps(self, images: np.ndarray, labels: np.ndarray) -> Steps:
        """Make one step per row: `images` uint8 [k, batch, ...], `labels` uint8 [k, batch]."""
        losses, finite, scale = self._steps(images, labels)
        return Steps(losses, np.logical_not(finite), float(scale))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each of `images`, uint8 [n, ...] -> uint8 [n]."""
        size = int(self.program.images.shape[0])
        found = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            missing = size - len(part)
            padded = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])
            found.append(self.classes(padded if missing else part)[: len(part)])
        return np.concatenate(found).astype(np.uint8)

    def save(self, prefix: str) -> None:
        """Write every variable as TensorFlow Saver files `prefix`.index and `prefix`.data-*.

        Raises:
            OSError: they can't be written.
        """
        with _told():
            self.program.saver.save(self.session, prefix, write_meta_graph=False, write_state=False)

    def restore(self, prefix: str) -> None:
        """Set every variable to what `save` wrote at `prefix`.

        Raises:
            OSError: the files are not there, damaged, or of another program.
        """
        with _told():
            self.program.saver.restore(self.session, prefix)

    def start_from(self, prefix: str, names: Sequence[str]) -> None:
        """Set the variables `names` to what any Saver wrote at `prefix`; leave the others.

        Raises:
            OSError: the files are not there, or damaged.
        """
        tf = tf_compat.load()
        chosen = {name: self.program.variables[f"{name}:0"] for name in names}
        with self.session.graph.as_default(), _told():
            tf.train.Saver(chosen).restore(self.session, prefix)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn TensorFlow's refusal of a file into an OSError."""
    tf = tf_compat.load()
    try:
        yield
    except (tf.errors.OpError, ValueError) as error:  # ValueError: there is no such file
        raise OSError(_reason(getattr(error, "message", str(error)))) from error
