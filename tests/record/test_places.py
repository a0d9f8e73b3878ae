"""A place that can't be written is named with all others, before anything is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.data import files
from lenet_exp.errors import PlaceError
from lenet_exp.record import places, writable

pytestmark = pytest.mark.stackless


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LENET_EXP_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "here"


def read_only(monkeypatch, *below):
    """As root, whom only a read-only file system stops, no mode of a folder would do."""
    real = os.access

    def access(place, mode):
        kept = any(Path(place) == one or one in Path(place).parents for one in below)
        return not kept and real(place, mode)

    monkeypatch.setattr(writable.os, "access", access)


def checked(words, stack):
    sweeps = words[:1] == ["-m"]
    settings = settings_to_explain(
        [w for w in words[sweeps:] if not w.startswith(("hydra.", "--"))]
    )
    places.check(settings, words, sweeps, stack)


ELSEWHERE = "mkdir -p {home}/lenet-exp && cd {home}/lenet-exp && "
WHERE = [
    # words, stack, what is in the way, what is named, the remedy
    ([], "tf2", {}, None, ""),
    ([], "tf1", {}, None, ""),
    ([], "tf2", {"here"}, "outputs, mlflow.db, mlruns", ELSEWHERE + "python -m lenet_exp.run"),
    ([], "tf1", {"here"}, "outputs, mlruns", ELSEWHERE + "python -m lenet_exp.run"),
    (["-m", "seed=3"], "tf2", {"here"}, "multirun, outputs, mlflow.db, mlruns",
     ELSEWHERE + "python -m lenet_exp.run -m seed=3"),
    ([], "tf2", {"here", "data"}, "outputs, mlflow.db, mlruns",
     ELSEWHERE + "LENET_EXP_DATA={home}/lenet-exp/mnist python -m lenet_exp.run"),
    ([], "tf2", {"data"}, "{root}/data", "LENET_EXP_DATA={home}/lenet-exp/mnist python"),
    (["data.path=mine"], "tf2", {"data"}, None, ""),
    (["tracking.uri=sqlite:///{root}/db/a.db"], "tf2", {"db"}, "{root}/db/a.db",
     "python -m lenet_exp.run tracking.uri=sqlite:///{home}/lenet-exp/mlflow.db"),
    (["tracking.uri={root}/store"], "tf1", {"store"}, "{root}/store", "python -m lenet_exp.run "),
    (["tracking.uri=http://host"], "tf2", {"here"}, "outputs", ELSEWHERE),
    (["--config-dir={root}/conf", "tracking.uri=http://host"], "tf2", {"here"}, None, ""),
    (["hydra.run.dir={root}/mine", "seed=3"], "tf2", {"mine"}, "{root}/mine",
     "python -m lenet_exp.run seed=3 hydra.run.dir={home}/lenet-exp/outputs/mine"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "words", "stack", "closed", "named", "remedy"),
    [("read-only", *row) for row in WHERE]
    + [("a file in the way", *row) for row in WHERE if "here" not in row[2]],
)
def test_all_places_are_named_at_once(how, words, stack, closed, named, remedy, here, monkeypatch):
    root = here.parent
    filled = {"root": str(root), "home": str(root / "home")}
    words = [word.format(**filled) for word in words]
    if how == "read-only":
        read_only(monkeypatch, *(root / name for name in closed))
    for name in closed:
        make = (root / name).touch if how != "read-only" else (root / name).mkdir
        make(exist_ok=True)
    before = sorted(root.rglob("*"))
    if named is None:
        checked(words, stack)
    else:
        with pytest.raises(PlaceError) as caught:
            checked(words, stack)
        what, problem, tried = caught.value.args
        assert what == named.format(**filled)
        assert ("no folder" if how != "read-only" else "is read-only") in problem
        assert tried.startswith(remedy.format(**filled))
        if "data" in closed and len(closed) > 1:
            assert f"{root / 'data'} can't be written" in problem
    assert sorted(root.rglob("*")) == before


def test_data_that_is_there_needs_no_room(here, monkeypatch):
    cache = here.parent / "data"
    cache.mkdir()
    for one in files.FILES:
        with (cache / one.name).open("wb") as stream:
            stream.truncate(one.bytes)
    read_only(monkeypatch, cache)
    checked([], "tf2")


@pytest.mark.parametrize("folder", ["/proc", "/sys"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_file_system_that_takes_nothing_is_known_whatever_its_permissions(folder, is_folder):
    assert writable.obstacle(Path(folder, "nothing/here"), is_folder) is not None


def test_where_it_can_be_made_nothing_is(here):
    changed = here.stat().st_mtime_ns
    assert writable.obstacle(here / "a/b") is None
    assert list(here.iterdir()) == []
    assert here.stat().st_mtime_ns == changed


@pytest.mark.parametrize("words", [["seed=3"], ["-m", "seed=3"]])
def test_all_that_a_strange_file_system_refuses_is_one_line(words, here, monkeypatch):
    monkeypatch.chdir("/proc")
    with pytest.raises(PlaceError) as caught:
        checked(words, "tf2")
    what, _, remedy = caught.value.args
    assert "outputs, mlflow.db, mlruns" in what
    assert remedy.endswith(f"python -m lenet_exp.run {' '.join(words)}")
