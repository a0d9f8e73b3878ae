"""What our loop is held against: LeNet on MNIST, trained in the ways people write it.

Each function returns what makes k steps. Batches of 64, Adam's defaults, float32; the data is in
memory before the first step.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.data.mnist import Split
from lenet_exp.hardware import cpu
from lenet_exp.model import lenet

BATCH = 64
Loop = Callable[[int], None]


def hand_written(data: Split, threads: int) -> Loop:
    """Return the shortest loop: data in the graph, and `session.run(train)`, nothing else."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        given = [tf.placeholder(array.dtype, array.shape) for array in data]
        images, labels = (tf.Variable(each, trainable=False, dtype=each.dtype) for each in given)
        counter = tf.Variable(0, trainable=False)
        start = tf.mod(tf.assign_add(counter, BATCH), len(data.labels) - BATCH)
        batch = tf.cast(tf.slice(images, [start, 0, 0, 0], [BATCH, 28, 28, 1]), tf.float32)
        classes = tf.cast(tf.slice(labels, [start], [BATCH]), tf.int32)
        logits = lenet.logits(batch * np.float32(1 / 255))
        each = tf.nn.softmax_cross_entropy_with_logits_v2(tf.one_hot(classes, 10), logits)
        train = tf.train.AdamOptimizer().minimize(tf.reduce_mean(each))
        init = tf.global_variables_initializer()
    session = cpu.open_session(graph, threads)
    session.run(init, dict(zip(given, data)))

    def loop(steps: int) -> None:
        for _ in range(steps):
            session.run(train)

    return loop


def modelzoo(data: Split, threads: int, folder: Path) -> Loop:
    """Return the ModelZoo's way: tf.data over float32 images, summaries and a print each step."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        pixels = (data.images / np.float32(255)).reshape(-1, 784)
        truth = np.eye(10)[data.labels]  # float64, as there
        given = [tf.placeholder(array.dtype, array.shape) for array in (pixels, truth)]
        made = tf.data.Dataset.from_tensor_slices(tuple(given))
        made = made.shuffle(len(truth)).repeat().batch(BATCH, drop_remainder=True)
        iterator = tf.data.make_initializable_iterator(made)
        batch, labels = iterator.get_next()
        logits = lenet.logits(tf.reshape(batch, [BATCH, 28, 28, 1]))
        labels = tf.cast(labels, tf.float32)
        each = tf.nn.softmax_cross_entropy_with_logits_v2(labels, logits)
        loss = tf.reduce_mean(each)
        right = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
        tf.summary.scalar("loss", loss)
        tf.summary.scalar("accuracy", tf.reduce_mean(tf.cast(right, tf.float32)))
        train = tf.train.AdamOptimizer().minimize(loss)
        fetches = [train, loss, tf.summary.merge_all()]
        init = tf.global_variables_initializer()
    session = cpu.open_session(graph, threads)
    session.run(init)
    session.run(iterator.initializer, dict(zip(given, (pixels, truth))))
    writer = tf.summary.FileWriter(str(folder), graph)
    screen = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
    made_so_far = [0]

    def loop(steps: int) -> None:
        for _ in range(steps):
            _, value, summary = session.run(fetches)
            writer.add_summary(summary, made_so_far[0])
            print(f"step : {made_so_far[0]}----loss : {value}", file=screen, flush=True)
            made_so_far[0] += 1

    return loop


def torch_eager(data: Split, channels_last: bool = False) -> Loop:
    """Return PyTorch's usual loop."""
    import torch
    from torch import nn

    network: Any = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(784, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip
    images = torch.from_numpy(data.images.reshape(-1, 1, 28, 28).copy())
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    labels = torch.from_numpy(data.labels.astype(np.int64))
    optimizer = torch.optim.Adam(network.parameters())
    start = [0]

    def loop(steps: int) -> None:
        for _ in range(steps):
            begin = start[0] = (start[0] + BATCH) % (len(labels) - BATCH)
            batch = images[begin : begin + BATCH].float() / 255
            if channels_last:
                batch = batch.to(memory_format=torch.channels_last)
            optimizer.zero_grad()
            logits = network(batch)
            loss = nn.functional.cross_entropy(logits, labels[begin : begin + BATCH])
            loss.backward()
            optimizer.step()

    return loop


def _jax_step() -> Callable[..., Any]:
    """Return one step of JAX: (weights, Adam's moments, count) and data in, the same out."""
    import jax
    from jax import numpy as jnp

    def logits(weights: Any, batch: Any) -> Any:
        hidden = batch
        window, named = (1, 2, 2, 1), ("NHWC", "HWIO", "NHWC")
        for kernel, bias in weights[:2]:
            hidden = jax.lax.conv_general_dilated(
                hidden, kernel, (1, 1), "SAME", dimension_numbers=named
            )
            hidden = jax.nn.sigmoid(hidden + bias)
            hidden = jax.lax.reduce_window(hidden, -jnp.inf, jax.lax.max, window, window, "SAME")
        hidden = hidden.reshape(BATCH, 784)
        for kernel, bias in weights[2:-1]:
            hidden = jax.nn.sigmoid(hidden @ kernel + bias)
        return hidden @ weights[-1][0] + weights[-1][1]

    def loss(weights: Any, batch: Any, labels: Any) -> Any:
        chosen = jax.nn.log_softmax(logits(weights, batch))[jnp.arange(BATCH), labels]
        return -jnp.mean(chosen)

    def step(state: Any, images: Any, labels: Any, start: Any) -> Any:
        weights, first, second, count = state
        batch = jax.lax.dynamic_slice_in_dim(images, start, BATCH).astype(jnp.float32) / 255
        truth = jax.lax.dynamic_slice_in_dim(labels, start, BATCH)
        gradients = jax.grad(loss)(weights, batch, truth)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        rate = 0.001 * jnp.sqrt(1 - 0.999 ** (count + 1)) / (1 - 0.9 ** (count + 1))
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8), weights, first, second
        )
        return weights, first, second, count + 1

    return step


def jax_jit(data: Split) -> Loop:
    """Return JAX's loop: the whole step under jit, the state donated."""
    import jax
    from jax import numpy as jnp

    shapes = ((5, 5, 1, 6), (5, 5, 6, 16), (784, 120), (120, 84), (84, 10))
    random = np.random.RandomState(0)
    weights = [(jnp.asarray(random.randn(*s) * 0.1, jnp.float32), jnp.zeros(s[-1])) for s in shapes]
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    state = [(weights, *zeros, jnp.zeros(()))]
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels.astype(np.int32))
    compiled, start = jax.jit(_jax_step(), donate_argnums=0), [0]

    def loop(steps: int) -> None:
        for _ in range(steps):
            start[0] = (start[0] + BATCH) % (len(labels) - BATCH)
            state[0] = compiled(state[0], images, labels, start[0])
        jax.block_until_ready(state[0])

    return loop
