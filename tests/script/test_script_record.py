"""What is kept of a script that no session, or no store, has heard of."""

import contextlib
import os

import pytest

from lenet_exp.errors import LenetExpError
from lenet_exp.record.store import journal
from lenet_exp.script.asked import Asked
from lenet_exp.script.record import Kept, ScriptRecord
from lenet_exp.script.sweep import job
from lenet_exp.script.watch import Watch
from tests.stores import new_store


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Kept("x.py", None, ("1",), tmp_path / "record", "sqlite:////proc/x.db", "mine")


def _tags(folder):
    return journal.merged(journal.read(folder), "tags")


def test_what_no_store_had_is_uploaded_as_it_is_said(kept, tmp_path):
    from lenet_exp.commands import upload
    from lenet_exp.record.store.mlflow_store import Store

    kept.script = os.fsdecode(b"b\xe9.py")  # a name that is no UTF-8
    record = ScriptRecord(kept)
    record.settings(Asked())
    history = Watch(record, None).history
    said = record.end("FAILED", {"error": kept.script}, {}, history, [kept.script])
    assert said[-1] == f"python -m lenet_exp.upload run={kept.folder}"
    uri = new_store(tmp_path / "store.db")
    done = upload.upload(kept.folder, "sqlite:///store.db")
    store = Store(uri, "mine")
    found = store.client.get_run(done.run_id)
    assert (found.info.status, found.data.params["script"]) == ("FAILED", "b\\udce9.py")
    assert found.info.experiment_id == store.experiment_id


@pytest.mark.stackless
@pytest.mark.parametrize("typed", [True, False])
def test_a_relative_store_is_where_it_is_typed(typed, tmp_path, monkeypatch):
    here = tmp_path / "own"
    here.mkdir()
    monkeypatch.chdir(here)
    uri = "sqlite:///x.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "" if typed else uri)
    kept = Kept("x.py", here / "x.py", (), None, uri if typed else None, "mine")
    assert kept.place == tmp_path
    ScriptRecord(kept).settings(Asked())
    assert (kept.uri, _tags(kept.folder)["uri"]) == 2 * (f"sqlite:///{here}/x.db",)


def test_a_script_s_run_is_in_the_store_that_was_typed(tmp_path, monkeypatch):
    here = tmp_path / "own"
    here.mkdir()
    monkeypatch.chdir(here)
    new_store(here / "x.db")
    kept = Kept("x.py", here / "x.py", (), None, "sqlite:///x.db", "mine")
    record = ScriptRecord(kept)
    record.settings(Asked())
    (said,) = record.end("FINISHED", {}, {}, Watch(record, None).history, [])
    assert f"in sqlite:///{here}/x.db as run " in said
    assert not (tmp_path / "x.db").exists()


@pytest.mark.stackless
@pytest.mark.parametrize("tags", [{}, {"sweep": "mine"}])
def test_a_sweep_knows_why_no_session_was_opened(tags, kept):
    kept.tags.update(tags)
    Watch(ScriptRecord(kept), None).end("FAILED", "ValueError: x")
    if tags:
        assert _tags(kept.folder) == {"error": "ValueError: x"}
    assert kept.folder.exists() == bool(tags)


@pytest.mark.stackless
def test_why_a_job_never_began_is_in_its_record(kept):
    order = {"folder": str(kept.folder), "copied": {}, "words": ["path=nowhere.py"],
             "tags": {}, "identity": "x"}  # fmt: skip
    with pytest.raises(LenetExpError):
        job.carry_out(order)
    assert _tags(kept.folder) == {"error": "path=nowhere.py is not possible."}


@pytest.mark.stackless
def test_a_job_s_folder_has_all_that_can_be_copied(tmp_path):
    theirs, own = tmp_path / "theirs", tmp_path / "job" / "out" / "own"
    (theirs / "inner").mkdir(parents=True)
    (theirs / "inner" / "file").write_text("x")
    (theirs / "dangling").symlink_to("nowhere")
    os.mkfifo(str(theirs / "pipe"))
    job.copy({str(own): str(theirs), str(tmp_path / "other" / "new"): ""})
    assert sorted(path.name for path in own.rglob("*")) == ["dangling", "file", "inner"]
    assert [path.name for path in tmp_path.iterdir()].count("other") == 1
    with contextlib.suppress(FileNotFoundError):
        assert list((tmp_path / "other").iterdir()) == []
