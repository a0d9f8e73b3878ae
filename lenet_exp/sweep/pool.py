"""The loop of a sweep: so many jobs at a time, each watched until its process has ended."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Callable, Dict, Iterable, List, Sequence

from lenet_exp.errors import DataError, LenetExpError, StoreError
from lenet_exp.record.store import dead_runs, journal
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import short
from lenet_exp.sweep.attempt import LOG, PAUSE, Attempt, end_all
from lenet_exp.sweep.decision import Action, Decision
from lenet_exp.sweep.executors.executor import End, Reason
from lenet_exp.sweep.jobs import Job, Request, SweepJob
from lenet_exp.sweep.view import JobRow, View, duration
from lenet_exp.sweep.watch import Watch

_LONGEST = 10 * PAUSE  # between two looks at many jobs


class JobPool:
    """Runs the jobs of a sweep and says of each what happens to it."""

    def __init__(
        self,
        request: Request,
        store: Store,
        parent_id: str,
        view: View,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Run what `run` is given; `check` raises where another process has the sweep."""
        self._check = check
        self.ended = False  # without an interruption
        self.stopped: List[Job] = []  # because another one failed
        self._request, self._store, self._parent_id, self._view = request, store, parent_id, view
        self._attempts: List[Attempt] = []
        self._states: Dict[str, str] = {}  # identity -> what the table shows
        self._failed: Dict[str, str] = {}  # identity -> the message of its failure
        self._seen: Dict[str, Watch] = {}
        self._waiting: List[Job] = []
        # identity -> number of an attempt -> how it ended
        self._lost: Dict[str, Dict[int, Reason]] = defaultdict(dict)
        self._at_a_time = 1

    def run(
        self, decisions: Sequence[Decision], meanwhile: Callable[[], None] = lambda: None
    ) -> Dict[str, str]:
        """Run all that is not kept; return the message of each that failed, by identity.

        `meanwhile` is called once, when the first jobs have begun to import.
        """
        waiting = [job for job, action, *_ in decisions if action is not Action.KEEP]
        self._waiting = waiting
        for job, action, *_ in decisions:
            self._states[job.identity] = "kept" if action is Action.KEEP else "waiting"
            self._seen[job.identity] = Watch(job.folder)
        self._at_a_time = min(self._request.executor.n_jobs, len(waiting))
        executor, fail_fast = self._request.executor, self._request.options.fail_fast
        executor.open([j.settings for j in waiting if isinstance(j, SweepJob)], self._view.say)
        try:
            self._start_some()
            meanwhile()
            while (waiting or self._attempts) and not (self._failed and fail_fast):
                self._start_some()
                self._look()
                self._view.show(self._row(job) for job, *_ in decisions)
                time.sleep(min(PAUSE * len(self._attempts), _LONGEST))
            self.ended = True
        finally:
            if self._attempts:
                try:
                    end_all(self._attempts, executor)
                finally:
                    self._check()  # else they are another's
                    for attempt in self._attempts:
                        self._end_record(attempt)
                    self._settle(attempt.job for attempt in self._attempts)
        self.stopped = [*(attempt.job for attempt in self._attempts), *waiting]
        return self._failed

    def _start_some(self) -> None:
        while self._waiting and len(self._attempts) < self._at_a_time:
            self._start(self._waiting.pop(0))

    def _start(self, job: Job) -> None:
        executor = self._request.executor
        try:
            cores = executor.cores(self._at_a_time)
            attempt = Attempt(job, executor, self._tags(job), cores, self._check)
        except (StoreError, DataError) as error:
            self._fail(job, str(error))
            return
        self._attempts.append(attempt)
        self._seen[job.identity], self._states[job.identity] = attempt.watch, "running"
        step = attempt.watch.step
        self._say(job, f"goes on after step {step}" if step else "begins")

    def _tags(self, job: Job) -> Dict[str, str]:
        """Return those of its run in MLflow.

        Raises:
            DataError: its record is damaged.
        """
        alone = self._request.executor.is_alone(self._at_a_time)
        # Of a job that goes on, the part before counts too.
        before = journal.merged(job.recorded(), "tags").get("alone")
        return {
            **self._request.tags,
            "mlflow.parentRunId": self._parent_id,
            "job_override": job.delta,
            "alone": str(alone and before != "false").lower(),
            **{f"lost_{n}": lost.text for n, lost in self._lost[job.identity].items()},
        }

    def _look(self) -> None:
        for attempt in list(self._attempts):
            code = attempt.look()
            accuracy = attempt.watch.metrics.get("validation_accuracy")
            if accuracy != attempt.validated:
                attempt.validated = accuracy
                step = f"step {attempt.watch.step}/{attempt.job.steps}"
                self._say(attempt.job, f"{step} validation accuracy {accuracy:.4f}")
            if code is not None:
                self._attempts.remove(attempt)
                self._take_end(attempt, code)

    def _take_end(self, attempt: Attempt, code: int) -> None:
        self._check()  # else it is another's to judge
        job, metrics = attempt.job, attempt.watch.metrics
        if attempt.watch.status == "FINISHED":  # its record has all, whatever ended it then
            self._states[job.identity] = "finished"
            spent = duration(time.monotonic() - attempt.begun)
            self._say(job, f"finished in {spent}, {job.result(metrics)}")
            if code != 0:
                self._settle([job])
            return
        reason = attempt.worker.reason()
        self._end_record(attempt, reason.text)
        if code != 0:  # at once: else a job that begins tells the store, while this one goes on
            self._settle([job])
        if self._may_try_again(job, reason):
            self._lost[job.identity][attempt.number] = reason
            self._states[job.identity] = "waiting"
            self._say(job, f"lost: {reason.text}; it will go on from its last checkpoint")
            self._waiting.insert(0, job)
            return
        self._fail(job, self._told(job, reason))

    def _may_try_again(self, job: Job, reason: Reason) -> bool:
        """Return whether another try may fare better: of one for lack of memory, once."""
        lost = self._lost[job.identity].values()
        most = {End.FAILED: 0, End.LOST: self._request.executor.retries, End.MEMORY: 1}[reason.end]
        again = sum(one.end is reason.end for one in lost)
        return again < most and len(lost) < self._request.executor.retries

    def _told(self, job: Job, reason: Reason) -> str:
        before = [one.text for one in self._lost[job.identity].values()]
        said = f"; attempt {len(before) + 1}, the earlier ones: {', '.join(before)}"
        return f"{reason.text}{said if before else ''}"

    def _fail(self, job: Job, reason: str) -> None:
        self._states[job.identity] = "failed"
        told = f"{reason}\n    log {short(job.folder / LOG)}"
        self._failed[job.identity] = f"  {job.delta}: {told}"
        self._say(job, f"failed: {told}")

    def _end_record(self, attempt: Attempt, lost: str = "") -> None:
        try:
            attempt.end_record(lost)
        except (LenetExpError, OSError) as error:
            self._say(attempt.job, f"its record can't be ended: {error}")

    def _settle(self, jobs: Iterable[Job]) -> None:
        """Have the store know how ended what didn't say so itself; the next command would too."""
        try:
            for job in jobs:
                dead_runs.settle_in(self._store, job.folder)
        except StoreError as error:
            self._view.say(f"the store refuses: {error}")

    def _say(self, job: Job, text: str) -> None:
        done = sum(state in ("finished", "kept", "failed") for state in self._states.values())
        self._view.say(f"[{done}/{len(self._states)}] {job.delta}: {text}")

    def _row(self, job: Job) -> JobRow:
        watch, state = self._seen[job.identity], self._states[job.identity]
        accuracy = watch.metrics.get("accuracy", watch.metrics.get("validation_accuracy"))
        left = watch.seconds_left(job.steps) if state == "running" else None
        loss = watch.metrics.get("loss")
        return JobRow(job.delta, state, watch.step, job.steps, loss, accuracy, left)
