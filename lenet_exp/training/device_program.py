"""Training in a session whose device draws its own batches and makes several steps a call.

The graph is built live, since the hardware puts its own optimizer and data source into it. What
an operator computes, the variables and their first values are those of graphs.py.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Callable, Iterator, NamedTuple, Sequence, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import HardwareError
from lenet_exp.training.graphs import Network, cross_entropy
from lenet_exp.training.history import Steps
from lenet_exp.training.loss_scale import scaling
from lenet_exp.training.optimizer import make_optimizer
from lenet_exp.training.runner import Program, Runner

# Adam's own two variables are made inside the update's cond, which has a name of its own here.
_IN_COND = re.compile(r"cond(_\d+)?/")


class Device(NamedTuple):
    """What the hardware supplies.

    `wrap_optimizer` (optimizer, Scaling.manager) -> its own around it, and the loss scale or None;
    `input_source` (labels placeholder, image shape, batch size) -> images, labels, initializer,
    all_images, all_labels, order; `loop` (session, operation, steps) -> operation of that many.
    """

    wrap_optimizer: Callable[[Any, Callable[[Any], Any]], Tuple[Any, Any]]
    input_source: Callable[[Any, Tuple[int, ...], int], Any]
    loop: Callable[[Any, Any, int], Any]


class DeviceProgram(NamedTuple):
    """The whole graph, and the hardware whose operators it has."""

    program: Program
    device: Device
    source: Any
    train: Any
    loss: Any
    state: Sequence[Any]  # steps made, updates applied, loss scale; fetched by themselves


def build(
    network: Network,
    image_shape: Sequence[int],
    sizes: Tuple[int, int],
    settings: Settings,
    device: Device,
) -> DeviceProgram:
    """Build training and inference; `sizes` are those of the training set, an inference batch."""
    tf = tf_compat.load()
    examples, inference_batch = sizes
    optimizer, manager = make_optimizer(settings.optimizer), scaling(settings.loss_scale).manager
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(settings.seed)
        # Inference first, after two operators: initial values are drawn by the number of
        # operators before theirs, and so are those of graphs.build_step.
        images = tf.placeholder(tf.float32, [inference_batch, *image_shape], "images")
        labels = tf.placeholder(tf.uint8, [examples], "labels")
        logits = network(images)
        classes = tf.argmax(logits, axis=1, output_type=tf.int32, name="classes")
        batch = settings.schedule.batch_size
        source = device.input_source(labels, tuple(image_shape), batch)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            loss = cross_entropy(network(source.images), source.labels, int(logits.shape[1]))
        train, state = _update(tf, *device.wrap_optimizer(optimizer, manager), loss)
        # A CPU's checkpoints have its stand-in for the chip's own flag.
        tf.get_variable("float_status", [], initializer=tf.zeros_initializer(), trainable=False)
        counters = [variable.op.name for variable in state[:2]]
        kept = {_name(v): v for v in tf.global_variables() if v.op.name not in counters}
        program = Program(
            graph, tf.global_variables_initializer(), images, classes,
            {f"{name}:0": variable for name, variable in kept.items()},
            tf.train.Saver(kept, max_to_keep=0),
        )  # fmt: skip
    return DeviceProgram(program, device, source, train, loss, state)


def _update(tf: Any, optimizer: Any, scale: Any, loss: Any) -> Tuple[Any, Sequence[Any]]:
    """Return the operation of a step, and what tells how many were made, applied, at what scale."""
    applied = tf.train.get_or_create_global_step()
    train = optimizer.apply_gradients(optimizer.compute_gradients(loss), global_step=applied)
    if scale is None:
        return train, [applied]
    # The global step counts applied updates: skipped ones and a loop that makes too few steps
    # would look alike.
    zero = tf.zeros_initializer()
    made = tf.get_variable("steps_made", [], tf.int64, zero, trainable=False)
    return tf.group(train, tf.assign_add(made, 1)), [made, applied, scale]


def _name(variable: Any) -> str:
    """Return the name under which a checkpoint keeps a variable: the same as on a CPU."""
    return _IN_COND.sub("update/", str(variable.op.name), count=1)


class DeviceRunner(Runner):
    """A program whose device draws its own batches, in the order that it was given.

    Every set of fetches is a graph that the device compiles, so there are few.
    """

    _before: Tuple[int, int]  # steps made, updates applied: when `make_steps` was last called

    def __init__(
        self,
        made: DeviceProgram,
        session: Any,
        fed: Sequence[np.ndarray],
        per_call: int,
        say: Callable[[str], None],
    ) -> None:
        """Initialise the iterator, alone, then the variables.

        `fed` are all training images and labels, uint8, and int32 [steps, batch]: what each step
        sees. `per_call` steps are asked of each call; `say` tells the person if the device makes
        others.
        """
        self._made, self._per_call, self._say = made, per_call, say
        self._looped: Any = None
        source = made.source
        with _device_errors():
            # Grouped with it, the variables would stay on the host, and the device's be zeros.
            session.run(source.initializer, feed_dict=dict(zip(source.fed, fed)))
            super().__init__(made.program, session)

    def make_steps(self, count: int) -> Steps:
        """Make `count` steps, a multiple of those of a call.

        Of a call the device tells the last loss, which stands for all of its steps, and how many
        updates were applied: the skipped ones are marked first, since nobody knows which they
        were.

        Raises:
            HardwareError: the device failed, or made another number of steps than before.
        """
        with _device_errors():
            losses = [self._begin()] if self._looped is None else []
            losses += [self._call() for _ in range(count // self._per_call - len(losses))]
            made, applied, scale = self._state()
        made_before, applied_before = self._before
        if made - made_before != count:
            problem = f"it made {made - made_before} steps where {count} were asked for"
            raise HardwareError("the chip", problem, "hardware.iterations_per_loop=1")
        skipped = count - (applied - applied_before)
        self._before = made, applied
        each = np.repeat(np.array(losses, np.float32), self._per_call)
        return Steps(each, np.arange(count) < skipped, scale)

    def _begin(self) -> float:
        """Make the first call, after the last initialiser and restore; return its loss.

        A loop that lacks any of its conditions makes one step a call, without a word: so those
        of a call are counted, not believed.
        """
        self._before = self._state()[:2]
        self._looped = self._made.device.loop(self.session, self._made.train, self._per_call)
        loss = self._call()
        made = self._state()[0] - self._before[0]
        if made == 1 != self._per_call:
            self._say(
                f"warning: the device makes 1 step a call, not {self._per_call}: the training is"
                " the same, and slower"
            )
            self._per_call = 1
        return loss

    def _call(self) -> float:
        _, loss = self.session.run([self._looped, self._made.loss])
        return float(loss)

    def _state(self) -> Tuple[int, int, float]:
        """Return steps made, updates applied (no more), and the loss scale after them.

        Fetched by themselves: beside the training the order would be undefined.
        """
        made, *others = self.session.run(list(self._made.state))
        applied, scale = others or (made, 1.0)
        return int(made), int(applied), float(scale)

    def classify(self, batch: np.ndarray) -> np.ndarray:
        """Return the class of each image of one whole batch."""
        pixels = batch.astype(np.float32) * np.float32(1 / 255)
        with _device_errors():
            feed = {self.program.images: pixels}
            found: np.ndarray = self.session.run(self.program.classes, feed_dict=feed)
        return found


@contextlib.contextmanager
def _device_errors() -> Iterator[None]:
    """Turn the device's refusal into an error that says what to do."""
    tf = tf_compat.load()
    try:
        yield
    except tf.errors.OpError as error:
        lines = [line.strip() for line in error.message.splitlines() if line.strip()]
        text = f"{type(error).__name__}: {lines[0] if lines else 'no text'}"
        remedy = "the device's own log: ASCEND_GLOBAL_LOG_LEVEL=1, in ~/ascend/log"
        raise HardwareError("the chip", text, remedy) from error
