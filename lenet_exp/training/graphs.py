"""The graphs a precision mode acts on: one training step, and the inference of one batch.

Both begin at float32 images and int32 labels, as on the chip, where drawing a batch and scaling
its pixels are the host's work. Shapes are static.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import LossScale, Optimizer
from lenet_exp.training.loss_scale import scaling
from lenet_exp.training.optimizer import make_optimizer

# float32 [batch, ...] -> float32 [batch, classes], making its variables by get_variable.
Network = Callable[[Any], Any]


class StepGraph(NamedTuple):
    """One training step as a GraphDef, and the names in it.

    `images` float32 [batch, ...], `labels` int32 [batch], `loss` float32 [] are tensors;
    `train` and each of `init` operations; `variables` the ref variables' tensors, slots included.
    `finite` bool [] says whether the update was made, None if it always is; `loss_scale` is the
    variable of a dynamic scale, which the step reads and never writes. `traces` names counters
    that are no part of a run's state (`counts`, `largest`, `reset`), if the graph has any.
    """

    graph_def: Any
    images: str
    labels: str
    loss: str
    train: str
    init: Tuple[str, ...]
    variables: Tuple[str, ...]
    finite: Optional[str]
    loss_scale: Optional[str]
    traces: Any = None

    @property
    def fetches(self) -> Tuple[str, ...]:
        """What a run of the step asks for."""
        return tuple(name for name in (self.train, self.loss, self.finite) if name is not None)


class InferenceGraph(NamedTuple):
    """The inference of one batch: `images` float32 [batch, ...] -> `classes` int32 [batch].

    `traces` as in StepGraph.
    """

    graph_def: Any
    images: str
    classes: str
    traces: Any = None

    @property
    def variables(self) -> Dict[str, Tuple[int, ...]]:
        """The network's own variables: name -> shape. No slot, scale or counter is among them."""
        nodes = (node for node in self.graph_def.node if node.op == "VariableV2")
        return {
            node.name: tuple(int(dim.size) for dim in node.attr["shape"].shape.dim)
            for node in nodes
        }


def build_step(
    network: Network,
    image_shape: Sequence[int],
    batch_size: int,
    optimizer: Optimizer,
    loss_scale: LossScale,
    seed: int,
    classes: int = 10,
) -> StepGraph:
    """Build one training step; `seed` fixes the initial values."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(seed)
        images = tf.placeholder(tf.float32, [batch_size, *image_shape], "images")
        labels = tf.placeholder(tf.int32, [batch_size], "labels")
        loss = cross_entropy(network(images), labels, classes)
        train, *optional = scaling(loss_scale).update(make_optimizer(optimizer), loss)
        variables = tuple(variable.name for variable in tf.global_variables())
        init = tf.global_variables_initializer()
    tensors = (images.name, labels.name, loss.name)
    finite, scale = (None if each is None else each.name for each in optional)
    graph_def = graph.as_graph_def()
    return StepGraph(graph_def, *tensors, train.name, (init.name,), variables, finite, scale)


def cross_entropy(logits: Any, labels: Any, classes: int) -> Any:
    """Return the mean softmax cross-entropy of one-hot labels, as the ModelZoo has it."""
    tf = tf_compat.load()
    with tf.variable_scope("loss"):
        one_hot = tf.one_hot(labels, classes)
        each = tf.nn.softmax_cross_entropy_with_logits_v2(labels=one_hot, logits=logits)
        return tf.reduce_mean(each, name="mean")


def build_inference(
    network: Network, image_shape: Sequence[int], batch_size: int
) -> InferenceGraph:
    """Build the inference of one batch, with the step's variable names."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [batch_size, *image_shape], "images")
        classes = tf.argmax(network(images), axis=1, output_type=tf.int32, name="classes")
    return InferenceGraph(graph.as_graph_def(), images.name, classes.name)
