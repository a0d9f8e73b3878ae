"""A script's training graph on disk, for what works without the script.

FOLDER/graph.meta is the MetaGraph, FOLDER/checkpoint-0 the variables before the first step,
FOLDER/feeds.npz what the first steps were given (by tensor, an axis of steps in front), and
FOLDER/capture.json says what was fetched, under which mode, by which script.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from lenet_exp import cpu_session, tf_compat
from lenet_exp.record.run.run_files import write_bytes

META, CHECKPOINT, FEEDS, ABOUT = "graph.meta", "checkpoint-0", "feeds.npz", "capture.json"
STEPS = 3  # whose feeds are kept


class Capture:
    """Writes the first training step of a script, and what the first steps were fed."""

    def __init__(self, folder: Path, script: str) -> None:
        """Write into `folder`, which is made."""
        self._folder, self._script = folder.absolute(), script
        self._fed: List[Mapping[str, Any]] = []
        self._key: Optional[int] = None

    @property
    def has_begun(self) -> bool:
        """Whether the graph is written."""
        return self._key is not None

    def begin(self, key: int, session: Any, fetches: Sequence[Any], mode: str) -> None:
        """Write the session's graph and variables; `fetches` are those of the step `key`."""
        self._key = key
        graph, tf = session.graph, tf_compat.load()
        meta = tf.train.export_meta_graph(graph=graph)
        for node in meta.graph_def.node:  # with clear_devices TensorFlow 2 shows nodes of ours
            node.ClearField("device")
        write_bytes(self._folder / META, meta.SerializeToString())
        kinds = tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.LOCAL_VARIABLES  # of a metric
        variables = {one.op.name: one for kind in kinds for one in graph.get_collection(kind)}
        _save(_values(session, variables), str(self._folder / CHECKPOINT))
        names = [str(element.name) for element in fetches]
        about = {"fetches": names, "mode": mode, "script": self._script}
        write_bytes(self._folder / ABOUT, json.dumps(about, indent=1).encode())

    def takes(self, key: int) -> bool:
        """Return whether the feeds of a call are still wanted."""
        return key == self._key and len(self._fed) < STEPS

    def add(self, fed: Mapping[str, Any]) -> None:
        """Keep what a step was given, by tensor name."""
        self._fed.append(fed)
        if len(self._fed) == STEPS:
            self.end()

    def end(self) -> None:
        """Write what was fed so far; of a feed whose shape changes the first step alone."""
        if not self._fed:
            return
        made: Dict[str, Any] = {}
        for name in self._fed[0]:
            values = [np.asarray(step[name]) for step in self._fed if name in step]
            same = len({value.shape for value in values}) == 1
            made[name] = np.stack(values if same else values[:1])
        stream = io.BytesIO()
        np.savez(stream, **made)
        write_bytes(self._folder / FEEDS, stream.getvalue())


def _values(session: Any, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the values of those that have one: of a metric never asked for they may have none."""
    unset = tf_compat.load().errors.FailedPreconditionError
    try:
        return dict(session.run(variables))
    except unset:
        found: Dict[str, Any] = {}
        for name, variable in variables.items():
            with contextlib.suppress(unset):
                found[name] = session.run(variable)
        return found


def _save(values: Mapping[str, Any], prefix: str) -> None:
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        names = list(values)
        tensors = [tf.constant(values[name]) for name in names]
        op = tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors
        )
    with cpu_session.open_session(graph, 0) as session:
        session.run(op)
