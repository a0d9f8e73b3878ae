"""A run goes on only as what it was, and what isn't one is told in words."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests.data.part_of_mnist import PART, PART_FILE
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there test_resume.py goes on with a run


def test_what_is_not_as_it_was_is_said_or_refused(project):
    own = project.folder / "own.npz"
    shutil.copy(str(PART_FILE), str(own))
    words = ("debug=fast", "data.path=own.npz", "hydra.run.dir=run")
    done = project.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    # From another folder: relative paths are meant from where the run was begun.
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    words = (f"resume={project.folder / 'run'}", "schedule.epochs=2")
    done = project.run(*words, cwd=elsewhere, OMP_PROC_BIND="false")
    assert (done.returncode, done.stderr) == (0, "")
    assert "what differs from when it was begun:" in done.stdout
    assert "environment.OMP_PROC_BIND: None then, false now" in done.stdout
    assert f"cd {project.folder}" in done.stdout
    assert list(elsewhere.iterdir()) == []
    tags = project.recorded_in(project.folder / "run").data.tags
    assert tags["schedule.epochs"] == "2"
    (later,) = (project.folder / "run").glob("conditions-*.json")
    assert json.loads(later.read_text())["environment"]["OMP_PROC_BIND"] == "false"

    with np.load(str(own)) as held:
        arrays = dict(held)
    arrays["y_train"][-1] = (arrays["y_train"][-1] + 1) % 10
    np.savez(str(own), **arrays)
    refused = project.run("resume=run", "schedule.epochs=3")
    assert refused.returncode == 2
    assert "begun on other data" in refused.stderr


@pytest.fixture
def folders(project):
    for name, lines in (("empty", ""), ("garbage", "garbage\n")):
        folder = project.folder / "outputs" / name
        folder.mkdir(parents=True)
        (folder / "record.jsonl").write_text(lines)
        (folder / "config.yaml").write_text("seed: 0\n")
    return project


@pytest.mark.parametrize(
    ("words", "verb", "told"),
    [
        (["resume=12e45678"], "run", "resume=12e45678 is not possible"),
        (["resume=outputs/garbage"], "run", "record.jsonl: is damaged"),
        (["resume=outputs/empty"], "run", "it was never begun"),
        (["resume=~nobody-of-this-name/x"], "run", "is not possible"),
        (["resume=" + 5000 * "x"], "run", "is not possible"),
        (["resume=outputs/empty", "schedule.epochs=²"], "run", "never begun"),
        (["run=outputs/empty"], "upload", "it was never begun"),
        (["run=outputs/garbage"], "upload", "record.jsonl: is damaged"),
        (["run=latest", "tracking.uri="], "upload", "tracking.uri= is not possible"),
        (["run=outputs/empty"], "rerun", "has not finished"),
        (["run=nothing"], "rerun", "python -m lenet_exp.rerun run=latest"),
    ],
)
def test_what_is_no_run_is_told(folders, words, verb, told):
    done = folders.run(*words, verb=verb)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert told in done.stderr


@pytest.mark.full
def test_a_record_can_be_told_to_another_store(project):
    done = project.run(PART, "debug=fast", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    uri = f"sqlite:///{project.folder / 'other.db'}"
    done = project.run("run=run", f"tracking.uri={uri}", verb="upload")
    assert (done.returncode, done.stderr) == (0, "")
    assert "it is recorded anew" in done.stdout
    (run,) = project.recorded(uri)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == project.recorded()[0].data.metrics
