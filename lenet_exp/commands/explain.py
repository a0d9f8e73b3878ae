"""A precision mode -> plans -> text."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Dict, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.commands import explain_operator, explain_page
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.hardware import chip_config
from lenet_exp.model import lenet
from lenet_exp.precision import assign, load_graph
from lenet_exp.precision.analysis.input_shapes import with_input_shapes
from lenet_exp.precision.planning import pipeline
from lenet_exp.precision.planning.options import read_options, unread
from lenet_exp.precision.planning.reasons import refuses
from lenet_exp.precision.reporting import colours, groups, phases, records, tables
from lenet_exp.precision.reporting.filters import View
from lenet_exp.precision.reporting.group_tables import group_table, grouped_comparison_table
from lenet_exp.record import writable
from lenet_exp.record.waiting import waiting
from lenet_exp.training import graphs

_MANY_ROWS = 100  # that differ; more are shown in groups


def main(options: ExplainOptions) -> int:
    """Print the explanation, and its warnings to stderr.

    Raises:
        LenetExpError: the file is no graph, or lacks a fetch.
    """
    if options.to is not None:
        writable.check("to", options.to, options.command("to", "FILE"), is_folder=False)
    tf_compat.configure(hide_gpus=True, deterministic=False)
    text, warnings = _explained(options, shutil.get_terminal_size((100, 24)).columns)
    in_colour = options.format == "table" and not (options.session or options.operator)
    in_colour = in_colour and colours.wanted(sys.stdout, os.environ)
    print(colours.painted(text) if in_colour else text, flush=True)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _explained(options: ExplainOptions, width: int) -> Tuple[str, Sequence[str]]:
    """Return the text for stdout, and for stderr what must not be mixed into CSV and JSON."""
    if options.session:
        return _session(options)
    graph = _graph(options)  # for TensorFlow, too, a person is told to wait
    with waiting("planning" if options.operator is None else f"what changes {options.operator}"):
        return _of_graph(options, graph, width)


def _of_graph(
    options: ExplainOptions, graph: Tuple[Any, Tuple[str, ...]], width: int
) -> Tuple[str, Sequence[str]]:
    graph_def, fetches = graph
    settings = options.settings
    if options.phase is not None:
        return _after_phase(options, options.phase, graph_def, fetches, width)
    explained = [(settings.precision.mode, settings.hardware.cann)]
    if options.operator is not None:
        arguments = _plan_options(settings, *explained[0])
        return explain_operator.explained(options, graph, arguments, width)
    explained += [options.against] if options.against else []
    plans = [
        assign(graph_def, fetches=fetches, **_plan_options(settings, *each)) for each in explained
    ]
    if options.to is not None:
        return explain_page.written(options, options.to, plans)
    if options.against is not None:
        first, second = map(records.report, plans)
        found = records.compare(first, second, options.only, options.without)
        return _difference(options, found, width)
    return _plan(options, records.report(plans[0], options.only, options.without), width)


def _plan(options: ExplainOptions, report: records.Report, width: int) -> Tuple[str, Sequence[str]]:
    read: Any = records.summary(report) if options.summary else report
    if options.group is not None:
        read = groups.grouped(report, groups.read_grouping(options.group))
    if options.format == "table" and options.group is not None:
        return group_table(read, width), ()
    if options.format == "table":
        return (tables.summary_table if options.summary else tables.table)(report, width), ()
    rows = read.records if read is report else read.groups
    fields = groups.GroupSums._fields if options.group is not None else records.Group._fields
    same = {"mode": read.mode, "generation": read.generation}
    head = records.FIELDS if read is report else fields
    return _as_data(options, read, (rows, head), same), (*_notes(read.view), *read.warnings)


def _notes(view: View) -> Tuple[str, ...]:
    return (f"{view}: {view.note}",) if view.note else ()


def _difference(
    options: ExplainOptions, found: records.Comparison, width: int
) -> Tuple[str, Sequence[str]]:
    both = (*found.first.warnings, *found.second.warnings)
    warnings = sorted(dict.fromkeys(both), key=lambda text: not refuses(text))  # stable
    large = len(found.differences) > _MANY_ROWS and not found.view.narrows
    grouping = groups.read_grouping(options.group or groups.SCOPE)
    by_group = groups.grouped_comparison(found, grouping)
    if options.format != "table":
        if options.group:
            grouped = (by_group.groups, groups.DifferenceSums._fields)
            return _as_data(options, by_group, grouped, {}), (*_notes(found.view), *warnings)
        rows = (found.differences, records.fields_of_differences())
        return _as_data(options, found, rows, {}), (*_notes(found.view), *warnings)
    if options.group or large:
        text = grouped_comparison_table(found, by_group, width)
    else:
        text = tables.comparison_table(found, width)
    refused = [warning for warning in warnings if refuses(warning)]
    first, last = (
        tables.warnings_text(each, width) for each in (refused, warnings[len(refused) :])
    )
    parts = (first, [text], last)
    return "\n\n".join("\n".join(lines) for lines in parts if lines), ()


def _after_phase(
    options: ExplainOptions, phase: str, graph_def: Any, fetches: Tuple[str, ...], width: int
) -> Tuple[str, Sequence[str]]:
    mode, generation = options.settings.precision.mode, options.settings.hardware.cann
    plan_options = read_options(graph_def, **_plan_options(options.settings, mode, generation))
    state = pipeline.run(pipeline.begin(graph_def, fetches, plan_options), phase)
    found = phases.after_phase(phase, state, options.only, options.without)
    if options.format == "table":
        return phases.phase_table(found, width), plan_options.warnings
    same = {"phase": phase, "mode": found.mode, "generation": found.generation}
    notes = (*_notes(found.view), *plan_options.warnings)
    return _as_data(options, found, (found.rows, phases.fields(state)), same), notes


def _plan_options(settings: Settings, mode: str, generation: str) -> Dict[str, Any]:
    """Return what a plan is made by; of the files only those that this mode and generation read."""
    named = precision_files(settings).items()
    files = {key: path for key, path in named if not unread(key, mode, generation)}
    keep_dtype = settings.precision.keep_dtype
    return {"mode": mode, "generation": generation, "keep_dtype": keep_dtype, **files}


def _session(options: ExplainOptions) -> Tuple[str, Sequence[str]]:
    """Return the ConfigProto that a run on the chip would open its session with."""
    settings = options.settings
    chip = chip_of(settings.hardware)
    device = chip.devices[0] if chip.device == "auto" else int(chip.device)
    sent, warnings = chip_config.fitted(
        chip_config.parameters(settings, device), chip_config.adapter_of(chip.cann)
    )
    if settings.precision.keep_dtype:
        warnings.append("precision.keep_dtype is in no session, and a run on the chip refuses it")
    note = "# session_device_id: the first free one of hardware.devices\n"
    text = str(chip_config.session_config(sent, settings.threads or 0)).rstrip("\n")
    return (note if chip.device == "auto" else "") + text, warnings


def _graph(options: ExplainOptions) -> Tuple[Any, Tuple[str, ...]]:
    if options.graph is not None:
        loaded = load_graph(options.graph)
        graph_def = with_input_shapes(loaded.graph_def, options.batch, options.shapes)
        return graph_def, options.fetches or loaded.fetches
    settings, size = options.settings, options.settings.schedule.batch_size
    if options.inference:
        inference = graphs.build_inference(lenet.logits, lenet.IMAGE_SHAPE, size)
        return inference.graph_def, (inference.classes,)
    step = graphs.build_step(
        lenet.logits, lenet.IMAGE_SHAPE, size, settings.optimizer, settings.loss_scale, seed=0
    )
    return step.graph_def, step.fetches


def _as_data(
    options: ExplainOptions,
    whole: Any,
    rows: Tuple[Sequence[Any], Sequence[str]],
    same: Dict[str, str],
) -> str:
    """Return a whole as JSON, or its rows, with their fields, as CSV."""
    as_csv = options.format == "csv"
    return records.as_csv(rows[0], same, rows[1]).rstrip("\n") if as_csv else records.as_json(whole)
