"""Runs and their details -> everything a comparison says. Pure."""

from __future__ import annotations

from collections import Counter
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.comparison import plan_differences, table, verdicts
from lenet_exp.comparison.configurations import Configuration, common
from lenet_exp.comparison.headline import headline
from lenet_exp.comparison.rows import TableRow, first_of, rows
from lenet_exp.comparison.runs import Details, Recorded, SelectedRuns
from lenet_exp.record.pages.operators import share

_MOST_PLANS = 6  # side by side
_MOST_NAMED = 4  # runs that are left out
_SETTINGS_SHOWN = ("precision.mode", "optimizer.name", "loss_scale.name", "stack")


class ComparisonReport(NamedTuple):
    """What is known of the configurations of some runs.

    `headline` is the conclusion in a sentence; `configurations` and `rows` are in the same
    order, best accuracy first; `said` are the verdicts in words, `notes` what else a reader has
    to know, a command on a line of its own; `settings` are YAML by label.
    """

    headline: str
    title: str
    about: str
    reference: str
    configurations: Tuple[Configuration, ...]
    rows: Tuple[TableRow, ...]
    said: Tuple[str, ...]
    notes: Tuple[str, ...]
    plans: plan_differences.Plans
    settings: Mapping[str, str]


def assembled(
    found: SelectedRuns, made: Sequence[Configuration], reference: Configuration, details: Details
) -> ComparisonReport:
    """Return the comparison of `made`, the configurations of `found`, with the reference."""
    several = verdicts.compared(made, reference)
    judged = {one.label: verdicts.verdict(one, reference, several, details.right) for one in made}
    plans = details.plans
    shares = {label: share(text) for label, text in plans.items()}
    shown = rows(made, judged, shares)
    labels = [row.configuration for row in shown]
    # Of what has not finished the notes tell.
    compared = [row.configuration for row in shown if row.accuracy is not None]
    listed = [(label, plans[label]) for label in labels if label in plans]
    return ComparisonReport(
        headline(shown, _steps(made)),
        found.title,
        _about(found, made),
        reference.label,
        tuple(sorted(made, key=lambda one: labels.index(one.label))),
        tuple(shown),
        tuple(verdicts.sentences([(label, judged[label]) for label in compared])),
        tuple(_notes(found, made, shown, list(judged.values()), several)),
        plan_differences.compare_plans(listed[:_MOST_PLANS]),
        details.settings,
    )


def _steps(made: Sequence[Configuration]) -> Optional[int]:
    """Return the steps of each run, None where they differ or are not known."""
    alike = common(made)
    try:
        return int(alike["schedule.epochs"]) * int(alike["schedule.steps_per_epoch"])
    except (KeyError, ValueError):
        return None


def _about(found: SelectedRuns, made: Sequence[Configuration]) -> str:
    """Return in a line what all the runs have alike."""
    alike = common(made)
    parts = [_counted(len(found.runs), "run"), _counted(len(made), "configuration")]
    if "schedule.epochs" in alike and "schedule.steps_per_epoch" in alike:
        parts.append(f"{alike['schedule.epochs']} x {alike['schedule.steps_per_epoch']} steps")
    parts += [f"{key.partition('.')[0]} {alike[key]}" for key in _SETTINGS_SHOWN if key in alike]
    devices = {run.tags.get("device", "") for run in found.runs} - {""}
    parts += sorted(devices) if len(devices) == 1 else [f"{len(devices)} kinds of device"]
    return ", ".join(parts)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _notes(
    found: SelectedRuns,
    made: Sequence[Configuration],
    shown: Sequence[TableRow],
    judged: Sequence[verdicts.AccuracyVerdict],
    several: int,
) -> List[str]:
    notes = verdicts.method_notes(judged, several) + table.footnotes(shown) + _on_the_chip(made)
    notes += _unfinished(found, made)
    older = sum(run.status == "FINISHED" for one in made for run in one.others)
    if older:
        notes.append(f"left out: {older} earlier runs of a configuration and seed that ran again")
    return notes + _strange(found.strange)


def _strange(left: Sequence[Recorded]) -> List[str]:
    """Return which runs, of another program most likely, have no seed of ours."""
    names = [run.tags.get("mlflow.runName", run.run_id) for run in left]
    said = [f"{name} (seed={run.params['seed']})" for name, run in zip(names, left)]
    return [f"left out, the seed is no whole number: {_first(said)}"] if left else []


def _first(names: Sequence[str]) -> str:
    """Return the first of some names, and how many there are besides."""
    shown, more = names[:_MOST_NAMED], len(names) - _MOST_NAMED
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])


def _unfinished(found: SelectedRuns, made: Sequence[Configuration]) -> List[str]:
    """Return which runs have not finished, and what goes on with their sweep."""
    left = [(one.label, run) for one in made for run in one.others if run.status != "FINISHED"]
    if not left:
        return []
    counts = Counter(run.status for _, run in left)
    shown = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    named = _first([f"{label} seed {run.seed}" for label, run in left])
    command = found.parent.tags.get("command") if found.parent else None
    goes_on = [f"to go on with the sweep:\n  {command}"] if command else []
    return [f"left out, not finished: {shown} ({named})", *goes_on]


def _on_the_chip(made: Sequence[Configuration]) -> List[str]:
    """Return which configurations the chip would not run as they are, by their plans."""
    said = {one.label: first_of(one).tags.get("chip", "compiles") for one in made}
    return [f"on the chip, {label}: {chip}" for label, chip in said.items() if chip != "compiles"]


def missed(comparison: ComparisonReport, required: Optional[float]) -> List[str]:
    """Return a line for each configuration whose mean accuracy is below what is required."""
    if required is None:
        return []
    return [
        f"{row.configuration}: "
        + ("no finished run" if row.accuracy is None else f"accuracy {row.accuracy:.4f}")
        + f", required {required:g}"
        for row in comparison.rows
        if row.accuracy is None or row.accuracy < required
    ]
