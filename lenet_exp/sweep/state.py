"""The state of a sweep, read from its folder by anybody, while somebody else may hold it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from lenet_exp.config.cli.recorded_options import SweepOptions
from lenet_exp.errors import ConfigError, DataError, StoreError
from lenet_exp.record.run import run_files
from lenet_exp.record.store import journal, lease, processes
from lenet_exp.sweep.jobs import Job
from lenet_exp.sweep.view import JobRow, table
from lenet_exp.sweep.watch import Watch

JOBS = "jobs.json"
_TELLING = (journal.NAME, JOBS)  # the second alone of a sweep that waits for an engine
_STATES = {"FINISHED": "finished", "FAILED": "failed", "RUNNING": "running", "KILLED": "stopped"}


class KnownJob(NamedTuple):
    """What is kept of a job before it begins."""

    identity: str
    delta: str
    steps: int


def keep_jobs(folder: Path, jobs: Sequence[Job]) -> None:
    """Keep which jobs a sweep has, for who asks; those of earlier commands stay."""
    new = [KnownJob(job.identity, job.delta, job.steps) for job in jobs]
    named = {job.identity: job for job in (*_jobs(folder), *new)}
    text = json.dumps([job._asdict() for job in named.values()], indent=1)
    run_files.write_bytes(folder / JOBS, text.encode())


def left_out(folder: Path, jobs: Sequence[Job]) -> List[str]:
    """Return what those jobs are called that are none of a sweep's."""
    known = {job.identity for job in _jobs(folder)}
    return list(dict.fromkeys(job.delta for job in jobs if job.identity not in known))


def main(options: SweepOptions) -> int:
    """Print it; return the exit code."""
    print("\n".join(lines(_folder(options))))
    return 0


def _folder(options: SweepOptions) -> Path:
    named = Path("multirun") / options.sweep
    if any((named / name).is_file() for name in _TELLING):
        return named.resolve()
    files = [path for name in _TELLING for path in Path().glob(f"multirun/*/{name}")]
    dated = sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)
    there = list(dict.fromkeys(path.parent for path in dated))[::-1]
    if options.sweep == "latest" and there:
        return there[-1].resolve()
    names = [path.name for path in there]
    allowed = f"one of the sweeps in ./multirun: {', '.join(names) or 'there is none'}"
    good = options.command("sweep", names[-1]) if names else "python -m lenet_exp.run -m seed=0,1"
    raise ConfigError("sweep", options.sweep, allowed, good)


def lines(folder: Path) -> List[str]:
    """Return who is at work on a sweep, the table of its jobs, and what goes on with it."""
    tags = _tags(folder)
    known = _told_apart(_jobs(folder))
    holder = holder_of(folder)
    rows = [_row(job, folder / job.identity, holder is not None) for job in known]
    told = [f"sweep {folder.name}: {holder or 'nobody'} is at work on it"]
    told += table(rows, len(rows) + 3)
    for job in known:
        of_job = _attempts(folder / job.identity, holder is not None)
        told += [f"  {job.delta}: {text}" for text in of_job]
    begun = f"to go on with it: {tags.get('command', 'unknown')}"
    return [*told, begun if tags else "it is not begun: the same command goes on with it"]


def _told_apart(jobs: Sequence[KnownJob]) -> List[KnownJob]:
    """Return the jobs; those that are called the same, as after a change, by their identities."""
    counts = Counter(job.delta for job in jobs)
    return [job if counts[job.delta] == 1 else job._replace(delta=f"{job.delta} {job.identity}")
            for job in jobs]  # fmt: skip


def holder_of(folder: Path) -> Optional[str]:
    """Return which process is at work on a sweep, as far as can be seen from here; None: none."""
    if _status(folder) != "RUNNING":
        return None
    tag = _tags(folder).get(processes.TAG)
    return None if processes.is_dead(tag) else _who(processes.read(tag))


def locker_of(folder: Path) -> Optional[str]:
    """Return who has the lock of a sweep; None: nobody, as after a death that no tag tells of.

    Not for who only looks on: a launching process that begins meanwhile would find it locked.
    """
    if (folder / journal.NAME).is_file():
        try:
            journal.Journal(folder).close()
        except StoreError:
            return holder_of(folder) or "another process"
    return None


def _who(process: Dict[str, Any]) -> str:
    engines = [f", {name} {process[name]}" for name in ("slurm", "ray") if name in process]
    return f"process {process.get('pid')} on {process.get('host')}{''.join(engines)}"


def _row(job: KnownJob, folder: Path, is_held: bool) -> JobRow:
    watch = Watch(folder)
    state = _STATES.get(_status(folder) or "", "stopped" if watch.step else "waiting")
    if state == "running" and not _may_run(folder, is_held):
        state = "stopped"
    accuracy = watch.metrics.get("accuracy", watch.metrics.get("validation_accuracy"))
    loss = watch.metrics.get("loss")
    return JobRow(job.delta, state, watch.step, job.steps, loss, accuracy, None)


def _may_run(folder: Path, is_held: bool) -> bool:
    """Return whether who makes a job may live: a sweep's attempt ends with who holds the sweep."""
    tag = _tags(folder).get(processes.TAG)
    return (is_held or "attempt" not in processes.read(tag)) and not processes.is_dead(tag)


def _attempts(folder: Path, is_held: bool) -> Iterator[str]:
    """Yield what is wrong with its record, where it is being made, how lost attempts ended."""
    try:
        entries = journal.read(folder)
    except DataError as error:
        yield f"its record {error.args[1]}"
        return
    except OSError:
        return
    given, tags = lease.read(folder), journal.merged(entries, "tags")
    if _status(folder) == "RUNNING" and "pid" in given and _may_run(folder, is_held):
        yield f"attempt {given['attempt']}, {_who(given)}"
    lost = sorted(key for key in tags if key.startswith("lost_"))
    if lost:
        yield f"lost before: {', '.join(tags[key] for key in lost)}"


def _status(folder: Path) -> Optional[str]:
    return journal.merged(_entries(folder), "status").get("status")


def _tags(folder: Path) -> Dict[str, str]:
    return journal.merged(_entries(folder), "tags")


def _entries(folder: Path) -> List[journal.Entry]:
    with contextlib.suppress(OSError, DataError):
        return journal.read(folder)
    return []


def _jobs(folder: Path) -> List[KnownJob]:
    """Return the jobs that were kept; of an earlier version's sweep, those that were begun."""
    try:
        return [_known(**one) for one in json.loads((folder / JOBS).read_text())]
    except (OSError, ValueError, TypeError):
        begun = sorted(path.parent for path in folder.glob(f"*/{journal.NAME}"))
        tagged = [(path, _tags(path)) for path in begun]
        named = [(path, tags.get("job_override", path.name)) for path, tags in tagged
                 if not tags.get("sweep", "").endswith(journal.SUPERSEDED)]  # fmt: skip
        return [KnownJob(path.name, delta, Watch(path).step) for path, delta in named]


def _known(identity: object, delta: object, steps: object) -> KnownJob:
    """Return a job as it was kept; raises TypeError for what nobody wrote."""
    if [type(identity), type(delta), type(steps)] != [str, str, int]:
        raise TypeError(identity)
    return KnownJob(str(identity), str(delta), int(str(steps)))
