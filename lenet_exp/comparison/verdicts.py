"""Better, worse or within noise: each configuration against the reference, in words."""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.comparison import estimates
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Recorded

SURE = 0.95
REFERENCE, BETTER, WORSE = "reference", "better", "worse"
WITHIN_NOISE, IDENTICAL = "within noise", "identical"
NO_SPREAD, NONE = "no spread seen", "no verdict"
PAIRED, WELCH, MCNEMAR = "paired t", "Welch's t", "McNemar's exact test"
SEQUENTIAL = "sequential paired t"
METHODS = (PAIRED, WELCH, MCNEMAR, SEQUENTIAL)
# No methods: two test sets have nothing to be paired or averaged, and of two trainings of which
# one saw more images the difference says nothing of their modes.
OTHER_DATA, OTHER_BUDGET = "other data", "other budget"
_ROUNDING = 1e-12  # a difference below it is none
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
    why: str = ""  # there is none


def level_of(comparisons: int) -> float:
    """Return the level of each of several intervals, so that all hold at 95 % (Bonferroni)."""
    return 1 - (1 - SURE) / max(1, comparisons)


def compared(made: Sequence[Configuration], reference: Configuration) -> int:
    """Return how many of these configurations are judged at once."""
    held = [one for one in made if one.runs and one is not reference]
    return sum(not_comparable(one, reference) is None for one in held)


def verdict(
    mine: Configuration,
    reference: Configuration,
    comparisons: int,
    right: Mapping[str, np.ndarray],
) -> AccuracyVerdict:
    """Return what can be said of a configuration.

    Args:
        mine: the one that is judged.
        reference: what it is held against.
        comparisons: how many are judged at once.
        right: by run id, bool [images]: the test images that a single run has right, where they
            were recorded.
    """
    level = level_of(comparisons)
    if mine is reference:
        return AccuracyVerdict(REFERENCE)
    if not mine.runs or not reference.runs:
        return AccuracyVerdict(NONE)
    apart = not_comparable(mine, reference)
    if apart is not None:
        return apart
    pair = single_pair(mine, reference)
    if pair is not None:
        return _single(*pair, level, right)
    return _of_means(mine, reference, level)


def not_comparable(mine: Configuration, reference: Configuration) -> Optional[AccuracyVerdict]:
    """Return why two configurations can't be held against each other; None where they can."""
    if mine.data != reference.data and mine.data and reference.data:
        why = "it was tested on other images than the reference"
        return AccuracyVerdict(NONE, OTHER_DATA, why=why)
    if mine.images != reference.images and mine.images and reference.images:
        why = f"it was trained on {mine.images} images, the reference on {reference.images}"
        return AccuracyVerdict(NONE, OTHER_BUDGET, why=why)
    return None


def _of_means(mine: Configuration, reference: Configuration, level: float) -> AccuracyVerdict:
    common = sorted({*mine.seeds} & {*reference.seeds})
    runs = len(mine.runs), len(reference.runs)
    one_look = not any(run.is_sequential for run in (*mine.runs, *reference.runs))
    samples: List[Sequence[float]]
    if not one_look and len(common) < 2:
        why = "seeds were added until it was decided, and it shares fewer than 2 with the reference"
        return AccuracyVerdict(NONE, why=why)
    if not one_look or (len(common) >= 2 and len(common) == min(runs)):
        ours, theirs = (dict(zip(one.seeds, one.accuracies)) for one in (mine, reference))
        samples = [[ours[seed] - theirs[seed] for seed in common]]
        runs = len(common), len(common)
        method, estimate = (
            (PAIRED, estimates.mean_of) if one_look else (SEQUENTIAL, estimates.sequential)
        )
        difference, half = estimate(samples[0], level)
    else:
        samples, method = [mine.accuracies, reference.accuracies], WELCH
        difference, half = estimates.welch(mine.accuracies, reference.accuracies, level)
    spreads = [float(np.std(sample, ddof=1)) for sample in samples]
    spreads = [spread if spread > _ROUNDING else 0.0 for spread in spreads]
    needed = None
    if not any(spreads):
        word, half = IDENTICAL if abs(difference) < _ROUNDING else NO_SPREAD, None
    elif half is None:
        word, needed = NONE, estimates.least_sequential(level)
    elif abs(difference) > half:
        word = BETTER if difference > 0 else WORSE
    else:
        word = WITHIN_NOISE
        needed = estimates.runs_needed(difference, spreads, level, one_look)
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
    mine: Recorded, theirs: Recorded, level: float, right: Mapping[str, np.ndarray]
) -> AccuracyVerdict:
    difference = mine.metrics["accuracy"] - theirs.metrics["accuracy"]
    ours, others = right.get(mine.run_id), right.get(theirs.run_id)
    if ours is None or others is None or len(ours) != len(others):
        return AccuracyVerdict(NONE, runs=(1, 1), difference=difference)
    only_ours, only_others = int(np.sum(ours & ~others)), int(np.sum(others & ~ours))
    p = estimates.mcnemar(only_ours, only_others)
    word = WITHIN_NOISE
    if only_ours + only_others == 0:
        word = IDENTICAL
    elif p < 1 - level:
        word = BETTER if only_ours > only_others else WORSE
    return AccuracyVerdict(
        word, MCNEMAR, (1, 1), level, difference, None, p, (only_ours, only_others)
    )


def sentences(judged: Sequence[Tuple[str, AccuracyVerdict]]) -> List[str]:
    """Return a sentence for each configuration (label, verdict), the reference's left out."""
    return [f"{label}: {_sentence(one)}" for label, one in judged if one.word != REFERENCE]


def _sentence(verdict: AccuracyVerdict) -> str:
    if verdict.difference is None:
        return f"no verdict: {verdict.why or 'no finished run to compare'}"
    shown = f"{100 * verdict.difference:+.2f} points"
    if verdict.word == NONE:
        why = f"one run, and no test predictions; run {_FEW} seeds"
        if verdict.method == SEQUENTIAL:
            why = f"a sequential test takes {verdict.needed} seeds or more (n = {verdict.runs[0]})"
        return f"{shown}; no verdict: {why}"
    if verdict.method == MCNEMAR:
        ours, theirs = verdict.discordant
        images = f"{ours} images right that the reference has wrong, {theirs} the other way"
        p = f"p = {verdict.p:.2g}" if verdict.p else "p < 1e-300"
        return f"{verdict.word}, {shown} ({verdict.method}, {p}: {images})"
    seeds = f"n = {verdict.runs[0]}" + f" and {verdict.runs[1]}" * (verdict.method == WELCH)
    if verdict.word in (IDENTICAL, NO_SPREAD):
        return f"{verdict.word}, {shown} in every pair of runs ({verdict.method}, {seeds})"
    half = 100 * (verdict.half_width or 0.0)
    said = f"{verdict.word}, {shown} +- {half:.2f} ({verdict.method}, {seeds})"
    if verdict.word != WITHIN_NOISE:
        return said
    needed = verdict.needed or f"more than {estimates.MOST_RUNS}"
    return f"{said}; {needed} seeds would settle a difference of that size"


def percent(level: float) -> str:
    """Return a level as it is written everywhere: "95 %", "98.3 %"."""
    return f"{100 * level:.3g} %"


def method_notes(judged: Sequence[AccuracyVerdict], comparisons: int) -> List[str]:
    """Return what a reader has to know of the methods that were used."""
    level = percent(level_of(comparisons))
    methods = {verdict.method for verdict in judged}
    notes = []
    if methods & {PAIRED, WELCH}:
        several = f" (95 % by Bonferroni over {comparisons})" if comparisons > 1 else ""
        notes.append(f"differences: points of test accuracy, intervals at {level}{several}")
    if SEQUENTIAL in methods:
        several = f", 95 % by Bonferroni over {comparisons}" if comparisons > 1 else ""
        notes.append(
            "differences: points of test accuracy; seeds were added until it was decided, so the"
            f" intervals after all numbers of seeds hold together at {level}{several}"
        )
    if MCNEMAR in methods:
        notes.append(
            f"McNemar's test (level {level}) judges two trained networks, not two configurations:"
            f" run {_FEW} seeds or more, 'seed=range(0,{_FEW})'"
        )
    return notes
