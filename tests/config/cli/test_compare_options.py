"""What a person asks of compare."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.recorded_options import CompareOptions
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless


def test_nothing_need_be_asked():
    assert CompareOptions.read([]) == CompareOptions()


def test_runs_are_raw_text_and_counted_once():
    found = CompareOptions.read(
        ["runs=[12e45678, ab,ab]", "require_accuracy=.975", "reference=a=1,b=2"]
    )
    assert found.runs == ("12e45678", "ab")
    assert found.require_accuracy == 0.975
    assert found.reference == "a=1,b=2"


@pytest.mark.parametrize(
    ("words", "key", "remedy"),
    [
        pytest.param(["sweeps=x"], "sweeps", "sweep=x", id="misspelt"),
        pytest.param(["experiment=x"], "experiment", "tracking.experiment=x", id="short"),
        pytest.param(["--sweep=x"], "--sweep", "sweep=x", id="dashes"),
        pytest.param(["--require-accuracy=0.9"], "--require-accuracy", "require_accuracy=0.9",
                     id="dashes inside"),
        pytest.param(["latest"], "latest", "sweep=latest", id="no key"),
        pytest.param(["sweep"], "sweep", "sweep=latest", id="no value"),
        pytest.param(["runs=[]"], "runs", "'runs=[ID,ID]'", id="no runs"),
        pytest.param(["require_accuracy=97.5"], "require_accuracy", "require_accuracy=0.975",
                     id="percent"),
        pytest.param(["require_accuracy=nan"], "require_accuracy", "require_accuracy=0.975",
                     id="no number"),
        pytest.param(["sweep=a", "runs=[b]"], "runs", "sweep=a", id="two things"),
        pytest.param(["sweep=a", "sweep=b"], "sweep", "sweep=b", id="twice"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_refused_with_one_that_works(words, key, remedy):
    with pytest.raises(ConfigError) as caught:
        CompareOptions.read(words)
    named, _, _, shown = caught.value.args
    assert (named, shown) == (key, f"{CompareOptions.program()} {remedy}")
