"""What becomes of a job, by what there is of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.record.store.journal import NAME, Journal
from lenet_exp.sweep.decision import Action, decide
from lenet_exp.sweep.jobs import ComposedJob, SweepJob

pytestmark = pytest.mark.stackless

IDENTITY = "0123456789ab"


def job_in(folder, status, code="today", identity=IDENTITY):
    """Return a job of which there is what a run with this end leaves; None: nothing."""
    job = SweepJob(ComposedJob((), settings_to_explain(["seed=1"]), {}), "seed=1", IDENTITY, folder)
    if status is not None:
        with contextlib.closing(Journal(folder)) as journal:
            journal.append("run", {"run_id": "1", "name": "x", "cwd": "/", "uri": "x"})
            journal.append("tags", {"config_hash": identity})
            journal.append("status", {"status": "RUNNING"})
            journal.append("metrics", {"accuracy": 0.9}, 7)
            journal.append("status", {"status": status})
        (folder / "conditions.json").write_text(json.dumps({"code_sha256": code}))
        (folder / "checkpoints" / "5").mkdir(parents=True)
    return job


@pytest.mark.parametrize(
    ("made", "redo", "action", "why"),
    [
        ({"status": None}, False, Action.RUN, "never begun"),
        ({"status": "FINISHED"}, False, Action.KEEP, "accuracy 0.9000"),
        ({"status": "FINISHED"}, True, Action.KEEP, "accuracy 0.9000"),
        ({"status": "FAILED"}, False, Action.REDO, "it failed"),
        ({"status": "KILLED"}, False, Action.RESUME, "at step 7, its checkpoint is of step 5"),
        ({"status": "RUNNING"}, False, Action.RESUME, "interrupted"),
        ({"status": "FINISHED", "code": "old"}, False, Action.KEEP, "accuracy"),
        ({"status": "FINISHED", "code": "old"}, True, Action.REDO, "other code"),
        ({"status": "KILLED", "code": "old"}, True, Action.REDO, "other code"),
        ({"status": "FINISHED", "identity": "f" * 12}, False, Action.REDO, "other settings"),
    ],
)
def test_a_job_is_kept_gone_on_with_or_made_anew(tmp_path, made, redo, action, why):
    decision = decide(job_in(tmp_path / "job", **made), "today", redo)
    assert decision.action is action
    assert why in decision.why
    assert decision.other_code == (made.get("code") == "old")


def test_a_job_redone_in_the_folder_of_an_earlier_version_is_kept(tmp_path):
    job = job_in(tmp_path / "job", "FINISHED", identity="f" * 12)
    redone = dataclasses.replace(job, today="f" * 12)
    assert decide(redone, "today", True).action is Action.KEEP


def test_a_damaged_record_is_made_anew(tmp_path):
    job = job_in(tmp_path / "job", "FINISHED")
    (job.folder / NAME).write_text("garbage\n")
    decision = decide(job, "today", False)
    assert decision.action is Action.REDO
    assert "is damaged" in decision.why


def test_a_journal_in_which_no_run_was_begun_is_none(tmp_path):
    Journal(tmp_path / "job").close()
    assert decide(job_in(tmp_path / "job", None), "today", False).action is Action.RUN
