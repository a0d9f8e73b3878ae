"""What is drawn, and on which paper."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image

from lenet_exp.comparison import plots
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Points, Recorded


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
    for theme in (plots.LIGHT, plots.DARK):
        assert len(set(theme.colours)) == len(drawn)


@pytest.mark.parametrize(
    ("theme", "paper"), [(plots.LIGHT, (255, 255, 255)), (plots.DARK, (22, 28, 36))]
)
def test_a_plot_has_its_page_s_paper_and_every_label_inside(theme, paper):
    labels = ["a", "b"]
    png = plots.loss_by_step(
        plots.curves([A, B], "loss", KNOWN), plots.styles(labels, theme), theme
    )
    drawn = (image.imread(io.BytesIO(png))[:, :, :3] * 255).round().astype(int)
    for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert {tuple(pixel) for pixel in edge} == {paper}
    shown = {tuple(pixel) for pixel in drawn.reshape(-1, 3)}
    for style in plots.styles(labels, theme).values():
        value = style.color.lstrip("#")
        assert tuple(int(value[place : place + 2], 16) for place in (0, 2, 4)) in shown


@pytest.mark.parametrize(
    "values", [(2, np.nan, np.nan), (np.nan,) * 3, (2, np.inf, 1), (0, 0, 0), (2, 6e4, 1)]
)
def test_a_loss_that_is_no_number_is_a_gap(values):
    known = {("b0", "loss"): points([10, 20, 30], values)}
    drawn = plots.curves([B], "loss", known)
    styles = plots.styles(["b"], plots.LIGHT)
    assert plots.loss_by_step(drawn, styles, plots.LIGHT)[:4] == b"\x89PNG"


def test_nothing_to_draw_is_no_picture():
    assert plots.pictures([A, B], [], {}) == []
