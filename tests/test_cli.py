"""One place of help, errors in words and exit codes."""

from __future__ import annotations

import io
import signal
import sys
import types
from dataclasses import dataclass
from typing import ClassVar

import pytest

from lenet_exp import cli, errors
from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import switch
from lenet_exp.errors import DataError, StoreError, Terminated, WriteError
from lenet_exp.record.terminal import print_as_python

AGAIN = "room and permission there, then python -m lenet_exp.ends again"


@dataclass(frozen=True)
class EndsOptions(Options):
    VERB: ClassVar[str] = "ends"
    well: bool = switch(default=True)


@pytest.fixture
def ends(monkeypatch):
    """Return the main of a command whose body is given."""
    before = [(number, signal.getsignal(number)) for number in (2, 15, 1)]

    def made(body):
        module = types.ModuleType("lenet_exp.commands.ends")
        module.main = body
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return cli.command("help\n", EndsOptions)

    yield made
    for number, handler in before:
        signal.signal(number, handler)


def raising(error):
    def body(options):
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("x", "is bad", "y"), 2, "lenet-exp: x: is bad\n  try: y\n"),
        (StoreError("x", "is bad", "y"), 2, "lenet-exp: x: is bad\n  try: y\n"),
        (WriteError("x", "is full", "y"), 1, "lenet-exp: x: is full\n  try: y\n"),
        (
            OSError(28, "No space left on device", "x"),
            1,
            f"lenet-exp: x: No space left on device\n  try: {AGAIN}\n",
        ),
        (KeyboardInterrupt(), 130, "lenet-exp: interrupted\n"),
        (Terminated(), 143, "lenet-exp: terminated\n"),
    ],
)
def test_what_ends_a_command_is_its_exit_code(ends, capsys, error, code, said):
    assert ends(raising(error))([]) == code
    assert capsys.readouterr() == ("", said)


def test_a_body_gets_its_options_and_returns_the_exit_code(ends):
    main = ends(lambda options: 0 if options.well else 1)
    assert (main([]), main(["well=true"]), main(["well=false"])) == (0, 0, 1)


def test_our_own_mistakes_are_no_words(ends):
    with pytest.raises(ZeroDivisionError):
        ends(raising(ZeroDivisionError()))([])


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_needs_no_body(ends, capsys, word):
    assert ends(None)([word]) == 0
    assert capsys.readouterr() == ("help\n", "")


def test_a_wrong_word_needs_no_body(ends, capsys):
    assert ends(None)(["wel=true"]) == 2
    assert "no such key; well is one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("no", name="hydra.core"), "has no hydra\n  try: `make setup`"),
        (ModuleNotFoundError("no", name="lenet_exp.gone"), "ModuleNotFoundError: no"),
        (ValueError("of ours"), "ValueError: of ours"),
    ],
)
def test_a_python_that_lacks_a_package_says_which(error, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    kept = signal.getsignal(signal.SIGINT)
    errors.end_quietly()
    signal.signal(signal.SIGINT, kept)
    sys.excepthook(type(error), error, None)
    assert said in capsys.readouterr().err


def test_a_name_that_the_output_can_not_encode_is_escaped(ends, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert ends(lambda options: print("\u6f22\udce9.py", flush=True) or 0)([]) == 0
    print_as_python()  # a script's own output
    assert written.getvalue() == b"\\u6f22\\udce9.py\n"
    with pytest.raises(UnicodeEncodeError):
        print("\u6f22", flush=True)
