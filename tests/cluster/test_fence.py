"""A job that is stopped and taken for lost: once another has it, not one byte of it arrives."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from lenet_exp.record.store import journal, processes
from tests.end_to_end.sweeps import job_folders, running, wait_for

pytestmark = pytest.mark.full
WORDS = ("-m", "seed=0", "debug=fast", "schedule.steps_per_epoch=400")
WORDS += ("schedule.checkpoint_every=10", "sweep=fenced")


def written(project, folder):
    """Return all that checkpoints, journal and store hold."""
    files = [folder / journal.NAME, *folder.glob("checkpoints/**/*"), *folder.glob("output/*")]
    kept = {str(path): path.read_bytes() for path in files if path.is_file()}
    (run,) = [run for run in project.recorded() if run.data.tags.get("folder") == str(folder)]
    history = {key: project.history(run.info.run_id, key) for key in run.data.metrics}
    return {**kept, **history, "run": (run.info.status, run.info.end_time, run.data.tags)}


@pytest.mark.parametrize("checkpoint", [10, 30, 90, 150])
def test_a_job_behind_a_partition_writes_nothing_once_another_has_its_lease(project, checkpoint):
    with project.start(*WORDS) as launching:
        (folder,) = wait_for(lambda: job_folders(project, "fenced"), launching)
        wait_for((folder / "checkpoints" / str(checkpoint)).is_dir, launching)
        process = processes_tag(folder)
        os.kill(process["pid"], signal.SIGSTOP)
        # Its standard input stays open, as that of a job that its launching process still has.
        with Path(f"/proc/{process['pid']}/fd/0").open("wb"):
            launching.kill()
            launching.communicate()
            again = project.run(*WORDS)
            assert (again.returncode, again.stderr) == (0, ""), again.stdout
            assert processes_tag(folder)["attempt"] == process["attempt"] + 1
            before = written(project, folder)
            os.kill(process["pid"], signal.SIGCONT)
            wait_for(lambda: processes.is_dead(json.dumps(process)), seconds=60)
    assert written(project, folder) == before
    assert running(project) == []
    assert "was given up, and attempt 2 has it" in (folder / "run.log").read_text()
    for key, values in before.items():
        if isinstance(values, list):
            steps = [step for step, _ in values]
            assert steps == sorted({*steps}), key


def processes_tag(folder):
    tags = journal.merged(journal.read(folder), "tags")
    return json.loads(tags[processes.TAG])
