"""Runs in MLflow: the only module that imports it."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any, ContextManager, Iterator, Mapping, Optional, Sequence

from lenet_exp import tf_compat
from lenet_exp.errors import StoreError, Terminated
from lenet_exp.record import store_check

_PARAM_LENGTH = 500  # MLflow 1.30 refuses a longer value
_PER_BATCH = 100  # parameters or tags that a server takes at once


@functools.lru_cache(maxsize=None)
def _mlflow() -> Any:
    """Import MLflow once: silent, without telemetry, and not hanging on a dead server."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a machine without git
    import mlflow  # noqa: PLC0415 - after the variables
    import mlflow.store.db.utils  # noqa: PLC0415

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # what fails is told by `_told`
    return mlflow


class Store:
    """An experiment in a tracking store, made if it wasn't there."""

    def __init__(self, uri: Optional[str], experiment: str) -> None:
        """Open the store at `uri` (None: MLflow's default) and find or make the experiment.

        Raises:
            StoreError: it can't be reached, or is of another MLflow.
        """
        mlflow = _mlflow()
        self.uri = uri or str(mlflow.get_tracking_uri())
        head = mlflow.store.db.utils._get_latest_schema_revision()  # noqa: SLF001
        store_check.check_writable(self.uri)
        # Nobody may be half through making the store while its schema is looked at.
        with _told(self.uri), _first_use(self.uri), _without_info():
            store_check.check_schema(self.uri, head, tf_compat.stack_of_this_python())
            self.client = mlflow.tracking.MlflowClient(tracking_uri=self.uri)
            self.experiment_id = _experiment(self.client, experiment)

    def run(self, name: str, tags: Mapping[str, str]) -> ContextManager[Run]:
        """Return a context that is a new run, and ends with the right status."""
        return _new_run(self, name, tags)


class Run:
    """One run that is being recorded; each method raises StoreError where the store refuses."""

    def __init__(self, store: Store, run_id: str) -> None:
        """Record into the run `run_id`."""
        self._client = store.client
        self._uri = store.uri
        self.run_id = run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters; None is recorded as null."""
        entities = _mlflow().entities
        items = [
            entities.Param(key, ("null" if value is None else str(value))[:_PARAM_LENGTH])
            for key, value in values.items()
        ]
        for start in range(0, len(items), _PER_BATCH):
            self._log(params=items[start : start + _PER_BATCH])

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        tags = [_mlflow().entities.RunTag(key, value) for key, value in values.items()]
        self._log(tags=tags)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics of one moment in one batch."""
        now = int(time.time() * 1000)
        entities = _mlflow().entities
        metrics = [entities.Metric(key, float(value), now, step) for key, value in values.items()]
        self._log(metrics=metrics)

    def _log(self, **batch: Sequence[Any]) -> None:
        with _told(self._uri):
            self._client.log_batch(self.run_id, **batch)

    def artifact(self, path: Path, folder: Optional[str] = None) -> None:
        """Record a file, or a folder with all it holds, under `folder`."""
        with _told(self._uri):
            if path.is_dir():
                inside = "/".join(part for part in (folder, path.name) if part)
                self._client.log_artifacts(self.run_id, str(path), inside)
            else:
                self._client.log_artifact(self.run_id, str(path), folder)

    def end(self, status: str) -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""
        with _told(self._uri):
            self._client.set_terminated(self.run_id, status)


@contextlib.contextmanager
def _new_run(store: Store, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
    context = _mlflow().tracking.context.registry
    with _told(store.uri):
        resolved = context.resolve_tags({**tags, "mlflow.runName": name})
        created = store.client.create_run(store.experiment_id, tags=resolved)
    run = Run(store, created.info.run_id)
    try:
        yield run
    except BaseException as error:
        interrupted = isinstance(error, (KeyboardInterrupt, Terminated))
        with contextlib.suppress(StoreError):  # what went wrong first is what is told
            run.end("KILLED" if interrupted else "FAILED")
        raise
    run.end("FINISHED")


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, SQLAlchemy or requests raise into a StoreError."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = store_check.another_store()
        shown, reason = map(store_check.without_password, (uri, reason))
        raise StoreError(shown, f"can't be used ({reason})", remedy) from error


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise StoreError(
            f"experiment {name}", "was deleted", "mlflow experiments restore, or another name"
        )
    return str(found.experiment_id)


@contextlib.contextmanager
def _first_use(uri: str) -> Iterator[None]:
    """Let one process at a time make a store: parallel first use breaks it (facts: 5.4)."""
    file = store_check.sqlite_path(uri)
    place = uri if file is None and "://" in uri else str(Path.cwd() / (file or uri))
    known = hashlib.sha256(place.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"lenet-exp-{os.getuid()}-{known}.lock")
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _without_info() -> Iterator[None]:
    """Silence alembic, whose own logger level has no effect."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)
