"""`seeds_until=decided`: which seeds are still to be added, by what the finished jobs came to."""

from __future__ import annotations

from typing import List, NamedTuple, Sequence, Tuple

from lenet_exp.comparison import estimates, verdicts
from lenet_exp.comparison.configurations import Configuration, configurations, reference_of
from lenet_exp.comparison.runs import Recorded
from lenet_exp.config.cli import suggest
from lenet_exp.config.compose import flatten
from lenet_exp.errors import DataError
from lenet_exp.record.store import journal
from lenet_exp.record.store.journal import Entry
from lenet_exp.sweep.jobs import ComposedJob, Request, SweepJob

_LARGEST_SEED = 2**31 - 1  # that a run takes
_ALIKE = 3  # seeds after which networks that come out the same to the last image are alike


class Added(NamedTuple):
    """Jobs to be made, each as another one with a seed; `said` tells why these, or none."""

    jobs: List[Tuple[ComposedJob, int]]
    said: str


def check(request: Request, jobs: Sequence[SweepJob]) -> None:
    """Refuse seeds that could decide nothing.

    Raises:
        ConfigError: nothing is compared, the reference is none of it, or the seeds are too many.
    """
    made = configurations(map(_recorded, jobs))
    key, options = "seeds_until", request.options
    if len(made) < 2:
        allowed = "a sweep of two configurations or more, which it decides between"
        good = "-m seeds_until=decided 'precision=glob(*)'"
        raise suggest.not_possible(key, options.seeds_until, allowed, good)
    reference_of(made, options.reference)
    most = max(len(_seeds(one)) for one in made)
    highest = max(job.settings.seed for job in jobs)
    if highest + options.max_seeds - most > _LARGEST_SEED:
        allowed = (
            f"seeds to which {options.max_seeds - most} more can be added, up to {_LARGEST_SEED}"
        )
        raise suggest.not_possible("seed", highest, allowed, "-m seed=0")
    if most > options.max_seeds:
        allowed = f"{most} or more, as many as the line has already"
        raise suggest.not_possible("max_seeds", options.max_seeds, allowed, f"-m max_seeds={most}")


def added(request: Request, jobs: Sequence[SweepJob]) -> Added:
    """Return what is to be made next, by the journals of the jobs that have ended.

    Each configuration whose verdict is open gets seeds, and the reference the same ones.
    """
    made = configurations(map(_recorded, jobs))
    reference = reference_of(made, request.options.reference)
    level = verdicts.level_of(verdicts.compared(made, reference))
    undecided = [one for one in made if one is not reference and _is_open(one, reference, made)]
    if not undecided or _has_failed(reference):
        return Added([], f"no more seeds: {_why_none(made, reference)}")
    named = ", ".join(one.label for one in undecided)
    growing = [reference, *undecided]
    have = max(len(_seeds(one)) for one in growing)
    left = request.options.max_seeds - have
    if left <= 0:
        return Added([], f"no more seeds: max_seeds={request.options.max_seeds}; open: {named}")
    at_once = max(
        1, request.executor.n_jobs // len(growing), estimates.least_sequential(level) - have
    )
    first = 1 + max(job.settings.seed for job in jobs)
    seeds = range(first, first + min(left, at_once))
    known = {job.identity: job.composed for job in jobs}
    like = [known[(*one.runs, *one.others)[0].run_id] for one in growing]
    said = f"open after {have} seeds: {named}; added: seed={','.join(map(str, seeds))}"
    return Added([(one, seed) for seed in seeds for one in like], said)


def _recorded(job: SweepJob) -> Recorded:
    """Return a job as the store would, of a sweep whose seeds are added."""
    entries = _entries(job)
    tags = {**journal.merged(entries, "tags"), "seeds_until": "decided"}
    texts = {k: "null" if v is None else str(v) for k, v in flatten(job.settings).items()}
    status = journal.merged(entries, "status").get("status", "")
    metrics = journal.merged(entries, "metrics")
    return Recorded(job.identity, "", status, 0, texts, tags, metrics, "")


def _entries(job: SweepJob) -> List[Entry]:
    """Return what its journal has; of one that is damaged, that it failed: it is to be redone."""
    try:
        return job.recorded()
    except DataError:
        return [Entry("status", {"status": "FAILED"}, 0)]


def _seeds(one: Configuration) -> List[int]:
    return [run.seed for run in (*one.runs, *one.others)]


def _has_failed(one: Configuration) -> bool:
    return any(run.status == "FAILED" for run in one.others)


def _is_open(one: Configuration, reference: Configuration, made: Sequence[Configuration]) -> bool:
    if _has_failed(one) or verdicts.not_comparable(one, reference):
        return False
    found = verdicts.verdict(one, reference, verdicts.compared(made, reference), {})
    alike = found.word == verdicts.IDENTICAL and found.runs[0] >= _ALIKE
    return not (alike or found.word in (verdicts.BETTER, verdicts.WORSE))


def _why_none(made: Sequence[Configuration], reference: Configuration) -> str:
    failed = [one.label for one in made if _has_failed(one)]
    if failed:
        return f"jobs failed of {', '.join(failed)}"
    return f"every verdict is decided, after {max(len(one.runs) for one in made)} seeds"
