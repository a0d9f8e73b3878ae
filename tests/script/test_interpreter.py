"""What a module that can't be run says, as Python says it."""

import py_compile
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


def test_a_compiled_file_is_run_as_python_runs_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    (tmp_path / "a.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    made = py_compile.compile(str(tmp_path / "a.py"), str(tmp_path / "b.pyc"))
    before = signal.getsignal(signal.SIGURG)
    try:
        assert interpreter.run_file(made, ["x"]).code == 0
    finally:
        signal.signal(signal.SIGURG, before)
    assert capsys.readouterr().out == "__main__ ['x']\n"
