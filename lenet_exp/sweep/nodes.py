"""What a node must have for a job, asked of one before anything is queued."""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from lenet_exp import __version__, tf_compat
from lenet_exp.config.passwords import without_password
from lenet_exp.errors import EngineError
from lenet_exp.record.run import conditions
from lenet_exp.record.waiting import waiting
from lenet_exp.sweep.attempt import PAUSE, name_of
from lenet_exp.sweep.decision import Action, Decision
from lenet_exp.sweep.executors.executor import PROBE
from lenet_exp.sweep.executors.ordered import OURS
from lenet_exp.sweep.jobs import Request

_LOG = "probe.log"


def prepare(request: Request, decisions: Sequence[Decision], uri: str) -> None:
    """Where something is to be made on nodes, end what is left there and ask one; as `check`."""
    if any(one.action is not Action.KEEP for one in decisions) and not request.executor.is_here:
        request.executor.end_leftovers(name_of(request.folder))
        check(request, uri)


def tidy(request: Request) -> None:
    """End what an engine still has of jobs that have ended, as where it was away then."""
    with contextlib.suppress(EngineError):  # it is away again
        request.executor.end_leftovers(name_of(request.folder))


def check(request: Request, uri: str) -> None:
    """Have a node look for Python, code, folder, store and data that the jobs will need there.

    `uri` is of the store.

    Raises:
        EngineError: it names all that the node lacks; or no node could be had.
    """
    executor, log = request.executor, request.folder / _LOG
    with _mark(request.folder) as (mark, token):
        log.write_bytes(b"")
        worker = executor.worker(log, f"{name_of(request.folder)}probe", PROBE)
        worker.start(
            {
                "stack": tf_compat.stack_of_this_python(),
                "version": __version__,
                "code_sha256": conditions.code_sha256(),
                "mark": str(mark),
                "token": token,
                "store": without_password(uri),  # Ray's store is everybody's
                "data": sorted({job.settings.data.path or "" for job in request.jobs}),
            }
        )
        try:
            with waiting(f"asking a node ({executor.name})"):
                while worker.poll() is None:
                    time.sleep(PAUSE)
        except BaseException:
            worker.signal(signal.SIGTERM)
            worker.signal(signal.SIGKILL)
            raise
    lines = log.read_text(errors="replace").splitlines()
    log.unlink()
    if worker.poll() == 0:
        return
    said = [line[len(OURS) :] for line in lines if line.startswith(OURS)]
    problem = "; ".join(said) or "; ".join(lines[-3:]) or worker.reason().text
    raise EngineError(
        f"a node of hydra/launcher={executor.name}", f"lacks: {problem}", _remedy(said)
    )


def _remedy(said: object) -> str:
    if said:
        return "what is named, on a file system that all nodes share; docs/cluster.md"
    return "other options of hydra.launcher; docs/cluster.md"


@contextlib.contextmanager
def _mark(folder: Path) -> Iterator[Tuple[Path, str]]:
    """Yield a file of this folder and what it holds, which only the same folder has."""
    token = secrets.token_hex(8)
    mark = folder / f".{token}.mark"
    mark.write_text(token)
    try:
        yield mark, token
    finally:
        mark.unlink()
