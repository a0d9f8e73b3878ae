"""A recorded run is repeated, and what came out is said."""

from __future__ import annotations

import numpy as np

from tests.data.part_of_mnist import PART
from tests.stacks import full_on_tf1


def rerun(project, **environment):
    return project.run("run=first", verb="rerun", **environment)


@full_on_tf1
def test_a_repetition_is_bit_equal_and_tampering_is_found(project):
    words = (PART, "debug=fast", "loss_scale=dynamic", "hydra.run.dir=first")
    assert project.run(*words).returncode == 0
    first = project.folder / "first"
    run_id = project.recorded_in(first).info.run_id
    done = rerun(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"bit-equal to run {run_id}: " in done.stdout.splitlines()[-1]
    again = project.recorded()[0]
    assert again.data.tags["rerun_of"] == run_id
    assert {"conditions.json", "config.yaml"} <= set(project.artifacts(again.info.run_id))

    # The comparison can fail: another prediction is recorded, another thread setting is there.
    with np.load(str(first / "test_predictions.npz")) as kept:
        classes = kept["classes"]
    classes[0] = (classes[0] + 1) % 10
    np.savez(str(first / "test_predictions.npz"), classes=classes)
    done = rerun(project, OMP_PROC_BIND="false")
    assert (done.returncode, done.stderr) == (1, "")
    told = done.stdout[done.stdout.index("not bit-equal") :]
    assert "test predictions: 1 of 500 differ" in told
    assert "environment.OMP_PROC_BIND: None then, false now" in told


def test_what_cannot_be_repeated_is_told(bare_project):
    project = bare_project
    for words in ([], ["run=nothing"], ["run=latest", "seed=1"]):
        done = project.run(*words, verb="rerun")
        assert done.returncode == 2
        assert "try: " in done.stderr
        assert "Traceback" not in done.stderr
    assert list(project.folder.iterdir()) == []
