"""The state of a sweep as anybody may ask for it."""

from __future__ import annotations

import contextlib
import json
import os

import pytest

from lenet_exp.record.store import lease, processes
from lenet_exp.record.store.journal import Journal
from lenet_exp.sweep import __main__ as verb
from lenet_exp.sweep import state

pytestmark = pytest.mark.stackless
ELSEWHERE = json.dumps({"host": "n7", "boot": "x", "pid": 12, "slurm": "34"})
GONE = json.dumps({**json.loads(processes.this_process()), "pid": 2**22 + 1})


def write(folder, status, process, *metrics, **tags):
    folder.mkdir(parents=True)
    with contextlib.closing(Journal(folder)) as held:
        held.append("run", {"run_id": "1", "name": "x", "cwd": "/"})
        held.append("tags", {processes.TAG: process, **tags})
        held.append("status", {"status": status})
        for step, values in metrics:
            held.append("metrics", values, step)


@pytest.fixture
def sweep(tmp_path):
    """A sweep held by another host, with a job of each state."""
    folder = tmp_path / "multirun" / "mine"
    write(folder, "RUNNING", ELSEWHERE, command="python -m lenet_exp.run -m seed=0 sweep=mine")
    jobs = [state.KnownJob(name, f"seed={seed}", 20) for seed, name in enumerate("abcde")]
    (folder / "jobs.json").write_text(json.dumps([job._asdict() for job in jobs]))
    write(folder / "a", "FINISHED", GONE, (20, {"accuracy": 0.5, "loss": 1.0}))
    write(folder / "b", "FAILED", GONE)
    write(folder / "c", "RUNNING", ELSEWHERE, (10, {"loss": 2.0}), lost_1="TIMEOUT on n1")
    lease.take(folder / "c", "slurm").describe(place="slurm", **json.loads(ELSEWHERE))
    write(folder / "d", "RUNNING", GONE, (5, {"loss": 2.0}))
    return folder


@pytest.mark.parametrize("words", [["mine"], ["sweep=mine"], ["latest"]])
def test_the_table_has_every_job_and_who_makes_it(words, sweep, capsys):
    before = {path: path.read_bytes() for path in sweep.rglob("*") if path.is_file()}
    assert verb.main(words) == 0
    first, _, *rows, last = capsys.readouterr().out.splitlines()
    assert first == "sweep mine: process 12 on n7, slurm 34 is at work on it"
    assert last == "to go on with it: python -m lenet_exp.run -m seed=0 sweep=mine"
    shown = {row.split()[0]: row.split()[1:] for row in rows[:5]}
    assert {name: row[0] for name, row in shown.items()} == {
        "seed=0": "finished",
        "seed=1": "failed",
        "seed=2": "running",
        "seed=3": "stopped",
        "seed=4": "waiting",
    }
    assert shown["seed=2"] == ["running", "10/20", "2.0000"]
    assert "  seed=2: attempt 1, process 12 on n7, slurm 34" in rows
    assert "  seed=2: lost before: TIMEOUT on n1" in rows
    after = {path: path.read_bytes() for path in sweep.rglob("*") if path.is_file()}
    assert after == before


def test_nobody_holds_what_a_dead_process_held(sweep):
    with contextlib.closing(Journal(sweep)) as held:
        held.append("tags", {processes.TAG: GONE})
    assert state.holder_of(sweep) is None
    assert state.lines(sweep)[0] == "sweep mine: nobody is at work on it"


@pytest.mark.parametrize(("status", "process", "attempt", "shown"), [
    ("RUNNING", ELSEWHERE, 1, "running"),
    ("RUNNING", GONE, 1, "stopped"),
    ("FINISHED", ELSEWHERE, 1, "stopped"),
    ("FAILED", ELSEWHERE, 1, "stopped"),
    ("FINISHED", ELSEWHERE, 0, "running"),  # gone on with alone
])  # fmt: skip
def test_a_job_runs_as_long_as_who_holds_its_sweep_may(status, process, attempt, shown, sweep):
    with contextlib.closing(Journal(sweep)) as held:
        held.append("tags", {processes.TAG: process})
        held.append("status", {"status": status})
    made = {**json.loads(ELSEWHERE), **({"attempt": attempt} if attempt else {})}
    with contextlib.closing(Journal(sweep / "c")) as job:
        job.append("tags", {processes.TAG: json.dumps(made)})
    told = state.lines(sweep)
    assert [line.split()[1] for line in told if line.startswith("seed=2")] == [shown]
    assert ("  seed=2: attempt 1, process 12 on n7, slurm 34" in told) == (shown == "running")


@pytest.mark.parametrize("word", ["other", "../mine", "sweep=other", "multirun/mine"])
def test_what_is_no_sweep_is_refused_with_what_there_is(word, sweep, capsys):
    assert verb.main([word]) == 2
    told = capsys.readouterr().err
    assert "mine" in told or "latest" in told
    assert "try:     python -m lenet_exp.sweep sweep=" in told


def test_of_an_earlier_version_s_sweep_what_was_begun_is_shown(sweep):
    (sweep / "jobs.json").unlink()
    states = [line.split()[:2] for line in state.lines(sweep)[2:6]]
    assert states == [["c", "running"], ["b", "failed"], ["d", "stopped"], ["a", "finished"]]


@pytest.mark.parametrize("words", [["mine"], ["latest"]])
def test_a_sweep_that_waits_for_an_engine_is_shown(words, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "multirun" / "mine"
    write(tmp_path / "multirun" / "older", "FINISHED", GONE)
    folder.mkdir()
    (folder / "jobs.json").write_text(json.dumps([state.KnownJob("a", "seed=0", 20)._asdict()]))
    os.utime(str(tmp_path / "multirun" / "older" / "record.jsonl"), (1, 1))
    monkeypatch.chdir(tmp_path)
    assert verb.main(words) == 0
    first, _, row, _, last = capsys.readouterr().out.splitlines()
    assert first == "sweep mine: nobody is at work on it"
    assert row.split()[:2] == ["seed=0", "waiting"]
    assert last == "it is not begun: the same command goes on with it"


def test_who_has_the_lock_is_at_work_whatever_the_tag_says(sweep):
    assert state.holder_of(sweep) == "process 12 on n7, slurm 34"
    assert state.locker_of(sweep) is None  # its node has died, and the tag can't tell
    with contextlib.closing(Journal(sweep)) as held:
        assert state.locker_of(sweep) == "process 12 on n7, slurm 34"
        held.append("status", {"status": "FINISHED"})
        assert state.locker_of(sweep) == "another process"
    assert state.locker_of(sweep.parent / "none") is None
    assert not (sweep.parent / "none").exists()


@pytest.mark.parametrize(("name", "content", "said"), [
    ("c/record.jsonl", "no json\n", "  seed=2: its record is damaged (Expecting value: line 1"),
    ("c/record.jsonl", '{"kind": "tags", "values": {"process": "x"}, "time": 1}\n', "c"),
    ("c/lease.json", "[]", "seed=2"),
    ("jobs.json", '[{"identity": 3, "delta": "d", "steps": 20}]', "a    finished"),
    ("jobs.json", '[{"identity": "c", "delta": "d", "steps": "x"}]', "a    finished"),
])  # fmt: skip
def test_what_is_damaged_is_said_beside_what_is_not(name, content, said, sweep, capsys):
    (sweep / name).write_text(content)
    assert verb.main(["mine"]) == 0
    assert said in capsys.readouterr().out


def test_jobs_that_are_called_the_same_are_told_apart(sweep):
    jobs = [state.KnownJob(name, "seed=0", 20) for name in "ab"]
    (sweep / "jobs.json").write_text(json.dumps([job._asdict() for job in jobs]))
    assert {line[:8] for line in state.lines(sweep)[2:4]} == {"seed=0 a", "seed=0 b"}
