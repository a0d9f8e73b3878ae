"""An advice that trains, ended in the middle and typed again: what was trained stays trained."""

from __future__ import annotations

import os
import signal

import pytest

from lenet_exp.record.store import journal
from tests.end_to_end.sweeps import wait_for

pytestmark = pytest.mark.full  # tests/commands/advice has what is quick of it
SHORT = ["modes=[force_fp16]", "steps=2", "schedule.epochs=1", "schedule.batch_size=16",
         "schedule.steps_per_epoch=40", "schedule.checkpoint_every=10"]  # fmt: skip


def statuses(project):
    """Return all statuses that each job had, by its folder."""
    jobs = project.folder.glob("multirun/advice-*/*/record.jsonl")
    entries = {path.parent.name: journal.read(path.parent) for path in jobs}
    return {
        name: [entry.values["status"] for entry in found if entry.kind == "status"]
        for name, found in entries.items()
    }


def interrupted(project, words, done):
    """Type it, and press Ctrl-C while the training behind so many is at work."""
    with project.start(*words, verb="advise", fresh=True, start_new_session=True) as child:

        def at_work():
            found = [each[-1:] for each in statuses(project).values()]
            return found.count(["FINISHED"]) == done and ["RUNNING"] in found

        wait_for(at_work, child)
        os.killpg(child.pid, signal.SIGINT)
        _, problems = child.communicate(timeout=300)
    assert child.returncode == 130
    assert "Traceback" not in problems


@pytest.mark.parametrize(
    ("words", "done", "jobs"),
    [(["target=accuracy>=0.99", "budget=2", "by=type"], 1, 2), (["check=true"], 2, 6)],
)
def test_what_was_trained_is_not_trained_again(project, words, done, jobs):
    interrupted(project, [*SHORT, *words], done)
    before = statuses(project)
    finished = [name for name, found in before.items() if found[-1:] == ["FINISHED"]]
    assert len(finished) >= done
    assert ["RUNNING"] not in [found[-1:] for found in before.values()]
    again = project.run(*SHORT, *words, verb="advise")
    assert again.returncode == 0, again.stderr
    after = statuses(project)
    assert len(after) == jobs
    assert {found[-1] for found in after.values()} == {"FINISHED"}
    assert {name: after[name] for name in finished} == {name: before[name] for name in finished}
