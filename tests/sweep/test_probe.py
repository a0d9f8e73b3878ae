"""What a node is told of the store, and what it says of it."""

from __future__ import annotations

import types

import pytest

from lenet_exp.errors import EngineError
from lenet_exp.sweep import nodes, probe
from lenet_exp.sweep.attempt import name_of
from lenet_exp.sweep.jobs import Request
from tests.sweep.test_seeds import NOTHING

pytestmark = pytest.mark.stackless
SHOWN = "postgresql://u:***@h/d"


class Executor:
    """An executor whose worker ends at once and keeps its order."""

    name, is_here = "ray", False

    def worker(self, log, name, module):
        return self

    def start(self, order):
        self.order = order

    def poll(self):
        return 0


@pytest.mark.parametrize("uri", ["postgresql://u:secret@h/d", "http://h/?token=secret"])
def test_a_node_s_order_has_no_password(uri, tmp_path):
    executor = Executor()
    nodes.check(Request(tmp_path, NOTHING, executor, "", []), uri)
    assert "secret" not in str(executor.order)


@pytest.mark.parametrize("problem", [None, EngineError("squeue", "fails", "wait")])
def test_what_an_engine_has_left_of_a_sweep_is_ended_if_it_answers(problem, tmp_path):
    asked = []

    class Left(Executor):
        def end_leftovers(self, prefix):
            asked.append(prefix)
            if problem:
                raise problem
            return 1

    nodes.tidy(Request(tmp_path, NOTHING, Left(), "", []))
    assert asked == [name_of(tmp_path)]


@pytest.mark.parametrize(
    ("own", "lacks"),
    [
        ("postgresql://u:secret@h/d", []),
        ("postgresql://u:secret@other/d", ["MLFLOW_TRACKING_URI is not"]),
        (None, ["MLFLOW_TRACKING_URI is not"]),
    ],
)
def test_a_store_with_a_password_is_that_of_the_node_s_environment(own, lacks, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if own:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    told = list(probe._of_store(SHOWN))
    assert [line[: len(start)] for line, start in zip(told, lacks)] == lacks
    assert len(told) == len(lacks)
    assert "secret" not in str(told)


def test_a_server_is_asked_with_the_password_that_is_here(monkeypatch):
    asked = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        return types.SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(probe.urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://u:secret@h:5000/")
    assert list(probe._of_store("http://u:***@h:5000/")) == []
    assert asked == ["http://u:secret@h:5000/health"]
