"""Killed anywhere and resumed, a run is bit for bit what it would have been."""

from __future__ import annotations

import random
import shutil
import time

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.record.run import checkpoints
from tests.data.part_of_mnist import PART
from tests.stacks import full_on_tf1

TIMES = ("sec", "images", "ms_per")  # in the names of metrics that are times
SCHEDULE = (
    PART, "schedule.epochs=2", "schedule.steps_per_epoch=30", "schedule.checkpoint_every=7",
)  # fmt: skip
# Forced overflows: rates or scales so high that gradients leave their type now and then.
OVERFLOWING = {
    "none": ("loss_scale=none",),
    "fixed": (
        "precision=must_keep_origin_dtype", "loss_scale=fixed", f"loss_scale.value={2.0**126}",
        "optimizer.learning_rate=30",
    ),
    "float16": (
        "precision=force_fp16", "optimizer.epsilon=1e-4",
        "loss_scale=dynamic", f"loss_scale.init_loss_scale={2.0**20}",
        "loss_scale.incr_every_n_steps=4", "loss_scale.incr_ratio=4",
        "loss_scale.decr_every_n_nan_or_inf=1", "loss_scale.decr_ratio=0.25",
    ),
    "dynamic": (
        "loss_scale=dynamic", f"loss_scale.init_loss_scale={2.0**126}",
        "loss_scale.incr_every_n_steps=4", "loss_scale.incr_ratio=4",
        "loss_scale.decr_every_n_nan_or_inf=1", "loss_scale.decr_ratio=0.25",
        "optimizer.learning_rate=30",
    ),
}  # fmt: skip


def outcome(project, folder):
    """Return all that a run leaves and that is no time."""
    found = checkpoints.newest(folder)
    assert found.damaged == []
    reader = tf_compat.load().train.load_checkpoint(found.prefix)
    variables = {
        name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()
    }
    history = {
        name: value.tobytes()
        for name, value in found.history._asdict().items()
        if name not in ("window_seconds", "cold")
    }
    run = project.recorded_in(folder)
    assert run.info.status == "FINISHED"
    metrics = {
        key: project.history(run.info.run_id, key)
        for key in run.data.metrics
        if not any(word in key for word in TIMES)
    }
    with np.load(str(folder / "test_predictions.npz")) as kept:
        predictions = kept["classes"].tobytes()
    return {**variables, **history, **metrics, "predictions": predictions}


def differences(one, other):
    return sorted(key for key in {**one, **other} if one.get(key) != other.get(key))


def straight(project, name, *words):
    done = project.run(*words, f"hydra.run.dir={name}")
    assert done.returncode == 0, done.stderr
    return outcome(project, project.folder / name)


def kill(child, windows, pause=0.0):
    """Send SIGKILL after some windows and a moment; return False if it was too late."""
    for _ in range(windows):
        while " loss " not in child.stdout.readline():
            if child.poll() is not None:
                return False
    time.sleep(pause)
    child.kill()
    child.communicate()
    return child.returncode == -9


def killed_and_resumed(project, kills, chance, *words):
    """Kill a run `kills` times, end it, and return its outcome."""
    words = (*words, "hydra.run.dir=killed")
    for _ in range(kills):
        with project.start(*words) as child:
            assert kill(child, chance.randint(1, 3), chance.uniform(0, 0.04))
        words = ("resume=killed",)
    done = project.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return outcome(project, project.folder / "killed")


SHORT = ("deterministic=true", *SCHEDULE, *OVERFLOWING["dynamic"])


@pytest.fixture(scope="module")
def undisturbed(shared_project):
    return straight(shared_project, "straight", *SHORT)


@full_on_tf1  # there test_older_version.py goes on with a killed run
def test_a_run_that_was_killed_twice_is_as_if_it_never_was(shared_project, undisturbed):
    skipped = np.frombuffer(undisturbed["skipped"], bool)
    assert 0 < skipped.sum() < len(skipped)
    resumed = killed_and_resumed(shared_project, 2, random.Random(0), *SHORT)
    assert differences(undisturbed, resumed) == []


@pytest.mark.full
def test_the_comparison_finds_another_seed(shared_project, undisturbed):
    different = differences(undisturbed, straight(shared_project, "other", *SHORT, "seed=1"))
    assert {"layer_1/weights", "fc_3/bias/Adam", "losses", "loss"} <= set(different)


@pytest.mark.full
@pytest.mark.parametrize("scaling", OVERFLOWING)
def test_fifty_kills_leave_no_bit_of_difference(project, scaling):
    words = ("deterministic=true", *SCHEDULE, "schedule.steps_per_epoch=300", *OVERFLOWING[scaling])
    undisturbed = straight(project, "straight", *words)
    skipped = np.frombuffer(undisturbed["skipped"], bool)
    assert (0 < skipped.sum() < len(skipped)) == (scaling != "none")
    resumed = killed_and_resumed(project, 17, random.Random(1), *words)
    assert differences(undisturbed, resumed) == []


LONG = ("debug=fast", "schedule.epochs=1000", "schedule.checkpoint_every=5")


@full_on_tf1
def test_the_next_command_ends_what_was_killed_and_says_so_and_leaves_alone_what_lives(
    shared_project,
):
    project, folder = shared_project, shared_project.folder / "outputs" / "dead"
    with project.start(*LONG, "hydra.run.dir=outputs/dead") as dead:
        assert kill(dead, windows=9)
    with project.start(*LONG, "hydra.run.dir=living") as living:
        said = [living.stdout.readline() for _ in range(3)][-1]
        run_id = project.recorded_in(folder).info.run_id
        assert said == (
            f"run {run_id} was killed; to go on: python -m lenet_exp.run resume=outputs/dead\n"
        )
        while " loss " not in living.stdout.readline():
            assert living.poll() is None
        assert project.recorded_in(folder).info.status == "KILLED"
        refused = project.run("resume=living")
        assert refused.returncode == 2
        assert "another process is at work on this run" in refused.stderr

        # By its id; and a checkpoint that was damaged since is named.
        newest = checkpoints.newest(folder).path
        (newest / "state.npz").write_bytes(b"")
        with project.start(f"resume={run_id}") as child:
            lines = [child.stdout.readline() for _ in range(4)]
            child.kill()
        assert lines[0].startswith("goes on: allow_mix_precision, ")
        assert f"{newest} is damaged" in lines[2]
        assert lines[3] == f"goes on after step {int(newest.name) - 5}\n"

        assert project.recorded_in(project.folder / "living").info.status == "RUNNING"
        assert living.poll() is None
        living.terminate()
        said, _ = living.communicate()
    living_run = project.recorded_in(project.folder / "living")
    assert living_run.info.status == "KILLED"
    assert "to go on: python -m lenet_exp.run resume=living" in said.splitlines()


@full_on_tf1
def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(shared_project):
    with shared_project.start("schedule=performance", "hydra.run.dir=early") as early:
        assert kill(early, windows=1)
    with shared_project.start("resume=early") as child:
        lines = [child.stdout.readline() for _ in range(3)]
        child.kill()
    assert "begins anew: it was interrupted before its first checkpoint\n" in lines


@full_on_tf1
def test_a_finished_run_goes_on_with_more_epochs_only(shared_project):
    project = shared_project
    words = (PART, "debug=fast", "loss_scale=dynamic", "schedule.checkpoint_every=8")
    longer = straight(project, "longer", *words, "schedule.epochs=2")
    straight(project, "first", *words)
    again = project.run("resume=first")
    assert (again.returncode, again.stderr) == (0, "")
    assert "has finished" in again.stdout
    more = project.run("resume=first", "schedule.epochs=2")
    assert (more.returncode, more.stderr) == (0, "")
    grown = outcome(project, project.folder / "first")
    # It has what it ended with at first besides.
    assert differences(longer, grown) == ["accuracy", "accuracy_percent"]
    assert grown["accuracy"][-1] == longer["accuracy"][0]
    fewer = project.run("resume=first", "schedule.epochs=1")
    assert fewer.returncode == 2
    assert "2 or more" in fewer.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["resume=nothing"], "resume=nothing is not possible"),
        (["resume=latest", "seed=3"], "seed=3 is not possible"),
        (["-m", "resume=latest"], "-m is not possible"),
        (["resume=latest", "resume=latest"], "resume=latest is not possible"),
        (["resume=."], "holds no record.jsonl"),
        (["resume="], "resume= is not possible"),
        (["resume=latest", "--cfg", "job"], "--cfg is not possible"),
    ],
)
def test_what_cannot_be_resumed_is_told(bare_project, words, told):
    project = bare_project
    done = project.run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert told in done.stderr
    assert list(project.folder.iterdir()) == []


def lose(project):
    """Take the store away, as `rm -rf` does."""
    for path in (project.folder / "mlflow.db", project.folder / "mlruns"):
        if path.is_dir():
            shutil.rmtree(str(path))
        elif path.exists():
            path.unlink()


@pytest.mark.full
def test_a_store_that_is_lost_in_mid_run_is_told_all_by_upload(project, shared_project):
    words = (PART, "debug=fast", "loss_scale=dynamic", "schedule.epochs=20")
    undisturbed = straight(shared_project, "kept", *words)
    kept = shared_project.artifacts(shared_project.recorded()[0].info.run_id)
    with project.start(*words, "hydra.run.dir=lost") as child:
        while " loss " not in child.stdout.readline():
            assert child.poll() is None
        lose(project)
        said, problems = child.communicate()
    assert (child.returncode, problems) == (0, "")
    last = said.splitlines()[-1].split()
    assert last[:3] == ["python", "-m", "lenet_exp.upload"]
    for _ in range(2):
        done = project.run(*last[3:], verb="upload")
        assert (done.returncode, done.stderr) == (0, "")
    folder = project.folder / "lost"
    assert differences(undisturbed, outcome(project, folder)) == []
    assert project.artifacts(project.recorded_in(folder).info.run_id) == kept


@pytest.mark.parametrize("words", [[], ["run=nothing"], ["lost"], ["run=latest", "seed=1"]])
def test_an_upload_of_nothing_is_refused(project, words):
    done = project.run(*words, verb="upload")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "try: " in done.stderr
