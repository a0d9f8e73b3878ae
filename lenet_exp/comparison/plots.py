"""The plots of a comparison, each as a picture for a light and for a dark page."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # without pyplot: no display, no global state
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator

from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.rows import BASELINE_ACCURACY, TableRow
from lenet_exp.comparison.runs import Points, Recorded
from lenet_exp.record.run.plots import png

METRICS = ("validation_accuracy", "loss", "loss_scale", "skipped_steps")
MOST_CURVES = 8  # that colours and dashes keep apart
_MOST_RUNS = 5  # whose spread a curve shows
_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# On a logit axis 0.98 and 0.99 are as far apart as 0.90 and 0.95.
_TICKS = (0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)
_LEAST, _MOST = 0.05, 0.998
_WIDTH, _PLOT_HEIGHT, _LEGEND_LINE, _LEGEND_LETTERS = 7.0, 3.9, 0.2, 44  # inches, letters
_WIDE = 5.0  # largest over least loss, beyond which a linear axis hides the end


class Theme(NamedTuple):
    """Colours of a page."""

    paper: str
    ink: str
    grid: str
    colours: Tuple[str, ...]


# Okabe and Ito's colours, which colour-blind people tell apart; dashes and markers say it again.
LIGHT = Theme("#ffffff", "#1d2733", "#dfe4ea", (
    "#0072b2", "#d55e00", "#009e73", "#b0437f", "#8a6d00", "#3a8fc2", "#6a51a3", "#444444",
))  # fmt: skip
DARK = Theme("#161c24", "#e3e8ee", "#333d49", (
    "#56b4e9", "#ff9a56", "#2fc79f", "#f09ac6", "#f0d35e", "#9ad0f5", "#b8a5f0", "#d0d0d0",
))  # fmt: skip


class Style(NamedTuple):
    """How one configuration is drawn, in every picture alike; the first lines are the widest.

    So a line shows beneath another one that covers it.
    """

    color: str
    dashes: str
    marker: str
    width: float


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
    """A plot as PNGs for a light and a dark page; `name` is that of its file."""

    name: str
    title: str
    light: bytes
    dark: bytes


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


def pictures(
    drawn: Sequence[Configuration],
    rows: Sequence[TableRow],
    points: Mapping[Tuple[str, str], Points],
) -> List[Picture]:
    """Return the plots that there is something to draw in."""
    labels = [one.label for one in drawn]
    looks = [(styles(labels, theme), theme) for theme in (LIGHT, DARK)]
    timed = [row for row in rows if row.configuration in labels and row.sec_per_step is not None]
    accuracies = curves(drawn, "validation_accuracy", points)
    losses = curves(drawn, "loss", points)
    plots: Sequence[Tuple[str, str, Callable[[Any, Dict[str, Style], Theme], bytes], Any]] = (
        ("accuracy", "Validation accuracy by step", accuracy_by_step, accuracies),
        ("loss", "Training loss by step", loss_by_step, losses),
        ("speed", "Test accuracy against time of a step", accuracy_by_speed, timed),
        ("loss_scale", "Loss scale by step", loss_scales, scales(drawn, points)),
    )
    return [
        Picture(name, title, *(draw(found, *look) for look in looks))
        for name, title, draw, found in plots
        if found
    ]


def styles(labels: Sequence[str], theme: Theme) -> Dict[str, Style]:
    """Return a style for each label."""
    looks = zip(
        itertools.cycle(theme.colours),
        itertools.cycle(_DASHES),
        itertools.cycle(_MARKERS),
        np.linspace(3.2, 1.4, max(2, len(labels))),
    )
    return {label: Style(*look) for label, look in zip(labels, looks)}


def accuracy_by_step(found: Sequence[Curve], look: Dict[str, Style], theme: Theme) -> bytes:
    """Return a PNG: validation accuracy by step, its spread over seeds shaded."""
    figure, axes = _figure(theme, "Validation accuracy", "step", "accuracy")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    for one in found:
        _draw(axes, one, look[one.label], marked=True)
    _accuracy_axis(axes, [float(curve.low.min()) for curve in found], theme)
    return _with_legend(figure, axes, theme)


def loss_by_step(found: Sequence[Curve], look: Dict[str, Style], theme: Theme) -> bytes:
    """Return a PNG: the training loss by step, its spread over seeds shaded."""
    figure, axes = _figure(theme, "Training loss", "step", "loss (cross-entropy)")
    for one in found:
        _draw(axes, one, look[one.label], marked=False)
    finite = np.concatenate([one.mean[np.isfinite(one.mean)] for one in found])
    if len(finite) and finite.min() > 0 and finite.max() > _WIDE * finite.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    return _with_legend(figure, axes, theme)


def accuracy_by_speed(rows: Sequence[TableRow], look: Dict[str, Style], theme: Theme) -> bytes:
    """Return a PNG: test accuracy against sec/step of rows that have one.

    Hollow where the time is not comparable.
    """
    hardware = " and ".join(sorted({row.hardware for row in rows}))
    emulated = ", float16 emulated" if any(row.emulated for row in rows) else ""
    figure, axes = _figure(
        theme, "Test accuracy against time", f"ms a step ({hardware}{emulated})", "accuracy"
    )
    for row in rows:
        style, accuracy, half = look[row.configuration], row.accuracy or 0.0, row.half_width or 0.0
        low, middle, high = np.clip([accuracy - half, accuracy, accuracy + half], _LEAST, _MOST)
        axes.errorbar(
            [1000 * (row.sec_per_step or 0.0)], [middle],
            yerr=None if row.half_width is None else [[middle - low], [high - middle]],
            fmt=style.marker, color=style.color, markersize=9, capsize=4,
            markerfacecolor=style.color if row.comparable else "none", label=row.configuration,
        )  # fmt: skip
    axes.set_xlim(0, 1250 * max(row.sec_per_step or 0.0 for row in rows))
    _accuracy_axis(axes, [row.accuracy or 0.0 for row in rows], theme)
    return _with_legend(figure, axes, theme)


def loss_scales(found: Sequence[Scale], look: Dict[str, Style], theme: Theme) -> bytes:
    """Return a PNG: the loss scale by step, a cross where a step overflowed."""
    figure, axes = _figure(theme, "Loss scale (x: skipped for an overflow)", "step", "loss scale")
    for one in found:
        style = look[one.label]
        axes.step(
            one.steps, one.values, where="post", color=style.color, linestyle=style.dashes,
            linewidth=style.width, label=one.label,
        )  # fmt: skip
        over = one.overflowed
        axes.plot(one.steps[over], one.values[over], "x", color=style.color, markersize=8)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2, numticks=10))
    axes.yaxis.set_major_formatter(lambda scale, _: f"2^{np.log2(scale):.0f}")
    return _with_legend(figure, axes, theme)


def _draw(axes: Axes, one: Curve, style: Style, marked: bool) -> None:
    axes.plot(
        one.steps, one.mean, color=style.color, linestyle=style.dashes,
        marker=style.marker if marked or len(one.steps) < 3 else None, markersize=5,
        linewidth=style.width, label=one.label,
    )  # fmt: skip
    if np.any(one.high > one.low):
        axes.fill_between(one.steps, one.low, one.high, color=style.color, alpha=0.15, linewidth=0)


def _accuracy_axis(axes: Axes, values: Sequence[float], theme: Theme) -> None:
    axes.set_yscale("logit")
    low = max(0.9 * min(values), _LEAST)
    axes.set_ylim(low, _MOST)
    ticks = [tick for tick in _TICKS if tick >= low]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(BASELINE_ACCURACY, color=theme.ink, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.annotate(
        f"ModelZoo's {BASELINE_ACCURACY}", (1, BASELINE_ACCURACY), color=theme.ink, fontsize=8,
        xycoords=("axes fraction", "data"), xytext=(-4, 3), textcoords="offset points", ha="right",
    )  # fmt: skip


def _figure(theme: Theme, title: str, horizontal: str, vertical: str) -> Tuple[Figure, Axes]:
    figure = Figure(facecolor=theme.paper)
    axes = figure.add_subplot()
    axes.set_facecolor(theme.paper)
    axes.set_title(title, color=theme.ink, loc="left", fontsize=12)
    axes.set_xlabel(horizontal, color=theme.ink)
    axes.set_ylabel(vertical, color=theme.ink)
    axes.tick_params(colors=theme.ink)
    axes.grid(color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.ink)
    return figure, axes


def _with_legend(figure: Figure, axes: Axes, theme: Theme) -> bytes:
    """Draw with the legend below; sizes are set here, for a tight box would draw all twice."""
    handles, labels = axes.get_legend_handles_labels()
    shown = [textwrap.fill(label, _LEGEND_LETTERS) for label in labels]
    rows = -(-len(shown) // 2)
    lines = sum(max(label.count("\n") + 1 for label in shown[row::rows]) for row in range(rows))
    below = 0.75 + _LEGEND_LINE * lines
    height = _PLOT_HEIGHT + below
    figure.set_size_inches(_WIDTH, height)
    figure.subplots_adjust(left=0.12, right=0.97, top=1 - 0.4 / height, bottom=below / height)
    figure.legend(
        handles, shown, ncol=2, loc="lower left", bbox_to_anchor=(0.02, 0), frameon=False,
        fontsize=9, labelcolor=theme.ink, handlelength=3.2,
    )  # fmt: skip
    return png(figure)
