"""Runs are read, compared, and what came out is kept with them: the stages of `compare`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar
from urllib.parse import quote

from lenet_exp import tf_compat
from lenet_exp.comparison import load_runs, plots, table
from lenet_exp.comparison.assembled import ComparisonReport, assembled
from lenet_exp.comparison.configurations import Configuration, configurations, reference_of
from lenet_exp.comparison.rows import first_of
from lenet_exp.comparison.runs import Details, Points, Recorded, SelectedRuns
from lenet_exp.comparison.verdicts import single_pair
from lenet_exp.record.pages import page
from lenet_exp.record.run import comparison_files
from lenet_exp.record.run.plots import in_words
from lenet_exp.record.store import store_check
from lenet_exp.record.store.mlflow_store import Store

_TEMPLATE = Path(__file__).with_name("page.html")
_LONGEST_NOTE = 4900  # MLflow 1.30 refuses a tag above 5000 characters
_LONGEST_LINK = 2000

Key = TypeVar("Key")
Value = TypeVar("Value")


class Misread(NamedTuple):
    """The confusion matrix of a configuration's first run, with digits that it misread."""

    label: str
    seed: int
    alt: str
    png: bytes


class Compared(NamedTuple):
    """A comparison, what a terminal shows of it, and the folder that holds its files."""

    comparison: ComparisonReport
    text: str
    folder: Path

    @property
    def page(self) -> Path:
        """The page, which needs no other file."""
        return self.folder / "comparison.html"


def open_store(uri: Optional[str], experiment: str) -> Store:
    """Return the store whose runs are compared; nothing is made in it.

    Raises:
        StoreError: it or the experiment is not there, or can't be read by this MLflow.
    """
    chosen = store_check.chosen_uri(uri)
    store_check.check_root(chosen, Path.cwd(), tf_compat.stack_of_this_python())
    return Store(chosen, experiment, make=False)


def compare_sweep(
    tracking_uri: Optional[str], experiment: str, sweep_name: str, reference: Optional[str] = None
) -> str:
    """Compare the runs of a sweep; return the table for a terminal of 100 characters.

    Its files are kept in outputs/comparisons/ and, where the sweep has a parent run, there too.

    Args:
        tracking_uri: None is MLflow's default, or what the environment says.
        experiment: its name.
        sweep_name: the tag `sweep` of the runs.
        reference: the configuration to hold the others against: a precision mode, or settings
            with commas between. None is must_keep_origin_dtype, else the first.

    Raises:
        LenetExpError: the sweep or the reference is not there, or the store refuses.
    """
    store = open_store(tracking_uri, experiment)
    return compare(store, load_runs.sweep(store, sweep_name), reference, 100).text


def compare(store: Store, found: SelectedRuns, reference: Optional[str], width: int) -> Compared:
    """Compare runs and keep what came out; raises as `compare_sweep`."""
    made = configurations(found.runs)
    chosen = reference_of(made, reference)
    comparison = assembled(found, made, chosen, _details(store, made, chosen))
    drawn = plots.drawable(comparison.configurations)
    shown = plots.pictures(drawn, comparison.rows, _series(store, drawn))
    text = _text(comparison, width)
    files = {
        "comparison.txt": (text + "\n").encode(),
        "comparison.csv": table.as_csv(comparison.rows).encode(),
        "comparison.md": _markdown(comparison).encode(),
        "comparison.html": _page(comparison, shown, _misread(store, drawn), len(drawn)),
        **{f"{picture.name}.png": picture.png for picture in shown},
    }
    folder = comparison_files.keep(
        store,
        found.folder,
        found.parent and found.parent.run_id,
        files,
        lambda link: note(comparison, f"{link}/comparison.html"),
    )
    return Compared(comparison, text, folder)


def _page(
    comparison: ComparisonReport,
    pictures: Sequence[plots.Picture],
    matrices: Sequence[Misread],
    shown: int,
) -> bytes:
    """Return an HTML page that needs no other file; `shown` configurations are in the pictures."""
    finished = sum(bool(one.runs) for one in comparison.configurations)
    return page.render(
        _TEMPLATE,
        comparison=comparison,
        main=(*table.ACCURACY, *table.SPEED),
        on_chip=table.ON_CHIP,
        rows=table.finished(comparison.rows),
        baseline=table.baseline(comparison.rows),
        plots=pictures,
        matrices=matrices,
        shown=shown,
        hidden=finished - shown,
    )


def _misread(store: Store, drawn: Sequence[Configuration]) -> List[Misread]:
    """Read the confusion matrix of the first run of each configuration, where there is one."""
    found = []
    for one in drawn:
        run = one.runs[0]
        png = load_runs.picture(store, run, "confusion_matrix.png")
        if png is not None:
            known = load_runs.predictions(store, run)
            alt = "Confusion matrix" + (f": {in_words(*known)}" if known else "")
            found.append(Misread(one.label, run.seed, alt, png))
    return found


def _details(store: Store, made: Sequence[Configuration], chosen: Configuration) -> Details:
    """Read what the comparison needs of some runs only."""
    firsts = [(one.label, first_of(one)) for one in made]
    others = [one for one in made if one is not chosen]
    judged = [run for one in others for run in single_pair(one, chosen) or ()]
    return Details(
        _known({label: load_runs.text(store, run, "precision.csv") for label, run in firsts}),
        _known({label: load_runs.text(store, run, "config.yaml") for label, run in firsts}),
        _known({run.run_id: load_runs.right_images(store, run) for run in judged}),
    )


def _known(read: Mapping[Key, Optional[Value]]) -> Dict[Key, Value]:
    return {key: value for key, value in read.items() if value is not None}


def _series(store: Store, drawn: Sequence[Configuration]) -> Dict[Tuple[str, str], Points]:
    runs = [run for one in drawn for run in plots.runs_drawn(one)]
    wanted = itertools.product(runs, plots.METRICS)
    return _known({(run.run_id, key): load_runs.points(store, run, key) for run, key in wanted})


def _text(comparison: ComparisonReport, width: int) -> str:
    against = f"against {comparison.reference}:" if comparison.said else ""
    parts = [
        _wrapped([comparison.headline], width),
        _wrapped([f"{comparison.title}: {comparison.about}"], width),
        table.terminal(comparison.rows, width),
        _wrapped([against, *(f"  {line}" for line in comparison.said)], width),
        _wrapped(comparison.notes, width),
    ]
    return "\n\n".join(part for part in parts if part)


def _wrapped(lines: Sequence[str], width: int) -> str:
    return "\n".join(part for line in lines for part in table.wrapped(line, width))


def _markdown(
    comparison: ComparisonReport, columns: Sequence[table.TableColumn] = table.ALL
) -> str:
    against = [f"Against {comparison.reference}:", ""] if comparison.said else []
    listed = "\n".join([*against, *(f"- {line}" for line in (*comparison.said, *comparison.notes))])
    shown = table.markdown(comparison.rows, columns)
    escaped = comparison.headline.replace("_", "\\_")
    head = f"**{escaped}**\n\n{comparison.title}: {comparison.about}"
    reached = table.baseline(comparison.rows)
    return page.typeset(f"{head}\n\n{shown}\n{reached}\n\n{listed}\n")


def note(comparison: ComparisonReport, page_link: str) -> str:
    """Return the parent run's description: links, then the table as far as it fits.

    `page_link` leads to the comparison's page among the run's artifacts.
    """
    link = compare_link(comparison.configurations)
    links = f"[Compare these runs]({link}), [the page of this comparison]({page_link})"
    text = f"{links}\n\n{_markdown(comparison, table.IN_SHORT)}"
    if len(text) <= _LONGEST_NOTE:
        return text
    return text[:_LONGEST_NOTE].rpartition("\n")[0] + "\n\nThe rest is in comparison/.\n"


def compare_link(found: Sequence[Configuration]) -> str:
    """Return MLflow's own compare page of the runs; of many, of one for each configuration."""
    firsts = [one.runs[0] for one in found if one.runs]
    link = _link([run for one in found for run in one.runs])
    while len(link) > _LONGEST_LINK:
        link = _link(firsts)
        firsts = firsts[:-1]
    return link


def _link(runs: Sequence[Recorded]) -> str:
    ids = [run.run_id for run in runs], sorted({run.experiment_id for run in runs})
    quoted = [quote(json.dumps(listed, separators=(",", ":"))) for listed in ids]
    return "#/compare-runs?runs={}&experiments={}".format(*quoted)
