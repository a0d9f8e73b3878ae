"""The end of a sweep: what the store is told then, and what is said, whatever went wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from lenet_exp.comparison import compare, load_runs
from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.errors import StoreError
from lenet_exp.record.run import conditions
from lenet_exp.record.store import journal, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Run, Store
from lenet_exp.script.sweep import sweep as script_sweep
from lenet_exp.sweep import parent, sweep
from lenet_exp.sweep.decision import Action, decide
from lenet_exp.sweep.jobs import Request, jobs_of
from lenet_exp.sweep.view import View
from tests.stores import new_store
from tests.sweep.test_pool import Given
from tests.sweep.test_seeds import NOTHING, composed


@pytest.fixture
def store(tmp_path):
    return Store(new_store(tmp_path / "store.db"), "lenet-exp")


def jobs_in(folder, *seeds):
    request = Request(folder, NOTHING, Given(), "", [composed(f"seed={seed}") for seed in seeds])
    return jobs_of(request, lambda path: "data", "tf2")


def recorded(store, job, status, known=True):
    """Return the id of a job's run, of whose record the store has nothing, or no run."""
    tags = {"sweep": "mine", "job_override": job.delta}
    with contextlib.closing(Journal(job.folder)) as held:
        run_id = sync.open_run(store, held, job.delta, tags).run_id if known else None
        held.append("tags", tags)
        held.append("metrics", {"accuracy": 0.5, "sec_per_step": 0.1}, 10)
        held.append("status", {"status": status})
    return run_id


def told(store):
    runs = store.client.search_runs([store.experiment_id])
    return {
        run.data.tags["job_override"]: (run.info.status, run.data.metrics.get("accuracy"))
        for run in runs
    }


def test_what_ended_while_the_store_was_away_is_there_but_for_what_is_damaged(store, tmp_path):
    jobs = jobs_in(tmp_path / "mine", *range(5))
    for job, status in zip(jobs, ("FINISHED", "FINISHED", "FINISHED", "FAILED", "RUNNING")):
        recorded(store, job, status, known=job.delta != "seed=2")
    with (jobs[0].folder / journal.NAME).open("a") as stream:
        stream.write("\0\n")
    said = [*parent.complete_jobs(store, jobs)]
    assert [line.partition(": ")[0] for line in said] == ["the store lacks all of seed=0"]
    assert told(store) == {
        "seed=0": ("RUNNING", None),
        "seed=1": ("FINISHED", 0.5),
        "seed=2": ("FINISHED", 0.5),
        "seed=3": ("FAILED", 0.5),
        "seed=4": ("RUNNING", None),
    }
    assert len([*parent.complete_jobs(store, jobs)]) == 1
    assert len(store.client.search_runs([store.experiment_id])) == 5


ABOUT = parent.About("python -m lenet_exp.run -m data.path='/d/\udcff',x", "tracking: {}\n",
                     {"data.path": "/d/\udcff,x"})  # fmt: skip


def ended(store, folder):
    """Return the parent run's status in journal and store."""
    entries = journal.read(folder)
    run_id = journal.merged(entries, "run")["run_id"]
    status = journal.merged(entries, "status").get("status")
    return status, store.client.get_run(run_id).info.status


def refuse(*words):
    raise OSError(28, "No space left on device")


@contextlib.contextmanager
def opened(store, folder):
    with parent.hold(folder, ABOUT.command) as held, parent.open_parent(store, held, ABOUT):
        yield held


def test_names_that_are_no_utf_8_can_be_typed_again(store, tmp_path):
    with opened(store, tmp_path / "mine"):
        pass
    assert ended(store, tmp_path / "mine") == ("FINISHED", "FINISHED")
    kept = (tmp_path / "mine" / "command.txt").read_bytes()
    assert kept == b"python -m lenet_exp.run -m data.path='/d/\xff',x\n"


def test_a_parent_that_can_t_begin_has_failed(store, tmp_path, monkeypatch):
    monkeypatch.setattr(parent, "_describe", refuse)
    with pytest.raises(OSError, match="No space"), opened(store, tmp_path / "mine"):
        pass
    assert ended(store, tmp_path / "mine") == ("FAILED", "FAILED")


def test_a_parent_whose_disk_is_full_ends_in_the_store(store, tmp_path, monkeypatch):
    with opened(store, tmp_path / "mine") as held:
        monkeypatch.setattr(held, "_write", refuse)
    assert ended(store, tmp_path / "mine") == ("RUNNING", "FINISHED")


@pytest.mark.parametrize("stops", ["store", "death", "damage", "no run"])
def test_what_is_redone_is_none_of_the_sweep_s_whatever_stops_that(stops, store, tmp_path):
    (job,) = jobs_in(tmp_path / "mine", 0)
    run_id = recorded(store, job, "FINISHED", known=stops != "no run")
    (tmp_path / "mine" / f"{job.identity}.1").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if stops == "store":
            patch.setattr(Run, "tags", refuse)
        elif stops == "death":
            patch.setattr(Path, "rename", refuse)
        elif stops == "damage":
            with (job.folder / journal.NAME).open("a") as stream:
                stream.write("\0\n")
        with contextlib.suppress(OSError):
            parent.set_aside(store, job.folder)
    if stops in ("store", "death"):
        assert decide(job, conditions.code_sha256(), False).action is Action.REDO
        parent.set_aside(store, job.folder)
    assert not job.folder.exists()
    kept = tmp_path / "mine" / f"{job.identity}.2"
    assert kept.is_dir()
    if run_id is not None:
        tags = store.client.get_run(run_id).data.tags
        assert (tags["sweep"], tags["folder"]) == ("mine (superseded)", str(kept))


def test_a_store_that_refuses_one_job_is_told_the_others(store, tmp_path, monkeypatch):
    jobs = jobs_in(tmp_path / "mine", 0, 1)
    first, _ = (recorded(store, job, "FINISHED") for job in jobs)
    made = Run.params

    def refused(self, values):
        if self.run_id == first:
            raise StoreError("it", "refuses", "wait")
        made(self, values)

    monkeypatch.setattr(Run, "params", refused)
    assert len([*parent.complete_jobs(store, jobs)]) == 1
    assert [status for status, _ in told(store).values()].count("FINISHED") == 1


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left", "c.png"), StoreError("it", "no", "")]
)
def test_whatever_keeps_it_from_comparing_the_end_is_said(
    error, store, tmp_path, monkeypatch, capsys
):
    def refuse(*words):
        raise error

    monkeypatch.setattr(compare, "compare", refuse)
    monkeypatch.setattr(load_runs, "sweep", refuse)
    monkeypatch.chdir(tmp_path)
    jobs = jobs_in(tmp_path / "mine", 0, 1)
    recorded(store, jobs[0], "FINISHED")
    recorded(store, jobs[1], "FINISHED")
    (jobs[1].folder / journal.NAME).write_text("{}\n")
    request = Request(tmp_path / "mine", NOTHING, Given(), "the same command", [])
    (tmp_path / "x.py").write_text("")
    options = ScriptOptions.read(["path=x.py", f"tracking.uri={store.uri}"])
    failed, run = {"x": "  seed=7: planted"}, parent.Parent("p")
    sweep._say_end(request, jobs, failed, run, store, View())
    of_runs = capsys.readouterr().out
    script_sweep._say_end(request, options, store, failed, View())
    of_scripts = capsys.readouterr().out
    assert "  seed=0  accuracy 0.5000  sec/step 0.10000\n" in of_runs
    for told in (of_runs, of_scripts):
        assert "not compared: " in told
        assert "1 failed:\n  seed=7: planted\nto redo what failed: the same command\n" in told
