"""What a store lacks is written, and nothing else."""

from __future__ import annotations

import contextlib
import math
import time
import types

import pytest

from lenet_exp.errors import StoreError
from lenet_exp.record.store import sync
from lenet_exp.record.store.journal import Entry, Journal
from lenet_exp.record.store.mlflow_store import Point, Present
from lenet_exp.record.store.sync import Observer
from tests.stores import new_store

ENTRIES = [
    Entry("run", {"run_id": "a", "name": "n", "cwd": "/"}, 1),
    Entry("params", {"seed": 0, "path": None}, 2),
    Entry("tags", {"stack": "tf2", "process": "one"}, 2),
    Entry("metrics", {"loss": 2.5, "scale": 8.0}, 3, step=10),
    Entry("tags", {"process": "two"}, 4),
    Entry("metrics", {"loss": 1.5}, 5, step=20),
    Entry("artifact", {"path": "figures"}, 6),
    Entry("artifact", {"path": "figures"}, 7),
]


def test_an_empty_store_lacks_all_and_the_last_tag_wins():
    assert sync.missing(ENTRIES, sync.NOTHING) == (
        {"seed": 0, "path": None},
        {"stack": "tf2", "process": "two"},
        [Point("loss", 2.5, 3, 10), Point("scale", 8.0, 3, 10), Point("loss", 1.5, 5, 20)],
        ["figures"],
    )


def test_what_is_there_is_not_written_again():
    present = Present({"seed"}, {"stack": "tf2", "process": "one"}, {("loss", 10)}, "RUNNING")
    assert sync.missing(ENTRIES, present) == (
        {"path": None},
        {"process": "two"},
        [Point("scale", 8.0, 3, 10), Point("loss", 1.5, 5, 20)],
        ["figures"],
    )


@pytest.fixture
def store(tmp_path):
    from lenet_exp.record.store.mlflow_store import Store

    return Store(new_store(tmp_path / "store.db"), "lenet-exp")


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "run")
    yield made
    made.close()


def points(store, run_id, key):
    return [(p.step, p.value) for p in store.client.get_metric_history(run_id, key)]


def test_a_real_store_ends_with_all_that_was_told_however_often(store, journal, tmp_path):
    run = sync.open_run(store, journal, "name", {"stack": "tf2"})
    for step in range(1, 1500):  # more than a batch
        journal.append("metrics", {"loss": 1 / step}, step)
    journal.append("metrics", {"bad": math.nan, "worse": math.inf}, 1)
    journal.append("params", {f"key{number}": number for number in range(150)})
    (tmp_path / "run" / "figures").mkdir()
    (tmp_path / "run" / "figures" / "loss.png").write_bytes(b"x")
    journal.append("artifact", {"path": "figures"})
    journal.append("status", {"status": "KILLED"})
    for _ in range(2):
        sync.complete(run, journal)
    found = store.client.get_run(run.run_id)
    assert found.info.status == "KILLED"
    assert found.info.end_time == journal.entries[-1].time
    assert found.data.params["key149"] == "149"
    assert points(store, run.run_id, "loss") == [(step, 1 / step) for step in range(1, 1500)]
    assert math.isnan(points(store, run.run_id, "bad")[0][1])
    assert points(store, run.run_id, "worse")[0][1] > 1e300
    listed = store.client.list_artifacts(run.run_id, "figures")
    assert [item.path for item in listed] == ["figures/loss.png"]


def test_a_run_that_is_gone_is_recorded_anew(store, journal):
    first = sync.open_run(store, journal, "name", {})
    assert sync.open_run(store, journal, "name", {}).run_id == first.run_id
    store.client.delete_run(first.run_id)
    second = sync.open_run(store, journal, "name", {})
    assert second.run_id != first.run_id
    assert journal.run_id == second.run_id


def test_a_run_goes_on_in_its_own_store_only(store, journal, tmp_path, monkeypatch):
    from lenet_exp.record.store.mlflow_store import Store

    sync.open_run(store, journal, "name", {})
    sync.check_same_store(store, journal, "resume")
    monkeypatch.chdir(tmp_path)
    sync.check_same_store(Store("sqlite:///store.db", "lenet-exp"), journal, "resume")
    other = Store(new_store(tmp_path / "other.db"), "lenet-exp")
    with pytest.raises(StoreError, match=r"recorded in sqlite:.*store\.db") as caught:
        sync.check_same_store(other, journal, "resume")
    assert f"MLFLOW_TRACKING_URI={store.uri} resume" in str(caught.value)


@pytest.mark.parametrize(("command", "told"), [
    ("script -m path=a.py", "MLFLOW_TRACKING_URI={uri} script -m path=a.py"),
    ("script -m tracking.uri=sqlite:///mlflow.db sweep=a -- tracking.uri=x",
     "script -m tracking.uri={uri} sweep=a -- tracking.uri=x"),
    ("script 'tracking.uri=sqlite:///a b.db'", "script tracking.uri={uri}"),
])  # fmt: skip
def test_a_store_that_was_meant_from_another_folder_is_named_whole(
    command, told, tmp_path, monkeypatch
):
    script = tmp_path / "script"
    script.mkdir()
    with contextlib.closing(Journal(tmp_path)) as recorded:
        place = {"cwd": str(tmp_path), "uri": "sqlite:///mlflow.db"}
        recorded.append("run", {"run_id": "a", "name": "b", **place})
        here = types.SimpleNamespace(uri=f"sqlite:///{script}/mlflow.db")
        monkeypatch.chdir(script)
        with pytest.raises(StoreError) as caught:
            sync.check_same_store(here, recorded, command)
        uri = f"sqlite:///{tmp_path}/mlflow.db"
        assert caught.value.args[2] == told.format(uri=uri)
        here.uri = uri
        sync.check_same_store(here, recorded, command)


def test_a_store_that_was_taken_away_is_noticed(store, journal, tmp_path):
    run = sync.open_run(store, journal, "name", {})
    (tmp_path / "store.db").unlink()
    with pytest.raises(StoreError, match="was removed"):
        run.tags({"a": "b"})


class Refusing:
    """A run in a store that refuses after some calls."""

    def __init__(self, after=0):
        self.after, self.told = after, []

    def params(self, values):
        if self.after == 0:
            raise StoreError("the store", "is gone", "look")
        self.after -= 1

    def tags(self, values):
        pass

    def metrics(self, found):
        self.told += found

    def artifact(self, path, folder):
        pass

    def present(self):
        return sync.NOTHING._replace(metrics={("loss", 10)})


def test_the_observer_tells_all_at_the_end_and_nothing_twice(tmp_path):
    run = Refusing(after=-1)
    observer = Observer(run, tmp_path, sync.NOTHING._replace(metrics={("loss", 10)}), every=1000)
    for entry in ENTRIES:
        observer.send(entry)
    observer.send(None)
    assert observer.close(10)
    assert [(p.key, p.step) for p in run.told] == [("scale", 10), ("loss", 20)]


def test_the_observer_keeps_a_refusal_and_lets_training_go_on(tmp_path):
    run = Refusing(after=0)
    observer = Observer(run, tmp_path, sync.NOTHING, every=1000)
    for entry in ENTRIES:
        observer.send(entry)
    assert observer.close(10)
    assert observer.problem is not None
    assert "is gone" in str(observer.problem)
    assert run.told == []


def test_the_observer_tries_a_store_that_refused_again_and_asks_what_it_has(tmp_path):
    run = Refusing(after=0)
    observer = Observer(run, tmp_path, sync.NOTHING, every=0.01)
    for entry in ENTRIES:
        observer.send(entry)
    wait_until(lambda: observer.problem is not None)
    run.after = -1
    wait_until(lambda: observer.problem is None)
    assert observer.close(10)
    # The store says it had one of them after all.
    assert [(p.key, p.step) for p in run.told] == [("scale", 10), ("loss", 20)]


def wait_until(reached):
    for _ in range(1000):
        if reached():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")
