"""`detach=true`: what is submitted, what is left, and what a person sees meanwhile."""

from __future__ import annotations

import contextlib
import json
import shlex

import pytest

from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.processes import TAG
from lenet_exp.sweep.attempt import name_of
from tests.end_to_end.conftest import bare_project, project  # noqa: F401 - fixtures
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # a launching process knows no stack
SWEEP = ("-m", "seed=0,1", "debug=fast", "hydra/launcher=slurm", "detach=true", "sweep=mine")
ELSEWHERE = json.dumps({"host": "n7", "boot": "x", "pid": 12})


def folder_of(project):  # noqa: F811
    return project.folder / "multirun" / "mine"


def test_a_detached_sweep_is_shown_before_it_begins(project, engine):  # noqa: F811
    done = project.run(*SWEEP, TOLD_sbatch="7")
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()
    assert first == "2 jobs: Slurm job 7, which says more in multirun/mine/launching.log"
    words = shlex.split(engine("sbatch")["argv"][-1].partition("=")[2])
    assert words[2:] == ["-m", "lenet_exp.run", *SWEEP[:4], "sweep=mine"]
    typed = last.partition(": python -m lenet_exp.sweep ")[2]
    shown = project.run(typed, verb="sweep")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [line.split()[:2] for line in shown.stdout.splitlines()[2:4]] == [
        ["seed=0", "waiting"],
        ["seed=1", "waiting"],
    ]


def test_on_a_dry_run_nothing_is_submitted(project, engine):  # noqa: F811
    done = project.run(*SWEEP, "dry_run=true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "to run: it was never begun" in done.stdout
    assert not (project.folder / "sbatch.json").exists()
    assert not folder_of(project).exists()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"CODE_sbatch": "1"}, "sbatch: "),
        ({"PATH": "/nowhere"}, "is not on the path of this machine"),
    ],
)
def test_of_what_is_refused_nothing_is_left(project, engine, environment, told):  # noqa: F811
    done = project.run(*SWEEP, **environment)
    assert done.returncode == 1, done.stdout
    assert told in done.stderr
    assert not folder_of(project).exists()
    assert "Traceback" not in done.stderr


def test_it_is_submitted_again_once_who_had_it_is_dead(project, engine):  # noqa: F811
    folder = folder_of(project)
    with contextlib.closing(Journal(folder)) as held:
        held.append("tags", {TAG: ELSEWHERE, "command": "this one"})
        held.append("status", {"status": "RUNNING"})
        shown = project.run(*SWEEP, TOLD_sbatch="7")
        assert "process 12 on n7 is at work on it" in shown.stdout
        assert not (project.folder / "sbatch.json").exists()
    again = project.run(*SWEEP, TOLD_sbatch="7")
    assert "Slurm job 7" in again.stdout, again.stderr


def test_jobs_that_a_submitted_command_does_not_make_are_said(project, engine):  # noqa: F811
    done = project.run(*SWEEP, TOLD_sbatch="7")
    assert done.returncode == 0, done.stderr
    folder = folder_of(project)
    before = (folder / "jobs.json").read_bytes()
    queue = f"7|{name_of(folder.resolve())[:-1]}"
    more = [word if word != "seed=0,1" else "seed=1,2" for word in SWEEP]
    again = project.run(*more, TOLD_squeue=queue)
    assert (again.returncode, again.stderr) == (0, "")
    first, second, _ = again.stdout.splitlines()
    assert first.startswith("2 jobs: Slurm job 7, submitted before, which says more in ")
    assert second.startswith("not among its jobs: seed=2; once that has ended")
    assert (folder / "jobs.json").read_bytes() == before
    same = project.run(*SWEEP, TOLD_squeue=queue)
    assert "not among" not in same.stdout
