"""A program in a session of any device: makes steps, predicts, saves and restores variables."""

from __future__ import annotations

import abc
import contextlib
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.training.history import Steps


class Program(NamedTuple):
    """What every device's graph has, and a session of it runs."""

    graph: Any
    init: Any
    images: Any  # [inference batch, ...]
    classes: Any  # int32 [inference batch]
    variables: Dict[str, Any]  # name -> ref tensor: all that a checkpoint holds
    saver: Any  # of all variables


class Findings(NamedTuple):
    """What was found out besides: files for the record, name -> content, and a text to show."""

    files: Dict[str, str]
    text: str


class Runner(abc.ABC):
    """A program in a session, which stays the caller's to close: the only place that calls it."""

    def __init__(self, program: Program, session: Any) -> None:
        """Initialise the variables."""
        self.program = program
        self.session = session
        session.run(program.init)

    @abc.abstractmethod
    def make_steps(self, count: int) -> Steps:
        """Make the next `count` steps; return when their work is done."""

    @abc.abstractmethod
    def classify(self, batch: np.ndarray) -> np.ndarray:
        """Return the class of each image of one whole batch, uint8 [batch, ...] -> int32."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each of `images`, uint8 [n, ...] -> uint8 [n]."""
        size = int(self.program.images.shape[0])
        missing = np.zeros((-len(images) % size, *images.shape[1:]), images.dtype)
        whole = np.concatenate([images, missing])
        found = [self.classify(batch) for batch in np.split(whole, len(whole) // size)]
        return np.concatenate(found)[: len(images)].astype(np.uint8)

    def findings(self) -> Optional[Findings]:
        """Return what was found out besides, None if nothing was looked for."""
        return None

    def save(self, prefix: str) -> None:
        """Write every variable as TensorFlow Saver files `prefix`.index and `prefix`.data-*.

        Raises:
            OSError: they can't be written.
        """
        with _file_errors():
            self.program.saver.save(self.session, prefix, write_meta_graph=False, write_state=False)

    def restore(self, prefix: str) -> None:
        """Set every variable to what `save` wrote at `prefix`.

        Raises:
            OSError: the files are not there, damaged, or of another program.
        """
        with _file_errors():
            self.program.saver.restore(self.session, prefix)

    def start_from(self, prefix: str, names: Sequence[str]) -> None:
        """Set the variables `names` to what any Saver wrote at `prefix`; leave the others.

        Raises:
            OSError: the files are not there, or damaged.
        """
        tf = tf_compat.load()
        chosen = {name: self.program.variables[f"{name}:0"] for name in names}
        with self.session.graph.as_default(), _file_errors():
            tf.train.Saver(chosen).restore(self.session, prefix)


@contextlib.contextmanager
def _file_errors() -> Iterator[None]:
    """Turn TensorFlow's refusal of a file into an OSError."""
    tf = tf_compat.load()
    try:
        yield
    except (tf.errors.OpError, ValueError) as error:  # ValueError: there is no such file
        lines = str(getattr(error, "message", error)).splitlines()
        # The line that names a file and its problem, out of a report on the whole graph.
        raise OSError(next((line.strip() for line in lines if "; " in line), lines[0])) from error
