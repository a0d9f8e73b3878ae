"""Images -> classes and probabilities, in batches of one size."""

from __future__ import annotations

import time
from typing import Any, Callable, NamedTuple, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.inference.frozen import IMAGE, OUTPUTS

# float32 [batch, ...] of 0..1 -> probabilities [batch, classes], classes [batch].
Infer = Callable[[np.ndarray], Tuple[np.ndarray, np.ndarray]]


class Classified(NamedTuple):
    """`classes` int32 [n], `probabilities` float32 [n, classes], `seconds` of all calls."""

    classes: np.ndarray
    probabilities: np.ndarray
    seconds: float


def runner(session: Any) -> Infer:
    """Return what calls a session of a frozen graph."""
    return session.make_callable(  # type: ignore[no-any-return]
        [OUTPUTS["probabilities"], OUTPUTS["class"]], [IMAGE]
    )


def graph_of(graph_def: Any) -> Any:
    """Return a tf.Graph of a frozen GraphDef."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    return graph


def classify(
    run: Infer, images: np.ndarray, batch: int, clock: Callable[[], float] = time.perf_counter
) -> Classified:
    """Classify `images`, uint8 [n, ...] of 0..255, n > 0.

    The last batch is filled up, and what the filling gives is discarded. The first batch is run
    once before, and in no time: a chip compiles then.
    """
    parts, seconds = [], 0.0
    run(_batch(images, 0, batch))
    for start in range(0, len(images), batch):
        filled = _batch(images, start, batch)
        began = clock()
        probabilities, classes = run(filled)
        seconds += clock() - began
        real = min(batch, len(images) - start)
        parts.append((classes[:real], probabilities[:real]))
    found_classes, found_probabilities = (np.concatenate(part) for part in zip(*parts))
    return Classified(found_classes, found_probabilities, seconds)


def _batch(images: np.ndarray, start: int, size: int) -> np.ndarray:
    """Return `size` images from `start` on as float32 of 0..1, black ones at the end."""
    part = images[start : start + size]
    filled = np.zeros((size, *images.shape[1:]), np.float32)
    filled[: len(part)] = part.astype(np.float32) * np.float32(1 / 255)
    return filled
