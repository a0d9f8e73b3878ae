"""A device is one process's, until that process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.errors import HardwareError
from lenet_exp.hardware import ascend910, devices

pytestmark = pytest.mark.stackless

HOLD = """
import sys, time
from lenet_exp.hardware.devices import locked
with locked([int(word) for word in sys.argv[1:]]) as device:
    print(device, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A function that starts a process which takes a device and keeps it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # read anew
    started = []

    def start(*candidates):
        words = [str(device) for device in candidates]
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, *words], stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        return child, int(child.stdout.readline())

    yield start
    for child in started:
        child.kill()
        child.communicate()


def test_each_process_gets_a_device_of_its_own(hold):
    assert [hold(0, 1, 2)[1] for _ in range(3)] == [0, 1, 2]


def test_none_free_says_who_holds_them(hold):
    first, second = hold(4, 5)[0], hold(4, 5)[0]
    with pytest.raises(HardwareError) as caught, devices.locked([4, 5]):
        pass
    assert f"4 by process {first.pid}, 5 by process {second.pid}" in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_that_dies_lets_go_of_its_device(hold, number):
    child, device = hold(0)
    with pytest.raises(HardwareError), devices.locked([0]):
        pass
    os.kill(child.pid, number)
    child.wait()
    with devices.locked([0]) as taken:
        assert taken == device
    assert hold(0)[1] == 0


def test_another_user_s_lock_is_opened_as_fs_protected_regular_demands(tmp_path, monkeypatch):
    folder, opened = tmp_path / "lenet_exp_devices", os.open
    folder.mkdir(mode=0o1777)
    (folder / "0.lock").write_text("")

    def protected(path, flags, mode=0o777):
        if flags & os.O_CREAT and Path(path).exists():
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, flags, mode)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "open", protected)
    for device in (0, 1):  # one that is there, one that is made
        with devices.locked([device]) as taken:
            assert (folder / f"{taken}.lock").read_text() == str(os.getpid())


def test_a_lock_that_may_not_be_made_is_told_in_words(tmp_path, monkeypatch):
    (tmp_path / "lenet_exp_devices").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(HardwareError, match="permission"), devices.locked([0]):
        pass


@pytest.mark.parametrize(
    ("words", "environ", "wanted"),
    [
        ([], {}, (0, 1, 2, 3, 4, 5, 6, 7)),
        (["hardware.devices=[6,2]"], {}, (6, 2)),
        (["hardware.device=5"], {"ASCEND_DEVICE_ID": "1"}, (5,)),
        ([], {"ASCEND_DEVICE_ID": "1"}, (1,)),
        ([], {"ASCEND_DEVICE_ID": "1", "DEVICE_ID": "2"}, (1,)),
        (["hardware.devices=[6]"], {"ASCEND_DEVICE_ID": "", "DEVICE_ID": "2"}, (2,)),
    ],
)
def test_which_devices_a_run_may_take(words, environ, wanted):
    chip = settings_to_explain(["hardware=ascend910", *words]).hardware
    assert ascend910.candidates(chip, environ) == wanted


@pytest.mark.parametrize("own", [None, "", "1"])
def test_a_device_is_named_in_the_environment_as_long_as_it_is_used(monkeypatch, own):
    """A later run of the process finds the person's own value again."""
    monkeypatch.delenv("ASCEND_DEVICE_ID", raising=False)
    if own is not None:
        monkeypatch.setenv("ASCEND_DEVICE_ID", own)
    with contextlib.suppress(KeyError), ascend910.named_in_environment(3):
        assert os.environ["ASCEND_DEVICE_ID"] == "3"
        raise KeyError
    assert os.environ.get("ASCEND_DEVICE_ID") == own
