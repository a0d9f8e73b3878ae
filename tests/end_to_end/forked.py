"""Commands in forked processes, used as subprocess uses fresh ones."""

from __future__ import annotations

import array
import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading

from tests.end_to_end import fork_server


@functools.lru_cache(maxsize=None)
def server():
    """Return the control of this process's server, which ends when that is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, fork_server.__file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd="/",
        env={**os.environ, **fork_server.ENVIRONMENT},
        stdin=subprocess.DEVNULL,
    )
    theirs.close()

    @atexit.register
    def end():
        ours.close()
        process.wait()

    return ours


class Forked:
    """A command under way, with what the tests use of Popen."""

    def __init__(self, module, words, folder, environment):
        """Begin, with nothing to read and a pipe for each of the two outputs."""
        (out, stdout), (err, stderr), (told, answers) = os.pipe(), os.pipe(), os.pipe()
        streams = [os.open(os.devnull, os.O_RDONLY), stdout, stderr, answers]
        request = json.dumps(
            {"module": module, "words": words, "folder": folder, "environment": environment}
        )
        descriptors = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))
        server().sendmsg([request.encode()], [descriptors])
        for stream in streams:
            os.close(stream)
        self.args, self.returncode = [module, *words], None
        self.stdout, self.stderr, self._told = os.fdopen(out), os.fdopen(err), told
        self.pid = self._number()

    def _number(self):
        answer = os.read(self._told, fork_server.NUMBER.size)
        assert answer, "the fork server has ended; what it said is in the first test's output"
        return fork_server.NUMBER.unpack(answer)[0]

    def wait(self, timeout=None):
        """Return the exit code, -N for signal N."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            status = self._number()
            os.close(self._told)
            signalled = os.WIFSIGNALED(status)
            self.returncode = -os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
        return self.returncode

    def poll(self):
        """Return the exit code, None while it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

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
        if self.poll() is None:
            os.kill(self.pid, number)

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
