"""Sweeps in a real store, recorded by the product's own record layer, without their training."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from omegaconf import OmegaConf

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.compose import flatten
from lenet_exp.config.identity import config_hash
from lenet_exp.experiment import graphs
from lenet_exp.experiment.identity import PLAN_FILE
from lenet_exp.record.run import plots, results, run_files
from lenet_exp.record.store.mlflow_store import Point, Run, Store

IMAGES = 10_000
LABELS = np.arange(IMAGES) % 10
WINDOWS = 4
STEPS_PER_WINDOW = 50


@functools.lru_cache(maxsize=None)
def plan_of(words):
    """Return the real plan of a configuration."""
    settings = settings_to_explain(words)
    return graphs.plan(settings, graphs.build_graphs(settings))


def classes_with(right, seed):
    """Return classes of which so many are right; which ones depends on the seed."""
    wrong = np.random.RandomState(seed).permutation(IMAGES)[right:]
    classes = LABELS.copy()
    classes[wrong] = (classes[wrong] + 1) % 10
    return classes


@functools.lru_cache(maxsize=None)
def confusion_matrix():
    """Return a picture that stands for that of any run."""
    return plots.confusion_matrix(np.zeros((IMAGES, 28, 28, 1), np.uint8), LABELS, LABELS, "a run")


def metrics_of(right, sec_per_step, scales):
    """Return what a run of four windows tells, in order."""
    points = []
    for window in range(WINDOWS):
        step = (window + 1) * STEPS_PER_WINDOW
        values = {"loss": 2.3 / (window + 1), "loss_scale": scales[window]}
        values["skipped_steps"] = sum(b < a for a, b in zip(scales, scales[1 : window + 1]))
        points += [Point(key, float(value), step, step) for key, value in values.items()]
    share = right / IMAGES
    ending = {"validation_accuracy": share, "accuracy": share, "accuracy_percent": 100 * share,
              "sec_per_step": sec_per_step, "images_per_sec": 64 / sec_per_step}  # fmt: skip
    last = WINDOWS * STEPS_PER_WINDOW
    return points + [Point(key, value, last, last) for key, value in ending.items()]


def record(store, folder, words, right, *, sec_per_step=0.005, scales=(1,) * WINDOWS,
           status="FINISHED", **tags):  # fmt: skip
    """Record a run of the words' settings with so many test images right; return its id."""
    words = tuple(words)
    settings, stack = settings_to_explain(words), tf_compat.stack_of_this_python()
    plan = plan_of(tuple(word for word in words if not word.startswith("seed=")))
    emulated = str(graphs.has_float16(plan)).lower()
    given = {"stack": stack, "hardware": "cpu", "device": "a CPU", "data_sha256": "0" * 64,
             "precision": settings.precision.mode, "emulated": emulated, "chip": str(plan.verdict),
             **{key: str(number) for key, number in plan.bytes_of_step.items()},
             "config_hash": config_hash(settings, "0" * 64, stack), **tags}  # fmt: skip
    run = store.create(f"{settings.precision.mode}-seed{settings.seed}", given)
    run.params(flatten(settings))
    run.metrics(metrics_of(right, sec_per_step, scales)[: None if status == "FINISHED" else 3])
    yaml = OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))
    run_files.write_bytes(folder / "config.yaml", yaml.encode())
    run_files.write_bytes(folder / PLAN_FILE, plan.csv)
    results.write_test_predictions(
        run_files.RunFolder(folder), classes_with(right, settings.seed), LABELS
    )
    run_files.write_bytes(folder / "figures" / "confusion_matrix.png", confusion_matrix())
    for name in ("config.yaml", PLAN_FILE, "test_predictions.npz", "figures"):
        run.artifact(folder / name)
    run.end(status)
    return run.run_id


def record_sweep(uri, folder, name, jobs, parent=True):
    """Record a sweep: `jobs` are (words, images right, what else `record` takes).

    Return the parent's id, None without one, and those of the children.
    """
    store, tags, over = Store(uri, "lenet-exp"), {"sweep": name}, None
    if parent:
        over = store.create(name, {**tags, "sweep_parent": "true"}).run_id
        tags["mlflow.parentRunId"] = over
    children = [
        record(store, folder / str(place), words, right, **tags, **more)
        for place, (words, right, more) in enumerate(jobs)
    ]
    if over:
        Run(store, over).end("FINISHED")
    return over, children
