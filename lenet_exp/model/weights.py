"""Trained values of a network's variables, out of TensorFlow Saver files."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.errors import DataError

_REMEDY = "another checkpoint: PREFIX of the files PREFIX.index and PREFIX.data-*"
# What TensorFlow's own reader raises besides: an IndexError of a file that is cut.
_DAMAGED = (ValueError, RuntimeError, OSError, LookupError, TypeError, MemoryError)


def read(prefix: Path) -> Dict[str, np.ndarray]:
    """Return every variable of the checkpoint `prefix`, slots and counters included, by name.

    Raises:
        DataError: it is not there, damaged, or no checkpoint of TensorFlow's version 2 format.
    """
    tf = tf_compat.load()
    try:
        with tf_compat.quiet():
            reader = tf.train.load_checkpoint(str(prefix))
            return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, *_DAMAGED) as error:
        problem = [*getattr(error, "message", str(error)).splitlines(), "damaged"][0]
        raise DataError(prefix, f"can't be read ({problem})", _REMEDY) from error
