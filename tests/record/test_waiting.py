"""A sign of life, and nothing of it where nobody looks."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from lenet_exp.record import waiting

pytestmark = pytest.mark.stackless


class Terminal(io.StringIO):
    """A terminal that tells when so many signs were drawn."""

    def __init__(self, signs=1):
        super().__init__()
        self.drawn = threading.Event()
        self._left = signs

    def isatty(self):
        return True

    def write(self, text):
        self._left -= 1
        if self._left == 0:
            self.drawn.set()
        return super().write(text)


def test_the_sign_moves_and_nothing_of_it_stays():
    screen = Terminal(signs=3)
    with waiting.waiting("planning", screen):
        assert screen.drawn.wait(60)
    shown = screen.getvalue().split("\r\x1b[K")
    assert shown[1:4] == ["| planning", "/ planning", "- planning"]
    assert shown[-1] == ""  # the line was cleared last


@pytest.mark.parametrize(("said", "shown"), [(True, "planning ...\n"), (False, "")])
def test_a_pipe_gets_a_line_or_nothing(said, shown):
    pipe = io.StringIO()
    with waiting.waiting("planning", pipe, said_on_a_pipe=said):
        pass
    assert pipe.getvalue() == shown


def test_inside_another_wait_nothing_more_is_shown():
    screen = Terminal()
    with waiting.waiting("planning", screen), waiting.waiting("loading", screen):
        assert screen.drawn.wait(60)
    assert "loading" not in screen.getvalue()


def fails(screen):
    with waiting.waiting("planning", screen):
        assert screen.drawn.wait(60)
        raise KeyError


def test_it_ends_with_an_error():
    screen = Terminal()
    with pytest.raises(KeyError):
        fails(screen)
    assert screen.getvalue().endswith("\r\x1b[K")
    assert "waiting" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("module", "shown"), [("sys", ""), ("no_such_module", "loading Library ...\n")]
)
def test_only_what_is_not_loaded_yet_is_waited_for(module, shown, monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with waiting.loading("Library", module):
        pass
    assert pipe.getvalue() == shown


def test_another_text_is_shown_from_then_on():
    screen = Terminal(signs=3)
    with waiting.waiting("one step", screen) as say:
        say("two steps")
        assert screen.drawn.wait(60)
    assert screen.getvalue().split("\r\x1b[K")[3] == "- two steps"
