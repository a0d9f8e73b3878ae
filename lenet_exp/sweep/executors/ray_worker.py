"""An actor of Ray's, what Ray knows of its end, and how it is ended."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from lenet_exp.config.passwords import is_secret, without_password
from lenet_exp.sweep.executors.executor import End, Reason, Worker
from lenet_exp.sweep.executors.ray_process import Process
from lenet_exp.sweep.executors.reasons import of_exit_code, said

# What a job reads of the environment. A password is set on the nodes: Ray's store is everybody's.
_CARRIED = ("MLFLOW_", "LENET_EXP_", "PYTHON", "TF_", "OMP_")
# Of Ray's own words, where its monitor of a node's memory has killed an actor.
_MEMORY = re.compile("out of memory|low on memory", re.IGNORECASE)
_NODE = re.compile(r"\(IP: ([^,) ]+)")
_LIMIT = re.compile(r"threshold of (?:\d+B \()?(\d+(?:\.\d+)?%?)")  # since 2.56, and before


def carried(environment: Mapping[str, str]) -> Dict[str, str]:
    """Return what of the launching process's environment its jobs have, too."""
    named = {key: value for key, value in environment.items() if key.startswith(_CARRIED)}
    shown = {key: value for key, value in named.items() if not is_secret(key)}
    return {key: value for key, value in shown.items() if value == without_password(value)}


def kept_back(environment: Mapping[str, str]) -> List[str]:
    """Return the variables that jobs read and that hold a password: each node has its own."""
    return sorted(
        key for key in {*environment} - {*carried(environment)} if key.startswith(_CARRIED)
    )


class RayWorker(Worker):
    """An actor, and the process that it started on its node."""

    def __init__(self, ray: Any, command: Sequence[str], log: Path, **options: Any) -> None:
        self._ray, self._log = ray, log
        self._ended: Optional[Reason] = None
        self._begins = log.stat().st_size if log.exists() else 0
        self._actor_class = ray.remote(Process).options(max_concurrency=3, **options)
        self._command = list(command)
        self._code: Optional[int] = None

    def start(self, order: Mapping[str, Any]) -> None:
        """Ask for the actor; the order waits for it."""
        self._actor = self._actor_class.remote(self._command, str(self._log), str(Path.cwd()))
        self._begun = self._actor.begin.remote(carried(os.environ))
        self._run = self._actor.run.remote(json.dumps(order).encode() + b"\n")

    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; that of a SIGKILL where the actor is lost."""
        if self._code is None and self._ray.wait([self._run], timeout=0)[0]:
            try:
                self._ray.get(self._begun)
                self._code = int(self._ray.get(self._run))
                self._ended = of_exit_code(self._code, said(self._log, self._begins))
            except self._ray.exceptions.RayTaskError as error:  # of its node, and so again there
                self._code = 2
                self._ended = Reason(End.FAILED, f"{type(error.cause).__name__}: {error.cause}")
            except self._ray.exceptions.RayError as error:
                self._code, self._ended = -signal.SIGKILL, lost(error)
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


def lost(error: Exception) -> Reason:
    """Return what an error of Ray's says of the end of an actor."""
    name, text = type(error).__name__, " ".join(str(error).split())
    if name == "OutOfMemoryError" or _MEMORY.search(text):
        node, limit = _NODE.search(text), _LIMIT.search(text)
        where = f" on {node.group(1)}" if node else ""
        used = f", limit {limit.group(1)} of its memory" if limit else ""
        return Reason(End.MEMORY, f"out of memory{where}{used}")
    return Reason(End.LOST, f"{name}: {text[:150]}")
