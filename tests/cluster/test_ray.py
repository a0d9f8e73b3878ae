"""Sweeps on a real Ray cluster of two nodes: what dies there is lost and made again."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cluster import ray_cluster
from tests.cluster.faults import Faults, folder_of, lease_of
from tests.data.part_of_mnist import PART
from tests.end_to_end.sweeps import running, runs_of, statuses
from tests.end_to_end.test_resume import differences, outcome

pytest.importorskip("ray", reason="Ray is not installed (pip install 'lenet-exp[ray]')")
pytestmark = pytest.mark.full
SCHEDULE = (PART, "debug=fast", "schedule.steps_per_epoch=60", "schedule.checkpoint_every=10")
DEATHS = {1: "raise always", 2: "kill", 3: "hang", 4: "hang", 5: "kill always"}


def test_every_way_to_die_leaves_the_bits_of_an_undisturbed_sweep(project, cluster):
    swept = ("-m", "seed=range(0,6)", *SCHEDULE)
    faults = Faults(project.folder / "faults", DEATHS)
    words = (*swept, *cluster.launcher, "hydra.launcher.n_jobs=4", "sweep=deaths")
    with project.start(*words, fresh=True, env_added={"PYTHONPATH": faults.path}) as launching:
        faults.wait_for(3, launching)
        os.kill(lease_of(project, "deaths", 3)["pid"], signal.SIGTERM)
        faults.wait_for(4, launching)
        cluster.remove_a_node()
        if launching.poll() is None and "ray" in lease_of(project, "deaths", 4):
            os.kill(lease_of(project, "deaths", 4)["pid"], signal.SIGKILL)
        said, problems = launching.communicate()
    assert launching.returncode == 1, (said, problems)
    listed = said.partition("2 failed:\n")[2]
    assert "seed=1: RuntimeError: planted\n" in listed
    assert "seed=5: killed by SIGKILL; attempt 4, the earlier ones: " in listed
    for seed in (2, 3, 4):
        assert f"seed={seed}: lost: " in said
    _, children = runs_of(project, "deaths")
    ended = {name: status for name, status in statuses(children).items() if status != "FINISHED"}
    assert ended == {"seed=1": "FAILED", "seed=5": "KILLED"}
    assert running(project) == []
    undisturbed = project.run(*swept, "sweep=undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    for seed in (0, 2, 3, 4):
        one, other = (
            outcome(project, folder_of(project, sweep, seed)) for sweep in ("deaths", "undisturbed")
        )
        assert differences(one, other) == [], seed


def test_what_a_node_lacks_is_said_before_anything_is_asked_for(project, cluster):
    words = ("-m", "seed=0", *SCHEDULE, *cluster.launcher, "sweep=none")
    with project.start(*words, "hydra.launcher.python=/nowhere/python", fresh=True) as launching:
        said, problems = launching.communicate()
    assert launching.returncode == 1, said
    assert "No such file or directory: '/nowhere/python'" in problems
    assert "Traceback" not in problems


def test_a_sweep_whose_launching_process_is_killed_goes_on(project, cluster):
    faults = Faults(project.folder / "faults", {0: "hang"})
    words = ("-m", "seed=0,1", *SCHEDULE, *cluster.launcher, "sweep=left")
    added = {"PYTHONPATH": faults.path}
    with project.start(*words, fresh=True, env_added=added) as launching:
        faults.wait_for(0, launching)
        launching.kill()
        launching.communicate()
    with project.start(*words, fresh=True, env_added=added) as again:
        said, problems = again.communicate()
    assert again.returncode == 0, (said, problems)
    assert "seed=0: goes on after step 20" in said
    parent, children = runs_of(project, "left")
    assert parent.info.status == "FINISHED"
    assert set(statuses(children).values()) == {"FINISHED"}
    assert running(project) == []


def test_what_ray_kills_for_memory_is_tried_once_more_and_then_failed(project):
    faults = Faults(project.folder / "faults", {0: "memory", 1: "memory always"})
    words = ("-m", "seed=0,1,2", *SCHEDULE, "sweep=memory")
    share = ray_cluster.share_with(6 << 30)
    if share > 0.9:
        pytest.skip("less than 6 GiB of memory are free, which one job takes")
    starved = ray_cluster.Ray(RAY_memory_usage_threshold=f"{share:.4f}")
    try:
        added = {"PYTHONPATH": faults.path}
        with project.start(*words, *starved.launcher, fresh=True, env_added=added) as launching:
            said, problems = launching.communicate()
    finally:
        starved.stop()
    assert launching.returncode == 1, (said, problems)
    assert "seed=0: lost: out of memory on " in said
    assert " of its memory; it will go on from its last checkpoint" in said
    assert "seed=0: goes on after step 20" in said
    (failed,) = [line for line in said.splitlines() if "seed=1: failed: " in line]
    assert "failed: out of memory on " in failed
    assert "; attempt 2, the earlier ones: out of memory on " in failed
    _, children = runs_of(project, "memory")
    ended = {"seed=0": "FINISHED", "seed=1": "KILLED", "seed=2": "FINISHED"}
    assert statuses(children) == ended
    assert children["seed=1"].data.params["seed"] == "1"  # though it lived for seconds
    assert running(project) == []
