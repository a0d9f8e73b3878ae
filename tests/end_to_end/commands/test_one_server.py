"""A real MLflow server for runs, sweeps, rerun, compare and upload; it dies, and comes back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from tests.data.part_of_mnist import PART
from tests.mlflow_server import MlflowServer, python_of

pytestmark = pytest.mark.full
FAST = (PART, "debug=fast", "deterministic=true")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One of MLflow 3 also for MLflow 1's client, where both are here: what a chip's host has."""
    newer = python_of("tf2") if tf_compat.stack_of_this_python() == "tf1" else None
    one = MlflowServer(tmp_path_factory.mktemp("mlflow") / "server", newer or Path(sys.executable))
    yield one.start()
    one.kill()


def test_all_commands_share_one_server_that_dies_and_comes_back(server, project):
    store = f"tracking.uri={server.uri}"
    swept = project.run("-m", *FAST, "precision=origin,fp16", "seeds_until=decided", "max_seeds=2",
                        "sweep=s", store)  # fmt: skip
    assert swept.returncode == 0, swept.stderr
    assert "open after 1 seeds: force_fp16; added: seed=1" in swept.stdout
    assert "sequential paired t" in swept.stdout or "a sequential test takes" in swept.stdout
    runs = project.recorded(server.uri)
    assert len(runs) == 5  # with the parent
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        kept = {path.name for path in server.folder.glob(f"artifacts/*/{run.info.run_id}/**/*")}
        parent = run.data.tags.get("sweep_parent") == "true"
        assert kept >= ({"comparison.html"} if parent else {"report.html", "config.yaml"})
    again = project.run("run=latest", verb="rerun")
    assert "bit-equal to run" in again.stdout, again.stdout + again.stderr
    server.kill()
    refused = project.run(*FAST, store)
    assert refused.returncode == 2
    assert f"{server.uri}: can't be used (the server doesn't answer" in refused.stderr
    compared = project.run("sweep=s", store, verb="compare")
    assert (compared.returncode, compared.stderr.count("doesn't answer")) == (2, 1)
    server.start()
    compared = project.run("sweep=s", store, verb="compare")
    assert compared.returncode == 0, compared.stderr
    uploaded = project.run("run=latest", verb="upload")
    assert "is complete" in uploaded.stdout, uploaded.stderr
    assert len(project.recorded(server.uri)) == 6
