"""The bar: LeNet on real MNIST, the whole schedule."""

from __future__ import annotations

import pytest


@pytest.mark.full
def test_three_full_trainings_reach_the_bar(shared_project):
    done = shared_project.run("-m", "seed=0,1,2")
    assert done.returncode == 0, done.stderr
    jobs = [run for run in shared_project.recorded() if "sweep_parent" not in run.data.tags]
    accuracies = [run.data.metrics["accuracy"] for run in jobs]
    assert len(accuracies) == 3
    assert min(accuracies) >= 0.975
    assert sum(accuracies) / 3 >= 0.980
