"""A sweep from its jobs to its end: who holds it, what becomes of each job, what came out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from omegaconf import OmegaConf

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.errors import JobsFailedError
from lenet_exp.experiment.dataset import load_data
from lenet_exp.record.commands import short
from lenet_exp.record.run import conditions
from lenet_exp.record.store import dead_runs, journal, store_check
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import next_commands
from lenet_exp.sweep import parent
from lenet_exp.sweep.conclusion import conclude
from lenet_exp.sweep.fate import Action, Fate, fate_of
from lenet_exp.sweep.jobs import Job, Request, jobs_of
from lenet_exp.sweep.pool import Pool
from lenet_exp.sweep.view import View


def run_sweep(request: Request) -> List[Optional[float]]:
    """Run what is not finished; return each job's test accuracy (0..1), None on a dry run.

    Raises:
        JobsFailedError: some failed.
        PrecisionError: a job could not be planned by what it names.
        StoreError: the store can't be used, or another process holds the sweep.
    """
    view = View()
    jobs = _jobs(request)
    distinct = list({job.identity: job for job in jobs}.values())
    if request.options.dry_run:
        _say_fates(_fates(distinct, request), request, view)
        return [None] * len(jobs)
    tracking = jobs[0].settings.tracking
    uri = store_check.chosen_uri(tracking.uri)
    store_check.check_root(uri, Path.cwd(), tf_compat.stack_of_this_python())
    with parent.hold(request.folder) as held:
        store = Store(uri, tracking.experiment)
        for line in dead_runs.end_dead_runs(store, request.folder):
            view.say(line)
        fates = _fates(distinct, request)
        _say_fates(fates, request, view)
        place = {"tracking": {"uri": tracking.uri, "experiment": tracking.experiment}}
        tags = {"command": request.command}
        with parent.open_parent(store, held, tags, OmegaConf.to_yaml(place)) as run:
            pool = Pool(request, store, run.run_id, view)
            try:
                failed = pool.run(_prepared(fates, store, view))
            finally:
                view.close()
                if not pool.ended:
                    view.say(f"to go on: {request.command}")
            run.failed = bool(failed)
            for job in pool.stopped:
                view.say(f"{job.delta}: stopped, because another one failed")
    _say_end(request, jobs, failed, run.untold, view)
    if failed:
        raise JobsFailedError(len(failed), len(distinct))
    return [_accuracy(job) for job in jobs]


def _jobs(request: Request) -> List[Job]:
    """Return the jobs; refuse what they name before the first of them begins."""
    jobs = jobs_of(request, lambda path: load_data(path).sha256, tf_compat.stack_of_this_python())
    naming = [job.settings for job in jobs if _names_files_or_nodes(job.settings)]
    for settings in {repr(replace(one, seed=0)): one for one in naming}.values():
        from lenet_exp.experiment.graphs import check_named  # noqa: PLC0415 - the planner

        check_named(settings)
    return jobs


def _names_files_or_nodes(settings: Settings) -> bool:
    return bool(precision_files(settings) or settings.precision.keep_dtype)


def _fates(jobs: Sequence[Job], request: Request) -> List[Fate]:
    redo = request.options.on_changed_code == "redo"
    code = conditions.code_sha256()
    return [fate_of(job, code, redo) for job in jobs]


def _prepared(fates: Sequence[Fate], store: Store, view: View) -> List[Fate]:
    """Set aside what is redone; return the fates."""
    for fate in fates:
        if fate.action is Action.REDO:
            kept = parent.set_aside(store, fate.job.folder)
            view.say(f"{fate.job.delta}: {fate.why}; that attempt is kept in {short(kept)}")
    return list(fates)


def _say_fates(fates: Sequence[Fate], request: Request, view: View) -> None:
    counts = [(sum(fate.action is action for fate in fates), action) for action in Action]
    summary = ", ".join(f"{count} {action.value}" for count, action in counts if count)
    plural = "s" if len(fates) > 1 else ""
    view.say(f"sweep {request.name}, {len(fates)} job{plural} ({summary}); to go on with it:")
    view.say(f"  {request.command}")
    if request.options.dry_run:
        for fate in fates:
            view.say(f"  {fate.job.identity}  {fate.job.delta}  {fate.action.value}: {fate.why}")
    others = [fate.job for fate in fates if fate.other_code and fate.action is Action.KEEP]
    if others:
        view.say("finished with other code than today's, and kept (on_changed_code=redo):")
        for job in others:
            view.say(f"  {job.identity}  {job.delta}")


def _say_end(
    request: Request,
    jobs: Sequence[Job],
    failed: Dict[str, str],
    untold: Sequence[str],
    view: View,
) -> None:
    tracking = jobs[0].settings.tracking
    uri = store_check.chosen_uri(tracking.uri)
    done = [job for job in jobs if _accuracy(job) is not None]
    view.say("")
    view.say(conclude(uri, tracking.experiment, request.name, done, request.options.reference))
    view.say(f"\n  sweep    {request.name}, folder {short(request.folder)}")
    for line in next_commands(store_check.ui_command(uri)):
        view.say(f"  {line}")
    for line in untold:
        view.say(line)
    if failed:
        view.say(f"\n{len(failed)} failed:")
        for told in failed.values():
            view.say(told)
    again = "redo what failed" if failed else "add to it, or go on with it"
    view.say(f"to {again}: {request.command}")


def _accuracy(job: Job) -> Optional[float]:
    if not (job.folder / journal.NAME).is_file():
        return None
    entries = journal.read(job.folder)
    if journal.merged(entries, "status").get("status") != "FINISHED":
        return None
    accuracy = journal.merged(entries, "metrics").get("accuracy")
    return None if accuracy is None else float(accuracy)
