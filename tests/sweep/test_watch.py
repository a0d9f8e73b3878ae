"""What is seen of a job while it runs."""

from __future__ import annotations

import contextlib
import json

import pytest

from lenet_exp.record.store.journal import NAME, Journal
from lenet_exp.sweep.watch import Watch

pytestmark = pytest.mark.stackless


def line(step, milliseconds, **values):
    entry = {"kind": "metrics", "values": values, "time": milliseconds, "step": step}
    return json.dumps(entry).encode() + b"\n"


def test_it_reads_what_a_journal_gains_and_no_half_line(tmp_path):
    watch = Watch(tmp_path)
    with contextlib.closing(Journal(tmp_path)) as written:
        written.append("status", {"status": "RUNNING"})
        written.append("metrics", {"loss": 2.5}, 10)
        watch.look()
        assert (watch.status, watch.step, watch.metrics) == ("RUNNING", 10, {"loss": 2.5})
        whole = line(20, 0, loss=1.5, accuracy=0.5)
        with (tmp_path / NAME).open("ab") as half:
            half.write(whole[:30])
            half.flush()
            watch.look()
            assert watch.step == 10
            half.write(whole[30:])
        watch.look()
    assert (watch.step, watch.metrics) == (20, {"loss": 1.5, "accuracy": 0.5})


def test_the_time_left_is_at_the_rate_of_this_process(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(line(500, 0, loss=1.0))  # of a process that was killed long ago
    watch = Watch(tmp_path, clock=lambda: 1020.0)
    assert (watch.step, watch.seconds_left(1000)) == (500, None)
    path.write_bytes(path.read_bytes() + line(510, 1_000_000, loss=1.0))
    watch.look()
    assert watch.seconds_left(1000) is None
    path.write_bytes(path.read_bytes() + line(610, 1_010_000, loss=1.0))
    watch.look()
    assert watch.seconds_left(1000) == pytest.approx(390 * 20 / 100)


def test_the_end_of_an_earlier_attempt_is_not_this_one_s(tmp_path):
    with contextlib.closing(Journal(tmp_path)) as written:
        written.append("status", {"status": "KILLED"})
    assert Watch(tmp_path).status == ""


@pytest.mark.parametrize("spoilt", [
    b"no json", b"[]", b'{"kind": "status", "values": {}, "time": 1}',
    b'{"kind": "metrics", "values": {"loss": "a"}, "time": 1, "step": 1}', b"\xff",
])  # fmt: skip
def test_a_line_that_nobody_wrote_is_passed_over(spoilt, tmp_path):
    (tmp_path / NAME).write_bytes(spoilt + b"\n" + line(10, 0, loss=1.0))
    assert Watch(tmp_path).metrics == {"loss": 1.0}


def test_the_last_line_of_a_script_is_no_step(tmp_path):
    (tmp_path / NAME).write_bytes(line(3, 0, loss=1.0) + line(4, 0, loss=1.0, steps=3.0))
    assert Watch(tmp_path).step == 3
