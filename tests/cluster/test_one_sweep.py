"""One sweep that begins on this machine, goes on under Slurm and ends under Ray."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cluster.faults import Faults, folder_of
from tests.data.part_of_mnist import PART
from tests.end_to_end.sweeps import running, runs_of, statuses
from tests.end_to_end.test_resume import differences, outcome

pytestmark = pytest.mark.full
SEEDS = range(4)
WORDS = ("-m", PART, "seed=range(0,4)", "debug=fast", "schedule.steps_per_epoch=60")
WORDS += ("schedule.checkpoint_every=10", "sweep=travels")
PLACES = {0: "local", 1: "slurm", 2: "ray", 3: "ray"}  # where the job of a seed ends


def test_a_sweep_begins_here_goes_on_under_slurm_and_ends_under_ray(project, slurm, cluster):
    faults = Faults(project.folder / "faults", {1: "hang", 2: "hang"})
    added = {**slurm.environment, "PYTHONPATH": faults.path}

    def left(seed, *place):
        """Begin, or go on, there, and leave while the job of a seed is at work."""
        with project.start(*WORDS, *place, fresh=True, env_added=added) as launching:
            faults.wait_for(seed, launching)
            launching.send_signal(signal.SIGINT)
            said, problems = launching.communicate()
        assert launching.returncode == 130, (said, problems)
        return said

    assert "[1/4] seed=1: begins" in left(1)
    here = left(2, "hydra/launcher=slurm", "hydra.launcher.gres=npu:1")
    assert "seed=1: goes on after step 20" in here
    with project.start(*WORDS, *cluster.launcher, fresh=True, env_added=added) as launching:
        said, problems = launching.communicate()
    assert launching.returncode == 0, (said, problems)
    assert "sweep travels, 4 jobs (1 to run, 1 to go on with, 2 to keep)" in said
    assert "seed=2: goes on after step 20" in said
    assert "travels: 4 runs, 1 configuration" in said
    parent, children = runs_of(project, "travels")
    assert parent.info.status == "FINISHED"
    assert set(statuses(children).values()) == {"FINISHED"}
    assert running(project) == []
    attempts = {name: run.data.tags["attempts"] for name, run in children.items()}
    assert attempts == {"seed=0": "1", "seed=1": "2", "seed=2": "2", "seed=3": "1"}
    for seed, place in PLACES.items():
        lease = json.loads((folder_of(project, "travels", seed) / "lease.json").read_text())
        assert lease["place"] == place
        assert place == "local" or lease[place]  # the id that the engine knew it by
    undisturbed = project.run(*WORDS[:-1], "sweep=undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    for seed in SEEDS:
        one, other = (
            outcome(project, folder_of(project, sweep, seed))
            for sweep in ("travels", "undisturbed")
        )
        assert differences(one, other) == [], seed
