"""A row of the comparison for each configuration, best accuracy first."""

from __future__ import annotations

import statistics
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.comparison.configurations import Configuration, float32_of
from lenet_exp.comparison.estimates import mean_of
from lenet_exp.comparison.runs import Recorded
from lenet_exp.comparison.verdicts import SURE, AccuracyVerdict
from lenet_exp.record.pages.operators import Share

BASELINE_ACCURACY = 0.975  # the ModelZoo's
CHIP_SEC_PER_STEP = 0.0021  # the ModelZoo's, on the chip: only a run on a chip is held against it
CHIP = "ascend910"


class TableRow(NamedTuple):
    """What is shown of a configuration; None where it is not known.

    `accuracy` 0..1 and its 95 % half width are of the test set; `float32_cost` is sec/step over
    that of the same training in float32 on the same CPU, `chip_ratio` over the ModelZoo's on a
    chip; `comparable` is False where other jobs ran beside. Of a training step on the chip:
    bytes that its operators read and write, those of float16 among them, those of the casts
    besides; `chip`: what it refuses or gives to the AI CPU.
    """

    configuration: str
    runs: int
    seeds: Tuple[int, ...]
    unfinished: int
    accuracy: Optional[float]
    half_width: Optional[float]
    verdict: AccuracyVerdict
    hardware: str
    emulated: bool
    sec_per_step: Optional[float]
    images_per_sec: Optional[float]
    comparable: bool
    float32_cost: Optional[float]
    chip_ratio: Optional[float]
    skipped_steps: Optional[float]
    loss_scale: Optional[float]
    float16_operators: Optional[float]
    float16_flops: Optional[float]
    moved_bytes: Optional[int] = None
    float16_bytes: Optional[int] = None
    cast_bytes: Optional[int] = None
    chip: Optional[str] = None


class Times(NamedTuple):
    """Medians over runs; `comparable`: no other job ran beside them."""

    sec_per_step: Optional[float]
    images_per_sec: Optional[float]
    comparable: bool


def rows(
    found: Sequence[Configuration],
    judged: Mapping[str, AccuracyVerdict],
    shares: Mapping[str, Optional[Share]],
) -> List[TableRow]:
    """Return the rows, sorted; `judged` and `shares` are by label."""
    made = [_row(one, found, judged[one.label], shares.get(one.label)) for one in found]
    return sorted(made, key=lambda row: -1.0 if row.accuracy is None else row.accuracy)[::-1]


def _row(
    one: Configuration,
    found: Sequence[Configuration],
    verdict: AccuracyVerdict,
    share: Optional[Share],
) -> TableRow:
    accuracy = mean_of(one.accuracies, SURE) if one.runs else None
    times = times_of(one)
    hardware = one.settings.get("hardware", "")
    ratio = times.sec_per_step is not None and times.comparable and hardware == CHIP
    return TableRow(
        configuration=one.label,
        runs=len(one.runs),
        seeds=one.seeds,
        unfinished=sum(run.status != "FINISHED" for run in one.others),
        accuracy=accuracy.mean if accuracy else None,
        half_width=accuracy.half_width if accuracy else None,
        verdict=verdict,
        hardware=hardware,
        emulated=any(run.tags.get("emulated") == "true" for run in one.runs),
        **times._asdict(),
        float32_cost=None if hardware == CHIP else _cost(one, found),
        chip_ratio=(times.sec_per_step or 0.0) / CHIP_SEC_PER_STEP if ratio else None,
        skipped_steps=_median(one.runs, "skipped_steps"),
        loss_scale=_median(one.runs, "loss_scale"),
        float16_operators=share.operators if share else None,
        float16_flops=share.flops if share else None,
        moved_bytes=_count(one, "moved_bytes"),
        float16_bytes=_count(one, "moved_bytes_float16"),
        cast_bytes=_count(one, "cast_bytes"),
        chip=first_of(one).tags.get("chip"),
    )


def first_of(one: Configuration) -> Recorded:
    """Return the run that stands for all of a configuration, finished if one is."""
    return (one.runs or one.others)[0]


def _count(one: Configuration, tag: str) -> Optional[int]:
    """Return a number that a plan comes to; None of a run before plans were counted."""
    text = first_of(one).tags.get(tag, "")
    return int(text) if text.isdigit() else None


def times_of(one: Configuration) -> Times:
    """Return the times of the runs beside which no other job ran; of all, marked, if none did."""
    alone = [run for run in one.runs if run.tags.get("alone") != "false"]
    timed = [run for run in alone or one.runs if "sec_per_step" in run.metrics]
    seconds, images = (_median(timed, metric) for metric in ("sec_per_step", "images_per_sec"))
    return Times(seconds, images, bool(alone or not timed))


def _cost(one: Configuration, found: Sequence[Configuration]) -> Optional[float]:
    plain = float32_of(one, found)
    if plain is None or len({run.tags.get("device") for run in (*one.runs, *plain.runs)}) != 1:
        return None
    mine, theirs = times_of(one), times_of(plain)
    if mine.sec_per_step is None or not theirs.sec_per_step:
        return None
    both = mine.comparable and theirs.comparable
    return mine.sec_per_step / theirs.sec_per_step if both else None


def _median(runs: Sequence[Recorded], metric: str) -> Optional[float]:
    values = [run.metrics[metric] for run in runs if metric in run.metrics]
    return statistics.median(values) if values else None
