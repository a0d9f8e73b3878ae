"""Images -> classes and probabilities, in batches of one size."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.inference.frozen import IMAGE, OUTPUTS


class Classified(NamedTuple):
    """`classes` int32 [n], `probabilities` float32 [n, classes], `seconds` of all calls."""

    classes: np.ndarray
    probabilities: np.ndarray
    seconds: float


def graph_of(graph_def: Any) -> Any:
    """Return a tf.Graph of a frozen GraphDef."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    return graph


def classify(session: Any, images: np.ndarray, batch: int) -> Classified:
    """Classify `images`, uint8 [n, ...] of 0..255, n > 0, in a session of a frozen graph.

    The last batch is filled up, and what the filling gives is discarded. The first batch is run
    once before, and in no time: a chip compiles then.
    """
    run = session.make_callable([OUTPUTS["probabilities"], OUTPUTS["class"]], [IMAGE])
    parts, seconds = [], 0.0
    run(_batch(images, 0, batch))
    for start in range(0, len(images), batch):
        filled = _batch(images, start, batch)
        began = time.perf_counter()
        probabilities, classes = run(filled)
        seconds += time.perf_counter() - began
        real = min(batch, len(images) - start)
        parts.append((classes[:real], probabilities[:real]))
    found = [np.concatenate(part) for part in zip(*parts)]
    return Classified(found[0], found[1], seconds)


def _batch(images: np.ndarray, start: int, size: int) -> np.ndarray:
    """Return `size` images from `start` on as float32 of 0..1, black ones at the end."""
    part = images[start : start + size]
    filled = np.zeros((size, *images.shape[1:]), np.float32)
    filled[: len(part)] = part.astype(np.float32) * np.float32(1 / 255)
    return filled
