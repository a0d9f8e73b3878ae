"""What is sent to a node of Ray's and runs there: it needs nothing of ours."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import List, Mapping, Optional


class Process:
    """One process beside the actor. It ends with the actor: that closes its standard input."""

    def __init__(self, command: List[str], log: str, folder: str) -> None:
        self._command, self._log, self._folder = command, log, folder
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._begun = threading.Event()

    def begin(self, carried: Mapping[str, str]) -> None:
        """Start it, with these variables beside the node's own.

        Raises:
            OSError: the log can't be written on this node.
        """
        try:
            self._begin(carried)
        finally:
            self._begun.set()  # who waits for it is to know

    def _begin(self, carried: Mapping[str, str]) -> None:
        import ray  # noqa: PLC0415 - on a node

        of_node = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}  # Ray's
        actor = ray.get_runtime_context().get_actor_id()
        with open(self._log, "ab") as log:  # noqa: PTH123 - as it is sent
            try:
                self._process = subprocess.Popen(  # noqa: S603 - no shell, and our own words
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    cwd=self._folder,
                    env={**of_node, **carried, "LENET_EXP_RAY_ACTOR": actor},
                )
            except OSError as error:
                log.write(f"{error}\n".encode())

    def run(self, order: bytes) -> int:
        """Hand over the order; return the exit code, -N for signal N; 2 where nothing began."""
        self._begun.wait()
        if self._process is None:
            return 2
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(order)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; its log says why
        return self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal."""
        if self._process is not None:
            self._process.send_signal(number)
