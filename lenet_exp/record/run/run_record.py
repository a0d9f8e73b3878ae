"""The record of one run: journal, run folder and screen get all of it; a store observes."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional

import numpy as np

from lenet_exp.config.passwords import without_password
from lenet_exp.data.mnist import Split
from lenet_exp.errors import LeaseLostError, LeaseUnreadableError, StoreError, Terminated
from lenet_exp.record.run import checkpoints, conditions, results
from lenet_exp.record.run.run_files import RunFolder
from lenet_exp.record.store import processes, sync
from lenet_exp.record.store.journal import Journal, merged
from lenet_exp.record.store.lease import FREE, Lease
from lenet_exp.record.store.mlflow_store import NOTE, Present, Run, Store
from lenet_exp.record.store.sync import Observer
from lenet_exp.record.terminal import Progress, resume_command, upload_command
from lenet_exp.record.waiting import importing
from lenet_exp.training.history import History, summarize
from lenet_exp.training.runner import Findings

_LOG = logging.getLogger("lenet_exp")
_SILENT_WAIT = 3.0  # seconds for the store, at the end
_LONGEST_WAIT = 90.0  # a dead server's time-outs and retries
_PAUSES = (0.0, 1.0, 3.0)  # seconds before each try to tell a server all
TARGET_ACCURACY = 0.975  # the ModelZoo's
PAGE = "report.html"


class Identity(NamedTuple):
    """What a run is before it starts: its name, settings (dotted -> value, YAML) and tags.

    `files` are kept in the run folder as they are: name -> content.
    """

    name: str
    params: Mapping[str, object]
    yaml: str
    tags: Dict[str, str]
    files: Dict[str, bytes]


class RunRecord:
    """Takes what happens in a run, in order."""

    def __init__(self, run: Run, journal: Journal, observer: Observer, progress: Progress) -> None:
        """Record into `journal` and its folder; `observer` passes it on to `run`."""
        self.run_id = run.run_id
        self._page = run.link(PAGE)
        self.resumed = any(entry.kind == "metrics" for entry in journal.entries)
        self._journal = journal
        self._files = RunFolder(journal.folder, journal.check)
        self.check, self.folder = journal.check, journal.folder
        self._observer = observer
        self.progress = progress
        self._name = str(merged(journal.entries, "run").get("name", self.run_id))
        self._store_failed = False  # and the person knows
        self.pending: List[str] = []  # how the store can have what it lacks, at the very end
        self.accuracy = float("nan")  # of the test set, when that is done
        self.sec_per_step = float("nan")
        self._seconds = 0.0  # spent here, while training waited
        self._cpu_seconds = 0.0

    def window(self, history: History) -> None:
        """Record the last window of `history`."""
        with self._timed():
            steps = int(history.window_steps[-1])
            loss, scale = float(np.mean(history.losses[-steps:])), float(history.loss_scales[-1])
            sec_per_step = float(history.window_seconds[-1]) / steps
            values = {
                "loss": loss,
                "loss_scale": scale,
                "skipped_steps": int(history.skipped.sum()),
                "window_sec_per_step": sec_per_step,
            }
            self._log("metrics", values, history.step)
            self.progress.window(history.step, steps, loss, sec_per_step, scale)
            self._warn()

    def validation(self, epoch: int, history: History) -> None:
        """Record the last validation of `history`, which came after `epoch` (from 1)."""
        with self._timed():
            reached = history.accuracies >= TARGET_ACCURACY
            values = {"validation_accuracy": float(history.accuracies[-1])}
            if reached[-1] and reached.sum() == 1:
                values[f"seconds_to_{TARGET_ACCURACY}"] = float(history.window_seconds.sum())
            self._log("metrics", values, history.step)
            self.progress.validation(epoch, float(history.accuracies[-1]))

    def checkpoint(self, history: History, save: Callable[[str], None]) -> None:
        """Keep what a resumed run starts from; `save` writes the variables."""
        with self._timed():
            self._journal.sync()  # first: what a checkpoint has is not logged again
            checkpoints.write(self.folder, history, save, self._journal.check)

    def finish(self, test: Split, classes: np.ndarray, history: History, batch_size: int) -> None:
        """Record what the test set was taken for, pictures and files."""
        accuracy, speed = float(np.mean(test.labels == classes)), summarize(history)
        self.accuracy, self.sec_per_step = accuracy, speed.median
        values = {
            "accuracy": accuracy,
            "accuracy_percent": 100 * accuracy,
            "sec_per_step": speed.median,
            "sec_per_step_mean": speed.mean,
            "sec_per_step_p95": speed.p95,
            "ms_per_step": 1000 * speed.median,
            "images_per_sec": batch_size / speed.median,
            "recording_seconds": self._seconds,
            "recording_cpu_seconds": self._cpu_seconds + self._observer.cpu_seconds,
        }
        self._log("metrics", values, history.step)
        seconds = float(history.window_seconds.sum())
        results.write_performance_precision(self._files, accuracy, 1000 * speed.median, seconds)
        results.write_test_predictions(self._files, classes, test.labels)
        self.progress.wait_for("drawing")
        with importing():
            from lenet_exp.record.run import plots  # noqa: PLC0415 - matplotlib
        self._files.write("figures/loss.png", plots.loss_curve(history, self._name))
        matrix = plots.confusion_matrix(*test, classes, self._name)
        self._files.write("figures/confusion_matrix.png", matrix)
        self._write_page()
        kept = sorted({history.step, history.best_step} - {0})
        places = [f"checkpoints/{step}" for step in kept]
        for path in ("output", "figures", "test_predictions.npz", PAGE, *places):
            self._log("artifact", {"path": path})
        self.progress.say(f"test accuracy {accuracy:.4f}")

    def _write_page(self) -> None:
        """Write the run's own page of what is in its folder, and lead there from the store."""
        from lenet_exp.record.pages import run_page  # noqa: PLC0415 - jinja2

        page = run_page.render(self.folder, self._journal.entries, TARGET_ACCURACY)
        self._files.write(PAGE, page)
        said = run_page.conclusion(self._journal.entries, TARGET_ACCURACY).replace("_", "\\_")
        self._log("tags", {NOTE: f"**{said}**\n\n[The page of this run]({self._page})\n"})

    def report(self, found: Optional[Findings]) -> None:
        """Keep and show what was found out besides, if anything was.

        A disk that is full is no reason to lose how the run ended.
        """
        if found is None:
            return
        try:
            for name, content in found.files.items():
                self._files.write(name, content.encode())
                self._log("artifact", {"path": name})
        except OSError as error:
            self.progress.say(f"{', '.join(found.files)} can't be kept: {error}")
        self.progress.say(found.text)

    def _log(self, kind: str, values: Mapping[str, object], step: int = 0) -> None:
        self._observer.send(self._journal.append(kind, values, step))

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        self._seconds += time.perf_counter() - wall
        self._cpu_seconds += time.thread_time() - cpu

    def _warn(self) -> None:
        problem = self._observer.problem
        if problem is not None and not self._store_failed:
            self.progress.say(f"training goes on without the store: {problem}")
        elif problem is None and self._store_failed:
            self.progress.say("the store answers again")
        self._store_failed = problem is not None

    def begin(self, identity: Identity) -> None:
        """Record what the run is; of one that goes on, what is not as it was."""
        before = merged(self._journal.entries, "params")
        changed = {k: str(v) for k, v in identity.params.items() if before.get(k, v) != v}
        self._log("tags", changed)  # MLflow's parameters can't be changed
        self._log("status", {"status": "RUNNING"})
        self._log("params", identity.params)
        self._log("artifact", {"path": "config.yaml"})
        self._keep(identity.files)
        self._journal.sync()

    def _keep(self, files: Mapping[str, bytes]) -> None:
        """Keep a run's own files; where they are there and not the same, both, and say so."""
        step = max(entry.step for entry in self._journal.entries)
        begun, now = conditions.recorded(self.folder), files.get(conditions.NAME)
        changed = conditions.differences(begun, json.loads(now)) if begun and now else []
        if changed:
            self.progress.say("\n  ".join(["what differs from when it was begun:", *changed]))
        for name, content in files.items():
            path = self.folder / name
            if path.exists() and changed:
                path = path.with_name(f"{path.stem}-{step}{path.suffix}")
            if not path.exists():
                self._files.write(path.name, content)
            self._log("artifact", {"path": path.name})

    def end(self, status: str) -> None:
        """Record how the run ended; a full disk is no reason not to tell the store."""
        for kind, values in (("artifact", {"path": "run.log"}), ("status", {"status": status})):
            with contextlib.suppress(OSError):
                self._journal.append(kind, values)
        with contextlib.suppress(OSError):
            self._journal.sync()


@contextlib.contextmanager
def open_record(
    store: Store, identity: Identity, folder: Path, progress: Progress, lease: Lease = FREE
) -> Iterator[RunRecord]:
    """Yield the record of the folder's run, new or gone on with.

    It ends with the right status whatever happens; that a store doesn't take it is said to
    the person, and ends nothing.

    Raises:
        LeaseLostError: another attempt has the lease, and nothing more is written.
    """
    process = processes.this_process(lease.attempt)
    tags = {**identity.tags, processes.TAG: process, "folder": str(folder)}
    held = contextlib.closing(Journal(folder, lease.check))
    with held as journal, contextlib.closing(progress):
        sync.check_same_store(store, journal, resume_command(folder))
        journal.append("tags", {processes.TAG: process})  # first: it says whose the lock is
        files = RunFolder(folder, lease.check)
        files.remove_unfinished()
        # Before the store hears of the run: what it knows can be gone on with.
        files.write("config.yaml", identity.yaml.encode())
        before = journal.run_id
        run = sync.open_run(store, journal, identity.name, tags)
        if before not in (None, run.run_id):
            progress.say(f"the store has no run {before}; it is recorded anew")
        journal.append("tags", tags)
        present = _bring_up_to_date(run, journal) if before else sync.NOTHING
        observer = Observer(run, folder, present)
        record = RunRecord(run, journal, observer, progress)
        _LOG.info("run %s in %s", run.run_id, without_password(store.uri))
        with _ended(record, lambda: _complete(run, journal, observer, progress)):
            record.begin(identity)
            yield record


@contextlib.contextmanager
def _ended(record: RunRecord, complete: Callable[[], List[str]]) -> Iterator[None]:
    """Record at the end of the block how the run ended, and have the store know."""
    status, progress = "FAILED", record.progress
    try:
        yield
        status = "FINISHED"
    except (KeyboardInterrupt, Terminated, LeaseUnreadableError):
        status = "KILLED"
        raise
    except LeaseLostError:
        raise
    except Exception:
        _LOG.exception("the run failed")
        raise
    finally:
        record.check()  # of what another attempt has there is nothing to end
        record.end(status)
        lines = [] if status == "FINISHED" else [f"to go on: {resume_command(record.folder)}"]
        with _said_if_interrupted(progress, [*_store_lacks(record.folder), *lines]):
            record.pending = complete()
        if lines:
            progress.say("\n".join([*record.pending, *lines]))


@contextlib.contextmanager
def _said_if_interrupted(progress: Progress, lines: List[str]) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        progress.say("\n".join(lines))
        raise


def _store_lacks(folder: Path) -> List[str]:
    return [
        "everything is kept in the run folder; to record it in the store:",
        upload_command(folder),
    ]


def _bring_up_to_date(run: Run, journal: Journal) -> Present:
    """Have the store know what the journal held before it goes on; return what it has then."""
    # Tags first: another command may look for runs whose process is dead.
    run.tags(merged(journal.entries, "tags"))
    run.reopen()
    # In order: MLflow 1's file store shows metrics as they were written.
    sync.write(run, sync.missing(journal.entries, run.present()), journal.folder)
    return run.present()


def _complete(run: Run, journal: Journal, observer: Observer, progress: Progress) -> List[str]:
    """Have the store know all; else return the lines that say how it can later."""
    progress.wait_for("recording")
    ended = observer.close(_SILENT_WAIT)
    if not ended:
        progress.say("waiting for the store; Ctrl-C loses nothing")
        ended = observer.close(_LONGEST_WAIT)
    problem = observer.problem or StoreError(run.run_id, "the store does not answer", "wait")
    # A server that didn't answer has been waited for; a file costs nothing to try again.
    if ended and (observer.problem is None or not run.is_remote):
        for pause in _PAUSES if run.is_remote else _PAUSES[:1]:
            time.sleep(pause)
            try:
                sync.complete(run, journal)
                return []
            except StoreError as error:
                problem = error
    what, reason, _ = problem.args
    return [
        f"the store lacks this run ({what}: {reason})",
        *_store_lacks(journal.folder),
    ]
