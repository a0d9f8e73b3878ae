"""python -m lenet_exp.compare: which configuration trains best, and how sure that is.

python -m lenet_exp.compare                       the last sweep, or else the whole experiment
python -m lenet_exp.compare sweep=NAME            the runs of a sweep; latest is the last one
python -m lenet_exp.compare tracking.experiment=NAME
python -m lenet_exp.compare 'runs=[ID,ID]'

reference=CONFIGURATION    hold the others against this one: a precision mode, or settings with
                           commas between (precision=force_fp16,optimizer=sgd)
require_accuracy=0.975     exit with 1 if the mean of any configuration is below
tracking.uri=URI           another store than MLflow's default
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Optional, Sequence

from lenet_exp.config.cli import compare_options as asked_words
from lenet_exp.errors import LenetExpError, told
from lenet_exp.record.terminal import stop_printing

if TYPE_CHECKING:  # MLflow
    from lenet_exp.comparison.runs import SelectedRuns
    from lenet_exp.record.store.mlflow_store import Store

_REMEDY = "room and permission in outputs/comparisons, then python -m lenet_exp.compare again"


def compare_sweep(
    tracking_uri: Optional[str],
    experiment: str,
    sweep_name: str,
    reference: Optional[str] = None,
    width: int = 100,
) -> str:
    """Compare the runs of a sweep; return the table: comparison.compared.compare_sweep."""
    from lenet_exp.comparison import compare  # noqa: PLC0415 - MLflow

    return compare.compare_sweep(tracking_uri, experiment, sweep_name, reference, width)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print the comparison, or refuse in words; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if words in (["-h"], ["--help"]):
            print(__doc__, end="")
            return 0
        return _compare(asked_words.read(words))
    except BrokenPipeError:  # `| head`
        stop_printing()
        return 0
    except (LenetExpError, OSError) as error:
        print(f"lenet-exp: {told(error, _REMEDY)}", file=sys.stderr)
        return told(error).exit_code
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130


def _compare(asked: asked_words.Asked) -> int:
    from lenet_exp.comparison import assembled, compare  # noqa: PLC0415 - MLflow
    from lenet_exp.record.commands import short  # noqa: PLC0415 - with it

    experiment = asked.experiment or asked_words.EXPERIMENT
    store = compare.open_store(asked.uri, experiment)
    width = shutil.get_terminal_size((100, 24)).columns
    done = compare.compare(store, _found(store, asked, experiment), asked.reference, width)
    print(done.text)
    print(f"\npage: {short(done.folder / 'comparison.html')}", flush=True)
    missed = assembled.missed(done.comparison, asked.require_accuracy)
    for line in missed:
        print(f"lenet-exp: {line}", file=sys.stderr)
    return 1 if missed else 0


def _found(store: Store, asked: asked_words.Asked, experiment: str) -> SelectedRuns:
    from lenet_exp.comparison import load_runs  # noqa: PLC0415 - MLflow

    if asked.runs:
        return load_runs.chosen(store, asked.runs)
    sweep = asked.sweep
    if sweep is None and asked.experiment is None:
        sweep = load_runs.latest_sweep(store)
    return (
        load_runs.experiment(store, experiment) if sweep is None else load_runs.sweep(store, sweep)
    )


if __name__ == "__main__":
    sys.exit(main())
