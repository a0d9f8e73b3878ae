"""What a module that can't be run says, as Python says it."""

import signal
import sys

import pytest

from lenet_exp.script import interpreter

pytestmark = pytest.mark.stackless


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a package whose import fails, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    (tmp_path / "that_fails").mkdir()
    (tmp_path / "that_fails" / "__init__.py").write_text("raise ValueError('its own')\n")
    before = signal.getsignal(signal.SIGURG)
    yield "that_fails"
    signal.signal(signal.SIGURG, before)


def test_a_package_that_fails_is_shown_without_what_runs_it(package, capsys):
    assert interpreter.run_module(f"{package}.train", ()).code == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == "ValueError: its own"
    assert "runpy" not in said


@pytest.mark.usefixtures("package")
def test_a_module_that_is_not_there_is_said_in_a_line(capsys):
    assert interpreter.run_module("no_such_module", ()).code == 1
    assert capsys.readouterr().err == f"{sys.executable}: No module named no_such_module\n"
