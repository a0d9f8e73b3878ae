"""The runs of a sweep, or those that are named -> a table, and a page."""

from __future__ import annotations

import shutil
import sys
from typing import List

from lenet_exp.comparison import assembled, compare, load_runs
from lenet_exp.comparison.runs import SelectedRuns
from lenet_exp.config.cli.recorded_options import CompareOptions
from lenet_exp.config.tracking import experiment_name
from lenet_exp.record.next_steps import compare_command, next_steps, open_command
from lenet_exp.record.store import store_check
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import short
from lenet_exp.record.waiting import waiting


def main(options: CompareOptions) -> int:
    """Print the comparison; return 1 if a configuration misses the accuracy that is required."""
    store = compare.open_store(options.uri, options.experiment or experiment_name())
    width = shutil.get_terminal_size((100, 24)).columns
    with waiting("comparing"):
        done = compare.compare(store, _found(store, options), options.reference, width)
    print(done.text)
    steps = next_steps(store, store_check.chosen_uri(options.uri))
    lines = [f"page: {short(done.page)}", open_command(done.page), *_wider(options), *steps]
    print("\n" + "\n  ".join(lines), flush=True)
    missed = assembled.missed(done.comparison, options.require_accuracy)
    for line in missed:
        print(f"lenet-exp: {line}", file=sys.stderr)
    return 1 if missed else 0


def _wider(options: CompareOptions) -> List[str]:
    """Return how to compare more than the sweep that was taken because nothing was named."""
    if options.runs or options.sweep or options.experiment:
        return []
    return [f"every run, not this sweep's alone: {compare_command(experiment_name(), options.uri)}"]


def _found(store: Store, options: CompareOptions) -> SelectedRuns:
    if options.runs:
        return load_runs.chosen(store, options.runs)
    sweep = options.sweep
    if sweep is None and options.experiment is None:
        sweep = load_runs.latest_sweep(store)
    if sweep is None:
        return load_runs.experiment(store, options.experiment or experiment_name())
    return load_runs.sweep(store, sweep)
