"""benchmarks/scripts.py: what it reads of a list, and what it says of the runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("scripts")


def test_a_list_has_comments_and_blank_lines(scripts, tmp_path):
    file = tmp_path / "list"
    file.write_text(f"# one\n  # two | x\n\n a | {tmp_path} | path=x.py -- '|' b\n")
    (line,) = scripts.read(file)
    assert line == ("a", tmp_path, ["path=x.py", "--", "|", "b"])


@pytest.mark.parametrize("text", ["a", "a | .", "a | . | path='x", "a | /nowhere | path=x.py"])
def test_a_line_that_is_none_is_refused_in_words(text, scripts, tmp_path):
    file = tmp_path / "list"
    file.write_text(f"\n{text}\n")
    with pytest.raises(ConfigError, match="line 2 of"):
        scripts.read(file)


@pytest.mark.parametrize(("keep", "force", "said"), [
    ((20, 0.1), (20, 0.25), ["force 2.5"]),
    ((20, 0.1), (19, 0.25), []),
    ((3, 0.1), (20, 0.25), []),
    ((0, 0.0), (0, 0.0), []),
])  # fmt: skip
def test_a_run_that_ended_before_has_no_cost(keep, force, said, scripts):
    made = {"keep": scripts.Made(*keep, ""), "force": scripts.Made(*force, "")}
    assert scripts.costs(made, 20) == said
