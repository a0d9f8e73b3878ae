"""A run that is traced: its steps one by one, and after each what its counters have counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import numpy as np

from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.counters import Traces
from lenet_exp.precision.emulation.trace.report import Counted, as_csv, text
from lenet_exp.training.history import Steps
from lenet_exp.training.program import FedRunner
from lenet_exp.training.runner import Findings

CSV, TEXT = "overflows.csv", "overflows.txt"
_STATE = "traces.npz"  # in a checkpoint: what was counted before it


class TracedRunner(FedRunner):
    """A program in a session that says which step and operator overflowed."""

    longest_call = 1

    def __init__(self, *of_fed: Any, graphs: Dict[str, Traces]) -> None:
        """Initialise; `graphs` are the counters of "train" and of "inference"."""
        super().__init__(*of_fed)
        self._graphs = graphs
        self._tallies = {name: tally.empty(each.sites) for name, each in graphs.items()}

    def call(self, images: np.ndarray, labels: np.ndarray) -> Steps:
        """Make one step, and count."""
        made = super().call(images, labels)
        self._count("train", self.step + 1)
        return made

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each image; one evaluation, however many batches."""
        classes = super().predict(images)
        self._count("inference", self.step)
        return classes

    def _count(self, graph: str, step: int) -> None:
        """Add what was counted since the last time."""
        traces = self._graphs[graph]
        counts, largest = self.session.run([traces.counts, traces.largest])
        self.session.run(traces.reset)
        before = self._tallies[graph]
        self._tallies[graph] = tally.added(before, traces.sites, counts, largest, step)

    def save(self, prefix: str) -> None:
        """Write the variables, and beside them what was counted so far."""
        super().save(prefix)
        kept = {
            f"{graph}/{name}": value
            for graph, each in self._tallies.items()
            for name, value in each._asdict().items()
        }
        np.savez(str(Path(prefix).with_name(_STATE)), step=self.step, **kept)

    def restore(self, prefix: str) -> None:
        """Set the variables, and go on counting where they were written."""
        super().restore(prefix)
        with np.load(str(Path(prefix).with_name(_STATE))) as kept:
            for graph, empty in self._tallies.items():
                # What an earlier version did not count yet stays empty.
                keys = {name: f"{graph}/{name}" for name in empty._fields}
                known = {name: kept[key] for name, key in keys.items() if key in kept}
                self._tallies[graph] = empty._replace(**known)

    def findings(self) -> Findings:
        """Return a table of every overflow, and what it comes to."""
        counted = {
            graph: Counted(traces, self._tallies[graph]) for graph, traces in self._graphs.items()
        }
        shown = text(counted["train"], counted["inference"], CSV)
        return Findings({CSV: as_csv(counted), TEXT: shown + "\n"}, shown)
