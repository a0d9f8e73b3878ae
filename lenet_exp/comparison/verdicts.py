"""Better, worse or within noise: each configuration against the reference, in words."""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.comparison import estimates
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Predictions, Recorded

SURE = 0.95
REFERENCE, BETTER, WORSE = "reference", "better", "worse"
WITHIN_NOISE, IDENTICAL, NO_SPREAD, NONE = (
    "within noise", "identical", "no spread seen", "no verdict",
)  # fmt: skip
PAIRED, WELCH, MCNEMAR = "paired t", "Welch's t", "McNemar's exact test"
_FEW = 3  # runs a side that are advised where nothing is known of the spread


class AccuracyVerdict(NamedTuple):
    """What can be said of the difference (mine - the reference's) in test accuracy, 0..1.

    `runs` are the numbers of runs that were compared, mine and the reference's; `p` is
    McNemar's, of `discordant` images; `needed` the seeds that would settle it, None where
    that is not known.
    """

    word: str
    method: str = ""
    runs: Tuple[int, int] = (0, 0)
    level: float = SURE
    difference: Optional[float] = None
    half_width: Optional[float] = None
    p: Optional[float] = None
    discordant: Tuple[int, int] = (0, 0)
    needed: Optional[int] = None


def level_of(comparisons: int) -> float:
    """Return the level of each of several intervals, so that all hold at 95 % (Bonferroni)."""
    return 1 - (1 - SURE) / max(1, comparisons)


def verdict(
    mine: Configuration,
    reference: Configuration,
    comparisons: int,
    predictions: Mapping[str, Predictions],
) -> AccuracyVerdict:
    """Return what can be said of a configuration.

    Args:
        mine: the one that is judged.
        reference: what it is held against.
        comparisons: how many are judged at once.
        predictions: by run id; of single runs, where they were recorded.
    """
    level = level_of(comparisons)
    if mine is reference:
        return AccuracyVerdict(REFERENCE)
    if not mine.runs or not reference.runs:
        return AccuracyVerdict(NONE)
    pair = single_pair(mine, reference)
    if pair is not None:
        return _single(*pair, level, predictions)
    common = sorted({*mine.seeds} & {*reference.seeds})
    if len(common) >= 2 and len(common) == min(len(mine.runs), len(reference.runs)):
        return _paired(mine, reference, common, level)
    return _welch(mine.accuracies, reference.accuracies, level)


def _paired(
    mine: Configuration, reference: Configuration, seeds: Sequence[int], level: float
) -> AccuracyVerdict:
    ours, theirs = (dict(zip(one.seeds, one.accuracies)) for one in (mine, reference))
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    spreads = (_spread(differences),)
    runs = (len(seeds), len(seeds))
    return _judged(estimates.mean_of(differences, level), spreads, PAIRED, runs, level)


def _welch(mine: Sequence[float], theirs: Sequence[float], level: float) -> AccuracyVerdict:
    spreads = (_spread(mine), _spread(theirs))
    runs = (len(mine), len(theirs))
    return _judged(estimates.welch(mine, theirs, level), spreads, WELCH, runs, level)


def _spread(values: Sequence[float]) -> float:
    """Return the standard deviation; a rounding error of equal values is none."""
    spread = float(np.std(values, ddof=1))
    return spread if spread > 1e-12 else 0.0


def _judged(
    estimate: estimates.Estimate,
    spreads: Tuple[float, ...],
    method: str,
    runs: Tuple[int, int],
    level: float,
) -> AccuracyVerdict:
    difference, half = estimate.mean, estimate.half_width or 0.0
    if not any(spreads):
        same = abs(difference) < 1e-12
        return AccuracyVerdict(IDENTICAL if same else NO_SPREAD, method, runs, level, difference)
    if abs(difference) > half:
        word, needed = BETTER if difference > 0 else WORSE, None
    else:
        word, needed = WITHIN_NOISE, estimates.runs_needed(difference, spreads, level)
    return AccuracyVerdict(word, method, runs, level, difference, half, needed=needed)


def single_pair(
    mine: Configuration, reference: Configuration
) -> Optional[Tuple[Recorded, Recorded]]:
    """Return the two runs that are held against each other where either has one run only.

    They are of the same seed if both have one in common. None where both have several, or one
    has none.
    """
    if min(len(mine.runs), len(reference.runs)) != 1:
        return None
    common = sorted({*mine.seeds} & {*reference.seeds})
    first, second = (
        next((run for run in one.runs if run.seed in common[:1]), one.runs[0])
        for one in (mine, reference)
    )
    return first, second


def _single(
    mine: Recorded, theirs: Recorded, level: float, predictions: Mapping[str, Predictions]
) -> AccuracyVerdict:
    difference = mine.metrics["accuracy"] - theirs.metrics["accuracy"]
    ours, others = predictions.get(mine.run_id), predictions.get(theirs.run_id)
    if ours is None or others is None or len(ours.right) != len(others.right):
        return AccuracyVerdict(NONE, runs=(1, 1), difference=difference)
    only_ours = int(np.sum(ours.right & ~others.right))
    only_others = int(np.sum(others.right & ~ours.right))
    p = estimates.mcnemar(only_ours, only_others)
    word = WITHIN_NOISE
    if only_ours + only_others == 0:
        word = IDENTICAL
    elif p < 1 - level:
        word = BETTER if only_ours > only_others else WORSE
    return AccuracyVerdict(
        word, MCNEMAR, (1, 1), level, difference, None, p, (only_ours, only_others)
    )


def sentences(judged: Sequence[Tuple[str, AccuracyVerdict]], reference: str) -> List[str]:
    """Return a sentence for each configuration (label, verdict), the reference's left out."""
    return [
        f"{label}: {_sentence(verdict)}"
        for label, verdict in judged
        if verdict.word != REFERENCE and label != reference
    ]


def _sentence(verdict: AccuracyVerdict) -> str:
    if verdict.difference is None:
        return "no verdict: no finished run to compare"
    shown = f"{100 * verdict.difference:+.2f} points"
    if verdict.word == NONE:
        return f"{shown}; no verdict: one run, and no test predictions; run {_FEW} seeds"
    if verdict.method == MCNEMAR:
        return _mcnemar_sentence(verdict, shown)
    seeds = f"n = {verdict.runs[0]}"
    if verdict.method == WELCH:
        seeds = f"n = {verdict.runs[0]} and {verdict.runs[1]}"
    if verdict.word in (IDENTICAL, NO_SPREAD):
        return f"{verdict.word}, {shown} in every pair of runs ({verdict.method}, {seeds})"
    half = 100 * (verdict.half_width or 0.0)
    said = f"{verdict.word}, {shown} +- {half:.2f} ({verdict.method}, {seeds})"
    if verdict.word != WITHIN_NOISE:
        return said
    needed = verdict.needed or f"more than {estimates.MOST_RUNS}"
    return f"{said}; {needed} seeds would settle a difference of that size"


def _mcnemar_sentence(verdict: AccuracyVerdict, shown: str) -> str:
    ours, theirs = verdict.discordant
    images = f"{ours} images right that the reference has wrong, {theirs} the other way"
    p = f"p = {verdict.p:.2g}" if verdict.p else "p < 1e-300"
    return f"{verdict.word}, {shown} ({verdict.method}, {p}: {images})"


def method_notes(judged: Sequence[AccuracyVerdict], comparisons: int) -> List[str]:
    """Return what a reader has to know of the methods that were used."""
    level = f"{100 * level_of(comparisons):.1f} %"
    methods = {verdict.method for verdict in judged}
    notes = []
    if methods & {PAIRED, WELCH}:
        several = f" (95 % by Bonferroni over {comparisons})" if comparisons > 1 else ""
        notes.append(f"differences: points of test accuracy, intervals at {level}{several}")
    if MCNEMAR in methods:
        notes.append(
            f"McNemar's test (level {level}) judges two trained networks, not two configurations:"
            f" run {_FEW} seeds or more, 'seed=range(0,{_FEW})'"
        )
    return notes
