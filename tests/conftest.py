"""TensorFlow where a test needs it, real MNIST, and nothing of the person's own environment."""

from __future__ import annotations

import functools
import os
import re
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from tests.stacks import leave_to_full

# A shell in the background ignores Ctrl-C, and so would every process a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test module can import TensorFlow or matplotlib.
tf_compat.configure(hide_gpus=True, deterministic=True)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def pytest_addoption(parser):
    parser.addoption(
        "--light", action="store_true", help="only files that are stackless, and no TensorFlow"
    )
    parser.addoption(
        "--longest-share", type=float, default=1.0, help="of the whole time, for any one test"
    )


def pytest_configure(config):
    # xdist: files in their own order; those with most tests are not those that take longest.
    config.option.loadscopereorder = False
    if hasattr(config, "workerinput"):
        # As above, where all is started under nohup: that goes on, and its processes end as usual.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    else:
        config.pluginmanager.register(Longest(config.option.longest_share))


def pytest_ignore_collect(collection_path, config):
    if not collection_path.match("test_*.py"):
        return None
    if is_stackless(collection_path):
        unwanted = "not stackless" in config.option.markexpr  # saved the seconds of importing it
    else:
        unwanted = config.option.light
    return True if unwanted else None


def pytest_collectstart(collector):
    if isinstance(collector, pytest.Module) and not is_stackless(collector.path):
        load_tensorflow()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items):
    leave_to_full(items)


@functools.lru_cache(maxsize=None)
def is_stackless(path: Path) -> bool:
    """Return whether every test of a file needs no TensorFlow, without importing it."""
    return re.search(r"^pytestmark\b.*\bstackless\b", path.read_text(), re.MULTILINE) is not None


@functools.lru_cache(maxsize=None)
def load_tensorflow():
    from lenet_exp.cpu_session import fix_threads

    with warnings.catch_warnings():  # its own import warns, and breaks if that is an error
        warnings.simplefilter("ignore")
        tf_compat.load()
    fix_threads(1)  # bits are compared here


class Longest:
    """Fails a session of which one test took more than a share of the time."""

    def __init__(self, share):
        self.share, self.began, self.seconds = share, time.monotonic(), Counter()
        self.limit = float("inf")

    def pytest_runtest_logreport(self, report):
        # The larger part, not the sum: what a file prepares belongs to all of its tests.
        self.seconds[report.nodeid] = max(self.seconds[report.nodeid], report.duration)

    def too_long(self):
        return {test: took for test, took in self.seconds.items() if took > self.limit}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if self.share < 1:
            self.limit = self.share * (time.monotonic() - self.began)
        if self.too_long():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        for test, took in self.too_long().items():
            terminalreporter.write_line(
                f"TOO LONG {test}: {took:.0f} s, and no test may take more than {self.share:.0%} "
                f"of the whole, {self.limit:.0f} s: make it shorter, or mark it full"
            )


@pytest.fixture(autouse=True)
def no_tensorflow_in_light_tests(pytestconfig):
    yield
    assert not (pytestconfig.option.light and "tensorflow" in sys.modules), "not stackless"


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The verified files; fetched where missing, as a first run does."""
    from lenet_exp.data import download, files

    folder = files.cache_folder()
    download.fetch(folder, lambda name, share: None)
    return folder


@pytest.fixture(scope="session")
def part_of_mnist(mnist_folder):
    """What `PART` names is there."""
    from tests.data.part_of_mnist import make_part

    make_part(mnist_folder)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """Run each test in an empty folder, with no store chosen from outside."""
    for name in ("TRACKING_URI", "RUN_ID", "ALLOW_FILE_STORE", "EXPERIMENT_NAME", "EXPERIMENT_ID"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "100")  # whatever a worker inherits
    monkeypatch.setattr("lenet_exp.record.terminal._came_from", [])  # of a test before
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stack() -> str:
    return tf_compat.stack_of_this_python()
