"""Long sweeps that are killed, and whose jobs die in every way: nothing is lost or made twice."""

from __future__ import annotations

import pytest

from lenet_exp.record.store import processes
from tests.cluster.faults import Faults
from tests.data.part_of_mnist import PART
from tests.end_to_end.sweeps import (
    job_folders,
    plant,
    process_of,
    running,
    runs_of,
    statuses,
    unfinished,
    wait_for,
)
from tests.end_to_end.test_resume import differences, outcome, straight

pytestmark = pytest.mark.full
FAST = (PART, "debug=fast", "schedule.checkpoint_every=5")
SCHEDULE = (PART, "schedule=smoke", "schedule.steps_per_epoch=100", "schedule.checkpoint_every=10")


def test_a_sweep_killed_in_its_third_job_goes_on_as_if_it_never_was(project):
    words = ("-m", "precision=glob(*)", "seed=0,1", "deterministic=true", *SCHEDULE, "sweep=modes")
    with project.start(*words) as launching:
        third = wait_for(lambda: unfinished(project, "modes", after=2), launching)
        wait_for((third / "checkpoints" / "20").is_dir, launching)
        launching.kill()
        launching.communicate()
    wait_for(lambda: processes.is_dead(process_of(third)), seconds=10)
    _, before = runs_of(project, "modes")
    assert sorted(statuses(before).values()) == ["FINISHED", "FINISHED", "RUNNING"]
    again = project.run(*words)
    assert (again.returncode, again.stderr) == (0, "")
    parent, children = runs_of(project, "modes")
    assert (parent.info.status, len(children)) == ("FINISHED", 10)
    assert set(statuses(children).values()) == {"FINISHED"}
    assert running(project) == []
    for name, run in before.items():
        assert children[name].info.run_id == run.info.run_id
        if run.info.status == "FINISHED":
            assert children[name].info.end_time == run.info.end_time
    (name,) = [name for name, run in before.items() if run.info.status == "RUNNING"]
    assert f"{name}: goes on after step " in again.stdout
    undisturbed = straight(
        project, "undisturbed", *name.split(","), "deterministic=true", *SCHEDULE
    )
    assert differences(undisturbed, outcome(project, third)) == []


def test_three_of_eight_jobs_fail_in_three_ways_and_just_they_are_redone(project):
    words = ("-m", *FAST, "seed=range(0,8)", "sweep=eight", "hydra.launcher.retries=0")
    path = plant(project.folder / "faults", {1: "raise", 3: "kill", 6: "exit"}, step=10)
    failed = project.run(*words, PYTHONPATH=path)
    assert (failed.returncode, failed.stderr) == (1, "lenet-exp: 3 of 8 jobs failed\n")
    listed = failed.stdout.partition("3 failed:\n")[2].splitlines()
    assert listed[0] == "  seed=1: RuntimeError: planted"
    assert listed[2] == "  seed=3: killed by SIGKILL"
    assert listed[4].startswith("  seed=6: exit code 3")
    for line in listed[1:6:2]:
        assert (project.folder / line.split()[-1]).name == "run.log"
        assert (project.folder / line.split()[-1]).exists()
    parent, before = runs_of(project, "eight")
    ended = {"seed=1": "FAILED", "seed=3": "KILLED", "seed=6": "FAILED"}
    assert statuses(before) == {**{f"seed={seed}": "FINISHED" for seed in range(8)}, **ended}
    assert parent.info.status == "FAILED"
    folders = {folder: process_of(folder) for folder in job_folders(project, "eight")}
    again = project.run(*words)
    assert (again.returncode, again.stderr) == (0, "")
    parent, children = runs_of(project, "eight")
    assert parent.info.status == "FINISHED"
    assert set(statuses(children).values()) == {"FINISHED"}
    assert running(project) == []
    redone = {folder for folder, process in folders.items() if process_of(folder) != process}
    assert redone == {project.folder / before[name].data.tags["folder"] for name in ended}


def test_a_job_that_something_else_ended_goes_on_at_most_three_times(project):
    words = ("-m", *FAST, "seed=0,1,2", "sweep=lost")
    faults = Faults(project.folder / "faults", {1: "kill", 2: "kill always"}, step=10)
    done = project.run(*words, PYTHONPATH=faults.path)
    assert (done.returncode, done.stderr) == (1, "lenet-exp: 1 of 3 jobs failed\n")
    lost = "lost: killed by SIGKILL; it will go on from its last checkpoint"
    assert [done.stdout.count(f"seed={seed}: {lost}") for seed in range(3)] == [0, 1, 3]
    three = ", ".join(["killed by SIGKILL"] * 3)
    assert f"  seed=2: killed by SIGKILL; attempt 4, the earlier ones: {three}\n" in done.stdout
    _, children = runs_of(project, "lost")
    ended = {"seed=0": "FINISHED", "seed=1": "FINISHED", "seed=2": "KILLED"}
    assert statuses(children) == ended
    tags = {name: run.data.tags for name, run in children.items()}
    assert {name: tags[name]["attempts"] for name in tags} == {
        "seed=0": "1", "seed=1": "2", "seed=2": "4"
    }  # fmt: skip
    assert tags["seed=1"]["lost_1"] == "killed by SIGKILL"
    assert running(project) == []
    undisturbed = straight(project, "one", "seed=1", *FAST)
    kept = project.folder / tags["seed=1"]["folder"]
    assert differences(undisturbed, outcome(project, kept)) == []


def test_the_first_failure_stops_the_others_if_asked(project):
    words = ("-m", "seed=0,1,2", "schedule.epochs=1000", "deterministic=true", "sweep=fast")
    words += ("fail_fast=true", "hydra.launcher.n_jobs=2")
    path = plant(project.folder / "faults", {1: "raise"}, step=100)
    failed = project.run(*words, PYTHONPATH=path)
    assert (failed.returncode, failed.stderr) == (1, "lenet-exp: 1 of 3 jobs failed\n")
    for name in ("seed=0", "seed=2"):
        assert f"{name}: stopped, because another one failed" in failed.stdout
    parent, children = runs_of(project, "fast")
    assert statuses(children) == {"seed=0": "KILLED", "seed=1": "FAILED"}
    assert parent.info.status == "FAILED"
