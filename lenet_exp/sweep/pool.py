"""The loop of a sweep: so many jobs at a time, each watched until its process has ended."""

from __future__ import annotations

import time
from typing import Dict, List, Sequence

from lenet_exp.errors import StoreError
from lenet_exp.record.run import conditions
from lenet_exp.record.store import dead_runs, journal
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import short
from lenet_exp.sweep.decision import Action, Decision
from lenet_exp.sweep.jobs import Request, SweepJob
from lenet_exp.sweep.view import JobRow, View, duration
from lenet_exp.sweep.worker import PAUSE, Watch, Worker, end_all


class JobPool:
    """Runs the jobs of a sweep and says of each what happens to it."""

    def __init__(self, request: Request, store: Store, parent_id: str, view: View) -> None:
        self.ended = False  # without an interruption
        self.stopped: List[SweepJob] = []  # because another one failed
        self._request, self._store, self._parent_id, self._view = request, store, parent_id, view
        self._workers: List[Worker] = []
        self._states: Dict[str, str] = {}  # identity -> what the table shows
        self._failed: Dict[str, str] = {}  # identity -> the message of its failure
        self._seen: Dict[str, Watch] = {}
        self._at_a_time = 1

    def run(self, decisions: Sequence[Decision]) -> Dict[str, str]:
        """Run all that is not kept; return the message of each that failed, by identity."""
        waiting = [job for job, action, *_ in decisions if action is not Action.KEEP]
        for job, action, *_ in decisions:
            self._states[job.identity] = "kept" if action is Action.KEEP else "waiting"
            self._seen[job.identity] = Watch(job.folder)
        self._at_a_time = min(self._request.n_jobs, len(waiting))
        fail_fast = self._request.options.fail_fast
        try:
            while (waiting or self._workers) and not (self._failed and fail_fast):
                while waiting and len(self._workers) < self._at_a_time:
                    self._start(waiting.pop(0))
                self._look()
                self._view.show([self._row(job) for job, *_ in decisions])
                time.sleep(PAUSE)
            self.ended = True
        finally:
            if self._workers:
                end_all(self._workers)
                self._end_in_store()
        self.stopped = [*(worker.job for worker in self._workers), *waiting]
        return self._failed

    def _start(self, job: SweepJob) -> None:
        alone = self._at_a_time == 1
        # Of a job that goes on, the part before counts too.
        before = journal.merged(job.recorded(), "tags").get("alone")
        tags = {
            **self._request.tags,
            "mlflow.parentRunId": self._parent_id,
            "job_override": job.delta,
            "alone": str(alone and before != "false").lower(),
        }
        worker = Worker(job, tags, 0 if alone else max(1, conditions.cores() // self._at_a_time))
        self._workers.append(worker)
        self._seen[job.identity], self._states[job.identity] = worker.watch, "running"
        step = worker.watch.step
        self._say(job, f"goes on after step {step}" if step else "begins")

    def _look(self) -> None:
        for worker in list(self._workers):
            code = worker.poll()  # before the journal, which is then whole
            worker.watch.look()
            accuracy = worker.watch.metrics.get("validation_accuracy")
            if accuracy != worker.validated:
                worker.validated = accuracy
                step = f"step {worker.watch.step}/{worker.job.steps}"
                self._say(worker.job, f"{step} validation accuracy {accuracy:.4f}")
            if code is not None:
                self._workers.remove(worker)
                worker.close()
                self._take_end(worker, code)

    def _take_end(self, worker: Worker, code: int) -> None:
        job, metrics = worker.job, worker.watch.metrics
        if code == 0 and worker.watch.status == "FINISHED":
            self._states[job.identity] = "finished"
            spent = duration(time.monotonic() - worker.begun)
            accuracy, seconds = metrics["accuracy"], metrics["sec_per_step"]
            self._say(job, f"finished in {spent}, accuracy {accuracy:.4f}, sec/step {seconds:.5f}")
            return
        self._states[job.identity] = "failed"
        reason = f"{worker.reason()}\n    log {short(worker.log)}"
        self._failed[job.identity] = f"  {job.delta}: {reason}"
        self._say(job, f"failed: {reason}")
        if code < 0:  # it could not end its own record
            self._end_in_store()

    def _end_in_store(self) -> None:
        """End in the store what a dead process left RUNNING; the next command would too."""
        try:
            list(dead_runs.end_dead_runs(self._store, self._request.folder))
        except StoreError as error:
            self._view.say(f"the store refuses: {error}")

    def _say(self, job: SweepJob, text: str) -> None:
        done = sum(state in ("finished", "kept", "failed") for state in self._states.values())
        self._view.say(f"[{done}/{len(self._states)}] {job.delta}: {text}")

    def _row(self, job: SweepJob) -> JobRow:
        watch, state = self._seen[job.identity], self._states[job.identity]
        accuracy = watch.metrics.get("accuracy", watch.metrics.get("validation_accuracy"))
        left = watch.seconds_left(job.steps) if state == "running" else None
        loss = watch.metrics.get("loss")
        return JobRow(job.delta, state, watch.step, job.steps, loss, accuracy, left)
