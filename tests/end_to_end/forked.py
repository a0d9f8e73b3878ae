"""Commands in forked processes, used as subprocess uses fresh ones."""

from __future__ import annotations

import atexit
import functools
import os
import signal
import subprocess
import threading

from lenet_exp.sweep.executors.forked import ForkServer
from tests.end_to_end import fork_server


@functools.lru_cache(maxsize=None)
def server():
    """Return this process's server, which ends with it."""
    made = ForkServer(fork_server.__file__)
    atexit.register(made.close)
    return made


class Forked:
    """A command under way, with what the tests use of Popen."""

    def __init__(self, module, words, folder, environment):
        """Begin, with nothing to read and a pipe for each of the two outputs."""
        (out, stdout), (err, stderr) = os.pipe(), os.pipe()
        streams = [os.open(os.devnull, os.O_RDONLY), stdout, stderr]
        request = {
            "module": module, "words": words, "folder": folder, "environment": environment
        }  # fmt: skip
        self._process = server().fork(request, streams)
        for stream in streams:
            os.close(stream)
        self.args = [module, *words]
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        self.pid = self._process.wait_for_pid()

    @property
    def returncode(self):
        return self._process.returncode

    def wait(self, timeout=None):
        """Return the exit code, -N for signal N."""
        if self._process.poll(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def poll(self):
        """Return the exit code, None while it lives."""
        return self._process.poll()

    def communicate(self, timeout=1800):  # seconds; a machine at work on other things
        """Read all that is printed until the end; return stdout and stderr."""
        problems = []
        reader = threading.Thread(target=lambda: problems.append(self.stderr.read()))
        reader.start()
        guard = threading.Timer(timeout, self.kill)
        guard.start()
        said = self.stdout.read()
        reader.join()
        self.wait()
        guard.cancel()
        return said, problems[0]

    def send_signal(self, number):
        """Send a signal, if it lives."""
        self._process.send_signal(number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stdout.close()
        self.stderr.close()
        self.wait()
