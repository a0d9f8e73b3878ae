"""Jobs on the nodes of a Ray cluster: each the process of an actor of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

from lenet_exp.errors import EngineError
from lenet_exp.sweep.places.place import JOB, End, Place, Reason, Worker
from lenet_exp.sweep.places.ray_process import Process, carried
from lenet_exp.sweep.places.reasons import of_exit_code, said

_START = "ray start --head, or hydra.launcher.address=HOST:6379"


def connected(address: str) -> Any:
    """Return Ray, connected to a cluster that is there.

    Raises:
        EngineError: Ray is missing here, or there is no cluster.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        remedy = "pip install 'lenet-exp[ray]': the Ray and the Python that the nodes have"
        raise EngineError("hydra/launcher=ray", "needs Ray, which is not here", remedy) from error
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


class RayWorker(Worker):
    """An actor, and the process that it started on its node."""

    def __init__(self, ray: Any, command: Sequence[str], log: Path, **options: Any) -> None:
        self._ray, self._log, self._ended = ray, log, None  # type: Any, Path, Optional[Reason]
        self._begins = log.stat().st_size if log.exists() else 0
        self._actor_class = ray.remote(Process).options(max_concurrency=3, **options)
        self._command, self._code = list(command), None  # type: Sequence[str], Optional[int]

    def start(self, order: Mapping[str, Any]) -> None:
        """Ask for the actor; the order waits for it."""
        self._actor = self._actor_class.remote(self._command, str(self._log), str(Path.cwd()))
        self._begun = self._actor.begin.remote(carried(os.environ))
        self._run = self._actor.run.remote(json.dumps(order).encode() + b"\n")

    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; that of a SIGKILL where the actor is lost."""
        if self._code is None and self._ray.wait([self._run], timeout=0)[0]:
            try:
                self._code = int(self._ray.get(self._run))
                self._ended = of_exit_code(self._code, said(self._log, self._begins))
            except self._ray.exceptions.RayError as error:
                self._code, self._ended = -signal.SIGKILL, _lost(error)
            self._ray.kill(self._actor)  # its share is free again
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to the process; who waits for a node leaves the queue."""
        if self.poll() is not None:
            return
        if number != signal.SIGKILL and self._ray.wait([self._begun], timeout=0)[0]:
            self._actor.signal.remote(number)
        else:
            self._ray.kill(self._actor)

    def reason(self) -> Reason:
        """Return what its exit code means, or what Ray knows of its end."""
        return self._ended or Reason(End.LOST, "it has not ended")


def _lost(error: Exception) -> Reason:
    text = " ".join(str(error).split())
    memory = "OutOfMemory" in type(error).__name__ or "out of memory" in text.lower()
    return Reason(End.MEMORY if memory else End.LOST, f"{type(error).__name__}: {text[:150]}")


class Ray(Place):
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

    def submit(self, command: Sequence[str], log: Path, name: str) -> str:
        """Submit the launching command as a Ray job."""
        number = name.replace(":", "-")
        words = ["ray", "job", "submit", "--no-wait", f"--submission-id={number}"]
        words += [f"--address={self._given['dashboard']}", "--", "env", "-C", str(Path.cwd())]
        done = subprocess.run(  # noqa: S603 - no shell, and our own words
            [*words, *command], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            problem = (done.stderr or done.stdout).strip()[-300:]
            raise EngineError(
                "ray job submit", problem, "hydra.launcher.dashboard=http://HOST:8265"
            )
        return f"Ray job {number} (ray job logs {number})"
