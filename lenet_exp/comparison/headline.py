"""The conclusion of a comparison, in one sentence. Pure."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from lenet_exp.comparison import verdicts
from lenet_exp.comparison.rows import BASELINE_ACCURACY, TableRow

_LEARNED = 0.5  # an accuracy that nothing reaches by guessing among ten classes, which gives 0.1
_GUESSED = 0.2
_ALIKE = 0.005  # an interval may be so wide, or one run so far off, for "as accurately as"
_MOST_NAMED = 3

# What is said of configurations, in this order: {names}, {s} (of a verb), {reference}.
_ALIKE_TEXT = "{names} train{s} as accurately as {reference}"
_BETTER_TEXT = "{names} train{s} more accurately than {reference}"
_WORSE_TEXT = "{names} train{s} less accurately than {reference}"
_OPEN_TEXT = "these runs can't tell {names} from {reference}"
_GUESSES_TEXT = "{names} do{es} not learn"
_NONE_TEXT = "{names} ha{has} no finished run"
_APART = {
    verdicts.OTHER_DATA: "other data",
    verdicts.OTHER_BUDGET: "more or fewer images",
}
_APART_TEXTS = {
    method: f"{{names}} can't be compared with {{reference}}: trained on {what}"
    for method, what in _APART.items()
}
_ORDER = (
    *(_ALIKE_TEXT, _BETTER_TEXT, _WORSE_TEXT, _OPEN_TEXT, _GUESSES_TEXT),
    *(*_APART_TEXTS.values(), _NONE_TEXT),
)


def headline(rows: Sequence[TableRow], steps: Optional[int]) -> str:
    """Return the conclusion.

    Args:
        rows: one for each configuration, one of them the reference.
        steps: of each run; None where they differ.
    """
    accuracies = [row.accuracy for row in rows if row.accuracy is not None]
    if not accuracies:
        return "No run has finished: there is nothing to compare yet."
    if max(accuracies) < _LEARNED:
        after = "So far" if steps is None else f"After {steps} step{'s' * (steps != 1)}"
        return f"{after} no configuration has learned yet: accuracy {max(accuracies):.4f} at best."
    reference = next((row for row in rows if row.verdict.word == verdicts.REFERENCE), rows[0])
    if len(rows) == 1:
        return _alone(reference)
    if reference.accuracy is None:
        return f"{reference.configuration}, the reference, has no finished run to compare with."
    by_one = [row for row in rows if row.verdict.method == verdicts.MCNEMAR]
    all_by_one = by_one == [row for row in rows if row.verdict.method in verdicts.METHODS]
    said: Dict[str, List[str]] = {}
    for row in rows:
        if row is not reference:
            text = _text(row, reference.accuracy >= _LEARNED)
            mark = " (by one seed)" if row in by_one and not all_by_one else ""
            said.setdefault(text, []).append(f"{row.configuration}{mark}")
    parts = [_filled(text, said[text], reference.configuration) for text in _ORDER if text in said]
    return ("With one seed: " if by_one and all_by_one else "") + "; ".join(parts) + "."


def _alone(row: TableRow) -> str:
    accuracy = row.accuracy or 0.0
    side = "reaches" if accuracy >= BASELINE_ACCURACY else "misses"
    mean = f", the mean of {row.runs} seeds" if row.runs > 1 else ""
    shown = f"accuracy {accuracy:.4f}{mean}"
    return f"{row.configuration} {side} the ModelZoo's {BASELINE_ACCURACY} with {shown}."


def _text(row: TableRow, reference_learned: bool) -> str:
    verdict = row.verdict
    if row.accuracy is None:
        return _NONE_TEXT
    if verdict.method in _APART_TEXTS:
        return _APART_TEXTS[verdict.method]
    if row.accuracy < _GUESSED and reference_learned:
        return _GUESSES_TEXT
    if verdict.word in (verdicts.BETTER, verdicts.WORSE):
        return _BETTER_TEXT if verdict.word == verdicts.BETTER else _WORSE_TEXT
    unsure = verdict.half_width if verdict.half_width is not None else verdict.difference
    close = unsure is not None and abs(unsure) <= _ALIKE
    alike = verdict.word == verdicts.IDENTICAL or (verdict.word == verdicts.WITHIN_NOISE and close)
    return _ALIKE_TEXT if alike else _OPEN_TEXT


def _filled(text: str, names: Sequence[str], reference: str) -> str:
    one = len(names) == 1
    forms = {"s": "s" if one else "", "es": "es" if one else "", "has": "s" if one else "ve"}
    return text.format(names=_listed(names), reference=reference, **forms)


def _listed(names: Sequence[str]) -> str:
    shown = list(names)
    if len(shown) > _MOST_NAMED + 1:
        shown = [*shown[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
