"""What is drawn, and on which paper."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image

from lenet_exp.comparison import plots
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Points, Recorded
from lenet_exp.comparison.verdicts import AccuracyVerdict

from test_table import ROW  # isort: skip


def configuration(label, seeds, scaling="dynamic"):
    runs = tuple(
        Recorded(f"{label}{seed}", "1", "FINISHED", 0, {"seed": str(seed)}, {}, {}, "")
        for seed in seeds
    )
    return Configuration(label, {"loss_scale.name": scaling}, runs, ())


def points(steps, values):
    return Points(np.array(steps), np.array(values, float))


KNOWN = {
    ("a0", "loss"): points([10, 20, 30], [4, 2, 1]),
    ("a1", "loss"): points([10, 20], [2, 1]),
    ("b0", "loss"): points([10], [7]),
    ("a0", "loss_scale"): points([10, 20, 30], [8, 4, 8]),
    ("a0", "skipped_steps"): points([10, 20, 30], [1, 3, 3]),
    ("b0", "loss_scale"): points([10], [1]),
    ("b0", "skipped_steps"): points([10], [0]),
}
A, B = configuration("a", [0, 1]), configuration("b", [0], "none")


def test_a_curve_is_the_mean_and_the_range_over_the_steps_that_all_runs_have():
    first, second = plots.curves([A, B], "loss", KNOWN)
    assert (first.label, first.steps.tolist(), first.mean.tolist()) == ("a", [10, 20], [3, 1.5])
    assert (first.low.tolist(), first.high.tolist()) == ([2, 1], [4, 2])
    assert (second.label, second.mean.tolist()) == ("b", [7])
    assert plots.curves([A, B], "validation_accuracy", KNOWN) == []


def test_a_window_with_more_skipped_steps_is_marked():
    (found,) = plots.scales([A, B], KNOWN)  # b has no loss scale
    assert found.values.tolist() == [8, 4, 8]
    assert found.overflowed.tolist() == [True, True, False]


def test_no_more_configurations_are_drawn_than_colours_tell_apart():
    many = [configuration(str(n), []) for n in range(3)]
    many += [configuration(str(n), [0]) for n in range(3, 20)]
    drawn = plots.drawable(many)
    assert [one.label for one in drawn] == [str(n) for n in range(3, 11)]
    assert len(set(plots.COLOURS)) == len(drawn)


def pixels(png):
    return (image.imread(io.BytesIO(png))[:, :, :3] * 255).round().astype(int)


def coloured(png, color):
    """Return bool [height, width]: where a plot has that colour."""
    value = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    return np.all(pixels(png) == value, axis=2)


def row(label, accuracy, difference=None, half=None, **more):
    word = "reference" if difference is None else "within noise"
    verdict = AccuracyVerdict(word, "paired t", (3, 3), 0.95, difference, half)
    return ROW._replace(configuration=label, accuracy=accuracy, verdict=verdict, **more)


ROWS = [row("a", 0.98, 0.001, 0.0002), row("b", 0.1, -0.88, 0.03)]
LARGE = {key: points([10, 20], [5.5e4, 2]) for key in KNOWN}
DRAWINGS = {
    "large loss": lambda look: plots.loss_by_step(plots.curves([A, B], "loss", LARGE), look),
    "loss": lambda look: plots.loss_by_step(plots.curves([A, B], "loss", KNOWN), look),
    "loss scale": lambda look: plots.loss_scales(plots.scales([A, B], KNOWN), look),
    "difference": lambda look: plots.differences(ROWS, look),
    "speed": lambda look: plots.accuracy_by_speed(ROWS, look),
}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_plot_keeps_its_labels_inside_and_shows_every_colour(drawing):
    look = plots.styles(["a", "b"])
    png = DRAWINGS[drawing](look)
    drawn = pixels(png)
    for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert {tuple(pixel) for pixel in edge} == {(255, 255, 255)}
    labels = ["a"] if drawing == "loss scale" else ["a", "b"]
    assert all(coloured(png, look[label].color).any() for label in labels)


def test_a_curve_that_lies_on_another_is_seen_in_a_panel_of_its_own():
    same = dict.fromkeys([("a0", "loss"), ("a1", "loss"), ("b0", "loss")], points([10, 20], [2, 1]))
    look = plots.styles(["a", "b"])
    png = plots.loss_by_step(plots.curves([A, B], "loss", same), look)
    left, right = (np.flatnonzero(coloured(png, look[label].color).any(axis=0)) for label in "ab")
    assert len(left) > 100
    assert len(right) > 100
    assert left.max() < right.min()


@pytest.mark.parametrize(
    "others", [[], [row("b", 0.1, -0.88, 0.03)], [row("b", 0.971, -0.009, 0.001)]],
    ids=["alone", "beside one that does not learn", "beside one nearly a point below"],
)  # fmt: skip
def test_a_tenth_of_a_point_is_seen_as_a_difference(others):
    look = plots.styles(["a", "b"])
    places = [
        np.flatnonzero(coloured(plots.differences([row("a", 0.98, d, 0.0), *others], look),
                                look["a"].color).any(axis=0)).mean() for d in (0.0, 0.001)
    ]  # fmt: skip
    assert places[1] - places[0] > 20  # of 720 pixels


@pytest.mark.parametrize("steps", [[1, 2, 3], [5, 10, 15, 20], [1000, 2000, 5000]])
def test_steps_are_marked_at_whole_numbers(steps, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "png", lambda figure, dpi: drawn.append(figure) or b"")
    known = {("b0", "loss"): points(steps, [3.0] * len(steps))}
    plots.loss_by_step(plots.curves([B], "loss", known), plots.styles(["b"]))
    (axes,) = drawn[0].axes
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_a_plot_says_in_words_what_it_shows():
    shown = plots.in_words(plots.curves([A, B], "loss", KNOWN))
    assert shown == "a ends at 1.5; b ends at 7"
    assert plots.in_words(plots.scales([A], KNOWN)) == "a ends at 8"
    said = "a accuracy 0.9800 +-0.0013, +0.10 +-0.02 points, 0.00812 sec/step"
    assert plots.in_words(ROWS[:1]) == said


@pytest.mark.parametrize(
    "values", [(2, np.nan, np.nan), (np.nan,) * 3, (2, np.inf, 1), (0, 0, 0), (2, 6e4, 1)]
)
def test_a_loss_that_is_no_number_is_a_gap(values):
    known = {("b0", "loss"): points([10, 20, 30], values)}
    drawn = plots.curves([B], "loss", known)
    assert plots.loss_by_step(drawn, plots.styles(["b"]))[:4] == b"\x89PNG"


def test_nothing_to_draw_is_no_picture():
    assert plots.pictures([A, B], [], {}) == []
