"""Is the tracking store one that this MLflow can read, and harms no other (facts: 5.2)."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sqlite3
import tempfile
from pathlib import Path
from typing import Iterable, Optional
from urllib.parse import unquote

from lenet_exp import tf_compat
from lenet_exp.config.passwords import without_password
from lenet_exp.errors import StoreError
from lenet_exp.record.terminal import activate
from lenet_exp.record.writable import obstacle

_FILE_STORE = "mlruns"
_DATABASE = "mlflow.db"
_UI = "http://127.0.0.1:5000"  # where `mlflow ui` is


def chosen_uri(setting: Optional[str]) -> Optional[str]:
    """Return the URI that settings or environment choose; None leaves it to MLflow's default.

    A variable of blanks alone chooses nothing.
    """
    return setting or os.environ.get("MLFLOW_TRACKING_URI", "").strip() or None


def absolute(uri: Optional[str], root: Optional[Path] = None) -> Optional[str]:
    """Return a URI that means in any folder the store that `uri` means in `root`, None: here."""
    if uri is None:
        return None
    if re.match("file:[^/]", uri):
        return Path(Path.cwd(), root or "", unquote(uri[len("file:") :])).as_uri()
    if sqlite_path(uri) is None:
        known = re.match(r"[\w+.-]+:|databricks|uc$", uri)
        return uri if known else str((root or Path.cwd()) / uri)
    scheme, separator, path = uri.partition(":///")
    # As `sqlite_path` reads it.
    here = str(root or Path.cwd()).replace("%", "%25").replace("?", "%3F")
    return uri if path.startswith("/") else f"{scheme}{separator}{here}/{path}"


def check_root(uri: Optional[str], root: Path, stack: str) -> None:
    """Refuse MLflow's default in a root where it would not be read, or would hide a store.

    `uri` is the chosen one, None for MLflow's default; `root` the current folder; `stack` "tf1"
    (MLflow 1.30) or "tf2" (MLflow 3).

    Raises:
        StoreError: with the ways out.
    """
    if uri is not None:
        return
    has_file_store = any(root.glob(f"{_FILE_STORE}/[0-9]*/meta.yaml"))
    allowed = os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1")
    if stack == "tf2" and has_file_store and not allowed:
        problem = "is a file store of MLflow 1, which this MLflow 3 refuses, in `mlflow ui` too"
        raise StoreError(root / _FILE_STORE, problem, _ways_out(f"sqlite:///{_DATABASE}"))
    if stack == "tf1" and (root / _DATABASE).exists() and not has_file_store:
        hides = "MLflow 1's default, ./mlruns, would hide it from `mlflow ui`"
        problem = f"is a store of MLflow 3; {hides}"
        raise StoreError(root / _DATABASE, problem, _ways_out("sqlite:///mlflow-tf1.db"))


def _ways_out(uri: str) -> str:
    return (
        f"python -m lenet_exp.run tracking.uri={uri}\n"
        f"       then {ui_command(uri)}\n"
        "       or run in another folder"
    )


def ui_command(uri: Optional[str]) -> str:
    """Return what to type, or the page to open, to see the runs of `uri`."""
    if uri is None:
        return "mlflow ui"
    if is_server(uri):  # it shows its runs itself
        return without_password(uri)
    # One with a password comes from the environment only: config/schema/run.py.
    known = uri == without_password(uri)
    return f"mlflow ui --backend-store-uri {shlex.quote(uri) if known else '$MLFLOW_TRACKING_URI'}"


def page(uri: str, experiment_id: str, stack: str) -> str:
    """Return the address of an experiment's runs, in `mlflow ui` or on the server `uri` is.

    MLflow 3 opens on another page, and shows none of them there without the last word.
    """
    server = re.sub("(?<=://)[^/@]*@", "", uri).rstrip("/") if is_server(uri) else _UI
    runs = "/runs?workflowType=machine_learning" if stack == "tf2" else ""
    return f"{server}/#/experiments/{experiment_id}{runs}"


def shown(setting: Optional[str], stack: str) -> str:
    """Return the store that `setting`, the environment or MLflow's default choose, as it is read.

    Before MLflow is loaded, so its default is known here.
    """
    uri = chosen_uri(setting)
    return without_password(uri) if uri else f"./{_DATABASE if stack == 'tf2' else _FILE_STORE}"


def is_server(uri: Optional[str]) -> bool:
    """Return whether a store is reached through a server."""
    return uri is not None and uri.startswith(("http://", "https://"))


def restore_command(uri: str, experiment_id: str) -> str:
    """Return what makes a deleted experiment of the store at `uri` one again."""
    restore = f"mlflow experiments restore --experiment-id {experiment_id}"
    if uri == without_password(uri):  # else it came from there
        restore = f"MLFLOW_TRACKING_URI={shlex.quote(uri)} {restore}"
    return " && ".join([*activate(), restore])


def unknown_scheme(uri: str, schemes: Iterable[str]) -> StoreError:
    """Return the error of a URI that MLflow knows nothing of; it knows `schemes`."""
    known = " | ".join(f"{scheme}://" for scheme in sorted(schemes) if scheme)
    problem = f"is of no kind that this MLflow knows: a folder, or {known}"
    return StoreError(without_password(uri), problem, another_store(uri))


def another_store(uri: str, command: str = "run") -> str:
    """Return a command with a store that works, where the one at `uri` doesn't.

    It is MLflow's default in this folder, or among temporary files where that can't be written.
    """
    default = _FILE_STORE if tf_compat.stack_of_this_python() == "tf1" else f"sqlite:///{_DATABASE}"
    path, wrong = sqlite_path(default) or Path(default), sqlite_path(uri) or Path(uri)
    blocked = path.absolute() == wrong.absolute() or obstacle(path, default == _FILE_STORE)
    other = f"sqlite:///{Path(tempfile.gettempdir(), _DATABASE)}" if blocked else default
    return f"python -m lenet_exp.{command} tracking.uri={other}"


def check_writable(uri: str) -> None:
    """Refuse a sqlite file that can't be written: MLflow would try for minutes, without a word.

    Raises:
        StoreError: the file, or the folder it would be made in, is not writable.
    """
    path = sqlite_path(uri)
    why = None if path is None else obstacle(path, is_folder=False)
    if why is not None:
        raise StoreError(path, f"can't be written ({why})", another_store(uri))


def check_exists(uri: str) -> None:
    """Refuse to look for runs where no store is: MLflow would make an empty one.

    Raises:
        StoreError: the file or folder is not there.
    """
    path = sqlite_path(uri) or folder_path(uri)
    if path is not None and not path.exists():
        raise StoreError(path, "is not there: no run was recorded in it", "python -m lenet_exp.run")


def check_schema(uri: str, head: str, stack: str) -> None:
    """Refuse a database of another MLflow: MLflow 3 would migrate it without a word.

    Of any `uri`, only sqlite files are looked into. `head` is this MLflow's schema revision;
    `stack` "tf1" (MLflow 1.30) or "tf2" (MLflow 3, which can bring an older one up to date).

    Raises:
        StoreError: the file is of another revision, or no database.
    """
    path = sqlite_path(uri)
    if path is None or not path.exists() or path.stat().st_size == 0:
        return
    try:
        revision = _revision(path)
    except sqlite3.DatabaseError as error:
        raise StoreError(path, f"is no usable database ({error})", another_store(uri)) from error
    if revision is not None and revision != head:
        upgrade = "copy it and `mlflow db upgrade` the copy, or " if stack == "tf2" else ""
        problem = f"was written by another MLflow (schema {revision}, this one has {head})"
        raise StoreError(path, problem, upgrade + _ways_out("sqlite:///another.db"))


def sqlite_path(uri: str) -> Optional[Path]:
    """Return the file of a sqlite URI, None for any other."""
    scheme, separator, path = uri.partition(":///")
    if not separator or not scheme.startswith("sqlite") or path in ("", ":memory:"):
        return None
    return Path(unquote(path.partition("?")[0]))


def folder_path(uri: str) -> Optional[Path]:
    """Return the folder of a store of files, None for any other."""
    if "://" in uri and not uri.startswith("file://"):
        return None
    return Path(unquote(re.sub("^file:(//)?", "", uri)))


def file_number(uri: str) -> Optional[int]:
    """Return what tells a sqlite file from one that takes its place; None where there is none."""
    path = sqlite_path(uri)
    return path.stat().st_ino if path is not None and path.exists() else None


def _revision(path: Path) -> Optional[str]:
    present = "SELECT name FROM sqlite_master WHERE type='table' AND name='alembic_version'"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        if connection.execute(present).fetchone() is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
