"""Jobs on the nodes of a Ray cluster: each the process of an actor of its own."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import shlex
import signal
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

from lenet_exp.config.passwords import without_password
from lenet_exp.errors import EngineError
from lenet_exp.sweep.executors.executor import JOB, Executor, Worker
from lenet_exp.sweep.executors.ray_process import Process
from lenet_exp.sweep.executors.ray_worker import RayWorker, carried, kept_back

_START = "ray start --head, or hydra.launcher.address=HOST:6379"


def connected(address: str) -> Any:
    """Return Ray, connected to a cluster that is there.

    Raises:
        EngineError: Ray is missing here, or there is no cluster.
    """
    ray = _imported("ray")
    if not ray.is_initialized():
        ours = signal.getsignal(signal.SIGTERM)  # Ray sets its own
        try:
            ray.init(address, logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            problem = f"is no cluster that answers ({str(error).splitlines()[0]})"
            raise EngineError(f"Ray at {address}", problem, _START) from error
        finally:
            signal.signal(signal.SIGTERM, ours)
        ray.cloudpickle.register_pickle_by_value(sys.modules[Process.__module__])
    return ray


class Ray(Executor):
    """The cluster at an address; see conf/hydra/launcher/ray.yaml."""

    name = "ray"

    def __init__(self, n_jobs: int, retries: int, **given: Any) -> None:
        super().__init__(n_jobs, retries)
        self._given: Dict[str, Any] = given

    def worker(self, log: Path, name: str, module: Sequence[str] = JOB) -> Worker:
        """Return an actor's process of the module."""
        given, ray = self._given, connected(self._given["address"])
        options = {
            "num_cpus": given["cpus"],
            "resources": dict(given["resources"] or {}),
            "name": name,
        }
        python = given["python"] or sys.executable
        return RayWorker(ray, [python, *module], log, max_restarts=0, **options)

    def cores(self, at_a_time: int) -> int:
        """Return what Ray was asked for."""
        return max(1, int(self._given["cpus"]))

    def submitted(self, name: str) -> Optional[str]:
        """Return the Ray job that has not ended."""
        with self._dashboard() as client:
            for job in client.list_jobs():
                number = job.submission_id or ""  # one that was not submitted has none
                if number.startswith(_prefix(name)) and job.status in ("PENDING", "RUNNING"):
                    return f"Ray job {number}"
        return None

    def submit(self, arguments: Sequence[str], log: Path, name: str) -> str:
        """Submit the launching command as a Ray job."""
        mine = carried(os.environ)
        without = [] if "OMP_NUM_THREADS" in mine else ["-u", "OMP_NUM_THREADS"]  # Ray's
        python = self._given["python"] or sys.executable
        words = ["env", "-C", str(Path.cwd()), *without, python, *arguments]
        line = f"exec {' '.join(map(shlex.quote, words))} >>{shlex.quote(str(log))} 2>&1"
        with self._dashboard() as client:
            number = client.submit_job(
                entrypoint=line,
                submission_id=f"{_prefix(name)}{secrets.token_hex(4)}",  # Ray takes none twice
                runtime_env={"env_vars": mine},
            )
        left = ", ".join(kept_back(os.environ))
        must = f" (the head must have {left}: no password travels)" if left else ""
        return f"Ray job {number}{must}"

    @contextlib.contextmanager
    def _dashboard(self) -> Iterator[Any]:
        dashboard = self._given["dashboard"]
        try:
            yield _imported("ray.job_submission").JobSubmissionClient(dashboard)
        except (OSError, RuntimeError, ValueError) as error:
            problem = without_password(" ".join(str(error).split())[-300:])
            remedy = "hydra.launcher.dashboard=http://HOST:8265"
            raise EngineError(f"Ray's dashboard {dashboard}", problem, remedy) from error


def _prefix(name: str) -> str:
    return f"{name.replace(':', '-')}-"


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = "pip install 'lenet-exp[ray]': the Ray and the Python that the nodes have"
        raise EngineError("hydra/launcher=ray", "needs Ray, which is not here", remedy) from error
