"""The runs of a sweep, or those that are named -> a table, and a page."""

from __future__ import annotations

import shutil
import sys
from typing import Optional

from lenet_exp.comparison import assembled, compare, load_runs
from lenet_exp.comparison.runs import SelectedRuns
from lenet_exp.comparison.scripts.table import are_scripts, compare_scripts, without_scripts
from lenet_exp.config.cli.recorded_options import CompareOptions
from lenet_exp.config.tracking import experiment_name
from lenet_exp.errors import ConfigError
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
        sweep = _sweep(store, options)
        found = _found(store, options, sweep)
        if are_scripts(found):
            _check_reference(options)
            shown = compare_scripts(store, found)
        else:
            ours = without_scripts(found)
            done = compare.compare(store, ours, options.reference, width)
    if are_scripts(found):
        steps = next_steps(store, store_check.chosen_uri(options.uri))
        print("\n  ".join([f"{shown}\n", *steps]), flush=True)
        if options.require_accuracy is None:
            return 0
        print("lenet-exp: no accuracy is known of a script", file=sys.stderr)
        return 1
    print(done.text)
    left_out = len(found.runs) - len(ours.runs)
    if left_out:
        print(f"left out: {left_out} of scripts, which have a table of their own: sweep=NAME")
    wider = [] if sweep is None or options.sweep else [_of_all_runs(options)]
    steps = next_steps(store, store_check.chosen_uri(options.uri), *wider)
    lines = [f"page: {short(done.page)}", open_command(done.page), *steps]
    print("\n" + "\n  ".join(lines), flush=True)
    missed = assembled.missed(done.comparison, options.require_accuracy)
    for line in missed:
        print(f"lenet-exp: {line}", file=sys.stderr)
    return 1 if missed else 0


def _check_reference(options: CompareOptions) -> None:
    """Refuse a reference for scripts, whose runs are held against none."""
    if options.reference is not None:
        allowed = "only for runs of lenet-exp itself; these are of scripts, whose cost is always"
        allowed += " over must_keep_origin_dtype"
        raise ConfigError("reference", options.reference, allowed, options.program())


def _of_all_runs(options: CompareOptions) -> str:
    """Return what compares more than the sweep that is taken where nothing is named."""
    command = compare_command(options.experiment or experiment_name(), options.uri)
    return f"{command}  # every run, not this sweep's alone"


def _sweep(store: Store, options: CompareOptions) -> Optional[str]:
    """Return the sweep that is compared: the one that is named, the last where nothing is."""
    nothing_named = not (options.runs or options.sweep or options.experiment)
    return load_runs.latest_sweep(store) if nothing_named else options.sweep


def _found(store: Store, options: CompareOptions, sweep: Optional[str]) -> SelectedRuns:
    if options.runs:
        return load_runs.chosen(store, options.runs)
    if sweep is None:
        return load_runs.experiment(store, options.experiment or experiment_name())
    return load_runs.sweep(store, sweep)
