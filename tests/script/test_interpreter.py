"""What a module that can't be run says, as Python says it."""

import io
import py_compile
import signal
import sys
from pathlib import Path

import pytest

from lenet_exp import errors
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.cli.script_options import ScriptOptions, parts
from lenet_exp.errors import ConfigError
from lenet_exp.script import asked, imports, interpreter, run

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


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a file that is run in this process, which then is as it was."""
    for name in ("path", "argv", "stdout", "stderr", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    before = signal.getsignal(signal.SIGURG)
    yield tmp_path / "a.py"
    signal.signal(signal.SIGURG, before)


def test_a_compiled_file_is_run_as_python_runs_it(script, capsys):
    script.write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    made = py_compile.compile(str(script), str(script.with_name("b.pyc")))
    assert interpreter.run_file(made, ["x"]).code == 0
    assert capsys.readouterr().out == "__main__ ['x']\n"


_LIST = {"modify_mixlist": "/f"}


@pytest.mark.parametrize(("words", "mode", "typed", "said"), [
    (["modify_mixlist=f"], "force_fp16", _LIST,
     "precision=allow_mix_precision precision.modify_mixlist=/f"),
    (["precision=force_fp16", "modify_mixlist=f"], "origin", {**_LIST, "mode": "force_fp16"},
     "precision=allow_mix_precision precision.modify_mixlist=/f"),
    (["steps=3"], "fp17", {}, "steps=3 precision=allow_mix_precision"),
])  # fmt: skip
def test_what_a_script_is_refused_ends_with_the_line_that_was_typed(
    words, mode, typed, said, script, capsys
):
    line = CommandLine(ScriptOptions.program(), *parts(["path=a.py", *words, "--", "--x=1"]))
    with pytest.raises(ConfigError) as caught:
        asked.chosen(asked.Asked(mode), typed)
    script.write_text("from lenet_exp.errors import ConfigError\n"
                      f"raise ConfigError{caught.value.args!r}\n")  # fmt: skip
    assert interpreter.run_file(str(script), [], line.mended).code == 2
    assert f"{line.program} path=a.py {said} -- --x=1\n" in capsys.readouterr().err


@pytest.mark.parametrize("spoilt", [
    "sys.stderr = None", "sys.stderr = sys.stdout = object()", "sys.stderr.close()",
    "sys.excepthook = None",
])  # fmt: skip
@pytest.mark.parametrize("end", ["raise ValueError", "sys.exit('why')", "x = ("])
def test_a_script_may_spoil_what_it_prints_on(spoilt, end, script, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    script.write_text(f"import sys\n{spoilt}\n{end}\n")
    assert interpreter.run_file(str(script), []).code == 1
    interpreter.flush()


class _UnspeakableError(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(("error", "said"), [
    (_UnspeakableError(), "_UnspeakableError: its text can't be had"),
    (ValueError("a\nb"), "ValueError: a"),
    (ConfigError("key", 1, "2", "try"), "key=1 is not possible."),
])  # fmt: skip
def test_any_error_is_said_in_a_line(error, said):
    assert interpreter.in_a_line(error) == said


def test_a_fork_of_a_script_ends_by_a_signal_as_any_process():
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [(number, signal.getsignal(number)) for number in numbers]
    try:
        errors.handle_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the script's own
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        run._hold_signals()
        assert {signal.SIGTERM, signal.SIGHUP} <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
        run._leave_signals()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@pytest.mark.parametrize(("path", "ended"), [(sys.executable, ["FINISHED"]), ("/no/program", [])])
def test_who_becomes_another_program_ends_its_record_before(path, ended):
    said = []
    assert run._before_exec(said.append, lambda *words: words)(path, ["x"]) == (path, ["x"])
    assert said == ended


def test_a_fresh_python_of_a_script_says_that_it_emulates_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "meta_path", [])
    imports.say_if_alone()
    assert "computes in float32: nothing of it is emulated" in capsys.readouterr().err
    imports.AfterImport(lambda module: None).install()
    imports.say_if_alone()
    assert capsys.readouterr().err == ""


def test_the_frames_of_what_runs_a_script_are_shown_nowhere():
    ours = Path(interpreter.__file__).with_name("run.py")
    inner = """Original stack trace for 'Placeholder':
  File "/usr/lib/python3.7/runpy.py", line 85, in _run_code
    exec(code, run_globals)
  File "{}", line 42, in run
    ended = _script(options)
            ^^^^^^^
  File "train.py", line 3, in <module>
    x = tf.placeholder(tf.float32)
"""
    kept = inner.splitlines(True)
    told = interpreter.without_ours(inner.format(ours))
    assert told == "".join(kept[:1] + kept[6:])
