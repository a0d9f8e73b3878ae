"""Which plots a comparison has."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.comparison import plots, series
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.page import Picture
from lenet_exp.comparison.plots import DARK, LIGHT, Style, Theme
from lenet_exp.comparison.rows import Row
from lenet_exp.comparison.runs import Points

_Draw = Callable[[Dict[str, Style], Theme], Optional[bytes]]


def pictures(
    drawn: Sequence[Configuration],
    rows: Sequence[Row],
    points: Mapping[Tuple[str, str], Points],
) -> List[Picture]:
    """Return the plots that there is something to draw in."""
    accuracy = series.curves(drawn, "validation_accuracy", points)
    loss = series.curves(drawn, "loss", points)
    scales = series.scales(drawn, points)
    asked: Sequence[Tuple[str, str, _Draw]] = (
        ("accuracy", "Validation accuracy by step",
         lambda look, theme: plots.accuracy_by_step(accuracy, look, theme)),
        ("loss", "Training loss by step",
         lambda look, theme: plots.loss_by_step(loss, look, theme)),
        ("speed", "Test accuracy against time of a step",
         lambda look, theme: plots.accuracy_by_speed(rows, look, theme)),
        ("loss_scale", "Loss scale by step",
         lambda look, theme: plots.loss_scales(scales, look, theme)),
    )  # fmt: skip
    labels = [one.label for one in drawn]
    made = []
    for name, title, draw in asked:
        light, dark = (draw(plots.styles(labels, theme), theme) for theme in (LIGHT, DARK))
        if light is not None and dark is not None:
            made.append(Picture(name, title, light, dark))
    return made
