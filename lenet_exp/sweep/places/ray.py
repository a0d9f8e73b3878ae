"""Jobs on the nodes of a Ray cluster: each the process of an actor of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Sequence

from lenet_exp.errors import EngineError
from lenet_exp.sweep.places.place import JOB, Place, Worker
from lenet_exp.sweep.places.ray_process import Process
from lenet_exp.sweep.places.ray_worker import RayWorker

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
