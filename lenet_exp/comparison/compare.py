"""Runs are read, compared, and what came out is kept with them: the stages of `compare`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, TypeVar
from urllib.parse import quote

from lenet_exp import tf_compat
from lenet_exp.comparison import load_runs, page, plots, series, table
from lenet_exp.comparison.assembled import ComparisonReport, assembled
from lenet_exp.comparison.configurations import Configuration, configurations, reference_of
from lenet_exp.comparison.runs import Details, Points, Recorded, SelectedRuns
from lenet_exp.comparison.verdicts import single_pair
from lenet_exp.record.run import run_files
from lenet_exp.record.store import store_check
from lenet_exp.record.store.mlflow_store import Run, Store

_FOLDER = Path("outputs", "comparisons")
_ARTIFACTS = "comparison"
_NOTE = "mlflow.note.content"
_LONGEST_NOTE = 4900  # MLflow 1.30 refuses a tag above 5000 characters
_LONGEST_LINK = 2000

Value = TypeVar("Value")


class Compared(NamedTuple):
    """A comparison, what a terminal shows of it, and the folder that holds its files."""

    comparison: ComparisonReport
    text: str
    folder: Path


def open_store(uri: Optional[str], experiment: str) -> Store:
    """Return the store whose runs are compared; nothing is made in it.

    Raises:
        StoreError: it or the experiment is not there, or can't be read by this MLflow.
    """
    chosen = store_check.chosen_uri(uri)
    store_check.check_root(chosen, Path.cwd(), tf_compat.stack_of_this_python())
    return Store(chosen, experiment, make=False)


def compare_sweep(
    tracking_uri: Optional[str],
    experiment: str,
    sweep_name: str,
    reference: Optional[str] = None,
    width: int = 100,
) -> str:
    """Compare the runs of a sweep; return the table for a terminal.

    Its files are kept in outputs/comparisons/ and, where the sweep has a parent run, there too.

    Args:
        tracking_uri: None is MLflow's default, or what the environment says.
        experiment: its name.
        sweep_name: the tag `sweep` of the runs.
        reference: the configuration to hold the others against: a precision mode, or settings
            with commas between. None is must_keep_origin_dtype, else the first.
        width: of the terminal, in characters.

    Raises:
        LenetExpError: the sweep or the reference is not there, or the store refuses.
    """
    store = open_store(tracking_uri, experiment)
    return compare(store, load_runs.sweep(store, sweep_name), reference, width).text


def compare(store: Store, found: SelectedRuns, reference: Optional[str], width: int) -> Compared:
    """Compare runs and keep what came out; raises as `compare_sweep`."""
    made = configurations(found.runs)
    chosen = reference_of(made, reference)
    comparison = assembled(found, made, chosen, _details(store, made, chosen))
    drawn = series.drawn(comparison.configurations)
    shown = plots.pictures(drawn, comparison.rows, _series(store, drawn))
    folder = (_FOLDER / _file_name(found.title)).resolve()
    text = _text(comparison, width)
    files = {
        "comparison.txt": (text + "\n").encode(),
        "comparison.csv": table.as_csv(comparison.rows).encode(),
        "comparison.md": _markdown(comparison).encode(),
        "comparison.html": page.html(comparison, shown, len(drawn)).encode(),
        **{f"{picture.name}.png": picture.light for picture in shown},
    }
    for name, content in files.items():
        run_files.write_bytes(folder / name, content)
    if found.parent is not None:
        _attach(store, found.parent, [folder / name for name in files], comparison)
    return Compared(comparison, text, folder)


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.-]+", "_", title).strip("._") or "runs"


def _details(store: Store, made: Sequence[Configuration], chosen: Configuration) -> Details:
    """Read what the comparison needs of some runs only."""
    firsts = [(one.runs or one.others)[0] for one in made]
    pairs = [single_pair(one, chosen) or () for one in made if one is not chosen]
    judged = [run for pair in pairs for run in pair]
    return Details(
        _known(firsts, lambda run: load_runs.text(store, run, "precision.csv")),
        _known(firsts, lambda run: load_runs.text(store, run, "config.yaml")),
        _known(judged, lambda run: load_runs.predictions(store, run)),
    )


def _known(
    runs: Iterable[Recorded], read: Callable[[Recorded], Optional[Value]]
) -> Dict[str, Value]:
    found = {run.run_id: read(run) for run in runs}
    return {run_id: value for run_id, value in found.items() if value is not None}


def _series(store: Store, drawn: Sequence[Configuration]) -> Dict[Tuple[str, str], Points]:
    wanted = [
        (run, metric)
        for one in drawn
        for run in series.runs_drawn(one)
        for metric in series.METRICS
    ]
    read = {(run.run_id, metric): load_runs.points(store, run, metric) for run, metric in wanted}
    return {key: points for key, points in read.items() if points is not None}


def _text(comparison: ComparisonReport, width: int) -> str:
    parts = [
        _wrapped([f"{comparison.title}: {comparison.about}"], width),
        table.terminal(comparison.rows, width),
        _wrapped(_against(comparison), width),
        _wrapped(comparison.notes, width),
    ]
    return "\n\n".join(part for part in parts if part)


def _against(comparison: ComparisonReport) -> List[str]:
    lines = [f"  {line}" for line in comparison.said]
    return [f"against {comparison.reference}:", *lines] if lines else []


def _wrapped(lines: Sequence[str], width: int) -> str:
    return "\n".join(part for line in lines for part in table.wrapped(line, width))


def _markdown(
    comparison: ComparisonReport, columns: Sequence[table.TableColumn] = table.ALL
) -> str:
    against = [f"Against {comparison.reference}:", ""] if comparison.said else []
    listed = "\n".join([*against, *(f"- {line}" for line in (*comparison.said, *comparison.notes))])
    shown = table.markdown(comparison.rows, columns)
    head = f"**{comparison.title}**: {comparison.about}"
    return table.typeset(f"{head}\n\n{shown}\n{listed}\n")


def _attach(
    store: Store, parent: Recorded, paths: Sequence[Path], comparison: ComparisonReport
) -> None:
    run = Run(store, parent.run_id)
    for path in paths:
        run.artifact(path, _ARTIFACTS)
    run.tags({_NOTE: note(comparison)})


def note(comparison: ComparisonReport) -> str:
    """Return the parent run's description: the compare link, then the table as far as it fits."""
    link = compare_link(comparison.configurations)
    text = f"[Compare these runs]({link})\n\n{_markdown(comparison, table.IN_SHORT)}"
    if len(text) <= _LONGEST_NOTE:
        return text
    return text[:_LONGEST_NOTE].rpartition("\n")[0] + f"\n\nThe rest is in {_ARTIFACTS}/.\n"


def compare_link(found: Sequence[Configuration]) -> str:
    """Return MLflow's own compare page of the runs; of many, of one for each configuration."""
    firsts = [one.runs[0] for one in found if one.runs]
    link = _link([run for one in found for run in one.runs])
    while len(link) > _LONGEST_LINK:
        link = _link(firsts)
        firsts = firsts[:-1]
    return link


def _link(runs: Sequence[Recorded]) -> str:
    ids = json.dumps([run.run_id for run in runs], separators=(",", ":"))
    experiments = json.dumps(sorted({run.experiment_id for run in runs}), separators=(",", ":"))
    return f"#/compare-runs?runs={quote(ids)}&experiments={quote(experiments)}"
