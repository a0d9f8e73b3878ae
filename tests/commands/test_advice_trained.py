"""A keep list by trainings: the fewest operators, each list trained once, what was done kept."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lenet_exp.commands.advice_trained import Target, Trainings, trained_keep_list
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import diagnose
from lenet_exp.record.store import journal
from tests.precision.diagnosis.planted import FAULTS, network
from tests.precision.small import FORCE


@pytest.mark.parametrize(
    ("needed", "budget", "holds", "is_minimal"),
    [(0, 9, True, True), (2, 40, True, True), (2, 3, True, False), (None, 40, False, False)],
)
def test_the_fewest_with_which_a_training_gets_far_enough(needed, budget, holds, is_minimal):
    graph_def, fetches, values, feeds = network(FAULTS[0], 1)
    asked = []

    def planner(names):
        return assign(graph_def, FORCE, fetches=fetches, keep_dtype=names)

    found = diagnose(planner(()), values, feeds)
    short = [row.name for row in found.plan.operators if row.ge_type == "MatMulV2"]
    wanted = {"none"} if needed is None else {*short[:needed]}

    def accuracy(names):
        asked.append(frozenset(names))
        return 0.98 if wanted <= {*names} else 0.1

    target = Target(0.975, budget, "name")
    kept = trained_keep_list(planner, found, (values, feeds), target, accuracy)
    assert (kept.holds, kept.is_minimal) == (holds, is_minimal)
    assert len(asked) == len({*asked}) == kept.tests <= budget + 1
    if holds and is_minimal:
        assert {*kept.names} == wanted


def recorded(folder, words, accuracy, status="FINISHED"):
    """Leave the folder of a job that has ended, as a sweep does."""
    folder.mkdir(parents=True)
    settings = dataclasses.asdict(settings_to_explain(words))
    (folder / "config.yaml").write_text(json.dumps(settings))
    record = journal.Journal(folder)
    record.append("run", {"run_id": "1", "name": "a", "cwd": "/", "uri": ""})
    record.append("metrics", {"accuracy": accuracy})
    record.append("status", {"status": status})
    record.close()


def test_a_training_that_was_made_is_not_made_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Trainings(["seed=3"], FORCE, 0.25)
    begin = ["precision=force_fp16", "loss_scale=fixed", "loss_scale.value=1"]
    folder = tmp_path / "multirun" / made.sweep
    recorded(folder / "a", [*begin, "precision.keep_dtype=[b,a]"], 0.97)
    recorded(folder / "b", begin, 0.5)
    recorded(folder / "c", [*begin, "precision.keep_dtype=[c]"], 0.9, "FAILED")
    recorded(folder / "d", ["precision=force_fp32", *begin[1:]], 0.8)
    assert made.accuracy(["a", "b"]) == 0.97
    assert made.accuracy([]) == 0.5
