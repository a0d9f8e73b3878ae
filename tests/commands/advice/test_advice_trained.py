"""A keep list by trainings: the fewest operators, each list trained once, what was done kept."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lenet_exp import tf_compat
from lenet_exp.commands.advice import trained
from lenet_exp.commands.advice.trained import Trainings, trained_keep_list
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.identity import config_hash
from lenet_exp.experiment.dataset import load_data
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import diagnose
from lenet_exp.record.store import journal
from tests.precision.diagnosis.planted import FAULTS, network
from tests.precision.small import FORCE
from tests.stacks import FULL_ON_TF1


@pytest.mark.parametrize(
    ("needed", "budget", "count", "holds", "is_minimal"),
    [
        (0, 9, 0, True, True),
        pytest.param(2, 40, 2, True, True, marks=FULL_ON_TF1),
        pytest.param(2, 3, None, True, False, marks=pytest.mark.full),
        pytest.param(2, 2, "all", True, False, marks=pytest.mark.full),
        (2, 1, 0, False, False),
        pytest.param(None, 40, "all", False, False, marks=FULL_ON_TF1),
    ],
)
def test_the_fewest_with_which_a_training_gets_far_enough(needed, budget, count, holds, is_minimal):
    graph_def, fetches, values, feeds = network(FAULTS[0], 1)
    asked = []

    def planner(names):
        return assign(graph_def, FORCE, fetches=fetches, keep_dtype=names)

    found = diagnose(planner(()), values, feeds)
    short = [row.name for row in found.plan.operators if row.ge_type == "MatMulV2"]
    wanted = {"none"} if needed is None else {*short[:needed]}

    def trains(names):
        asked.append(frozenset(names))
        return wanted <= {*names}

    kept = trained_keep_list(planner, found, (values, feeds), trains, budget, "name")
    assert (kept.holds, kept.is_minimal) == (holds, is_minimal)
    assert len(asked) == len({*asked}) == kept.tests <= budget
    # What was never trained is not said to be too little.
    assert frozenset(kept.names) in asked
    if count is not None:
        assert len(kept.names) == (max(map(len, asked)) if count == "all" else count)
    if holds and is_minimal:
        assert {*kept.names} == wanted


BEGIN = ["precision=force_fp16", "loss_scale=fixed", "loss_scale.value=1", "seed=3"]


def words_under(names):
    return [*BEGIN, *([f"precision.keep_dtype=[{','.join(names)}]"] if names else [])]


def recorded(words, accuracy, sweep, status="FINISHED"):
    """Leave what a job of these words leaves in a sweep when it has ended."""
    settings = settings_to_explain(words)
    data, stack = load_data(None).sha256, tf_compat.stack_of_this_python()
    folder = sweep / config_hash(settings, data, stack)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(dataclasses.asdict(settings)))
    record = journal.Journal(folder)
    record.append("run", {"run_id": "1", "name": "a", "cwd": "/", "uri": ""})
    record.append("metrics", {"accuracy": accuracy})
    record.append("status", {"status": status})
    record.close()


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Train nothing, in an empty folder; return the words of what would have been trained."""
    found = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trained, "train", lambda words, **options: found.append(words))
    return found


def test_a_training_that_was_made_is_not_made_again(asked, tmp_path):
    made = Trainings(words_under)
    sweep = tmp_path / "multirun" / made.sweep
    recorded(words_under(["a", "b"]), 0.97, sweep)
    recorded(words_under([]), 0.5, sweep)
    assert made.accuracy(["b", "a"]) == 0.97
    assert made.accuracy([]) == 0.5
    assert asked == []


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (words_under(["c"]), "FAILED"),
        (["precision=force_fp32", *words_under(["c"])[1:]], "FINISHED"),
        ([*words_under(["c"]), "optimizer.learning_rate=0.5"], "FINISHED"),
    ],
)
def test_another_training_is_none_of_this_one(asked, tmp_path, words, status):
    made = Trainings(words_under)
    recorded(words, 0.9, tmp_path / "multirun" / made.sweep, status)
    with pytest.raises(trained.DataError, match="left no accuracy"):
        made.accuracy(["c"])
    assert asked == [[*words_under(["c"]), f"sweep={made.sweep}"]]


def test_a_file_that_has_changed_since_makes_it_another_training(asked, tmp_path):
    (tmp_path / "c.txt").write_text("a::InputDtype:float32,OutputDtype:float32\n")
    given = [*BEGIN, "precision.customize_dtypes=c.txt"]
    made = Trainings(lambda names: given)
    recorded(given, 0.97, tmp_path / "multirun" / made.sweep)
    assert made.accuracy([]) == 0.97
    (tmp_path / "c.txt").write_text("b::InputDtype:float32,OutputDtype:float32\n")
    with pytest.raises(trained.DataError, match="left no accuracy"):
        made.accuracy([])
    assert len(asked) == 1
