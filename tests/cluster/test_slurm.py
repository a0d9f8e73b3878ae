"""Sweeps on a real Slurm: every way to die once, nothing lost, nothing made twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from tests.cluster.faults import Faults, folder_of, lease_of
from tests.data.part_of_mnist import PART
from tests.end_to_end.sweeps import running, runs_of, statuses, wait_for
from tests.end_to_end.test_resume import differences, outcome

pytestmark = pytest.mark.full
SCHEDULE = (PART, "debug=fast", "schedule.steps_per_epoch=60", "schedule.checkpoint_every=10")
SLURM = ("hydra/launcher=slurm", "hydra.launcher.gres=npu:1", "hydra.launcher.mem=2500")
DEATHS = {
    1: "raise always",
    2: "kill",
    3: "hang",  # scancel
    4: "hang",  # time limit
    5: "hang",  # preempted
    6: "hang",  # the node dies
    7: "memory",
    8: "memory always",
}


def slurm_run(project, slurm, *words, **more):
    environment = {**slurm.environment, **more.pop("env_added", {})}
    return project.start(*words, env_added=environment, **more)


def test_every_way_to_die_leaves_the_bits_of_an_undisturbed_sweep(project, slurm):
    swept = ("-m", "seed=range(0,12)", *SCHEDULE)
    faults = Faults(project.folder / "faults", DEATHS)
    words = (*swept, *SLURM, "hydra.launcher.n_jobs=5", "sweep=deaths")
    sacct = program_that_marks(project.folder / "programs", "sacct")
    path = os.pathsep.join([str(sacct.parent), slurm.environment["PATH"]])
    added = {"PYTHONPATH": faults.path, "PATH": path}
    with slurm_run(project, slurm, *words, env_added=added) as launching:
        faults.wait_for(3, launching)
        slurm.call("scancel", str(lease_of(project, "deaths", 3)["slurm"]))
        faults.wait_for(4, launching)
        job = lease_of(project, "deaths", 4)["slurm"]
        slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        faults.wait_for(5, launching)
        preempt(slurm, lease_of(project, "deaths", 5)["slurm"])
        faults.wait_for(6, launching)
        lose_node(slurm, lease_of(project, "deaths", 6)["slurm"])
        said, problems = launching.communicate()
    assert (launching.returncode, problems) == (1, "lenet-exp: 2 of 12 jobs failed\n"), said
    listed = said.partition("2 failed:\n")[2]
    assert "seed=1: RuntimeError: planted\n" in listed
    assert re.search("seed=8: out of memory on n[12], limit 2500M", listed)
    for seed in (2, 3, 4, 5, 6, 7):
        assert f"seed={seed}: lost: " in said
    _, children = runs_of(project, "deaths")
    ended = {name: status for name, status in statuses(children).items() if status != "FINISHED"}
    assert ended == {"seed=1": "FAILED", "seed=8": "KILLED"}
    assert running(project) == []
    assert not sacct.with_suffix(".called").exists()  # with accounts nothing would be other
    for seed in (2, 3, 4, 5, 6, 7):
        tags = children[f"seed={seed}"].data.tags
        assert int(tags["attempts"]) >= 2
        assert tags["lost_1"]
    undisturbed = project.run(*swept, "sweep=undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    for seed in (0, 2, 3, 4, 5, 6, 7, 9, 10, 11):
        one, other = (
            outcome(project, folder_of(project, sweep, seed)) for sweep in ("deaths", "undisturbed")
        )
        assert differences(one, other) == [], seed


def program_that_marks(folder, name):
    """Put a program there that leaves NAME.called beside it."""
    folder.mkdir()
    program = folder / name
    program.write_text('#!/bin/sh\ntouch "$0.called"\n')
    program.chmod(0o755)
    return program


def preempt(slurm, job):
    """Have Slurm give a job's node to one that matters more."""
    words = ["srun", "--partition=urgent", f"--nodelist={node_of(slurm, job)}", "--exclusive"]
    environment = {**os.environ, **slurm.environment}
    subprocess.run([*words, "true"], env=environment, check=True)


def lose_node(slurm, job):
    node = node_of(slurm, job)
    slurm.kill_node(node)
    slurm.wait_until_down(node)
    slurm.start_node(node)


def node_of(slurm, job):
    return slurm.call("squeue", "-h", "-j", str(job), "-o", "%N").strip()


def test_a_sweep_whose_launching_process_is_killed_goes_on(project, slurm):
    faults = Faults(project.folder / "faults", {0: "hang"})
    words = ("-m", "seed=0,1", *SCHEDULE, *SLURM, "hydra.launcher.n_jobs=2", "sweep=left")
    added = {"PYTHONPATH": faults.path}
    with slurm_run(project, slurm, *words, env_added=added) as launching:
        faults.wait_for(0, launching)
        launching.kill()
        launching.communicate()
    with slurm_run(project, slurm, *words, env_added=added) as again:
        said, problems = again.communicate()
    assert (again.returncode, problems) == (0, ""), said
    assert "seed=0: goes on after step 20" in said
    parent, children = runs_of(project, "left")
    assert parent.info.status == "FINISHED"
    assert set(statuses(children).values()) == {"FINISHED"}
    assert running(project) == []


def test_a_controller_that_is_started_again_fails_no_job(project, slurm):
    faults = Faults(project.folder / "faults", {0: "wait"})
    words = ("-m", "seed=0,1", *SCHEDULE, *SLURM, "sweep=restart")
    with slurm_run(project, slurm, *words, env_added={"PYTHONPATH": faults.path}) as launching:
        faults.wait_for(0, launching)
        slurm.stop_controller()
        (faults.folder / "go-0").touch()
        logs = project.folder / "multirun" / "restart"
        met = "Unable to contact slurm controller"
        wait_for(lambda: any(met in log.read_text() for log in logs.glob("*/run.log")), launching)
        slurm.call("slurmctld")
        said, problems = launching.communicate()
    assert (launching.returncode, problems) == (0, ""), said
    assert "seed=1: lost: Slurm did not answer" in said
    _, children = runs_of(project, "restart")
    assert statuses(children) == {"seed=0": "FINISHED", "seed=1": "FINISHED"}
    wait_for(lambda: slurm.call("squeue", "-h", "-t", "PENDING,RUNNING") == "")


def test_a_ctrl_c_ends_the_jobs_in_order_and_the_same_command_goes_on_anywhere(project, slurm):
    faults = Faults(project.folder / "faults", {0: "hang"})
    words = ("-m", "seed=0,1", *SCHEDULE, "sweep=places")
    added = {"PYTHONPATH": faults.path}
    with slurm_run(project, slurm, *words, *SLURM, env_added=added) as launching:
        faults.wait_for(0, launching)
        launching.send_signal(signal.SIGINT)
        said, _ = launching.communicate()
    assert launching.returncode == 130, said
    _, children = runs_of(project, "places")
    assert statuses(children) == {"seed=0": "KILLED"}
    assert slurm.call("squeue", "-h", "-t", "PENDING,RUNNING") == ""
    locally = project.run(*words)
    assert (locally.returncode, locally.stderr) == (0, ""), locally.stdout
    assert "seed=0: goes on after step 20" in locally.stdout
    _, children = runs_of(project, "places")
    assert statuses(children) == {"seed=0": "FINISHED", "seed=1": "FINISHED"}


def test_a_detached_sweep_goes_on_after_its_launching_job_was_killed(project, slurm):
    faults = Faults(project.folder / "faults", {0: "hang"})
    words = ("-m", "seed=0,1", *SCHEDULE, *SLURM, "detach=true", "sweep=away")
    setup = f"hydra.launcher.setup=['export PYTHONPATH={faults.path}']"
    first = detached(project, slurm, *words, setup)
    assert detached(project, slurm, *words, setup) in (f"{first}, submitted before", "")
    faults.wait_for(0, None)
    assert detached(project, slurm, *words, setup) == ""  # it is at work
    slurm.call("scancel", "--signal=KILL", "--batch", first.split()[-1])
    wait_for(lambda: slurm.call("squeue", "-h", "-t", "PENDING,RUNNING") == "")
    again = detached(project, slurm, *words, setup)
    assert again.split()[-1] != first.split()[-1]
    wait_for(lambda: slurm.call("squeue", "-h", "-t", "PENDING,RUNNING") == "")
    _, children = runs_of(project, "away")
    assert statuses(children) == {"seed=0": "FINISHED", "seed=1": "FINISHED"}
    assert running(project) == []
    assert "seed=0: goes on after" in (project.folder / "multirun/away/launching.log").read_text()


def detached(project, slurm, *words):
    """Return which job the launching command is; "" where it was not submitted."""
    with slurm_run(project, slurm, *words) as launching:
        said, problems = launching.communicate()
    assert (launching.returncode, problems) == (0, ""), said
    told = said.splitlines()
    shown = project.run("away", verb="sweep")
    assert "seed=1" in shown.stdout, shown.stderr
    return told[0].partition(": ")[2].partition(", which")[0] if "Slurm job" in told[0] else ""


def test_what_a_node_lacks_is_said_before_anything_is_queued(project, slurm, tmp_path):
    words = ("-m", "seed=0", *SCHEDULE, *SLURM, "sweep=none")
    lacks = {
        "hydra.launcher.python=/usr/bin/python3": "/usr/bin/python3",
        "hydra.launcher.python=/nowhere/python": "/nowhere/python",
        "hydra.launcher.partition=nowhere": "invalid partition",
        f"hydra.launcher.setup=['export LENET_EXP_DATA={tmp_path}']": "MNIST is not in",
    }
    for word, told in lacks.items():
        with slurm_run(project, slurm, *words, word) as launching:
            said, problems = launching.communicate()
        assert launching.returncode == 1, said
        assert told in problems
        assert "Traceback" not in problems
        assert not [*project.folder.glob("multirun/none/*/record.jsonl")]
    wait_for(lambda: slurm.call("squeue", "-h", "-t", "PENDING,RUNNING") == "")
