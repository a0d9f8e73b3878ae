"""What a person sees."""

from __future__ import annotations

import io

import pytest

from lenet_exp.record import terminal

pytestmark = pytest.mark.stackless


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream):
    seen = terminal.Progress(epochs=2, steps_per_epoch=50, stream=stream)
    seen.window(60, 10, 1.25, 0.0081234, 1.0)
    seen.window(70, 10, 1.0, 0.008, 1024.0)
    seen.validation(1, 0.9812)
    seen.window(80, 10, 0.5, 0.007, 1.0)
    seen.close()
    return stream.getvalue()


def test_a_pipe_gets_plain_lines():
    assert shown(io.StringIO()) == (
        "epoch 2/2 step 10/50 loss 1.2500 sec/step 0.00812\n"
        "epoch 2/2 step 20/50 loss 1.0000 sec/step 0.00800 loss scale 1024\n"
        "epoch 1/2 validation accuracy 0.9812\n"
        "epoch 2/2 step 30/50 loss 0.5000 sec/step 0.00700\n"
    )


def test_a_terminal_gets_a_bar():
    text = shown(Terminal())
    for part in (
        "epoch 2/2 loss 1.2500 sec/step 0.00812 ",
        "80/100",
        "epoch 1/2 validation accuracy 0.9812",
        "epoch 2/2 loss 0.5000 sec/step 0.00700 validation 0.9812 ",
    ):
        assert part in text


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
def test_a_narrow_terminal_has_a_shorter_bar_and_still_the_figures(columns, monkeypatch):
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (columns, 24))
    seen = terminal.Progress(epochs=5, steps_per_epoch=1000, stream=Terminal())
    seen.window(1100, 100, 0.0673, 0.00445, 1.0)
    drawn = str(seen._bar)
    seen.close()
    assert drawn.startswith("epoch 2/5 loss 0.0673 sec/step 0.00445 ")
    assert len(drawn) <= columns
    assert ("1100/5000" in drawn) == (columns > 40)


def test_what_is_waited_for_is_in_the_bar_until_the_next_figures():
    screen = Terminal()
    seen = terminal.Progress(epochs=1, steps_per_epoch=50, stream=screen)
    seen.wait_for("compiling")
    assert screen.getvalue() == ""  # no bar yet, and the sign is for stderr
    seen.window(10, 10, 1.25, 0.008, 1.0)
    seen.wait_for("validating")
    assert str(seen._bar).startswith("validating ")
    seen.validation(1, 0.5)
    assert str(seen._bar).startswith("epoch 1/1 loss 1.2500 sec/step 0.00800 validation 0.5000 ")
    seen.close()


def test_fetching_shows_a_bar_or_one_line_a_file():
    plain, screen = io.StringIO(), Terminal()
    for stream in (plain, screen):
        with terminal.fetch_progress(stream) as show:
            for share in (0.0, 0.5, 1.0):
                show("train-images", share)
    assert plain.getvalue() == "fetching MNIST: train-images\n"
    assert "50%" in screen.getvalue().replace(" ", "")
