"""The plots of a comparison."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # without pyplot: no display, no global state
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator

from lenet_exp.comparison import table
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.rows import BASELINE_ACCURACY, TableRow
from lenet_exp.comparison.runs import Points, Recorded
from lenet_exp.comparison.verdicts import REFERENCE, percent
from lenet_exp.record.run.plots import png

METRICS = ("validation_accuracy", "loss", "loss_scale", "skipped_steps")
MOST_CURVES = 8  # that colours and markers keep apart
_MOST_RUNS = 5  # whose spread a curve shows
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# On a logit axis 0.98 and 0.99 are as far apart as 0.90 and 0.95.
_TICKS = (0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)
_LEAST, _MOST = 0.05, 0.998
# Inches: small, so that letters are large enough where a phone shows the whole width.
_WIDTH, _PLOT_HEIGHT, _PANEL_HEIGHT, _ROW_HEIGHT, _LINE_HEIGHT = 4.8, 3.0, 1.7, 0.5, 0.19
_DPI = 150
_LETTERS = 24  # of a label in half the width
_NEAR = 1.0  # points; differences beyond are at the edge of a plot that shows a tenth of a point
_LEAST_EXTENT = 0.25  # points
# Okabe and Ito's colours, which colour-blind people tell apart; markers and panels say it again.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#b0437f", "#8a6d00", "#3a8fc2", "#6a51a3", "#444444",
)  # fmt: skip
_INK, _GRID, _OTHERS = "#1d2733", "#dfe4ea", "#9aa5b1"
_WIDE = 5.0  # largest over least loss, beyond which a linear axis hides the end


class Style(NamedTuple):
    """How one configuration is drawn, in every picture alike."""

    color: str
    marker: str


class Curve(NamedTuple):
    """A metric of a configuration by step: float64 [n] mean, least and most over its runs."""

    label: str
    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Scale(NamedTuple):
    """The loss scale of one run by step, and the windows in which a step was skipped."""

    label: str
    steps: np.ndarray
    values: np.ndarray
    overflowed: np.ndarray  # bool [n]


class Picture(NamedTuple):
    """A plot as a PNG; `name` is that of its file, `alt` says in words what it shows."""

    name: str
    title: str
    caption: str
    alt: str
    png: bytes


def drawable(found: Sequence[Configuration]) -> List[Configuration]:
    """Return the configurations that plots show: of many, the first with a finished run."""
    return [one for one in found if one.runs][:MOST_CURVES]


def runs_drawn(one: Configuration) -> Sequence[Recorded]:
    """Return the runs of a configuration whose series are read."""
    return one.runs[:_MOST_RUNS]


def curves(
    found: Iterable[Configuration], metric: str, series: Mapping[Tuple[str, str], Points]
) -> List[Curve]:
    """Return each configuration's curve of a metric, over the steps that all its runs have."""
    made = []
    for one in found:
        points = [series.get((run.run_id, metric)) for run in runs_drawn(one)]
        by_step = [dict(zip(p.steps.tolist(), p.values.tolist())) for p in points if p is not None]
        if by_step:
            steps = sorted(set(by_step[0]).intersection(*by_step[1:]))
            values = np.array([[known[step] for step in steps] for known in by_step])
            spread = values.mean(axis=0), values.min(axis=0), values.max(axis=0)
            made.append(Curve(one.label, np.array(steps), *spread))
    return made


def scales(found: Iterable[Configuration], series: Mapping[Tuple[str, str], Points]) -> List[Scale]:
    """Return the loss scale's history in the first run of each configuration that scales."""
    made = []
    for one in found:
        run = one.runs[0].run_id
        scale, skipped = series.get((run, "loss_scale")), series.get((run, "skipped_steps"))
        if scale is None or one.settings.get("loss_scale.name") == "none":
            continue
        more = np.zeros(len(scale.steps), bool)
        if skipped is not None and len(skipped.steps) == len(scale.steps):
            more = np.diff(skipped.values, prepend=0.0) > 0
        made.append(Scale(one.label, scale.steps, scale.values, more))
    return made


_BAND = "Line: mean over seeds; band: from the lowest seed to the highest; gray: the others."
_BASELINE = f"Dotted: the ModelZoo's {BASELINE_ACCURACY}."
_LINES = f"{_BAND} {_BASELINE}"
_SKIPPED = "Of the first seed; x: in that window a step was skipped for an overflow."


def pictures(
    drawn: Sequence[Configuration],
    rows: Sequence[TableRow],
    points: Mapping[Tuple[str, str], Points],
) -> List[Picture]:
    """Return the plots that there is something to draw in."""
    labels = [one.label for one in drawn]
    look = styles(labels)
    shown = [row for row in rows if row.configuration in labels]
    timed = [row for row in shown if row.sec_per_step is not None]
    held = [row for row in shown if row.verdict.difference is not None]
    accuracies = curves(drawn, "validation_accuracy", points)
    losses = curves(drawn, "loss", points)
    reference = next((row.configuration for row in rows if row.verdict.word == REFERENCE), "")
    plots: Sequence[Tuple[str, str, str, Callable[..., bytes], Sequence[Any]]] = (
        ("difference", f"Test accuracy against {reference}", _intervals(held), differences, held),
        ("accuracy", "Validation accuracy by step", _LINES, accuracy_by_step, accuracies),
        ("loss", "Training loss by step", _BAND, loss_by_step, losses),
        ("speed", "Test accuracy against time", _times(timed), accuracy_by_speed, timed),
        ("loss_scale", "Loss scale by step", _SKIPPED, loss_scales, scales(drawn, points)),
    )
    return [
        Picture(name, title, caption, f"{title}: {in_words(found)}.", draw(found, look))
        for name, title, caption, draw, found in plots
        if found
    ]


def _intervals(rows: Sequence[TableRow]) -> str:
    levels = {percent(row.verdict.level) for row in rows if row.verdict.half_width is not None}
    said = "A point is 0.01 of accuracy. The difference"
    if levels:
        said += f", with its interval at {' and '.join(sorted(levels))}"
    if any(row.verdict.half_width is None for row in rows):
        said += "; hollow: no interval is known"
    return said + "; arrow: beyond the plot."


def _times(rows: Sequence[TableRow]) -> str:
    said = f"Bars: 95 % intervals over seeds. {_BASELINE}"
    if any(row.emulated for row in rows):
        said += " Float16 is emulated: the time is the CPU's, not a chip's."
    if not all(row.comparable for row in rows):
        said += " Hollow: other jobs ran beside, so the time is not comparable."
    return said


def in_words(found: Sequence[Any]) -> str:
    """Return what a plot of curves, loss scales or rows shows."""
    said = []
    for one in found:
        if isinstance(one, Curve):
            said.append(f"{one.label} ends at {one.mean[-1]:.4g}")
        elif isinstance(one, Scale):
            said.append(f"{one.label} ends at {table.number(float(one.values[-1]))}")
        else:
            difference = table.difference(one)
            against = f", {difference} points" if difference else ""
            time = "" if one.sec_per_step is None else f", {one.sec_per_step:.5f} sec/step"
            said.append(f"{one.configuration} accuracy {table.accuracy(one)}{against}{time}")
    return "; ".join(said)


def styles(labels: Sequence[str]) -> Dict[str, Style]:
    """Return a style for each label."""
    looks = zip(itertools.cycle(COLOURS), itertools.cycle(_MARKERS))
    return {label: Style(*look) for label, look in zip(labels, looks)}


def accuracy_by_step(found: Sequence[Curve], look: Dict[str, Style]) -> bytes:
    """Return a PNG: validation accuracy by step, a panel for each configuration."""
    figure, panels = _panels([one.label for one in found], "accuracy")
    least = [float(curve.low.min()) for curve in found]
    for mine, axes in zip(found, panels):
        _draw_curves(axes, mine, found, look[mine.label], marked=True)
        _accuracy_axis(axes, least)
    panels[0].set_xlim(left=0)
    return png(figure, _DPI)


def loss_by_step(found: Sequence[Curve], look: Dict[str, Style]) -> bytes:
    """Return a PNG: the training loss by step, a panel for each configuration."""
    figure, panels = _panels([one.label for one in found], "loss (cross-entropy)")
    finite = np.concatenate([one.mean[np.isfinite(one.mean)] for one in found])
    wide = len(finite) > 0 and finite.min() > 0 and finite.max() > _WIDE * finite.min()
    for mine, axes in zip(found, panels):
        _draw_curves(axes, mine, found, look[mine.label], marked=False)
        if wide:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
    panels[0].set_xlim(left=0)
    return png(figure, _DPI)


def loss_scales(found: Sequence[Scale], look: Dict[str, Style]) -> bytes:
    """Return a PNG: the loss scale by step, a cross where a step overflowed."""
    figure, panels = _panels([one.label for one in found], "loss scale")
    for mine, axes in zip(found, panels):
        for one in found:
            axes.step(one.steps, one.values, where="post", color=_OTHERS, linewidth=1)
        color, over = look[mine.label].color, mine.overflowed
        axes.step(mine.steps, mine.values, where="post", color=color, linewidth=1.8)
        axes.plot(mine.steps[over], mine.values[over], "x", color=color, markersize=6)
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_locator(LogLocator(base=2, numticks=8))
        axes.yaxis.set_major_formatter(lambda scale, _: f"2^{np.log2(scale):.0f}")
    panels[0].set_xlim(left=0)
    return png(figure, _DPI)


def differences(rows: Sequence[TableRow], look: Dict[str, Style]) -> bytes:
    """Return a PNG: rows' differences to the reference in points, with their intervals.

    The axis shows those below a point; if there are none, all.
    """
    found = [(100 * (r.verdict.difference or 0.0), r.verdict.half_width) for r in rows]
    reach = [abs(points) + 100 * (half or 0.0) for points, half in found]
    limit = max(_LEAST_EXTENT, 1.15 * max([r for r in reach if r <= _NEAR] or reach))
    height = _ROW_HEIGHT * len(rows) + 0.75
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    figure.subplots_adjust(left=0.04, right=0.96, top=1 - 0.1 / height, bottom=0.6 / height)
    axes = figure.add_subplot()
    for index, (row, (points, half)) in enumerate(zip(rows, found)):
        style = look[row.configuration]
        if abs(points) > limit:
            edge, arrow = np.copysign(limit, points), "<>"[points > 0]
            axes.plot(edge, index, arrow, markersize=9, color=style.color, clip_on=False)
        else:
            axes.errorbar(
                points, index, xerr=None if half is None else 100 * half, fmt=style.marker,
                color=style.color, markersize=7, capsize=4,
                markerfacecolor="none" if half is None else style.color,
            )  # fmt: skip
        label = textwrap.shorten(row.configuration, 2 * _LETTERS, placeholder=" ...")
        shown = f"{table.difference(row)} points".replace("+-", "\u00b1")
        axes.text(-limit, index - 0.3, label, color=_INK, fontsize=9.5)
        axes.text(limit, index - 0.3, shown, color=_INK, fontsize=9.5, ha="right")
    axes.set(xlim=(-limit, limit), ylim=(len(rows) - 0.5, -0.75), yticks=[])
    axes.axvline(0, color=_INK, linewidth=1)
    _plain(axes, "points of test accuracy, 0: the reference", "")
    axes.spines["left"].set_visible(False)
    return png(figure, _DPI)


def accuracy_by_speed(rows: Sequence[TableRow], look: Dict[str, Style]) -> bytes:
    """Return a PNG: test accuracy against sec/step of rows that have one.

    Hollow where the time is not comparable.
    """
    hardware = " and ".join(sorted({row.hardware for row in rows}))
    emulated = ", float16 emulated" if any(row.emulated for row in rows) else ""
    figure = Figure(facecolor="white")
    axes = figure.add_subplot()
    _plain(axes, f"sec/step ({hardware}{emulated})", "accuracy")
    for row in rows:
        style, accuracy, half = look[row.configuration], row.accuracy or 0.0, row.half_width or 0.0
        low, middle, high = np.clip([accuracy - half, accuracy, accuracy + half], _LEAST, _MOST)
        axes.errorbar(
            [row.sec_per_step or 0.0], [middle],
            yerr=None if row.half_width is None else [[middle - low], [high - middle]],
            fmt=style.marker, color=style.color, markersize=8, capsize=4,
            markerfacecolor=style.color if row.comparable else "none", label=row.configuration,
        )  # fmt: skip
    axes.set_xlim(0, 1.25 * max(row.sec_per_step or 0.0 for row in rows))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter("{x:g}")
    _accuracy_axis(axes, [row.accuracy or 0.0 for row in rows])
    return _with_legend(figure, axes)


def _draw_curves(
    axes: Axes, mine: Curve, found: Sequence[Curve], style: Style, marked: bool
) -> None:
    for other in found:
        axes.plot(other.steps, other.mean, color=_OTHERS, linewidth=1)
    axes.fill_between(
        mine.steps, mine.low, mine.high, color=style.color, alpha=0.25, linewidth=0
    )  # fmt: skip
    axes.plot(
        mine.steps, mine.mean, color=style.color, linewidth=1.8, markersize=4,
        marker=style.marker if marked or len(mine.steps) < 3 else None,
    )  # fmt: skip


def _accuracy_axis(axes: Axes, values: Sequence[float]) -> None:
    axes.set_yscale("logit")
    low = max(0.9 * min(values), _LEAST)
    axes.set_ylim(low, _MOST)
    ticks = [tick for tick in _TICKS if tick >= low]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(BASELINE_ACCURACY, color=_INK, linewidth=0.8, linestyle=(0, (1, 3)))


def _panels(labels: Sequence[str], vertical: str) -> Tuple[Figure, List[Axes]]:
    """Return a figure with a panel for each label, all with the same axes."""
    columns = min(2, len(labels))
    lines = -(-len(labels) // columns)
    letters = _LETTERS * 2 // columns
    titles = [textwrap.fill(label, letters) for label in labels]
    above = 0.12 + _LINE_HEIGHT * max(title.count("\n") + 1 for title in titles)
    height = lines * (_PANEL_HEIGHT + above) + 0.5
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    figure.subplots_adjust(
        left=0.17, right=0.98, top=1 - above / height, bottom=0.5 / height, wspace=0.08,
        hspace=above / _PANEL_HEIGHT,
    )  # fmt: skip
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for index, axes in enumerate(panels):
        is_last = index + columns >= len(labels)
        _plain(axes, "step" if is_last else "", vertical if index % columns == 0 else "")
        axes.tick_params(labelbottom=is_last)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=(1, 2, 5, 10)))
    for title, axes in zip(titles, panels):
        axes.set_title(title, color=_INK, loc="left", fontsize=9.5)
    for axes in panels[len(labels) :]:
        axes.set_visible(False)
    return figure, panels[: len(labels)]


def _plain(axes: Axes, horizontal: str, vertical: str) -> None:
    axes.set_xlabel(horizontal, color=_INK)
    axes.set_ylabel(vertical, color=_INK)
    axes.tick_params(colors=_INK, labelsize=8.5)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)


def _with_legend(figure: Figure, axes: Axes) -> bytes:
    """Draw with the legend below; sizes are set here, for a tight box would draw all twice."""
    handles, labels = axes.get_legend_handles_labels()
    shown = [textwrap.fill(label, _LETTERS) for label in labels]
    rows = -(-len(shown) // 2)
    lines = sum(max(label.count("\n") + 1 for label in shown[row::rows]) for row in range(rows))
    below = 0.65 + _LINE_HEIGHT * lines
    height = _PLOT_HEIGHT + below
    figure.set_size_inches(_WIDTH, height)
    figure.subplots_adjust(left=0.13, right=0.97, top=1 - 0.1 / height, bottom=below / height)
    figure.legend(
        handles, shown, ncol=2, loc="lower left", bbox_to_anchor=(0.02, 0), frameon=False,
        fontsize=9, labelcolor=_INK, handlelength=1.5,
    )  # fmt: skip
    return png(figure, _DPI)
