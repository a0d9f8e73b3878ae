"""precision.trace_overflow: what a run says about its overflows, however it ends."""

from __future__ import annotations

import csv
import signal
import time

import numpy as np
import pytest

from tests.data.part_of_mnist import PART
from tests.end_to_end.test_resume import differences, kill, outcome
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there tests of the emulation have traced graphs
FORCE = (PART, "precision=force_fp16", "debug=fast", "loss_scale=dynamic")
SCALE = ("loss_scale.init_loss_scale=262144", "loss_scale.decr_every_n_nan_or_inf=1")
TRACED = "precision.trace_overflow=true"


def rows_of(folder):
    with (folder / "overflows.csv").open(newline="") as kept:
        return list(csv.DictReader(kept))


@pytest.fixture(scope="module")
def traced(shared_project):
    done = shared_project.run(*FORCE, *SCALE, TRACED, "hydra.run.dir=traced")
    assert (done.returncode, done.stderr) == (0, "")
    return done, shared_project.folder / "traced"


@pytest.mark.full
def test_a_traced_run_has_the_bits_of_an_untraced_one(traced, shared_project):
    done = shared_project.run(*FORCE, *SCALE, "hydra.run.dir=untraced")
    assert (done.returncode, done.stderr) == (0, "")
    assert "overflows" not in done.stdout
    folders = (traced[1], shared_project.folder / "untraced")
    assert differences(*(outcome(shared_project, folder) for folder in folders)) == []
    assert not (folders[1] / "overflows.csv").exists()


def test_the_console_names_the_step_and_the_operator_that_overflowed_first(traced):
    """2^18, 2^17 and 2^16 are beyond float16, each for one step; from 2^15 on it is used."""
    lines = traced[0].stdout.splitlines()
    at = lines.index("overflows in 20 training steps")
    assert lines[at + 1] == "  first in step 1: Cast loss_scale"
    assert lines[at + 3].split() == ["3", "1", "3", "2.62e+05", "Cast", "loss_scale"]
    assert any(line.startswith("overflows in 2 evaluations") for line in lines[at:])
    gradients = [line for line in lines[at:] if "%" in line]
    assert [line.split()[-1].partition("_")[0] for line in gradients] == ["fc"] * 6 + ["layer"] * 4
    assert "constant update/Adam/epsilon: 1e-08 is 0 in float16" in lines
    assert any("accuracy" in line for line in lines[at:])  # the closing block stays last


def test_the_store_has_the_rows_of_both_graphs(traced, shared_project):
    run = shared_project.recorded_in(traced[1])
    kept = shared_project.artifacts(run.info.run_id)
    assert {"overflows.csv", "overflows.txt"} <= set(kept)
    assert run.data.params["precision.trace_overflow"] == "True"
    rows = rows_of(traced[1])
    assert {row["graph"]: row["calls"] for row in rows} == {"train": "20", "inference": "2"}
    assert sum(bool(row["gradient_of"]) for row in rows) == 10
    (scale,) = [row for row in rows if row["operator"] == "loss_scale"]
    assert (scale["values"], scale["overflowed"], scale["first_step"]) == ("20", "3", "1")


@pytest.mark.full
def test_a_run_that_was_killed_goes_on_counting(traced, shared_project):
    words = (*FORCE, *SCALE, TRACED, "schedule.checkpoint_every=5", "hydra.run.dir=killed")
    with shared_project.start(*words) as child:
        assert kill(child, windows=4)
    folder = shared_project.folder / "killed"
    assert not (folder / "overflows.csv").exists()
    done = shared_project.run("resume=killed")
    assert (done.returncode, done.stderr) == (0, "")
    assert "goes on after step 5\n" in done.stdout
    assert rows_of(folder) == rows_of(traced[1])


STOPS = [
    pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
    pytest.param(signal.SIGTERM, 143, id="SIGTERM", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_an_interrupted_run_tells_what_it_has_seen(shared_project, number, code):
    project, name = shared_project, f"stopped-{code}"
    words = ("debug=fast", TRACED, "schedule.epochs=1000", f"hydra.run.dir={name}")
    with project.start(*words) as child:
        for _ in range(3):
            while " loss " not in child.stdout.readline():
                assert child.poll() is None
        time.sleep(0.05)
        child.send_signal(number)
        said, _ = child.communicate()
    assert child.returncode == code
    lines = said.splitlines()
    (head,) = [line for line in lines if line.startswith("overflows in ") and "steps" in line]
    steps = int(head.split()[2])
    assert steps >= 6
    run = project.recorded_in(project.folder / name)
    assert run.info.status == "KILLED"
    assert {"overflows.csv", "overflows.txt"} <= set(project.artifacts(run.info.run_id))
    calls = {row["calls"] for row in rows_of(project.folder / name) if row["graph"] == "train"}
    assert calls == {str(steps)}


def test_a_run_goes_on_with_what_it_was_begun_with(traced, shared_project):
    refused = shared_project.run(f"resume={traced[1]}", TRACED)
    assert refused.returncode == 2
    assert "precision.trace_overflow=true is not possible" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.full
def test_flushing_subnormals_gives_other_numbers(traced, shared_project):
    words = (*FORCE, *SCALE, "precision.flush_subnormals=true", "hydra.run.dir=flushed")
    done = shared_project.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    losses = [
        outcome(shared_project, folder)["losses"]
        for folder in (traced[1], shared_project.folder / "flushed")
    ]
    one, other = (np.frombuffer(each, np.float32) for each in losses)
    assert one[0] == other[0]  # of the same weights, but for what is rounded
    assert (one != other).any()
