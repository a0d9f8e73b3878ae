"""What is put around the step: pixels, several steps a call, the scale's update, inference.

Tried on both stacks before it was chosen: the step's GraphDef, with ref variables and a cond of
version 1, imported into the body of a while loop. Ten steps a call give the same bits as ten
calls, in 0.96 (tf1) and 0.93 (tf2) of the time.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import LossScale
from lenet_exp.training.graphs import InferenceGraph, StepGraph
from lenet_exp.training.history import Steps
from lenet_exp.training.loss_scale import Scaling, scaling
from lenet_exp.training.runner import Program, Runner

# (first step, steps) -> uint8 images [steps, batch, ...] and labels [steps, batch].
Draw = Callable[[int, int], Tuple[np.ndarray, np.ndarray]]


class FedProgram(NamedTuple):
    """The whole graph; of the steps: what is fed, and losses, finite flags, scale after them."""

    program: Program
    images: Any  # uint8 [k, batch, ...]
    labels: Any  # uint8 [k, batch]
    steps: Sequence[Any]


def assemble(step: StepGraph, inference: InferenceGraph, loss_scale: LossScale) -> FedProgram:
    """Return the graph of a whole run; neither argument is modified."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        extract = tf.graph_util.extract_sub_graph
        tf.import_graph_def(extract(step.graph_def, list(step.init)), name="")
        variables = {name: graph.get_tensor_by_name(name) for name in step.variables}
        scaled = scaling(loss_scale)
        counters = scaled.counters()
        own = [] if step.loss_scale is None else [variables[step.loss_scale]]
        traces, resets = _traces(tf, graph, (step, inference))
        begin = [graph.get_operation_by_name(name) for name in (*step.init, *resets)]
        init = tf.group(*begin, *(variable.initializer for variable in counters))
        placeholders = _step_placeholders(tf, step)
        known = {**variables, **traces}
        steps = _loop(tf, step, known, (scaled, own + counters), placeholders)
        images, classes = _inference(tf, inference, known)
        kept = {**variables, **{variable.name: variable for variable in counters}}
        named = {name.partition(":")[0]: ref for name, ref in kept.items()}
        saver = tf.train.Saver(named, max_to_keep=0)  # which ones are kept is the record's to say
    return FedProgram(Program(graph, init, images, classes, kept, saver), *placeholders, steps)


def _traces(tf: Any, graph: Any, traced: Sequence[Any]) -> Tuple[Dict[str, Any], List[str]]:
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
    scale: Tuple[Scaling, Sequence[Any]],
    placeholders: Tuple[Any, Any],
) -> Sequence[Any]:
    """Return losses, finite flags and the final scale of one step per row of the placeholders."""
    (images, labels), (scaled, state) = placeholders, scale
    count = tf.shape(images)[0]

    def body(index: Any, losses: Any, finites: Any) -> Tuple[Any, Any, Any]:
        inputs = {
            step.images: _pixels(tf, images[index]),
            step.labels: tf.cast(labels[index], tf.int32),
        }
        wanted = [step.loss, step.train] + ([step.finite] if step.finite else [])
        loss, train, *rest = _place(tf, step.graph_def, inputs, variables, wanted, "step")
        finite = rest[0] if rest else tf.constant(True)
        with tf.control_dependencies([train, *scaled.advance(state, finite)]):
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
        return [*stacked, scaled.current(state)]


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


class FedRunner(Runner):
    """A program whose batches are fed, several steps a call."""

    longest_call = 10

    def __init__(self, made: FedProgram, session: Any, draw: Draw, first_step: int = 0) -> None:
        """Initialise the variables; the steps from `first_step` on are made of what is drawn."""
        super().__init__(made.program, session)
        self.step = first_step
        self._draw = draw
        self._steps = session.make_callable(list(made.steps), [made.images, made.labels])
        self._classes = session.make_callable(made.program.classes, [made.program.images])

    def make_steps(self, count: int) -> Steps:
        """Draw the batches of the next `count` steps, and make them."""
        parts = []
        for done in range(0, count, self.longest_call):
            steps = min(self.longest_call, count - done)
            parts.append(self.call(*self._draw(self.step, steps)))
            self.step += steps
        losses, skipped, scales = zip(*parts)
        return Steps(np.concatenate(losses), np.concatenate(skipped), scales[-1])

    def call(self, images: np.ndarray, labels: np.ndarray) -> Steps:
        """Make one step per row: `images` uint8 [k, batch, ...], `labels` uint8 [k, batch]."""
        losses, finite, scale = self._steps(images, labels)
        return Steps(losses, np.logical_not(finite), float(scale))

    def classify(self, batch: np.ndarray) -> np.ndarray:
        """Return the class of each image of one whole batch."""
        classes: np.ndarray = self._classes(batch)
        return classes
