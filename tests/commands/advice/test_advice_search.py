"""What is tried for an advice: a loss scale that was trained is the one that is recommended."""

from __future__ import annotations

import pytest

from lenet_exp.commands.advice import search
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.experiment.steps import Step
from lenet_exp.precision.diagnosis.exponents import Site
from lenet_exp.precision.diagnosis.window import Window
from tests.precision.diagnosis.planted import FAULTS, network
from tests.stacks import FULL_ON_TF1, full_on_tf1

SITE = Site("g", "Mul", "g:0", is_last=False)


def planted():
    """Return the step of a network in which one operator has to stay float32."""
    graph_def, fetches, values, feeds = network(FAULTS[0], 1)
    return Step(graph_def, fetches, values, lambda number: feeds, None, None)


def trainings(reached):
    """Return what stands for Trainings, and the words of all that it trained."""
    asked = []

    class Trained:
        sweep = "advice-0"

        def __init__(self, words):
            self._words = words

        def accuracy(self, names):
            asked.append(self._words(names))
            return reached(names)

    return Trained, asked


WINDOWS = [
    (Window(2.0**6, SITE, 2.0**18, SITE), ["loss_scale=fixed", "loss_scale.value=4096"]),
    (Window(2.0**-9, SITE, 2.0**18, SITE), ["loss_scale=fixed", "loss_scale.value=1"]),
    (Window(2.0**9, SITE, 2.0**4, SITE), ["loss_scale=dynamic"]),
]


@pytest.mark.parametrize(("window", "scale", "kept"), [
    *((*row, False) for row in WINDOWS),
    pytest.param(*WINDOWS[0], True, marks=FULL_ON_TF1),
    *(pytest.param(*row, True, marks=pytest.mark.full) for row in WINDOWS[1:]),
])  # fmt: skip
def test_the_scale_that_was_trained_is_recommended(monkeypatch, window, scale, kept):
    windows = iter([(window,), (Window(2.0**1, SITE, 2.0**3, SITE),)])
    monkeypatch.setattr(search, "_windows", lambda *asked: next(windows))
    stands_in, asked = trainings(lambda names: 0.98 if not kept or len(names) > 1 else 0.1)
    monkeypatch.setattr(search, "Trainings", stands_in)
    said = []
    options = AdviseOptions.read(["target=accuracy>=0.9", "modes=[force_fp16]", "budget=9"])
    found = search.advice(options, planted(), options.settings, said.append)
    assert bool(found.best.kept.names) is kept
    assert found.scale(is_trained=True) == scale
    assert len(said) == len(asked) <= 9
    assert said[
        0
    ] == "force_fp16, training 1 of at most 9, sweep advice-0: 0 float32, accuracy {}".format(
        "0.1000" if kept else "0.9800"
    )
    for words in asked:
        assert [word for word in words if word.startswith("loss_scale")] == scale


@full_on_tf1
def test_with_too_small_a_budget_nothing_is_said_of_what_was_not_trained(monkeypatch):
    window = Window(2.0**6, SITE, 2.0**18, SITE)
    monkeypatch.setattr(search, "_windows", lambda *asked: (window,))
    stands_in, asked = trainings(lambda names: 0.1)
    monkeypatch.setattr(search, "Trainings", stands_in)
    options = AdviseOptions.read(["target=accuracy>=0.9", "modes=[force_fp16]", "budget=1"])
    found = search.advice(options, planted(), options.settings, lambda line: None)
    assert len(asked) == len(found.points) == 1
    assert found.best is None
    kept = found.points[0].kept
    assert (kept.names, kept.holds, kept.is_minimal) == ((), False, False)


@full_on_tf1
def test_the_cosines_are_measured_as_often_as_the_budget_says():
    options = AdviseOptions.read(["modes=[force_fp16]", "budget=3", "steps=1"])
    found = search.advice(options, planted(), options.settings, lambda line: None)
    assert found.tried[0].kept.kept.tests <= 3
