"""What a person sees."""

from __future__ import annotations

import io
import sys
from pathlib import Path

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
        "epoch 2/2",
        "30/100",
        "loss=1.0000",
        "sec/step=0.00800",
        "accuracy 0.9812",
        "sec/step=0.00700, validation=0.9812",
    ):
        assert part in text


def test_the_closing_block_has_the_two_figures_as_promised():
    text = terminal.closing_block(0.98123, 0.008123, Path("outputs/x"), "id", ["mlflow ui"])
    assert "accuracy 0.9812" in text
    assert "sec/step 0.00812" in text
    assert text.splitlines()[-1] == "  mlflow ui"


def test_activation_is_printed_until_it_is_done(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    lines = terminal.next_commands("mlflow ui --backend-store-uri sqlite:///a.db")
    assert lines[-1] == "mlflow ui --backend-store-uri sqlite:///a.db"
    assert lines[0] == f"source {sys.prefix}/bin/activate"
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin")
    assert terminal.next_commands("mlflow ui") == ["mlflow ui"]


def test_a_server_s_page_needs_no_environment(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert terminal.next_commands("http://host:5000") == ["http://host:5000"]


def test_fetching_shows_a_bar_or_one_line_a_file():
    plain, screen = io.StringIO(), Terminal()
    for stream in (plain, screen):
        with terminal.fetch_progress(stream) as show:
            for share in (0.0, 0.5, 1.0):
                show("train-images", share)
    assert plain.getvalue() == "fetching MNIST: train-images\n"
    assert "50%" in screen.getvalue().replace(" ", "")
