"""What a precision mode acts on, what the chip would do to it, and what a CPU runs instead."""

from __future__ import annotations

import functools
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.errors import PrecisionError
from lenet_exp.model import lenet
from lenet_exp.precision import Plan, assign, emulate
from lenet_exp.precision.planning.options import nodes_of
from lenet_exp.precision.reporting import records
from lenet_exp.precision.reporting.verdict import Verdict, verdict
from lenet_exp.training import graphs

INFERENCE_BATCH = 250  # divides MNIST's validation and test set


class Graphs(NamedTuple):
    """What a precision mode acts on, the inference of test and validation included."""

    step: graphs.StepGraph
    inference: graphs.InferenceGraph


class ChipPlan(NamedTuple):
    """What the chip would do: `csv` a row for each operator of both graphs.

    `bytes_of_step`: what a training step moves, by the tag of a run that has it.
    """

    step: Plan
    inference: Plan
    csv: bytes
    verdict: Verdict
    bytes_of_step: Mapping[str, int] = {}


def build_graphs(settings: Settings) -> Graphs:
    """Return the graphs of a run as the chip's compiler is given them."""
    network, size = (lenet.logits, lenet.IMAGE_SHAPE), settings.schedule.batch_size
    return Graphs(
        graphs.build_step(*network, size, settings.optimizer, settings.loss_scale, settings.seed),
        graphs.build_inference(*network, INFERENCE_BATCH),
    )


def plan(settings: Settings, built: Graphs) -> ChipPlan:
    """Decide every operator of both graphs, as the chip would.

    Raises:
        PrecisionError: the chip would not compile them, and `hardware.on_refused` is error.
    """
    precision, plans = settings.precision, _assigned(settings, built)
    found = verdict(*plans)
    if found.refused and settings.hardware.on_refused == "error":
        problem = f"the chip refuses to compile this graph ({found})"
        remedy = "python -m lenet_exp.run hardware.on_refused=warn, or another precision mode"
        raise PrecisionError(f"precision={precision.mode}", problem, remedy)
    rows = {"train": records.report(plans[0]), "inference": records.report(plans[1])}
    sums = rows["train"].totals._asdict()
    moved = {key: sums[key] for key in ("moved_bytes", "moved_bytes_float16", "cast_bytes")}
    return ChipPlan(plans[0], plans[1], records.as_csv_of_run(rows).encode(), found, moved)


def check_named(settings: Settings) -> None:
    """Refuse what no plan can go by: a file's contents, a name of no node.

    Raises:
        PrecisionError: there is such a one.
    """
    _assigned(settings, build_graphs(settings))


def _assigned(settings: Settings, built: Graphs) -> List[Plan]:
    step, inference = built
    mode, named = settings.precision.mode, settings.precision.keep_dtype
    common = _options(settings)
    return [
        assign(step.graph_def, mode, fetches=step.fetches, keep_dtype=named, **common),
        plan_inference(settings, inference.graph_def, (inference.classes,)),
    ]


def plan_inference(settings: Settings, graph_def: Any, fetches: Sequence[str]) -> Plan:
    """Return the plan of a graph of the network alone, by all that decides the step's plan."""
    # What keeps its type may be of the backward pass or the optimizer, which inference lacks.
    kept = [name for name in settings.precision.keep_dtype if nodes_of(graph_def, name)]
    mode = settings.precision.mode
    return assign(graph_def, mode, fetches=fetches, keep_dtype=kept, **_options(settings))


def _options(settings: Settings) -> Dict[str, Any]:
    return {"generation": settings.hardware.cann, **precision_files(settings)}


def has_float16(chip: ChipPlan) -> bool:
    """Return whether any operator of either graph has a float16 tensor."""
    rows = (*chip.step.operators, *chip.inference.operators)
    return any("float16" in (*row.inputs, *row.outputs) for row in rows)


def emulated(built: Graphs, chip: ChipPlan, trace: bool = False, flush: bool = False) -> Graphs:
    """Return the graphs as the CPU runs them: float16 where the chip would have it."""
    step, inference = built
    run = functools.partial(emulate, trace=trace, flush_subnormals=flush)
    made = run(step.graph_def, chip.step)
    other = run(inference.graph_def, chip.inference, trace_scope="trace_inference")
    return Graphs(
        step._replace(
            graph_def=made.graph_def,
            variables=(*step.variables, made.float_status),
            init=(*step.init, made.reset),
            traces=made.traces,
        ),
        inference._replace(graph_def=other.graph_def, traces=other.traces),
    )
