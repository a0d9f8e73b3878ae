"""Pictures: what they count, and that they are pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lenet_exp.record.run import plots
from lenet_exp.training.history import History


def test_confusion_counts_rows_of_truth_and_columns_of_prediction():
    labels = np.array([0, 0, 1, 2, 2], np.uint8)
    classes = np.array([0, 1, 1, 0, 2], np.uint8)
    assert plots.confusion_counts(labels, classes, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize("steps", [1, 2, 20, 5000])
def test_loss_curve_of_any_length(steps):
    losses = np.linspace(2.3, 0.1, steps).astype(np.float32)
    history = History(losses=losses).with_validation(0.9)
    picture = Image.open(io.BytesIO(plots.loss_curve(history, "a run")))
    assert picture.format == "PNG"
    assert min(picture.size) > 300


@pytest.mark.parametrize("largest", [0.001, 2.3, 60_000, 2e6, 3e38])
def test_every_label_of_the_loss_is_inside(largest):
    history = History(losses=np.linspace(largest, 0, 20).astype(np.float32)).with_validation(0.9)
    drawn = np.asarray(Image.open(io.BytesIO(plots.loss_curve(history, "a run"))).convert("L"))
    for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert set(edge.tolist()) == {255}


def pixels_of(png, colour):
    drawn = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return int(np.sum(np.all(drawn == colour, axis=2)))


@pytest.mark.parametrize(
    ("place", "accuracy"),
    [
        pytest.param(20, 0.5, id="last", marks=pytest.mark.full),
        pytest.param(1, 0.5, id="first"),
        pytest.param(10, 1.0, id="all right", marks=pytest.mark.full),
        pytest.param(10, 0.0, id="all wrong", marks=pytest.mark.full),
        pytest.param(20, 1.0, id="upper corner"),
        pytest.param(20, 0.0, id="lower corner"),
    ],
)
def test_a_single_validation_is_seen_whole_wherever_it_lies(place, accuracy):
    losses = np.linspace(2.3, 0.1, 20).astype(np.float32)

    def orange(place, accuracy):
        history = History(
            losses=losses, validated=np.array([place]), accuracies=np.array([accuracy])
        )
        return pixels_of(plots.loss_curve(history, "a run"), (194, 87, 26))

    assert abs(orange(place, accuracy) - orange(10, 0.3)) <= 4  # how it falls on the pixels


@pytest.mark.parametrize("draw", ["loss", "matrix"])
def test_the_title_names_the_run(draw):
    labels = np.arange(100, dtype=np.uint8) % 10
    history = History(losses=np.ones(20, np.float32)).with_validation(0.5)

    def drawn(name):
        if draw == "loss":
            return plots.loss_curve(history, name)
        return plots.confusion_matrix(np.zeros((100, 28, 28, 1), np.uint8), labels, labels, name)

    upper = [np.asarray(Image.open(io.BytesIO(drawn(name))).convert("L"))[:60]
             for name in ("allow_mix_precision-seed0", "force_fp16-seed0")]  # fmt: skip
    assert (upper[0] < 128).sum() > (upper[1] < 128).sum() > 100


def test_a_matrix_in_words_names_what_was_mistaken():
    labels, classes = np.array([4, 4, 4, 9], np.uint8), np.array([9, 9, 4, 9], np.uint8)
    said = "2 of 4 test images right; most often mistaken: 4 for 9 (2 times)"
    assert plots.in_words(labels, classes) == said
    assert plots.in_words(labels, labels) == "4 of 4 test images right"


@pytest.mark.parametrize("classes", ["right", "all 3", "random"])
def test_confusion_matrix_of_any_outcome(classes):
    labels = np.arange(1000, dtype=np.uint8) % 10
    random = np.random.RandomState(0).randint(0, 10, 1000)
    found = {"right": labels, "all 3": np.full(1000, 3), "random": random}[classes]
    images = np.zeros((1000, 28, 28, 1), np.uint8)
    drawn = plots.confusion_matrix(images, labels, found.astype(np.uint8), "a run")
    picture = Image.open(io.BytesIO(drawn))
    assert min(picture.size) > 400
    assert len(np.unique(np.asarray(picture.convert("L")))) > 20  # not blank


@pytest.mark.parametrize(
    ("labels", "classes", "pairs"),
    [
        ([1, 2], [1, 2], []),
        ([4, 4, 4, 9], [9, 9, 7, 4], [(4, 9), (4, 7), (9, 4)]),
        (
            list(range(10)) * 2,
            [(d + 1) % 10 for d in range(10)] * 2,
            [(d, d + 1) for d in range(6)],
        ),
    ],
    ids=["none", "most first", "six at most"],
)
def test_the_worst_confused_digits_are_those_that_happened_most(labels, classes, pairs):
    found = plots.worst_confused(np.array(labels, np.uint8), np.array(classes, np.uint8))
    assert found == pairs


def test_the_worst_confused_digits_are_shown_as_pictures():
    labels = np.array([4] * 10, np.uint8)
    classes = np.array([9] * 3 + [4] * 7, np.uint8)
    sizes = []
    for value in (0, 255):  # ink on a page: more of it makes the page darker
        images = np.full((10, 28, 28, 1), value, np.uint8)
        drawn = plots.confusion_matrix(images, labels, classes, "a run")
        sizes.append(np.asarray(Image.open(io.BytesIO(drawn)).convert("L")).mean())
    assert sizes[1] < sizes[0] - 1
