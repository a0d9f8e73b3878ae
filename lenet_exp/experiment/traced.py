"""A run that is traced: its steps one by one, and after each what its counters have counted."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator, List, Optional

import numpy as np

from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.counters import Traces
from lenet_exp.precision.emulation.trace.report import Counted, as_csv, text
from lenet_exp.record.run.run_record import RunRecord
from lenet_exp.training.program import Program, Runner, Steps, joined

CSV, TEXT = "overflows.csv", "overflows.txt"
_STATE = "traces.npz"  # in a checkpoint: what was counted before it


def make_runner(
    program: Program, session: Any, step: Optional[Traces], inference: Optional[Traces]
) -> Runner:
    """Return what runs the program, step by step if its graphs have counters."""
    if step is None or inference is None:
        return Runner(program, session)
    return TracedRunner(program, session, {"train": step, "inference": inference})


def traced(runner: Runner, record: RunRecord) -> ContextManager[None]:
    """Return a block at whose end what a traced runner counted is recorded."""
    return runner.told(record) if isinstance(runner, TracedRunner) else contextlib.nullcontext()


class TracedRunner(Runner):
    """A program in a session that says which step and operator overflowed."""

    def __init__(self, program: Program, session: Any, graphs: Dict[str, Traces]) -> None:
        """Initialise; `graphs` are the counters of "train" and of "inference"."""
        super().__init__(program, session)
        self._graphs = graphs
        self._tallies = {name: tally.empty(each.sites) for name, each in graphs.items()}
        self._step = 0

    def run_steps(self, images: np.ndarray, labels: np.ndarray) -> Steps:
        """Make one step per row, a call for each."""
        parts: List[Steps] = []
        for row in range(len(labels)):
            parts.append(super().run_steps(images[row : row + 1], labels[row : row + 1]))
            self._step += 1
            self._take("train")
        return joined(parts)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each image; one evaluation, however many batches."""
        classes = super().predict(images)
        self._take("inference")
        return classes

    def _take(self, graph: str) -> None:
        """Add what was counted since the last time."""
        traces = self._graphs[graph]
        counts, largest = self.session.run([traces.counts, traces.largest])
        self.session.run(traces.reset)
        before = self._tallies[graph]
        self._tallies[graph] = tally.added(before, traces.sites, counts, largest, self._step)

    def save(self, prefix: str) -> None:
        """Write the variables, and beside them what was counted so far."""
        super().save(prefix)
        kept = {
            f"{graph}/{name}": value
            for graph, each in self._tallies.items()
            for name, value in each._asdict().items()
        }
        np.savez(str(Path(prefix).with_name(_STATE)), step=self._step, **kept)

    def restore(self, prefix: str) -> None:
        """Set the variables, and go on counting where they were written."""
        super().restore(prefix)
        with np.load(str(Path(prefix).with_name(_STATE))) as kept:
            self._step = int(kept["step"])
            for graph in self._tallies:
                names = tally.Tally._fields
                self._tallies[graph] = tally.Tally(*(kept[f"{graph}/{name}"] for name in names))

    @contextlib.contextmanager
    def told(self, record: RunRecord) -> Iterator[None]:
        """Record what was counted when the block ends, however it ends."""
        try:
            yield
        finally:
            counted = {
                graph: Counted(traces, self._tallies[graph])
                for graph, traces in self._graphs.items()
            }
            shown = text(counted["train"], counted["inference"], CSV)
            record.report({CSV: as_csv(counted), TEXT: shown + "\n"}, shown)
