"""One run, from the command line to MLflow's store."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from lenet_exp.record.next_steps import compare_command
from tests.data.part_of_mnist import PART
from tests.pages import problems
from tests.stacks import full_on_tf1

TIMES = re.compile("sec|images")
TRAIN, TEST = 1203, 271  # of another set: neither is a multiple of a batch


@pytest.fixture(scope="module")
def smoke(shared_project):
    """The main job on the smoke schedule: what it printed, and its run in the store."""
    done = shared_project.run("schedule=smoke", "loss_scale=dynamic", "seed=3", fresh=True)
    assert done.returncode == 0, done.stderr
    return done, shared_project.recorded()[0]


def test_it_prints_progress_and_one_closing_block_and_nothing_else(smoke, stack, shared_project):
    done, run = smoke
    assert done.stderr == "loading TensorFlow ...\nloading MLflow ...\n"
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "allow_mix_precision, loss_scale dynamic, adam, seed 3: 1 x 20 steps of 64 images"
    )
    assert lines[1].startswith("  recorded in ./ml")
    assert lines[2].startswith("epoch 1/1 step 2/20 loss 2.")
    block = "\n".join(lines[lines.index("") :])
    assert "mode     allow_mix_precision, float16 emulated on this CPU" in block
    assert "schedule 1 x 20 steps of 64 images: a look, not a training" in block
    accuracy = run.data.metrics["accuracy"]
    assert f"accuracy {accuracy:.4f}" in block
    assert f"sec/step {run.data.metrics['sec_per_step']:.5f}" in block
    assert f"run      {run.info.run_id}" in block
    page = {"tf1": "", "tf2": "/runs?workflowType=machine_learning"}[stack]
    assert lines[-2:] == [
        "  mlflow ui",
        f"    and open http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}{page}",
    ]
    log = next(shared_project.folder.glob("outputs/*/run.log")).read_text()
    assert lines[0] in log
    assert lines[1] in log


def test_the_record_is_the_design_s(smoke, stack):
    run = smoke[1]
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "3"
    assert run.data.params["loss_scale.init_loss_scale"] == "32768.0"
    assert run.data.params["data.path"] == "null"
    metrics = run.data.metrics
    assert {
        "accuracy", "accuracy_percent", "sec_per_step", "sec_per_step_mean", "sec_per_step_p95",
        "ms_per_step", "images_per_sec", "loss", "validation_accuracy", "loss_scale",
        "skipped_steps", "window_sec_per_step", "recording_seconds", "recording_cpu_seconds",
    } == set(metrics)  # fmt: skip
    assert metrics["ms_per_step"] == pytest.approx(1000 * metrics["sec_per_step"])
    assert metrics["images_per_sec"] == pytest.approx(64 / metrics["sec_per_step"])
    tags = run.data.tags
    wanted = {
        "stack": stack, "hardware": "cpu", "precision": "allow_mix_precision",
        "emulated": "true", "onednn": "none" if stack == "tf1" else "1", "threads": "0",
        "mlflow.runName": "allow_mix_precision-dynamic-adam-seed3",
    }  # fmt: skip
    assert {key: tags.get(key) for key in wanted} == wanted
    assert re.fullmatch("[0-9a-f]{12}", tags["config_hash"])
    assert re.fullmatch("[0-9a-f]{64}", tags["data_sha256"])
    assert tags["device"]
    assert "sweep" not in tags


def test_every_window_is_in_the_store(smoke, shared_project):
    run = smoke[1]
    history = shared_project.history(run.info.run_id, "loss")
    assert [step for step, _ in history] == list(range(2, 21, 2))
    assert 2.0 < history[-1][1] < 3.0


def test_artifacts_are_whole(smoke, shared_project):
    run = smoke[1]
    found = shared_project.artifacts(run.info.run_id)
    assert [path for path in found if path != "git.diff"] == [  # there while code is being changed
        "checkpoints/20/manifest.json",
        "checkpoints/20/model.data-00000-of-00001",
        "checkpoints/20/model.index",
        "checkpoints/20/state.npz",
        "conditions.json",
        "config.yaml",
        "figures/confusion_matrix.png",
        "figures/loss.png",
        "output/performance_precision.txt",
        "precision.csv",
        "report.html",
        "run.log",
        "test_predictions.npz",
    ]


def test_the_run_has_a_page_of_its_own_and_its_description_leads_there(smoke):
    run = smoke[1]
    accuracy, run_id = run.data.metrics["accuracy"], run.info.run_id
    said = (
        f"allow_mix_precision has accuracy {accuracy:.4f} after 20 steps: a look, not a training."
    )
    page = Path(run.data.tags["folder"], "report.html").read_text("utf-8")
    assert problems(page) == []
    assert f"<h1>{said}</h1>" in page
    assert page.count("<img") == 2
    assert run_id in page
    note = run.data.tags["mlflow.note.content"]
    assert said.replace("_", "\\_") in note
    link = f"(#/experiments/{run.info.experiment_id}/runs/{run_id}/artifactPath/report.html)"
    assert link in note


@full_on_tf1
def test_the_plan_of_both_graphs_is_kept_and_the_chip_s_verdict_is_a_tag(bare_project):
    project = bare_project  # so once MLflow makes a store
    done = project.run(PART, "precision=must_keep_origin_dtype", "schedule=smoke")
    lines = done.stdout.splitlines()
    assert lines[2].startswith("data: 11000 training, 1000 validation and 500 test examples ")
    assert lines[3].startswith("warning: on the chip refused: Conv2D, Conv2DBackpropInputD, ")
    assert lines[4] == "  why: python -m lenet_exp.explain precision=must_keep_origin_dtype"
    tags = project.recorded()[0].data.tags
    assert tags["emulated"] == "false"
    assert tags["chip"].startswith(
        "refused: Conv2D, Conv2DBackpropInputD, Conv2DBackpropFilterD; AI CPU: MaxPool, MaxPoolGrad"
    )
    folder = next(project.folder.glob("outputs/*"))
    with (folder / "precision.csv").open(newline="") as kept:
        rows = list(csv.DictReader(kept))
    assert {row["graph"] for row in rows} == {"train", "inference"}
    assert {row["mode"] for row in rows} == {"must_keep_origin_dtype"}
    convolutions = [row for row in rows if row["ge_type"] == "Conv2D"]
    assert [row["engine"] for row in convolutions] == ["refused"] * 4
    assert [row["graph"] for row in rows if row["ge_type"].startswith("ArgMax")] == ["inference"]
    assert sum(row["ge_type"] == "ApplyAdamD" for row in rows) == 10


def test_a_graph_that_the_chip_refuses_is_refused_before_training_if_asked(project):
    keep = "precision=must_keep_origin_dtype"
    done = project.run(keep, "schedule=smoke", "hardware.on_refused=error")
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 2)  # what would have run
    assert "precision=must_keep_origin_dtype: the chip refuses" in done.stderr
    assert "Conv2D" in done.stderr
    assert "hardware.on_refused=warn" in done.stderr
    assert "Traceback" not in done.stderr
    assert not project.recorded()


def test_accuracy_is_over_all_test_images(smoke, shared_project, mnist_folder):
    from lenet_exp.data import mnist

    folder = next(shared_project.folder.glob("outputs/*"))
    with np.load(str(folder / "test_predictions.npz")) as kept:
        classes, recorded = kept["classes"], kept["labels"]
    labels = mnist.load(mnist_folder).test.labels
    assert recorded.tolist() == labels.tolist()
    assert classes.shape == (10000,)
    assert smoke[1].data.metrics["accuracy"] == np.mean(classes == labels)
    result = (folder / "output" / "performance_precision.txt").read_text()
    assert f"accuracy : {np.mean(classes == labels):.4f}" in result


@pytest.mark.full
def test_deterministic_gives_the_same_bits_twice(shared_project):
    kept = []
    for _ in range(2):
        done = shared_project.run(PART, "debug=fast", "loss_scale=dynamic")
        assert done.returncode == 0, done.stderr
        run = shared_project.recorded()[0]
        histories = {
            key: shared_project.history(run.info.run_id, key)
            for key in run.data.metrics
            if not TIMES.search(key) and key != "ms_per_step"
        }
        kept.append((histories, run.data.tags["config_hash"], run.data.tags["threads"]))
    assert kept[0] == kept[1]
    assert kept[0][2] == "1"


@full_on_tf1
def test_a_reader_that_leaves_does_not_end_the_run(shared_project):
    with shared_project.start(PART, "debug=fast") as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 0
    assert shared_project.recorded()[0].info.status == "FINISHED"


@full_on_tf1
def test_a_training_that_diverges_says_so(shared_project):
    # In float16 a NaN becomes 0, as on the chip.
    words = (PART, "precision=must_keep_origin_dtype", "debug=fast", "optimizer=momentum")
    done = shared_project.run(*words, "optimizer.learning_rate=3e38")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(
        r"^  the training diverged: the loss of step \d+ is no number$", done.stdout, re.M
    )


@pytest.mark.full
def test_a_store_of_ones_own_is_used_and_named_at_the_end(shared_project):
    uri = f"sqlite:///{shared_project.folder / 'own.db'}"
    words = (PART, "schedule=smoke", "schedule.steps_per_epoch=1", f"tracking.uri={uri}")
    done = shared_project.run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-2] == f"  mlflow ui --backend-store-uri {uri}"
    assert "lenet_exp.compare" not in done.stdout  # there is nothing to compare it with
    # As many images as the training set has: else it is a look, and nothing to compare.
    words = (PART, "schedule=smoke", "schedule.steps_per_epoch=172", f"tracking.uri={uri}")
    again = shared_project.run(*words)
    assert f"  {compare_command('lenet-exp', uri)}" in again.stdout.splitlines()
    assert shared_project.recorded(uri)[0].info.status == "FINISHED"


@full_on_tf1
def test_a_set_of_other_counts_is_trained_and_tested_whole(project):
    pixels = np.random.RandomState(1).randint(0, 256, (TRAIN + TEST, 784)).astype(np.uint8)
    labels = np.eye(10)[np.arange(TRAIN + TEST) % 10]
    arrays = {"x_train": pixels[:TRAIN], "y_train": labels[:TRAIN]}
    arrays.update(x_test=pixels[TRAIN:], y_test=labels[TRAIN:])
    np.savez(str(project.folder / "mine.npz"), **arrays)
    done = project.run("debug=fast", "data.path=mine.npz", "hydra.run.dir=run")
    assert (done.returncode, done.stderr) == (0, "")
    line = "data: 1103 training, 100 validation and 271 test examples (MNIST: 55000, 5000, 10000)"
    assert line in done.stdout
    assert line in (project.folder / "run" / "run.log").read_text()
    with np.load(str(project.folder / "run" / "test_predictions.npz")) as kept:
        assert np.array_equal(kept["labels"], np.arange(TRAIN, TRAIN + TEST) % 10)
        right = float(np.mean(kept["classes"] == kept["labels"]))
    run = project.recorded_in(project.folder / "run")
    assert run.data.metrics["accuracy"] == right
