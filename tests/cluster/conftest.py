"""Engines of one's own, started for these tests and stopped after them."""

from __future__ import annotations

import os

import pytest

from tests.cluster import ray_cluster
from tests.cluster import slurm as slurm_engine
from tests.end_to_end.conftest import bare_project, project  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A Slurm of two nodes; without its programs, or without root, these tests are skipped."""
    missing = slurm_engine.missing()
    if missing or os.getuid() != 0:
        why = f"no {', '.join(missing)} here" if missing else "its daemons need root"
        pytest.skip(f"Slurm: {why} (apt-get install slurmctld slurmd slurm-client munge)")
    engine = slurm_engine.Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two nodes; without Ray these tests are skipped."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'lenet-exp[ray]')")
    started = ray_cluster.Ray()
    try:
        yield started
    finally:
        started.stop()
