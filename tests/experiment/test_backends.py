"""What the device of a run is given."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.data.mnist import Split
from lenet_exp.experiment import backends

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(("first_step", "left"), [(0, 20), (10, 10), (20, 1)])
def test_a_chip_has_batches_also_where_only_the_test_is_left(first_step, left, monkeypatch):
    made = SimpleNamespace(program=SimpleNamespace(graph=None))
    monkeypatch.setattr(backends.device_program, "build", lambda *_: made)
    monkeypatch.setattr(backends, "DeviceRunner", lambda _made, _session, fed, *_: fed)
    settings = settings_to_explain(["hardware=ascend910", "schedule=smoke"])
    backend = backends.ChipBackend(settings, 1, 0, {})
    monkeypatch.setattr(backend, "open_session", lambda _: contextlib.nullcontext())
    train = Split(np.zeros([100, 28, 28, 1], np.uint8), np.zeros(100, np.uint8))
    with backend.open_runner(None, None, train, first_step, print) as fed:
        assert fed[2].shape == (left, 64)
