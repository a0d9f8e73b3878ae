"""Runs of scripts side by side: what each came to, and why one failed."""

from __future__ import annotations

import csv
import io
import re
from typing import Dict, List, NamedTuple, Optional, Sequence

from lenet_exp.comparison import labels
from lenet_exp.comparison.runs import Recorded, SelectedRuns
from lenet_exp.comparison.table import UNKNOWN, count, number
from lenet_exp.record.run import comparison_files
from lenet_exp.record.store.mlflow_store import Store

_FLOAT32 = "must_keep_origin_dtype"
_SHOWN = ("script", "arguments", "precision.keep_dtype", "precision.modify_mixlist",
          "precision.customize_dtypes")  # fmt: skip
COST = "cost: seconds a step over those of must_keep_origin_dtype, in which nothing is emulated"


class Row(NamedTuple):
    """What a run came to; None where it is not known. `error`: why it failed."""

    run: str
    status: str
    steps: Optional[float]
    loss: Optional[float]
    overflowed_steps: Optional[float]
    skipped_steps: Optional[float]
    loss_scale: Optional[float]
    sec_per_step: Optional[float]
    cost: Optional[float]
    emulated: str
    error: str


def are_scripts(found: SelectedRuns) -> bool:
    """Return whether all of some runs are of scripts."""
    return all("script" in run.tags for run in found.runs)


def without_scripts(found: SelectedRuns) -> SelectedRuns:
    """Return runs without those of scripts, which have no settings and no accuracy of ours."""
    ours = tuple(run for run in found.runs if "script" not in run.tags)
    return found._replace(runs=ours)


def compare_scripts(store: Store, found: SelectedRuns) -> str:
    """Keep the table of runs in outputs/comparisons, and with their parent run; return it."""
    made = rows(found.runs)
    shown = text(made)
    markdown = _markdown(made)
    files = {"comparison.txt": shown, "comparison.csv": _csv(made), "comparison.md": markdown}
    written = {file: f"{content}\n".encode() for file, content in files.items()}
    parent = found.parent and found.parent.run_id
    comparison_files.keep(store, found.folder, parent, written, lambda link: markdown)
    return shown


def rows(runs: Sequence[Recorded]) -> List[Row]:
    """Return a row for each run, in the order in which they were begun; of equals the latest."""
    ordered = sorted(runs, key=lambda run: run.started)
    latest = {run.tags.get("config_hash", run.run_id): run for run in ordered}
    kept = [run for run in ordered if run in latest.values()]
    called = _labels(kept)
    plain = [run for run in kept if run.params.get("precision") == _FLOAT32]
    base = plain[0].metrics.get("sec_per_step") if len(plain) == 1 else None
    return [_row(label, run, base) for label, run in zip(called, kept)]


def _labels(runs: Sequence[Recorded]) -> List[str]:
    own = [run.tags.get("job_override", "") for run in runs]
    if all(own) and len({*own}) == len(own):
        return own
    settings = [
        {labels.MODE: run.params.get("precision", "?"),
         **{key: run.params[key] for key in _SHOWN if key in run.params}}
        for run in runs
    ]  # fmt: skip
    return labels.labels(settings, settings)


def _row(label: str, run: Recorded, base: Optional[float]) -> Row:
    found = run.metrics.get
    seconds = found("sec_per_step")
    cost = seconds / base if base and seconds is not None else None
    known = (found("steps"), found("loss"), found("overflowed_steps"), found("skipped_steps"))
    error = run.tags.get("error", "")
    of_run = (run.tags.get("emulated", ""), error if run.status == "FAILED" else "")
    return Row(label, run.status, *known, found("loss_scale"), seconds, cost, *of_run)


def text(made: Sequence[Row]) -> str:
    """Return the table for a terminal, and under it why runs failed."""
    lines = _cells(made)
    sizes = [max(map(len, column)) for column in zip(*lines)]
    shown = ["  ".join(f"{c:{size}}" for c, size in zip(line, sizes)).rstrip() for line in lines]
    return "\n".join([*shown, *_notes(made)])


def _notes(made: Sequence[Row]) -> List[str]:
    failed = [f"{row.run}: {row.error}" for row in made if row.error]
    partly = [row.run for row in made if row.emulated in ("partly", "false")]
    notes = [COST] if any(row.cost is not None for row in made) else []
    notes += [f"not all of it emulated: {', '.join(partly)}"] if partly else []
    return [*notes, *failed]


def _cells(made: Sequence[Row]) -> List[List[str]]:
    heads = ["run", "status", "steps", "loss", "overflowed", "skipped", "loss scale", "sec/step",
             "cost"]  # fmt: skip
    return [heads, *(_of(row) for row in made)]


def _of(row: Row) -> List[str]:
    steps, hit, skipped = map(count, (row.steps, row.overflowed_steps, row.skipped_steps))
    loss, scale = _shown(row.loss, "{:.6g}"), number(row.loss_scale)
    seconds, cost = _shown(row.sec_per_step, "{:.5f}"), _shown(row.cost, "{:.2f}x")
    return [row.run, row.status, steps, loss, hit, skipped, scale, seconds, cost]


def _shown(value: Optional[float], form: str) -> str:
    return UNKNOWN if value is None else form.format(value)


def _markdown(made: Sequence[Row]) -> str:
    heads, *lines = _cells(made)
    whole = [heads, ["---"] * len(heads), *lines]
    escaped = [[re.sub(r"[|*_]", r"\\\g<0>", cell) for cell in line] for line in whole]
    table = "\n".join(f"| {' | '.join(line)} |" for line in escaped)
    return "\n".join([table, "", *(f"- {note}" for note in _notes(made))]).strip()


def _csv(made: Sequence[Row]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, Row._fields, lineterminator="\n")
    writer.writeheader()
    records: List[Dict[str, object]] = [dict(row._asdict()) for row in made]
    writer.writerows(records)
    return stream.getvalue().rstrip("\n")
