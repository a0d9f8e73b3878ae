"""The table of jobs, and the lines where there is no terminal."""

from __future__ import annotations

import io
import itertools

import pytest

from lenet_exp.sweep import view
from lenet_exp.sweep.view import JobRow, View, duration, followed, table

pytestmark = pytest.mark.stackless

RUNNING = JobRow("precision=force_fp16,seed=1", "running", 120, 1000, 0.4312, None, 130.4)
FINISHED = JobRow("seed=0", "finished", 1000, 1000, 0.1, 0.98123, None)
FAILED = JobRow("seed=2", "failed", 40, 1000, 0.7, None, None)
WAITING = JobRow("seed=3", "waiting", 0, 1000, None, None, None)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_row_shows_state_step_loss_accuracy_and_time_left():
    lines = table([WAITING, FINISHED, FAILED, RUNNING], 20)
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["precision=force_fp16,seed=1", "running"],
        ["seed=2", "failed"],
        ["seed=3", "waiting"],
        ["seed=0", "finished"],
    ]
    assert lines[1].split()[2:] == ["120/1000", "0.4312", "2:10"]
    assert lines[4].split()[2:] == ["1000/1000", "0.1000", "0.9812"]
    assert lines[5] == "1 running, 1 failed, 1 waiting, 1 finished"


@pytest.mark.parametrize("most", [5, 10, 40])
def test_a_table_is_no_longer_than_the_screen_and_counts_what_it_leaves_out(most):
    lines = table([WAITING] * 30 + [FAILED, RUNNING], most)
    assert len(lines) <= most
    assert lines[1].split()[1] == "running"
    assert lines[-1] == "1 running, 1 failed, 30 waiting"
    left_out = 32 - (len(lines) - 3)
    assert (f"... and {left_out} more" in lines) == (most < 34)


def test_a_long_name_keeps_its_end():
    (_, line, _) = table([RUNNING._replace(delta="precision=" + 60 * "x" + ",seed=7")], 9)
    assert line.split()[0].endswith("x,seed=7")
    assert len(line) <= 100


def test_a_line_goes_above_the_table_on_a_terminal():
    stream = Terminal()
    view = View(stream)
    view.show([RUNNING, WAITING], now=True)
    view.say("a failure")
    view.show([RUNNING], now=True)
    view.say("the end")
    first, rest = stream.getvalue().split("a failure\n")
    assert first.endswith("1 running, 1 waiting\n\x1b[4A\r\x1b[J")  # head, two jobs, summary
    assert rest.startswith("job")
    assert rest.endswith("\x1b[3A\r\x1b[Jthe end\n")


def test_elsewhere_there_are_lines_only():
    stream = io.StringIO()
    view = View(stream)
    view.show([RUNNING], now=True)
    view.say("a failure")
    assert stream.getvalue() == "a failure\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(6.6, "0:07"), (59.6, "1:00"), (750, "12:30"), (10925, "3:02:05")]
)
def test_a_duration_is_read_at_a_glance(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("stream", "seconds", "said"),
    [
        (io.StringIO(), 4, "checking job 2/6\nchecking job 5/6\n"),
        (io.StringIO(), 1, ""),
        (
            Terminal(),
            1,
            "".join(f"\rchecking job {done}/6\x1b[J" for done in range(6)) + "\r\x1b[J",
        ),
    ],
)
def test_what_takes_long_says_how_many_are_done(monkeypatch, stream, seconds, said):
    clock = itertools.count(0, seconds)
    last = []

    def tick():
        return last.append(next(clock)) or last[-1]

    monkeypatch.setattr(view.time, "monotonic", tick)
    assert list(followed("abcdef", "checking job", stream)) == list("abcdef")
    assert stream.getvalue() == said
