"""The journal: every line whole, nothing told twice, one writer."""

from __future__ import annotations

import resource
import signal

import pytest

from lenet_exp.errors import DataError, StoreError
from lenet_exp.record.store import journal
from lenet_exp.record.store.journal import Journal

pytestmark = pytest.mark.stackless


@pytest.fixture
def written(tmp_path):
    made = Journal(tmp_path)
    made.append("run", {"run_id": "a", "name": "n", "cwd": "/"})
    made.append("metrics", {"loss": 0.1, "scale": float("inf")}, 7)
    made.close()
    return tmp_path


def test_what_is_told_is_read_back_bit_for_bit(written):
    run, metrics = journal.read(written)
    assert run.values["run_id"] == "a"
    assert (metrics.kind, metrics.step) == ("metrics", 7)
    assert metrics.values == {"loss": 0.1, "scale": float("inf")}
    assert metrics.time >= run.time > 1_700_000_000_000


def test_a_metric_of_a_step_is_told_once(written):
    again = Journal(written)
    assert again.run_id == "a"
    assert again.append("metrics", {"loss": 0.2}, 7) is None
    entry = again.append("metrics", {"loss": 0.2, "new": 1.0}, 7)
    assert entry is not None
    assert entry.values == {"new": 1.0}
    assert again.append("metrics", {"loss": 0.3}, 8) is not None
    again.close()
    assert len(journal.read(written)) == 4


@pytest.mark.parametrize("left", [b"{", b'{"kind": "metr', b'{"kind": "status", "values": {}}'])
def test_a_line_that_a_kill_cut_off_is_dropped(written, left):
    path = written / journal.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + left)
    assert len(journal.read(written)) == 2
    again = Journal(written)
    again.append("status", {"status": "RUNNING"})
    again.close()
    assert path.read_bytes().startswith(whole)
    assert [entry.kind for entry in journal.read(written)] == ["run", "metrics", "status"]


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"kind": "run"}\n', b"[]\n"])
def test_a_damaged_journal_is_told_in_words(tmp_path, damage):
    (tmp_path / journal.NAME).write_bytes(damage)
    with pytest.raises(DataError, match="is damaged"):
        journal.read(tmp_path)


def test_a_full_disk_leaves_no_half_line_and_the_entry_for_the_store(written):
    made, whole = Journal(written), (written / journal.NAME).read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 9, before[1]))
    try:
        with pytest.raises(OSError, match=r"record\.jsonl"):
            made.append("status", {"status": "FAILED"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (written / journal.NAME).read_bytes() == whole
    assert journal.merged(made.entries, "status") == {"status": "FAILED"}
    made.append("status", {"status": "KILLED"})
    made.close()
    assert len(journal.read(written)) == 3


def test_a_second_writer_is_refused_and_the_first_goes_on(written):
    first = Journal(written)
    with pytest.raises(StoreError, match="another process is at work"):
        Journal(written)
    assert first.append("status", {"status": "RUNNING"}) is not None
    first.close()
    Journal(written).close()


def test_the_last_one_told_wins(tmp_path):
    made = Journal(tmp_path)
    for status in ("RUNNING", "KILLED"):
        made.append("status", {"status": status})
    assert journal.merged(made.entries, "status") == {"status": "KILLED"}
    assert journal.merged(made.entries, "tags") == {}
    made.close()
