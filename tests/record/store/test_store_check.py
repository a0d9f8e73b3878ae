"""Which stores a run may use, and which it would harm."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lenet_exp.errors import StoreError
from lenet_exp.record.store import store_check

pytestmark = pytest.mark.stackless


def file_store(root):
    (root / "mlruns" / "0").mkdir(parents=True)
    (root / "mlruns" / "0" / "meta.yaml").write_text("")


def artifacts_only(root):
    (root / "mlruns" / "1" / "abc" / "artifacts").mkdir(parents=True)


def database(root):
    (root / "mlflow.db").write_bytes(b"")


def both(root):
    file_store(root)
    database(root)


def nothing(root):
    pass


@pytest.mark.parametrize(
    ("make", "stack", "told"),
    [
        (nothing, "tf1", None),
        (nothing, "tf2", None),
        (artifacts_only, "tf2", None),
        (database, "tf2", None),
        (file_store, "tf1", None),
        (file_store, "tf2", "MLflow 3 refuses"),
        (both, "tf2", "MLflow 3 refuses"),
        (database, "tf1", "would hide it"),
        (both, "tf1", None),
    ],
)
def test_a_default_store_that_would_not_do_is_told(make, stack, told, tmp_path):
    make(tmp_path)
    if told is None:
        store_check.check_root(None, tmp_path, stack)
        return
    with pytest.raises(StoreError) as caught:
        store_check.check_root(None, tmp_path, stack)
    for part in (
        told,
        "tracking.uri=sqlite:///",
        "mlflow ui --backend-store-uri",
        "another folder",
    ):
        assert part in str(caught.value)
    assert caught.value.exit_code == 2
    store_check.check_root("sqlite:///own.db", tmp_path, stack)  # the way out is open


def test_a_file_store_that_mlflow_3_was_allowed_is_used(tmp_path, monkeypatch):
    file_store(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store_check.check_root(None, tmp_path, "tf2")


@pytest.mark.parametrize(
    ("setting", "variable", "uri"),
    [
        (None, None, None),
        (None, "", None),
        (None, " ", None),
        (None, " sqlite:///e.db ", "sqlite:///e.db"),
        (None, "sqlite:///e.db", "sqlite:///e.db"),
        ("sqlite:///s.db", "sqlite:///e.db", "sqlite:///s.db"),
    ],
)
def test_settings_win_over_the_environment(setting, variable, uri, monkeypatch):
    if variable is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", variable)
    assert store_check.chosen_uri(setting) == uri


@pytest.mark.parametrize(
    ("stack", "uri", "closed", "offered"),
    [
        ("tf2", "http://127.0.0.1:9", False, "sqlite:///mlflow.db"),
        ("tf1", "http://127.0.0.1:9", False, "mlruns"),
        ("tf2", "sqlite:///bad.db", False, "sqlite:///mlflow.db"),
        ("tf2", "sqlite:///mlflow.db", False, "sqlite:////temporary/mlflow.db"),
        ("tf1", "mlruns", False, "sqlite:////temporary/mlflow.db"),
        ("tf2", "http://127.0.0.1:9", True, "sqlite:////temporary/mlflow.db"),
    ],
)
def test_another_store_is_the_default_where_that_can_be_used(
    stack, uri, closed, offered, tmp_path, monkeypatch
):
    monkeypatch.chdir("/proc" if closed else tmp_path)
    monkeypatch.setattr(store_check.tf_compat, "stack_of_this_python", lambda: stack)
    monkeypatch.setattr(store_check.tempfile, "gettempdir", lambda: "/temporary")
    remedy = store_check.another_store(uri, "compare")
    assert remedy == f"python -m lenet_exp.compare tracking.uri={offered}"


def written_by(path, revision):
    connection = sqlite3.connect(str(path))
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("revision", ["97727af70f4d", "dc11669786a5"])
def test_a_database_of_another_mlflow_is_neither_used_nor_changed(revision, tmp_path):
    path = tmp_path / "store.db"
    written_by(path, revision)
    before = path.read_bytes()
    for stack, can_upgrade in (("tf1", False), ("tf2", True)):
        with pytest.raises(StoreError, match="another MLflow") as caught:
            store_check.check_schema(f"sqlite:///{path}", "0123456789ab", stack)
        assert ("db upgrade" in str(caught.value)) is can_upgrade
    assert path.read_bytes() == before
    store_check.check_schema(f"sqlite:///{path}", revision, "tf2")


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "store.db"
    path.write_text("not a database, but longer than the header of one would have to be" * 20)
    with pytest.raises(StoreError, match="no usable database"):
        store_check.check_schema(f"sqlite:///{path}", "0123456789ab", "tf2")


@pytest.mark.parametrize(
    ("uri", "made"),
    [
        (None, None),
        ("sqlite:///a/b.db?x=1", "sqlite:///{here}/a/b.db?x=1"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("mlruns", "{here}/mlruns"),
        ("/mlruns", "/mlruns"),
        ("file:///mlruns", "file:///mlruns"),
        ("http://h:5000/x", "http://h:5000/x"),
        ("databricks", "databricks"),
    ],
)
def test_a_store_is_the_same_in_another_folder(uri, made, tmp_path, monkeypatch):
    folder = tmp_path / "a b%20"
    folder.mkdir()
    monkeypatch.chdir(folder)
    found = store_check.absolute(uri)
    here = str(folder).replace("%", "%25") if made and ":///" in made else folder
    assert found == (made and made.format(here=here))
    assert store_check.absolute(uri, tmp_path) == (made and made.format(here=tmp_path))
    if found and "{here}" in made:
        path = store_check.sqlite_path(found) or Path(found)
        assert folder in path.parents


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:///a.db", "a.db"),
        ("sqlite:////tmp/a%20b.db", "/tmp/a b.db"),
        ("sqlite:///a.db?timeout=3", "a.db"),
        ("sqlite:///:memory:", None),
        ("http://host:5000", None),
        ("mlruns", None),
        ("postgresql://u@h/d", None),
    ],
)
def test_only_sqlite_files_are_looked_into(uri, path):
    found = store_check.sqlite_path(uri)
    assert (None if found is None else str(found)) == path


@pytest.mark.parametrize("uri", ["file:./a%20b%2520", "file:a%20b%2520"])
def test_a_folder_in_the_file_form_of_mlflow_is_the_same_one_elsewhere(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store_check.folder_path(uri) == Path("a b%20")
    found = store_check.absolute(uri)
    assert found == f"file://{tmp_path}/a%20b%2520"
    assert store_check.folder_path(found) == tmp_path / "a b%20"
    assert store_check.absolute(uri, tmp_path / "c").endswith("/c/a%20b%2520")


@pytest.mark.parametrize("exists", [True, False], ids=["the file", "its folder"])
def test_a_store_that_cannot_be_written_is_told_at_once(exists, tmp_path, monkeypatch):
    path = tmp_path / "own" / "mlflow.db"
    if exists:
        path.parent.mkdir()
        path.write_bytes(b"")
    store_check.check_writable(f"sqlite:///{path}")
    # As root, whom only a read-only file system stops, no mode of the folder would.
    monkeypatch.setattr(store_check.os, "access", lambda place, mode: False)
    with pytest.raises(StoreError, match="read-only") as caught:
        store_check.check_writable(f"sqlite:///{path}")
    assert str(path if exists else tmp_path) in str(caught.value)
    store_check.check_writable("http://127.0.0.1:5000")


@pytest.mark.parametrize(
    ("uri", "command"),
    [
        (None, "mlflow ui"),
        ("sqlite:///a b.db", "mlflow ui --backend-store-uri 'sqlite:///a b.db'"),
        ("postgresql://me@h/d", "mlflow ui --backend-store-uri postgresql://me@h/d"),
        ("postgresql://me:x@h/d", "mlflow ui --backend-store-uri $MLFLOW_TRACKING_URI"),
        ("http://h:5000", "http://h:5000"),
        ("https://me:x@h:5000", "https://me:***@h:5000"),
    ],
)
def test_what_shows_the_runs_of_a_store(uri, command):
    assert store_check.ui_command(uri) == command
