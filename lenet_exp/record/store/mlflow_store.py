"""Runs in MLflow: the only module that imports it."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import glob
import hashlib
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    TypeVar,
)
from urllib.parse import quote

from lenet_exp import tf_compat
from lenet_exp.config.passwords import without_password
from lenet_exp.errors import StoreError
from lenet_exp.record.store import processes, server_check, store_check
from lenet_exp.record.waiting import importing, loading

NOTE = "mlflow.note.content"  # the tag that `mlflow ui` shows as a run's description, Markdown
_URI = "MLFLOW_TRACKING_URI"
_PARAM_LENGTH, _TAG_LENGTH = 500, 5000  # MLflow 1.30 refuses longer values
_CUT = " ... (cut: whole in the artifacts)"
_PER_BATCH = 100  # parameters or tags that a server takes at once
_METRICS_PER_BATCH = 1000

_Made = TypeVar("_Made")


@functools.lru_cache(maxsize=None)
def _mlflow() -> Any:
    """Import MLflow once: silent, without telemetry, and not hanging on a dead server."""
    if store_check.chosen_uri(None) is None:
        os.environ.pop(_URI, None)  # of blanks alone: it would be a file " "
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    # What is sent again blindly may be there already: whoever sends looks first.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a machine without git
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with loading("MLflow", "mlflow"):
        import mlflow  # noqa: PLC0415 - after the variables
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # `_store_errors` says what fails
    return mlflow


def schema() -> str:
    """Return the revision of this MLflow's database schema."""
    _mlflow()
    with importing():
        from mlflow.store.db import utils  # noqa: PLC0415 - SQLAlchemy: not for a store of files
    return str(utils._get_latest_schema_revision())  # noqa: SLF001


class Store:
    """An experiment in a tracking store."""

    def __init__(
        self, uri: Optional[str], experiment: str, make: bool = True, patience: float = 0.0
    ) -> None:
        """Open the store at `uri` (None: MLflow's default) and find the experiment of that name.

        Where they aren't there, both are made if `make`. `patience`: seconds for a server that
        is being started again, here and where a run is created.

        Raises:
            StoreError: it can't be reached, is of another MLflow, or isn't there and not made.
        """
        self.uri = uri or str(_mlflow().get_tracking_uri())
        store_check.check_writable(self.uri)
        if not make:
            store_check.check_exists(self.uri)
        # Nobody may be half through making the store while its schema is looked at.
        command = "run" if make else "compare"
        self._patience = patience if store_check.is_server(self.uri) else 0.0
        if store_check.is_server(self.uri):
            self._patiently(lambda: server_check.check_answers(self.uri, command))
        with _store_errors(self.uri, command), _first_use(self.uri), _without_info():
            _remove_half_made(self.uri)
            if store_check.sqlite_path(self.uri) is not None:
                store_check.check_schema(self.uri, schema(), tf_compat.stack_of_this_python())
            _make_database(self.uri)
            self.client = _mlflow().tracking.MlflowClient(tracking_uri=self.uri)
            self.experiment_id = _experiment(self.client, self.uri, experiment, make)
        self._file = store_check.file_number(self.uri)

    def create(
        self,
        name: str,
        tags: Mapping[str, str],
        start_time: Optional[int] = None,
        check: Callable[[], None] = lambda: None,
    ) -> Run:
        """Return a new run that is RUNNING; `start_time` in ms since 1970, None: now."""
        context = _mlflow().tracking.context.registry
        name, fitting = tag_value(name), {key: tag_value(value) for key, value in tags.items()}
        tried: List[bool] = []

        def created() -> str:
            check()
            known = self._running_as(fitting) if tried else None
            tried.append(True)
            if known:  # made by a server that died before it said so
                return known
            with self.errors():
                resolved = context.resolve_tags({**fitting, "mlflow.runName": name})
                # MLflow 1's server would give it a name of its own, and refuse ours beside that.
                made = self.client.create_run(self.experiment_id, start_time, resolved, name)
            return str(made.info.run_id)

        return Run(self, self._patiently(created), check)

    def _running_as(self, tags: Mapping[str, str]) -> Optional[str]:
        """Return the run of a process and folder that is RUNNING; None where there is none."""
        own = [(key, tags.get(key)) for key in (processes.TAG, "folder")]
        for run_id, found in self.running().items():
            if own[0][1] and all(found.get(key) == value for key, value in own):
                return run_id
        return None

    def _patiently(self, call: Callable[[], _Made]) -> _Made:
        """Return what `call` does, tried again while the store refuses and patience lasts."""
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            with contextlib.suppress(StoreError):
                return call()
            time.sleep(1)
        return call()

    def find(self, run_id: str) -> Optional[Run]:
        """Return a recorded run, None if the store doesn't have it."""
        with self.errors():
            try:
                info = self.client.get_run(run_id).info
            except _mlflow().exceptions.MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        return Run(self, run_id) if info.lifecycle_stage == "active" else None

    def running(self) -> Dict[str, Mapping[str, str]]:
        """Return the tags of each run in the store that is RUNNING, by its id."""
        search = self.client.search_runs
        with self.errors():
            places = [found.experiment_id for found in pages(self.client.search_experiments)]
            runs = pages(lambda **page: search(places, "attributes.status = 'RUNNING'", **page))
        return {run.info.run_id: run.data.tags for run in runs}

    def has_others(self, run_id: str) -> bool:
        """Return whether the experiment has a finished run besides; False if it doesn't answer."""
        search, finished = self.client.search_runs, "attributes.status = 'FINISHED'"
        try:
            with self.errors():
                found = search([self.experiment_id], finished, max_results=3)
        except StoreError:
            return False
        return any(
            run.info.run_id != run_id and "sweep_parent" not in run.data.tags for run in found
        )

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn whatever the store raises into a StoreError, and a file that was taken away too.

        An open sqlite file takes everything that is written to it after its removal.
        """
        with _store_errors(self.uri):
            if store_check.file_number(self.uri) != self._file:
                raise FileNotFoundError("the file was removed or replaced")
            yield

    @contextlib.contextmanager
    def of_artifacts(self) -> Iterator[None]:
        """Let MLflow 1 find what a server keeps itself: the environment alone tells it which."""
        before = os.environ.get(_URI)
        if store_check.is_server(self.uri):
            os.environ[_URI] = self.uri
        try:
            yield
        finally:
            if before is None:
                os.environ.pop(_URI, None)
            else:
                os.environ[_URI] = before

    def download(self, run_id: str, name: str) -> bytes:
        """Return an artifact that is a file, wherever the store keeps it."""
        with self.errors(), self.of_artifacts(), tempfile.TemporaryDirectory() as folder:
            return Path(self.client.download_artifacts(run_id, name, folder)).read_bytes()


class Point(NamedTuple):
    """A value of a metric; `time` in ms since 1970."""

    key: str
    value: float
    time: int
    step: int


class Present(NamedTuple):
    """What a store has of a run."""

    params: Set[str]
    tags: Mapping[str, str]
    metrics: Set[Tuple[str, int]]  # key, step
    status: str


class Run:
    """One run in a store; each method raises StoreError where the store refuses."""

    def __init__(self, store: Store, run_id: str, check: Callable[[], None] = lambda: None) -> None:
        """Write to this run; `check`, asked before each request, raises where that is over."""
        self._store, self._check = store, check
        self._client = store.client
        self.run_id = run_id
        self.is_remote = store_check.is_server(store.uri)

    def checked_by(self, check: Callable[[], None]) -> Run:
        """Return the same run, to which is written only while `check` doesn't raise."""
        return Run(self._store, self.run_id, check)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._check()
        with self._store.errors():
            yield

    def link(self, artifact: str) -> str:
        """Return where `mlflow ui` shows an artifact of this run, within its own address."""
        place = f"#/experiments/{self._store.experiment_id}/runs/{self.run_id}"
        return f"{place}/artifactPath/{artifact}"

    def present(self) -> Present:
        """Return what the store has of this run."""
        with self._store.errors():
            run = self._client.get_run(self.run_id)
            metrics = {
                (key, point.step)
                for key in run.data.metrics
                for point in self._client.get_metric_history(self.run_id, key)
            }
        return Present(set(run.data.params), run.data.tags, metrics, run.info.status)

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters; None is recorded as null."""
        param = _mlflow().entities.Param
        texts = {key: "null" if value is None else str(value) for key, value in values.items()}
        self._log("params", [param(key, _cut(text, _PARAM_LENGTH)) for key, text in texts.items()])

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        tag = _mlflow().entities.RunTag
        self._log("tags", [tag(key, tag_value(value)) for key, value in values.items()])

    def metrics(self, points: List[Point]) -> None:
        """Record metrics, as many at once as a server takes."""
        metric = _mlflow().entities.Metric
        self._log("metrics", [metric(*point) for point in points], _METRICS_PER_BATCH)

    def _log(self, kind: str, values: List[Any], most: int = _PER_BATCH) -> None:
        for start in range(0, len(values), most):
            with self._writing():
                self._client.log_batch(self.run_id, **{kind: values[start : start + most]})

    def artifact(self, path: Path, folder: Optional[str] = None) -> None:
        """Record a file, or a folder with all it holds, under `folder`."""
        with self._writing(), self._store.of_artifacts():
            if path.is_dir():
                inside = "/".join(part for part in (folder, path.name) if part)
                self._client.log_artifacts(self.run_id, str(path), inside)
            else:
                self._client.log_artifact(self.run_id, str(path), folder)

    def reopen(self) -> None:
        """Say that the run goes on."""
        with self._writing():
            self._client.update_run(self.run_id, "RUNNING")

    def end(self, status: str, time: Optional[int] = None) -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED; `time` in ms since 1970."""
        with self._writing():
            self._client.set_terminated(self.run_id, status, time)


def tag_value(text: str) -> str:
    """Return what a store keeps of a tag; of one that is too long, the beginning, and that."""
    return _cut(text, _TAG_LENGTH)


def _cut(text: str, most: int) -> str:
    text = text.encode(errors="backslashreplace").decode()  # names of files may be no UTF-8
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def pages(search: Callable[..., Any]) -> List[Any]:
    """Return all that a search finds: a server hands it out a page at a time."""
    page = search()
    found = list(page)
    while page.token:
        page = search(page_token=page.token)
        found += page
    return found


def _remove_half_made(uri: str) -> None:
    """Remove what a process that was killed left of a sqlite store it was making."""
    path = store_check.sqlite_path(uri)
    for left in processes.left_unfinished(path.absolute()) if path is not None else ():
        with contextlib.suppress(OSError):  # another user's
            left.unlink()


def _make_database(uri: str) -> None:
    """Make a sqlite store that isn't there under another name: a kill leaves none half made."""
    path = store_check.sqlite_path(uri)
    if path is None or (path.exists() and path.stat().st_size):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = processes.unfinished(path.absolute())
    try:
        client = _mlflow().tracking.MlflowClient(tracking_uri=f"sqlite:///{quote(str(part))}")
        client.get_experiment_by_name("")
        part.replace(path)
    finally:
        for left in part.parent.glob(f"{glob.escape(part.name)}*"):
            left.unlink()


@contextlib.contextmanager
def _store_errors(uri: str, command: str = "run") -> Iterator[None]:
    """Turn whatever MLflow, SQLAlchemy or requests raise into a StoreError."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        schemes = getattr(error, "supported_uri_schemes", None)
        if schemes is not None:
            raise store_check.unknown_scheme(uri, schemes) from error
        remedy = store_check.another_store(uri, command)
        shown, reason = map(without_password, (uri, server_check.reason(error)))
        raise StoreError(shown, f"can't be used ({reason})", remedy) from error


def _experiment(client: Any, uri: str, name: str, make: bool) -> str:
    found = client.get_experiment_by_name(name)
    if found is None and not make:
        names = [other.name for other in pages(client.search_experiments)]
        problem = f"is not in this store, which has {', '.join(names) or 'none'}"
        remedy = f"tracking.experiment={names[0] if names else 'NAME'}, or tracking.uri=URI"
        raise StoreError(f"experiment {name}", problem, remedy)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        remedy = store_check.restore_command(uri, str(found.experiment_id))
        raise StoreError(f"experiment {name}", "was deleted", remedy)
    return str(found.experiment_id)


@contextlib.contextmanager
def _first_use(uri: str) -> Iterator[None]:
    """Let one process at a time make a store: parallel first use breaks it (facts: 5.4)."""
    file = store_check.sqlite_path(uri)
    place = uri if file is None and "://" in uri else str(Path.cwd() / (file or uri))
    known = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
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
