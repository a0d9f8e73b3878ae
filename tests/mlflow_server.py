"""A real MLflow server, of this stack's MLflow or another's, that can be killed and come back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

_SERVE = "from mlflow.cli import cli; cli()"


def python_of(stack):
    """Return the Python of a stack's environment in this checkout; None where there is none."""
    path = Path(__file__).parents[1] / ".venv" / stack / "bin" / "python"
    return path if path.exists() else None


class MlflowServer:
    """Serves runs of a database, and artifacts that it keeps itself, on loopback."""

    def __init__(self, folder: Path, python: Path = Path(sys.executable)) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.folder, self._python = folder, python
        folder.mkdir()

    def start(self):
        """Start it, and wait until it answers; the same runs are there as before."""
        environment = {
            **os.environ,
            "PATH": f"{self._python.parent}:{os.environ['PATH']}",  # gunicorn's
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        environment.pop("MLFLOW_TRACKING_URI", None)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._python), "-c", _SERVE, "server", "--workers", "2", "--serve-artifacts",
                 "--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}",
                 "--artifacts-destination", str(self.folder / "artifacts"),
                 "--host", "127.0.0.1", "--port", str(self.port)],
                cwd=str(self.folder), env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 300
        while not self._answers():
            assert time.monotonic() < until
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.2)
        return self

    def _answers(self):
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        """Kill it and its workers at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
