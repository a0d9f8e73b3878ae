"""The keep list with which a training reaches an accuracy: trained, as jobs of one sweep."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.config.cli.json_words import word
from lenet_exp.config.schema.run import FixedLossScale
from lenet_exp.errors import DataError
from lenet_exp.precision.diagnosis.errors import Diagnosis, Values, diagnose
from lenet_exp.precision.diagnosis.keep_list import (
    KeepList,
    Planner,
    agreements_of_updates,
    grouped,
    names_of,
)
from lenet_exp.precision.diagnosis.minimal import Minimal, minimal
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal


class Trainings:
    """Trains a mode under keep lists, each once; a finished job of the sweep is not made again."""

    def __init__(self, words: Sequence[str], mode: str, scale: float) -> None:
        """Train the run of these words, in a mode, with a fixed loss scale of at least 1."""
        self._mode, self._scale, self._words = mode, max(1.0, scale), words
        name = hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
        self.sweep = f"advice-{name}"

    def accuracy(self, names: Sequence[str]) -> float:
        """Return the test accuracy, 0..1, where some operators stay float32.

        Raises:
            DataError: the training failed.
        """
        found = self._recorded(names)
        if found is None:
            words = self._words_of(names)
            command = [sys.executable, "-m", "lenet_exp.run", "-m", *words]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - own words
            found = self._recorded(names)
        if found is None:
            problem = f"a training of {self._mode} left no accuracy"
            raise DataError(Path("multirun", self.sweep), problem, "run.log in its folders")
        return found

    def _words_of(self, names: Sequence[str]) -> List[str]:
        scale = ["loss_scale=fixed", f"loss_scale.value={self._scale:.17g}"]
        kept = [word("precision.keep_dtype", list(names))] if names else []
        return [f"precision={self._mode}", *kept, *scale, *self._words, f"sweep={self.sweep}"]

    def _recorded(self, names: Sequence[str]) -> Optional[float]:
        for folder in sorted(Path("multirun", self.sweep).glob("*/")):
            if (folder / journal.NAME).is_file() and (folder / "config.yaml").is_file():
                entries = journal.read(folder)
                status = journal.merged(entries, "status").get("status")
                if status == "FINISHED" and self._is(folder, names):
                    return float(journal.merged(entries, "metrics")["accuracy"])
        return None

    def _is(self, folder: Path, names: Sequence[str]) -> bool:
        settings = run_folders.settings_of(folder, to_run=False)
        made, scale = settings.precision, settings.loss_scale
        value = scale.value if isinstance(scale, FixedLossScale) else 0.0
        return (made.mode, {*made.keep_dtype}, value) == (self._mode, {*names}, self._scale)


class Target(NamedTuple):
    """What is looked for: an `accuracy`, 0..1, in at most `budget` trainings, among groups `by`."""

    accuracy: float
    budget: int
    by: str


def trained_keep_list(
    planner: Planner,
    found: Diagnosis,
    step: Tuple[Values, Values],
    target: Target,
    accuracy: Callable[[Sequence[str]], float],
) -> KeepList:
    """Return the fewest operators that have to stay float32 for a training to get that far.

    Args:
        planner: plans under a keep list.
        found: of the plan without one; by its damage groups are ranked.
        step: the variables and feeds that it is of.
        target: what is looked for.
        accuracy: trains under a keep list, and says how far it got.
    """
    groups = grouped(planner, found, target.by)
    known: Dict[Tuple[str, ...], bool] = {}

    def holds(chosen: Sequence[str]) -> bool:
        key = tuple(sorted(chosen))
        if key not in known:
            known[key] = accuracy(names_of(groups, chosen)) >= target.accuracy
        return known[key]

    ranked = tuple(groups)
    made, near = Minimal(ranked, False, 0), False
    if holds(()):
        made, near = Minimal((), True, 0), True
    elif ranked and target.budget > len(known) and holds(ranked):
        made, near = minimal(ranked, holds, max(1, target.budget - 1)), True
    names = tuple(names_of(groups, made.elements))
    plan = planner(names)
    errors = diagnose(plan, *step, flush=found.flush) if names else found
    update = min(agreements_of_updates(errors).values(), default=1.0)
    return KeepList(
        names, plan, errors.gradient, update, near, made.is_minimal, len(known), made.elements
    )
