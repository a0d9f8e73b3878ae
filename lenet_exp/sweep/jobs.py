"""The jobs of a sweep: which configuration, under which identity, in which folder."""

from __future__ import annotations

import abc
import functools
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.config.cli.suggest import shown
from lenet_exp.config.compose import flatten
from lenet_exp.config.identity import config_hash, is_part
from lenet_exp.config.schema.run import SWEEP_KEYS, Settings, Sweep
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal
from lenet_exp.record.store.journal import Entry
from lenet_exp.sweep.executors.executor import Executor


class ComposedJob(NamedTuple):
    """A job as it was composed: its overrides, its settings, and Hydra's files of it.

    `left_out`: what was typed that only jobs with another option of its group have.
    """

    overrides: Tuple[str, ...]
    settings: Settings
    files: Mapping[str, str]
    left_out: Tuple[str, ...] = ()


class Request(NamedTuple):
    """A sweep as it was typed.

    `folder` is named by the sweep's name; `executor` makes its jobs; `command` goes on with it;
    `with_seed` composes a job anew with another seed.
    """

    folder: Path
    options: Sweep
    executor: Executor
    command: str
    jobs: Sequence[ComposedJob]
    with_seed: Callable[[ComposedJob, int], ComposedJob] = lambda job, seed: job

    @property
    def tags(self) -> Dict[str, str]:
        """What each of its runs says of it in MLflow."""
        until = self.options.seeds_until
        return {"sweep": self.name, **({"seeds_until": until} if until else {})}

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.folder.name


class Job(abc.ABC):
    """A job as a sweep makes it; `delta` is what it has that other jobs of the line have not."""

    delta: str
    identity: str
    folder: Path

    @property
    def known_by(self) -> Tuple[str, ...]:
        """What the tag config_hash of its run may be."""
        return (self.identity,)

    @property
    @abc.abstractmethod
    def steps(self) -> int:
        """Steps that it makes in all; 0: not known."""

    @property
    @abc.abstractmethod
    def order(self) -> Dict[str, Any]:
        """What its process is told beside its folder, as JSON can hold it."""

    @property
    def files(self) -> Mapping[str, str]:
        """What is kept of it in .hydra before it begins."""
        return {}

    @abc.abstractmethod
    def result(self, metrics: Mapping[str, float]) -> str:
        """Return what its record comes to."""

    @property
    def is_begun(self) -> bool:
        """Whether there is anything of it."""
        return (self.folder / journal.NAME).is_file()

    def recorded(self) -> List[Entry]:
        """Return what its journal has; nothing of a job that was never begun."""
        return journal.read(self.folder) if self.is_begun else []


@dataclass(frozen=True)
class SweepJob(Job):
    """A training of ours; `today`: what its run is tagged with, if not with `identity`."""

    composed: ComposedJob
    delta: str
    identity: str
    folder: Path
    today: str = ""

    @property
    def known_by(self) -> Tuple[str, ...]:
        """Its folder's name, of an earlier version perhaps, and its identity of today."""
        return self.identity, self.today

    @property
    def settings(self) -> Settings:
        """The checked settings."""
        return self.composed.settings

    @property
    def steps(self) -> int:
        """Steps that it makes in all."""
        return self.settings.schedule.epochs * self.settings.schedule.steps_per_epoch

    @property
    def order(self) -> Dict[str, Any]:
        """Its settings."""
        return {"settings": asdict(self.settings)}

    @property
    def files(self) -> Mapping[str, str]:
        """Hydra's own."""
        return self.composed.files

    def result(self, metrics: Mapping[str, float]) -> str:
        """Return its accuracy and speed."""
        return f"accuracy {metrics['accuracy']:.4f}, sec/step {metrics['sec_per_step']:.5f}"


def jobs_of(
    request: Request, data_sha256: Callable[[Optional[str]], str], stack: str
) -> List[SweepJob]:
    """Return a job for each composed one, in their order; equal ones have equal identities.

    Args:
        request: the sweep.
        data_sha256: the hash of the data that a `data.path` chooses.
        stack: "tf1" or "tf2".
    """
    found = []
    hash_once = functools.lru_cache(maxsize=None)(data_sha256)
    for composed, delta in zip(request.jobs, deltas([job.overrides for job in request.jobs])):
        settings = composed.settings
        data = hash_once(settings.data.path)
        identity = run_folders.job_identity(request.folder, settings, data, stack)
        today = config_hash(settings, data, stack)
        found.append(SweepJob(composed, delta, identity, request.folder / identity, today))
    return found


def counted(jobs: Sequence[ComposedJob]) -> str:
    """Return how many jobs there are, and how many were asked for where some are the same."""
    kept = [flatten(job.settings) for job in jobs]
    number = len({repr({k: v for k, v in one.items() if _sets_apart(k)}) for one in kept})
    said = f"{number} job{'s' if number > 1 else ''}"
    same = f" ({len(jobs)} were asked for, and some of them are the same)"
    return said if number == len(jobs) else said + same


def _sets_apart(key: str) -> bool:
    return is_part(key) or key == "data.path"  # what is there counts, and isn't read yet


def varied(jobs: Sequence[ComposedJob]) -> Dict[str, str]:
    """Return each setting that is not alike in all jobs -> its values, with commas between."""
    flat = [flatten(job.settings) for job in jobs]
    found = {}
    for key in dict.fromkeys(key for one in flat for key in one):
        values = dict.fromkeys(str(shown(one[key])) for one in flat if key in one)
        if len(values) > 1 or any(key not in one for one in flat):
            found[key] = ",".join(values)
    return found


def deltas(overrides: Sequence[Sequence[str]]) -> List[str]:
    """Return what tells each job from the others; all it has, where there is no other."""
    varied = [[w for w in job if w.partition("=")[0] not in SWEEP_KEYS] for job in overrides]
    counts = Counter(word for job in varied for word in set(job))
    own = [[word for word in job if counts[word] < len(varied)] for job in varied]
    return [",".join(mine or everything) or "the defaults" for mine, everything in zip(own, varied)]
