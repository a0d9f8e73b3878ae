"""Pictures of one run."""

from __future__ import annotations

import io
from typing import Any, Dict, List, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # without pyplot: no display, no global state
from matplotlib.ticker import MaxNLocator

from lenet_exp.training.history import History

_PAIRS = 6  # of digits that are shown beside the matrix
_EXAMPLES = 5  # of each
_TITLE, _GAP = 12, 4  # pixels of an image: above each row of examples, and beside each example


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Return a figure as a PNG."""
    packed = io.BytesIO()
    # Margins are set by hand: bbox_inches="tight" draws everything twice.
    figure.savefig(packed, format="png", dpi=dpi)
    return packed.getvalue()


def loss_curve(history: History, name: str) -> bytes:
    """Return a PNG: the loss of each step, its running mean, validation accuracy by epoch.

    `name` is the run's, for the title.
    """
    losses = history.losses
    figure = Figure(figsize=(8, 4.5))
    figure.subplots_adjust(left=0.12, right=0.91, bottom=0.12, top=0.92)
    axes = figure.add_subplot()
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, color="#b8c4d6", linewidth=0.6, label="loss of a step")
    span = max(1, min(100, len(losses) // 10))
    if span > 1:
        smooth = np.convolve(losses, np.ones(span) / span, mode="valid")
        axes.plot(steps[span - 1 :], smooth, color="#1f4e8c", label=f"mean of {span} steps")
    last = max(2, len(losses))
    axes.set(xlabel="step", ylabel="loss (cross-entropy)", xlim=(0, last + 0.02 * last))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=(1, 2, 5, 10)))
    right = axes.twinx()
    style: Dict[str, Any] = {"color": "#c2571a", "markersize": 4, "label": "validation accuracy"}
    style.update(clip_on=False, zorder=3)  # an accuracy of 0 or 1 lies on the frame
    right.plot(history.validated, history.accuracies, "o--", **style)
    right.set(ylabel="validation accuracy", ylim=(0, 1))
    handles = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="center right", frameon=False)
    axes.set_title(f"{name}: training loss, {len(losses)} steps")
    return png(figure)


def confusion_counts(labels: np.ndarray, classes: np.ndarray, size: int = 10) -> np.ndarray:
    """Return int [size, size]: how often a digit (row) was taken for a class (column)."""
    places = labels.astype(int) * size + classes
    return np.bincount(places, minlength=size * size).reshape(size, size)


def worst_confused(labels: np.ndarray, classes: np.ndarray) -> List[Tuple[int, int]]:
    """Return the (digit, taken for) pairs that happened most often, the worst first."""
    wrong = confusion_counts(labels, classes)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [(int(place) // len(wrong), int(place) % len(wrong)) for place in order]
    return [pair for pair in pairs if wrong[pair]]


def in_words(labels: np.ndarray, classes: np.ndarray) -> str:
    """Return what a confusion matrix shows, for those who don't see it."""
    right = int(np.sum(labels == classes))
    said = f"{right} of {len(labels)} test images right"
    wrong = confusion_counts(labels, classes)
    pairs = [f"{a} for {b} ({wrong[a, b]} times)" for a, b in worst_confused(labels, classes)]
    return f"{said}; most often mistaken: {', '.join(pairs)}" if pairs else said


def confusion_matrix(
    images: np.ndarray, labels: np.ndarray, classes: np.ndarray, name: str
) -> bytes:
    """Return a PNG: the test set's confusion matrix, and images of the worst-confused digits.

    `images` are uint8 [n, height, width, 1]; `labels`, the truth, and `classes` uint8 [n];
    `name` is the run's, for the title.
    """
    pairs = worst_confused(labels, classes)
    figure = Figure(figsize=(11.5, 6.2) if pairs else (7, 6.2))
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.09, top=0.9, wspace=0.12)
    figure.suptitle(name, x=0.07, y=0.97, ha="left", fontsize=12, fontweight="bold")
    grid = figure.add_gridspec(1, 2 if pairs else 1, width_ratios=[8, 5] if pairs else [1])
    _draw_counts(figure.add_subplot(grid[0]), confusion_counts(labels, classes))
    if pairs:
        _draw_examples(figure.add_subplot(grid[1]), images[..., 0], labels, classes, pairs)
    return png(figure)


def _draw_examples(
    axes: Axes,
    images: np.ndarray,
    labels: np.ndarray,
    classes: np.ndarray,
    pairs: List[Tuple[int, int]],
) -> None:
    """Draw a row of examples for each pair, all as one image: an Axes each would take a second."""
    _, height, width = images.shape
    page = np.zeros((_PAIRS * (height + _TITLE), _EXAMPLES * (width + _GAP)), np.uint8)
    for row, (digit, taken) in enumerate(pairs):
        found = np.flatnonzero((labels == digit) & (classes == taken))
        top = row * (height + _TITLE) + _TITLE
        title = f"{digit} taken for {taken}: {len(found)}"
        axes.text(0, top - 2, title, va="bottom", fontsize=9)
        for column, image in enumerate(found[:_EXAMPLES]):
            left = column * (width + _GAP)
            page[top : top + height, left : left + width] = images[image]
    axes.imshow(page, cmap="gray_r", vmin=0, vmax=255)
    axes.set_axis_off()


def _draw_counts(axes: Axes, counts: np.ndarray) -> None:
    wrong = counts - np.diag(np.diag(counts))
    axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=max(1, wrong.max()))
    middle = wrong.max() / 2
    for digit, taken in zip(*np.nonzero(counts)):
        bold = "bold" if digit == taken else "normal"
        colour = "white" if wrong[digit, taken] > middle > 0 else "black"
        axes.text(
            taken, digit, str(counts[digit, taken]), ha="center", va="center", fontsize=9,
            fontweight=bold, color=colour,
        )  # fmt: skip
    axes.set(
        xticks=range(10), yticks=range(10), xlabel="predicted digit", ylabel="true digit",
    )  # fmt: skip
    axes.set_title(f"{np.trace(counts)} of {counts.sum()} test images right", loc="left")
