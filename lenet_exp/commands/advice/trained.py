"""The keep list with which a training reaches an accuracy: trained, as jobs of one sweep."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable, Dict, FrozenSet, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.commands.advice.command import sweep_name
from lenet_exp.commands.advice.process import train
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.errors import DataError
from lenet_exp.experiment.dataset import load_data
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
    """Trains under keep lists, each once: a job that the sweep has finished is not made again."""

    def __init__(self, words: Callable[[Sequence[str]], Sequence[str]]) -> None:
        """Train the runs of these words, by the names of the operators that stay float32."""
        self._words = words
        self.sweep = sweep_name(words(()))

    def accuracy(self, names: Sequence[str]) -> float:
        """Return the test accuracy, 0..1, where some operators stay float32.

        Raises:
            ConfigError: a run refuses that.
            DataError: the training failed.
        """
        words = self._words(sorted(names))  # another order of them is another job
        found = self._recorded(words)
        if found is None:
            train([*words, f"sweep={self.sweep}"], stdout=subprocess.DEVNULL)
            found = self._recorded(words)
        if found is None:
            problem = "a training left no accuracy"
            raise DataError(Path("multirun", self.sweep), problem, "run.log in its folders")
        return found

    def _recorded(self, words: Sequence[str]) -> Optional[float]:
        """Return the accuracy of the job that these words are to a sweep, where it has ended."""
        settings = settings_to_explain(words)
        data, stack = load_data(settings.data.path).sha256, tf_compat.stack_of_this_python()
        sweep = Path("multirun", self.sweep)
        folder = sweep / run_folders.job_identity(sweep, settings, data, stack)
        entries = journal.read(folder) if (folder / journal.NAME).is_file() else []
        if journal.merged(entries, "status").get("status") != "FINISHED":
            return None
        accuracy = journal.merged(entries, "metrics").get("accuracy")
        return None if accuracy is None else float(accuracy)


def trained_keep_list(
    planner: Planner,
    found: Diagnosis,
    step: Tuple[Values, Values],
    holds: Callable[[Sequence[str]], bool],
    budget: int,
    by: str,
) -> KeepList:
    """Return the fewest operators that have to stay float32 for a training to get that far.

    Args:
        planner: plans under a keep list.
        found: of the plan without one; by its damage groups are ranked.
        step: the variables and feeds that it is of.
        holds: trains under a keep list, and says whether it got that far.
        budget: how many times it may train, 1 or more.
        by: a key of GROUPINGS.
    """
    groups = grouped(planner, found, by)
    known: Dict[FrozenSet[str], bool] = {}

    def reached(chosen: Sequence[str]) -> bool:
        if frozenset(chosen) not in known:
            known[frozenset(chosen)] = holds(names_of(groups, chosen))
        return known[frozenset(chosen)]

    ranked = tuple(groups)
    near = reached(())
    made = Minimal((), near or not ranked, 0)
    if not near and ranked and budget > 1:
        near = reached(ranked)
        # Of what it asks for, the first is known: nothing float32.
        made = minimal(ranked, reached, budget - 1) if near else Minimal(ranked, False, 0)
    names = tuple(names_of(groups, made.elements))
    plan = planner(names)
    errors = diagnose(plan, *step, flush=found.flush) if names else found
    update = min(agreements_of_updates(errors).values(), default=1.0)
    return KeepList(
        names, plan, errors.gradient, update, near, made.is_minimal, len(known), made.elements
    )
