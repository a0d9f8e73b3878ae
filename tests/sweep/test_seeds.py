"""Seeds are added until every verdict is decided: to whom, how many at once, and when no more."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest

from lenet_exp.comparison import verdicts
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.schema.run import Sweep
from lenet_exp.errors import ConfigError
from lenet_exp.record.store.journal import Journal
from lenet_exp.sweep import seeds
from lenet_exp.sweep.executors.local import Local
from lenet_exp.sweep.jobs import ComposedJob, Request, jobs_of

pytestmark = pytest.mark.stackless

NOTHING = Sweep(None, False, False, False, "keep", None, None, 20)
ORIGIN, FP16, MIXED = "precision=origin", "precision=fp16", "precision=allow_mix_precision"


def composed(*words):
    return ComposedJob(words, settings_to_explain(list(words)), {})


def with_seed(job, seed):
    return job._replace(settings=dataclasses.replace(job.settings, seed=seed))


def make(job, outcome):
    """Leave what a job leaves that ended: with this accuracy, or as FAILED."""
    if job.folder.exists():
        return
    with contextlib.closing(Journal(job.folder)) as journal:
        journal.append("run", {"run_id": job.identity, "name": "x", "cwd": "/", "uri": "x"})
        if outcome is not None:
            journal.append("metrics", {"accuracy": outcome}, 20)
        journal.append("status", {"status": "FAILED" if outcome is None else "FINISHED"})


def swept(folder, typed, outcome, n_jobs=1, **options):
    """Add seeds as a sweep does; return how many each mode has, the rounds, and the last words."""
    asked = dataclasses.replace(NOTHING, seeds_until="decided", **options)
    jobs = [composed(*words) for words in typed]
    request = Request(folder, asked, Local(n_jobs, 0, warm=False), "", jobs, with_seed)
    for rounds in range(200):
        made = jobs_of(request._replace(jobs=jobs), lambda path: "data", "tf2")
        for job in made:
            make(job, outcome(job.settings.precision.mode, job.settings.seed))
        found = seeds.added(request, made)
        if not found.jobs:
            modes = [job.settings.precision.mode for job in made]
            return {mode: modes.count(mode) for mode in modes}, rounds, found.said
        jobs += [request.with_seed(*one) for one in found.jobs]
    raise AssertionError(found)


def drawn(**shifts):
    """Return accuracies by mode and seed: noise of 0.001, and so much more or less."""

    def outcome(mode, seed):
        noise = np.random.RandomState([seed, len(mode)]).normal() / 1000
        return 0.98 + noise + shifts.get(mode, 0.0)

    return outcome


def test_seeds_are_added_to_what_is_open_and_to_the_reference(tmp_path):
    outcome = drawn(force_fp16=-0.01)
    counts, _, said = swept(tmp_path, [[ORIGIN], [FP16], [MIXED]], outcome, max_seeds=12)
    assert counts["allow_mix_precision"] == counts["must_keep_origin_dtype"] == 12
    assert counts["force_fp16"] < 9
    assert said == "no more seeds: max_seeds=12; open: allow_mix_precision"


def test_the_first_verdict_takes_the_least_seeds_at_once_and_then_as_many_as_jobs_at_a_time(
    tmp_path,
):
    one = swept(tmp_path / "1", [[ORIGIN], [FP16]], drawn(), max_seeds=10)
    six = swept(tmp_path / "6", [[ORIGIN], [FP16]], drawn(), 6, max_seeds=10)
    assert (one[0], one[1]) == ({"must_keep_origin_dtype": 10, "force_fp16": 10}, 7)
    assert (six[0], six[1]) == (one[0], 3)


def test_the_same_command_finds_what_it_added_before(tmp_path):
    first = swept(tmp_path, [[ORIGIN], [FP16]], drawn(force_fp16=-0.01), max_seeds=20)
    folders = sorted(tmp_path.iterdir())
    assert swept(tmp_path, [[ORIGIN], [FP16]], drawn(), max_seeds=20) == first
    assert sorted(tmp_path.iterdir()) == folders
    assert first[2].startswith("no more seeds: every verdict is decided, after ")


@pytest.mark.parametrize(
    ("outcome", "seeds_made", "said"),
    [
        (lambda mode, seed: 0.98 + seed / 1000, 4, "every verdict is decided, after 4 seeds"),
        (lambda mode, seed: None if mode == "force_fp16" else 0.98, 1, "jobs failed of force_fp16"),
        (lambda mode, seed: 0.98 if mode == "force_fp16" else None, 1, "jobs failed of must_keep"),
    ],
)
def test_what_can_not_be_decided_gets_no_more(tmp_path, outcome, seeds_made, said):
    counts, _, words = swept(tmp_path, [[ORIGIN], [FP16]], outcome)
    assert set(counts.values()) == {seeds_made}
    assert said in words


def test_a_configuration_with_a_damaged_record_gets_no_more(tmp_path):
    asked = dataclasses.replace(NOTHING, seeds_until="decided")
    typed = [composed(ORIGIN), composed(FP16)]
    request = Request(tmp_path, asked, Local(1, 0, warm=False), "", typed, with_seed)
    made = jobs_of(request, lambda path: "data", "tf2")
    for job in made:
        make(job, 0.98)
    (made[1].folder / "record.jsonl").write_text("{}\n")
    found = seeds.added(request, made)
    assert found == ([], "no more seeds: jobs failed of force_fp16")


def test_what_the_seeds_decide_is_what_a_comparison_says(tmp_path):
    typed = [[ORIGIN], [FP16], [MIXED]]
    outcome = drawn(force_fp16=-0.002, allow_mix_precision=0.002)
    counts, _, said = swept(tmp_path, typed, outcome, max_seeds=60)
    assert "every verdict is decided" in said
    for mode in ("force_fp16", "allow_mix_precision"):
        pairs = [outcome(mode, s) - outcome("must_keep_origin_dtype", s)
                 for s in range(counts[mode])]  # fmt: skip
        mean, half = verdicts.estimates.sequential(pairs, verdicts.level_of(2))
        assert abs(mean) > half


@pytest.mark.parametrize(
    ("typed", "options", "key", "remedy"),
    [
        ([[ORIGIN, "seed=1"], [ORIGIN, "seed=2"]], {}, "seeds_until", "precision=glob(*)"),
        ([[ORIGIN], [FP16]], {"reference": "force_fp32"}, "reference", "reference="),
        ([[m, f"seed={s}"] for m in (ORIGIN, FP16) for s in range(5)], {"max_seeds": 3},
         "max_seeds", "max_seeds=5"),
        ([[m, f"seed={2**31 - 19}"] for m in (ORIGIN, FP16)], {}, "seed", "seed=0"),
    ],
)  # fmt: skip
def test_seeds_that_could_decide_nothing_are_refused_first(tmp_path, typed, options, key, remedy):
    asked = dataclasses.replace(NOTHING, seeds_until="decided", **options)
    jobs = [composed(*words) for words in typed]
    request = Request(tmp_path, asked, Local(1, 0, warm=False), "", jobs, with_seed)
    with pytest.raises(ConfigError) as raised:
        seeds.check(request, jobs_of(request, lambda path: "data", "tf2"))
    assert raised.value.args[0] == key
    assert remedy in raised.value.args[3]


@pytest.mark.parametrize("numbers", [range(5), [2**31 - 1]])
def test_as_many_seeds_as_there_may_be_are_taken(tmp_path, numbers):
    typed = [(mode, f"seed={number}") for mode in (ORIGIN, FP16) for number in numbers]
    asked = dataclasses.replace(NOTHING, seeds_until="decided", max_seeds=len(numbers))
    jobs = [composed(*words) for words in typed]
    request = Request(tmp_path, asked, Local(1, 0, warm=False), "", jobs, with_seed)
    seeds.check(request, jobs_of(request, lambda path: "data", "tf2"))
