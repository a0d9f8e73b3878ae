"""A network -> the modes it can be trained in, what has to stay float32, and one recommendation."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys

from lenet_exp import tf_compat
from lenet_exp.commands.advice import check, files, search, text, words
from lenet_exp.commands.advice.command import not_taken
from lenet_exp.commands.diagnose import step_of
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.errors import ConfigError
from lenet_exp.record import writable

_PROGRAM = 3  # words: python -m lenet_exp.run


def main(options: AdviseOptions) -> int:
    """Print the advice, and write the files of its keep list.

    Raises:
        LenetExpError: there is no such run, graph or file; a file can't be written.
    """
    writable.check("to", options.to, options.command("to", "DIR"))
    tf_compat.configure(hide_gpus=True, deterministic=False)
    step, settings = search.scaled(*step_of(options))
    # What a run kept float32 is looked for anew; what is typed now stays in any case.
    kept = options.settings.precision.keep_dtype
    precision = dataclasses.replace(settings.precision, keep_dtype=kept)
    settings = dataclasses.replace(settings, precision=precision)
    found = search.advice(options, step, settings, _say)
    made = files.written(options.to, step, settings, found.best)
    line, last = "", ""
    if found.best is not None:
        scale = found.scale(is_trained=options.target.measure == "accuracy")
        verb = "its plan" if words.is_of_a_person(options) else "train it"
        try:
            line = words.command(options, settings, found.best, scale, made, step)
            last = f"{verb}: {line}"
        except ConfigError as error:
            last = not_taken(error)
    if options.format == "json":
        print(text.as_data(options, found, line), flush=True)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        print(text.text(options, found, last, width), flush=True)
    return check.check(shlex.split(line)[_PROGRAM:], settings) if options.check else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
