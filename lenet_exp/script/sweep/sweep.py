"""A sweep over a script from its jobs to its end."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

from lenet_exp.comparison import load_runs
from lenet_exp.comparison.scripts.table import compare_scripts
from lenet_exp.config import literals
from lenet_exp.config.cli.mend import flags_first
from lenet_exp.config.cli.script_options import END, JobLine, ScriptOptions
from lenet_exp.config.passwords import without_password
from lenet_exp.config.schema.run import Sweep
from lenet_exp.config.tracking import experiment_name
from lenet_exp.errors import DataError, JobsFailedError, LenetExpError, WriteError, wrap_os_error
from lenet_exp.record.next_steps import compare_command, next_steps
from lenet_exp.record.store import dead_runs, journal, store_check, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import go_to, short
from lenet_exp.record.writable import obstacle
from lenet_exp.script import refusals
from lenet_exp.script.record import shown
from lenet_exp.script.run import kept_of
from lenet_exp.script.sweep.executor import ScriptExecutor
from lenet_exp.script.sweep.jobs import ScriptJob, jobs_of
from lenet_exp.sweep import parent, state
from lenet_exp.sweep.decision import Action, Decision, listed, summary
from lenet_exp.sweep.jobs import Request
from lenet_exp.sweep.pool import JobPool
from lenet_exp.sweep.view import View


def main(lines: Sequence[JobLine], arguments: Sequence[str]) -> int:
    """Run what is not finished; return the exit code.

    Raises:
        JobsFailedError: some failed.
        StoreError: the store can't be used, or another process holds the sweep.
        ConfigError: a job can't be what is typed.
    """
    options, here = lines[0].options, Path.cwd()
    kept = kept_of(options)
    options = replace(options, uri=kept.uri)
    name = options.sweep or time.strftime(f"%Y-%m-%d_%H-%M-%S-{os.getpid()}")
    folder = kept.place / "multirun" / name
    why = obstacle(folder)
    if why is not None:
        raise WriteError(folder, why, "the same command in a folder that you can write to")
    for line in lines:
        refusals.check_files(line.options)
    jobs = jobs_of(lines, folder)
    request = _request(options, folder, ScriptExecutor(here), _command(arguments, name))
    view = View()
    if options.dry_run:
        _say_decisions([_decide(job) for job in jobs], request, view)
        return 0
    go_to(kept.place)  # the store that has no name is there
    uri = store_check.chosen_uri(options.uri)
    store = Store(uri, experiment_name(options.experiment))
    failed = _made(request, jobs, _about(request, options, lines), store, view)
    _say_end(request, options, store, failed, view)
    if failed:
        raise JobsFailedError(len(failed), len(jobs))
    return 0


def _made(
    request: Request, jobs: Sequence[ScriptJob], about: parent.About, store: Store, view: View
) -> Dict[str, str]:
    """Make what is not finished; return the message of each job that failed, by identity."""
    with parent.hold(request.folder, request.command) as held:
        for line in dead_runs.end_dead_runs(store, request.folder):
            view.say(line)
        decisions = [_decide(job) for job in jobs]
        _say_decisions(decisions, request, view)
        state.keep_jobs(request.folder, jobs)
        with parent.open_parent(store, held, about) as run:
            pool = JobPool(request, store, run.run_id, view, held.check)
            try:
                _set_aside(decisions, store, view)
                failed = pool.run(decisions)
            finally:
                if not pool.ended:
                    view.say(f"to go on: {request.command}")
            held.check()
            run.failed = bool(failed)
            for job in jobs:
                if job.identity in failed:
                    with _said(view, f"the store lacks all of {job.delta}"):
                        _record_failure(job, failed[job.identity], request, run.run_id, store)
            with _said(view, "the store lacks what jobs recorded"):
                for line in parent.complete_jobs(store, jobs):
                    view.say(line)
    return failed


@contextlib.contextmanager
def _said(view: View, what: str) -> Iterator[None]:
    """Have what goes wrong with one job said, and no end of the sweep."""
    try:
        yield
    except (LenetExpError, OSError) as error:
        view.say(f"{what}: {error}")


def _request(
    options: ScriptOptions, folder: Path, executor: ScriptExecutor, command: str
) -> Request:
    of_sweep = Sweep(
        sweep=folder.name, dry_run=options.dry_run, fail_fast=options.fail_fast, detach=False,
        on_changed_code="keep", reference=None, seeds_until=None, max_seeds=20,
    )  # fmt: skip
    return Request(folder, of_sweep, executor, command, [])


def _command(arguments: Sequence[str], name: str) -> str:
    """Return what goes on with this sweep: the same command, and its name; no password is shown."""
    at = list(arguments).index(END) if END in arguments else len(arguments)
    ours = [word for word in arguments[:at] if word.partition("=")[0] not in ("sweep", "dry_run")]
    words = [*flags_first([*ours, f"sweep={name}"]), *arguments[at:]]
    return without_password(" ".join([ScriptOptions.program(), *map(shlex.quote, words)]))


def _about(request: Request, options: ScriptOptions, lines: Sequence[JobLine]) -> parent.About:
    tracking = {"uri": options.uri, "experiment": experiment_name(options.experiment)}
    values: Dict[str, Dict[str, None]] = {}
    for line in lines:
        for word in line.words:
            key, _, text = word.partition("=")
            values.setdefault(key, {})[text] = None
    varied = {key: ",".join(texts) for key, texts in values.items() if len(texts) > 1}
    return parent.About(request.command, literals.to_yaml({"tracking": tracking}), varied)


def _decide(job: ScriptJob) -> Decision:
    """Return what is to be done with a job: nobody knows how to go on with half a script."""
    try:
        entries = job.recorded()
    except DataError as error:
        return Decision(job, Action.REDO, f"its record {error.args[1]}")
    status = journal.merged(entries, "status").get("status")
    if status == "FINISHED":
        return Decision(job, Action.KEEP, "it finished")
    if not job.folder.exists():
        return Decision(job, Action.RUN, "it was never begun")
    return Decision(job, Action.REDO, "it failed" if status == "FAILED" else "it was interrupted")


def _say_decisions(decisions: Sequence[Decision], request: Request, view: View) -> None:
    lines = summary(request.name, decisions, request.command)
    lines += listed(decisions) if request.options.dry_run else []
    view.say("\n  ".join(lines))


def _set_aside(decisions: Sequence[Decision], store: Store, view: View) -> None:
    for one in decisions:
        if one.action is Action.REDO:
            kept = parent.set_aside(store, one.job.folder)
            view.say(f"{one.job.delta}: {one.why}; that attempt is kept in {short(kept)}")


def _record_failure(
    job: ScriptJob, said: str, request: Request, parent_id: str, store: Store
) -> None:
    """Have its record and the store say why it failed: a process that died can't."""
    reason = said.partition(f"{job.delta}: ")[2].partition("\n")[0] or said
    options = job.line.options
    script = str(options.path or options.module)
    with contextlib.closing(Journal(job.folder)) as held:
        if "script" not in journal.merged(held.entries, "tags"):  # it came to no session
            asked = {"precision": options.precision, "precision.keep_dtype": options.keep_dtype}
            held.append("params", {"script": script, "arguments": shown(job.arguments), **asked})
            own = {"sweep": request.name, "mlflow.parentRunId": parent_id, "script": script}
            about = {"folder": str(job.folder), "config_hash": job.identity}
            held.append("tags", {**own, **about, "job_override": job.delta,
                                 "mlflow.runName": f"{Path(script).stem}-{job.delta}"})  # fmt: skip
        held.append("tags", {"error": reason})
        if journal.merged(held.entries, "status").get("status") != "FAILED":
            held.append("status", {"status": "FAILED"})
        tags = journal.merged(held.entries, "tags")
        sync.complete(sync.open_run(store, held, tags["mlflow.runName"], tags), held)


def _say_end(
    request: Request, options: ScriptOptions, store: Store, failed: Dict[str, str], view: View
) -> None:
    experiment = experiment_name(options.experiment)
    again = "redo what failed" if failed else "add to it, or go on with it"
    lines: List[str] = []
    try:
        made = compare_scripts(store, load_runs.sweep(store, request.name))
        lines += [f"\n{made}"]
    except (LenetExpError, OSError) as error:
        command = f"{compare_command(experiment, options.uri)} sweep={request.name}"
        lines += [f"not compared: {wrap_os_error(error, command)}"]
    lines += [
        f"\n  sweep    {request.name}, folder {short(request.folder)}",
        *(f"  {line}" for line in next_steps(store, store_check.chosen_uri(options.uri))),
        *([f"\n{len(failed)} failed:", *failed.values()] if failed else []),
        f"to {again}: {request.command}",
    ]
    view.say("\n".join(lines))
