"""What a person asks about a precision mode -> plans -> text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from lenet_exp import tf_compat
from lenet_exp.config.cli.explain_options import Question
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.hardware import chip_config
from lenet_exp.model import lenet
from lenet_exp.precision import assign, load_graph
from lenet_exp.precision.planning import pipeline
from lenet_exp.precision.planning.options import read_options
from lenet_exp.precision.reporting import phases, records, tables
from lenet_exp.training import graphs


class Answer(NamedTuple):
    """`text` for stdout, and for stderr what must not be mixed into CSV and JSON."""

    text: str
    warnings: Tuple[str, ...]


def answer(question: Question, width: int) -> Answer:
    """Return what the plan, or the difference of two plans, reads like at this width.

    Raises:
        LenetExpError: the file is no graph, or lacks a fetch.
    """
    tf_compat.configure(hide_gpus=True, deterministic=False)
    if question.session:
        return _session(question)
    graph_def, fetches = _graph(question)
    settings = question.settings
    if question.phase is not None:
        return _after_phase(question, question.phase, graph_def, fetches, width)
    wanted = [(settings.precision.mode, settings.hardware.cann)]
    wanted += [question.against] if question.against else []
    reports = [
        records.report(
            assign(
                graph_def,
                mode,
                generation=generation,
                fetches=fetches,
                keep_dtype=settings.precision.keep_dtype,
                **_files(settings, mode, generation),
            )
        )
        for mode, generation in wanted
    ]
    warnings = tuple(dict.fromkeys(text for read in reports for text in read.warnings))
    if question.format == "table":
        return Answer(_as_table(question, reports, width, warnings), ())
    return Answer(_as_data(question, reports), warnings)


def _after_phase(
    question: Question, phase: str, graph_def: Any, fetches: Tuple[str, ...], width: int
) -> Answer:
    """Return the graph as a phase of the compiler leaves it."""
    precision, generation = question.settings.precision, question.settings.hardware.cann
    options = read_options(
        graph_def,
        precision.mode,
        generation=generation,
        keep_dtype=precision.keep_dtype,
        **_files(question.settings, precision.mode, generation),
    )
    state = pipeline.run(pipeline.begin(graph_def, fetches, options), phase)
    found = phases.after_phase(phase, state)
    if question.format == "table":
        text = phases.phase_table(found, width)
    elif question.format == "json":
        text = records.as_json(found)
    else:
        same = {"phase": phase, "mode": found.mode, "generation": found.generation}
        text = records.as_csv(found.rows, same).rstrip("\n")
    return Answer(text, options.warnings)


def _files(settings: Settings, mode: str, generation: str) -> Dict[str, Path]:
    """Return the person's files that this mode and generation have: a difference lacks others."""
    if generation != "today":
        return {}
    mixed = mode == "allow_mix_precision"
    named = precision_files(settings).items()
    return {key: path for key, path in named if mixed or key != "modify_mixlist"}


def _session(question: Question) -> Answer:
    """Return the ConfigProto that a run on the chip would open its session with."""
    settings = question.settings
    chip = chip_of(settings.hardware)
    device = chip.devices[0] if chip.device == "auto" else int(chip.device)
    sent, warnings = chip_config.fitted(
        chip_config.parameters(settings, device), chip_config.adapter_of(chip.cann)
    )
    if settings.precision.keep_dtype:
        warnings.append("precision.keep_dtype is in no session, and a run on the chip refuses it")
    note = "# session_device_id: the first free one of hardware.devices\n"
    text = str(chip_config.session_config(sent, settings.threads or 0)).rstrip("\n")
    return Answer((note if chip.device == "auto" else "") + text, tuple(warnings))


def _graph(question: Question) -> Tuple[Any, Tuple[str, ...]]:
    if question.graph is not None:
        loaded = load_graph(question.graph)
        return loaded.graph_def, question.fetches or loaded.fetches
    settings, size = question.settings, question.settings.schedule.batch_size
    if question.inference:
        inference = graphs.build_inference(lenet.logits, lenet.IMAGE_SHAPE, size)
        return inference.graph_def, (inference.classes,)
    step = graphs.build_step(
        lenet.logits, lenet.IMAGE_SHAPE, size, settings.optimizer, settings.loss_scale, seed=0
    )
    return step.graph_def, step.fetches


def _as_table(
    question: Question, reports: List[records.Report], width: int, warnings: Tuple[str, ...]
) -> str:
    if question.against is not None:
        text = tables.comparison_table(records.compare(*reports), width)
        lines = tables.warnings_text(warnings, width)
        return "\n".join([text, *([""] if lines else []), *lines])
    shown = tables.summary_table if question.summary else tables.table
    return shown(reports[0], width)


def _as_data(question: Question, reports: List[records.Report]) -> str:
    read: Any = reports[0]
    if question.against is not None:
        read = records.compare(*reports)
    elif question.summary:
        read = records.summary(read)
    if question.format == "json":
        return records.as_json(read)
    if question.against is not None:
        return records.as_csv(read.differences).rstrip("\n")
    rows = read.groups if question.summary else read.records
    same = {"mode": read.mode, "generation": read.generation}
    return records.as_csv(rows, same).rstrip("\n")
