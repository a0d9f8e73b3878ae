"""A sweep that an advice trains by ends in order, however the advice is ended."""

from __future__ import annotations

import subprocess

import pytest

from lenet_exp.commands.advice import process
from lenet_exp.errors import Terminated

pytestmark = pytest.mark.stackless


class Child:
    """A process that ends, `ends` seconds after a Ctrl-C, or by a signal."""

    def __init__(self, interrupt, ends):
        self._interrupt, self._ends, self.heard, self._code = interrupt, ends, [], None

    def wait(self, timeout=None):
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        if timeout is not None and timeout < self._ends:
            raise subprocess.TimeoutExpired("run", timeout)
        self._code = 0
        return 0

    def poll(self):
        return self._code

    def terminate(self):
        self.heard.append("terminate")


@pytest.mark.parametrize(
    ("interrupt", "ends", "heard"),
    [
        (None, 0, []),
        (KeyboardInterrupt(), 5, []),
        (KeyboardInterrupt(), 500, ["terminate"]),
        (Terminated(), 5, ["terminate"]),
    ],
)
def test_it_is_waited_for(monkeypatch, interrupt, ends, heard):
    child = Child(interrupt, ends)
    monkeypatch.setattr(process.subprocess, "Popen", lambda command, **options: child)
    if interrupt is None:
        assert process.train(["seed=0"]) == 0
    else:
        with pytest.raises(type(interrupt)):
            process.train(["seed=0"])
    assert child.heard == heard
    assert child.poll() == 0
