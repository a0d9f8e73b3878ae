"""What is printed to be typed works as it stands."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lenet_exp.record import next_steps, terminal

pytestmark = pytest.mark.stackless
PAGE = {"tf1": "", "tf2": "/runs?workflowType=machine_learning"}


@pytest.mark.parametrize(
    ("chosen", "used", "last"),
    [
        (None, "sqlite:////x/mlflow.db", ["mlflow ui", "  and open http://127.0.0.1:5000/#"]),
        (
            "sqlite:///a b.db",
            "sqlite:///a b.db",
            [
                "mlflow ui --backend-store-uri 'sqlite:///a b.db'",
                "  and open http://127.0.0.1:5000/#",
            ],
        ),
        ("https://host:1/", "https://host:1/", ["open https://host:1/#"]),
        ("https://me:secret@host", "https://me:secret@host", ["open https://host/#"]),
    ],
)
def test_the_page_of_these_runs_comes_last(chosen, used, last, stack, monkeypatch):
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin")
    store = SimpleNamespace(uri=used, experiment_id="7")
    *first, page = last
    lines = next_steps.next_steps(store, chosen, "some command")
    assert lines == ["some command", *first, f"{page}/experiments/7{PAGE[stack]}"]


@pytest.mark.parametrize(
    ("uri", "commands", "needed"),
    [
        (None, [], True),
        ("https://host", [], False),
        ("https://host", ["python -m lenet_exp.compare"], True),
    ],
)
def test_activation_is_printed_until_it_is_done_and_where_it_is_needed(
    uri, commands, needed, monkeypatch
):
    store = SimpleNamespace(uri=uri or "sqlite:///mlflow.db", experiment_id="1")
    source = f"source {sys.prefix}/bin/activate"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert (next_steps.next_steps(store, uri, *commands)[0] == source) == needed
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin")
    assert source not in next_steps.next_steps(store, uri, *commands)


def test_a_folder_elsewhere_is_gone_to_first(monkeypatch, tmp_path):
    monkeypatch.setattr(terminal, "_came_from", [tmp_path / "elsewhere"])
    store = SimpleNamespace(uri="https://host", experiment_id="1")
    assert next_steps.next_steps(store, "https://host")[0] == f"cd {shlex.quote(str(tmp_path))}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("lenet-exp", None), ["tracking.experiment=lenet-exp"]),
        (("a b", "sqlite:///x y.db"), ["tracking.experiment=a b", "tracking.uri=sqlite:///x y.db"]),
    ],
)
def test_the_compare_command_can_be_typed(given, words):
    typed = shlex.split(next_steps.compare_command(*given))
    assert typed == ["python", "-m", "lenet_exp.compare", *words]


def test_a_page_is_opened_by_its_address():
    command = next_steps.open_command(Path("/x y/comparison.html"))
    assert command == "python -m webbrowser file:///x%20y/comparison.html"
