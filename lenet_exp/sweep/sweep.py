"""A sweep from its jobs to its end: who holds it, what is done with each job, what came out."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.config import literals
from lenet_exp.config.schema.run import all_keys, precision_files
from lenet_exp.config.tracking import experiment_notices
from lenet_exp.errors import DataError, JobsFailedError, LenetExpError, wrap_os_error
from lenet_exp.experiment.dataset import load_data
from lenet_exp.record.next_steps import compare_command, next_steps, open_command
from lenet_exp.record.run import conditions
from lenet_exp.record.store import dead_runs, journal, store_check
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import short
from lenet_exp.record.waiting import importing, waiting
from lenet_exp.sweep import nodes, parent, state
from lenet_exp.sweep.decision import Action, Decision, decide, listed, summary
from lenet_exp.sweep.jobs import Request, SweepJob, jobs_of, varied
from lenet_exp.sweep.pool import JobPool
from lenet_exp.sweep.view import View


def run_sweep(request: Request) -> List[Optional[float]]:
    """Run what is not finished; return each job's test accuracy (0..1), None on a dry run.

    Raises:
        JobsFailedError: some failed.
        PrecisionError: a job could not be planned by what it names.
        StoreError: the store can't be used, or another process holds the sweep.
    """
    view = View()
    jobs = checked_jobs(request, view)
    distinct = list({job.identity: job for job in jobs}.values())
    if request.options.dry_run:
        _say_decisions(_decisions(distinct, request), request, view)
        return [None] * len(jobs)
    with contextlib.closing(request.executor) as executor:
        # First: what jobs import takes longer than all that follows here.
        executor.open([job.settings for job in distinct if not job.is_begun], view.say)
        failed = _make(request, distinct, view)
    if failed:
        raise JobsFailedError(len(failed), len(distinct))
    return [_accuracy(job) for job in jobs]


def _make(request: Request, distinct: List[SweepJob], view: View) -> Dict[str, str]:
    """Run what is to be made, and compare; return the message of each that failed, by identity."""
    store = _store(distinct[0])  # first: one that is refused leaves no sweep behind
    with parent.hold(request.folder, request.command) as held:
        known = experiment_notices(distinct[0].settings.tracking.experiment)
        for line in itertools.chain(known, dead_runs.end_dead_runs(store, request.folder)):
            view.say(line)
        decisions = _decisions(distinct, request)
        _say_decisions(decisions, request, view)
        nodes.prepare(request, decisions, store.uri)
        state.keep_jobs(request.folder, distinct)
        with parent.open_parent(store, held, _about(request)) as run:
            pool = JobPool(request, store, run.run_id, view, held.check)
            try:
                failed = _run_all(request, distinct, decisions, pool, store, view)
            finally:
                request.executor.close()
                if not pool.ended:
                    view.say(f"to go on: {request.command}")
            held.check()
            nodes.tidy(request)
            run.failed = bool(failed)
            _tell_the_store(store, distinct, view)
            for job in pool.stopped:
                view.say(f"{job.delta}: stopped, because another one failed")
    _say_end(request, distinct, failed, run, store, view)
    return failed


def _store(job: SweepJob) -> Store:
    tracking = job.settings.tracking
    uri = store_check.chosen_uri(tracking.uri)
    store_check.check_root(uri, Path.cwd(), tf_compat.stack_of_this_python())
    return Store(uri, tracking.experiment)


def _tell_the_store(store: Store, jobs: Sequence[SweepJob], view: View) -> None:
    try:
        for line in parent.complete_jobs(store, jobs):
            view.say(line)
    except LenetExpError as error:
        view.say(f"the store lacks what jobs recorded: {error}")


def _run_all(
    request: Request,
    jobs: List[SweepJob],
    decisions: Sequence[Decision],
    pool: JobPool,
    store: Store,
    view: View,
) -> Dict[str, str]:
    """Run the jobs, and those that are added until all is decided, which `jobs` has then too.

    The message of each that failed is returned, by identity.
    """
    while True:
        _set_aside_what_is_redone(decisions, store, view)
        failed = pool.run(decisions, _load_comparison)
        new = [] if failed and request.options.fail_fast else _added(request, jobs, view)
        if not new:
            return failed
        jobs += new
        state.keep_jobs(request.folder, jobs)
        decisions = _decisions(new, request)


def _added(request: Request, jobs: Sequence[SweepJob], view: View) -> List[SweepJob]:
    if request.options.seeds_until is None:
        return []
    from lenet_exp.sweep import seeds  # noqa: PLC0415 - SciPy

    found = seeds.added(request, jobs)
    view.say(found.said)
    more = [request.with_seed(*one) for one in found.jobs]
    whole = [*(job.composed for job in jobs), *more]  # what tells them apart, they tell together
    return checked_jobs(request._replace(jobs=whole), view)[len(jobs) :] if more else []


def _about(request: Request) -> parent.About:
    where = literals.to_yaml({"tracking": vars(request.jobs[0].settings.tracking)})
    return parent.About(request.command, where, varied(request.jobs))


def checked_jobs(request: Request, view: View) -> List[SweepJob]:
    """Return the jobs; refuse what they name before the first of them begins.

    Raises:
        ConfigError: what is asked for decides nothing.
        DataError: their data can't be read.
        PrecisionError: a job could not be planned by what it names.
    """

    def data_sha256(path: Optional[str]) -> str:
        data = load_data(path)
        for note in data.notes:
            view.say(note)
        return data.sha256

    jobs = jobs_of(request, data_sha256, tf_compat.stack_of_this_python())
    each = [job.settings for job in jobs]
    naming = [one for one in each if precision_files(one) or one.precision.keep_dtype]
    for settings in {repr(replace(one, seed=0)): one for one in naming}.values():
        from lenet_exp.experiment.graphs import check_named  # noqa: PLC0415 - the planner

        tf_compat.configure(hide_gpus=True, deterministic=False)  # the graph is then a run's
        check_named(settings)
    if request.options.seeds_until:
        from lenet_exp.sweep import seeds  # noqa: PLC0415 - SciPy

        seeds.check(request, jobs)
    return jobs


def _decisions(jobs: Sequence[SweepJob], request: Request) -> List[Decision]:
    redo = request.options.on_changed_code == "redo"
    code = conditions.code_sha256()
    return [decide(job, code, redo) for job in jobs]


def _set_aside_what_is_redone(decisions: Sequence[Decision], store: Store, view: View) -> None:
    for one in decisions:
        if one.action is Action.REDO:
            kept = parent.set_aside(store, one.job.folder)
            view.say(f"{one.job.delta}: {one.why}; that attempt is kept in {short(kept)}")


def _say_decisions(decisions: Sequence[Decision], request: Request, view: View) -> None:
    lines = summary(request.name, decisions, request.command)
    left_out = [word for job in request.jobs for word in job.left_out]
    lines += [f"{word}: {_owners(word)}" for word in dict.fromkeys(left_out)]
    if request.options.dry_run:
        lines += listed(decisions)
    view.say("\n  ".join(lines))
    kept = [one.job for one in decisions if one.other_code and one.action is Action.KEEP]
    others = [f"{job.identity}  {job.delta}" for job in kept]
    if others:
        head = "finished with other code than today's, and kept (on_changed_code=redo):"
        view.say("\n  ".join([head, *others]))


def _owners(word: str) -> str:
    key = word.partition("=")[0].lstrip("+")
    return f"of the jobs with {key.partition('.')[0]}={' or '.join(all_keys()[key])} only"


def _say_end(
    request: Request,
    jobs: Sequence[SweepJob],
    failed: Dict[str, str],
    parent_run: parent.Parent,
    store: Store,
    view: View,
) -> None:
    tracking = jobs[0].settings.tracking
    uri = store_check.chosen_uri(tracking.uri)
    done = [job for job in jobs if _accuracy(job) is not None]
    again = "redo what failed" if failed else "add to it, or go on with it"
    with waiting("comparing"):
        compared, seen = _compared(uri, request, done)
    lines = [
        f"\n{compared}",
        f"\n  sweep    {request.name}, folder {short(request.folder)}",
        *(f"  {line}" if line else "" for line in [*seen, *next_steps(store, uri)]),
        *parent_run.store_notes,
        *([f"\n{len(failed)} failed:", *failed.values()] if failed else []),
        f"to {again}: {request.command}",
    ]
    view.say("\n".join(lines))


def _load_comparison() -> None:
    with importing():
        from lenet_exp.comparison import compare  # noqa: F401, PLC0415 - matplotlib


def _compared(
    uri: Optional[str], request: Request, done: Sequence[SweepJob]
) -> Tuple[str, List[str]]:
    """Return the comparison of the finished jobs, and lines: what it comes to, its page.

    Of a store (None: MLflow's default) that can't be read, or where that can't be written, what
    the jobs keep in their folders.
    """
    from lenet_exp.comparison import compare, load_runs  # noqa: PLC0415 - MLflow, matplotlib

    if not done:
        return "nothing to compare: no job has finished", []
    tracking = done[0].settings.tracking
    try:
        store = compare.open_store(uri, tracking.experiment)
        found = load_runs.sweep(store, request.name)
        made = compare.compare(store, found, request.options.reference, 100)
    except (LenetExpError, OSError) as error:
        command = f"{compare_command(tracking.experiment, tracking.uri)} sweep={request.name}"
        lines = [f"not compared: {wrap_os_error(error, command)}"]
    else:
        return made.text, [
            f"verdict  {made.comparison.headline}",
            f"page     {short(made.page)}",
            "",
            open_command(made.page),
        ]
    width = max([3, *(len(job.delta) for job in done)])
    for job in done:
        metrics = journal.merged(job.recorded(), "metrics")
        accuracy, seconds = metrics["accuracy"], metrics["sec_per_step"]
        lines.append(f"  {job.delta:{width}}  accuracy {accuracy:.4f}  sec/step {seconds:.5f}")
    return "\n".join(lines), []


def _accuracy(job: SweepJob) -> Optional[float]:
    try:
        entries = job.recorded()
    except (DataError, OSError):  # since it finished
        return None
    if journal.merged(entries, "status").get("status") != "FINISHED":
        return None
    accuracy = journal.merged(entries, "metrics").get("accuracy")
    return None if accuracy is None else float(accuracy)
