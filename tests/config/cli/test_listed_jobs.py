"""Keys that change together, and jobs one by one: which jobs come of them, and what is refused."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless

FP16, FLOAT32 = "precision=force_fp16", "precision=must_keep_origin_dtype"
NONE, DYNAMIC = "loss_scale=none", "loss_scale=dynamic"
MAPPINGS = "'jobs={precision:fp16,loss_scale:dynamic},{precision:origin}'"
PAIRS = "'zip(precision=fp16,origin loss_scale=dynamic,none)'"

JOBS = [
    (PAIRS, [[FP16, DYNAMIC], [FLOAT32, NONE]]),
    ("'zip(precision=fp16, origin  loss_scale=dynamic,none)'", [[FP16, DYNAMIC], [FLOAT32, NONE]]),
    ("'jobs={precision:fp16,loss_scale:dynamic},{precision:origin}'", [[FP16, DYNAMIC], [FLOAT32]]),
    ("'jobs={precision:fp16}' seed=1", [[FP16, "seed=1"]]),
    (f"{PAIRS} seed=0,1", [[*j, s] for j in ([FP16, DYNAMIC], [FLOAT32, NONE])
                           for s in ("seed=0", "seed=1")]),
    (f"seed=0,1 {PAIRS}", [[s, *j] for s in ("seed=0", "seed=1")
                           for j in ([FP16, DYNAMIC], [FLOAT32, NONE])]),
    ("'zip(seed=range(3,5) threads=1,2)'", [["seed=3", "threads=1"], ["seed=4", "threads=2"]]),
    ("'zip(loss_scale=none,fixed loss_scale.value=1,128)'",
     [[NONE], ["loss_scale=fixed", "loss_scale.value=128"]]),
    ("'zip(tracking.experiment=\"a, b\",\"a, b\" exclude=[],[] seed=0,1)' init_from=null",
     [['tracking.experiment="a, b"', "exclude=[]", f"seed={s}", "init_from=null"] for s in (0, 1)]),
    ("'zip(optimizer.learning_rate=1e-3,0.01 seed=0,1)'",
     [["optimizer.learning_rate=0.001", "seed=0"], ["optimizer.learning_rate=0.01", "seed=1"]]),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "jobs"), JOBS)
def test_each_that_is_listed_is_a_job(typed, jobs):
    composed = check_command_line(["-m", *shlex.split(typed)])
    assert [list(words[1:]) for words in composed] == jobs


def test_what_is_listed_counts_more_than_a_presets_own_sweep():
    composed = check_command_line(["-m", "experiment=precision_sweep", *shlex.split(PAIRS)])
    assert set(map(frozenset, composed)) == {
        frozenset(("experiment=precision_sweep", mode, f"seed={seed}", scale))
        for mode, scale in ((FP16, DYNAMIC), (FLOAT32, NONE))
        for seed in range(3)
    }


PRESET = """# @package _global_
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      jobs: >-
        {precision: fp16, loss_scale: dynamic},
        {precision: origin, optimizer.learning_rate: 0.01}
"""


def test_a_presets_own_list_of_jobs_is_checked_as_what_is_typed(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(PRESET)
    told = []
    words = [f"--config-dir={tmp_path}", "experiment=mine", "seed=3"]
    check_command_line(words, check=lambda jobs, sweeps: told.extend(jobs))
    said = [(one.precision.mode, one.loss_scale.name, one.seed) for one in told]
    assert said == [("force_fp16", "dynamic", 3), ("must_keep_origin_dtype", "none", 3)]
    assert told[1].optimizer.learning_rate == 0.01


# typed; what is said of it; the line to type instead, None where only --help is offered
REFUSED = [
    ("-m 'zip(precision=fp16,origin seed=0,1,2)'", "precision has 2, seed has 3",
     "-m 'zip(precision=fp16,origin seed=0,1)'"),
    ("-m 'zip(precision=fp16,origin seed=3)' threads=2", "seed has 1",
     "-m 'zip(precision=fp16 seed=3)' threads=2"),
    ("-m 'zip(precisoin=fp16,origin seed=0,1)' threads=2", "precision is one",
     "-m 'zip(precision=fp16,origin seed=0,1)' threads=2"),
    ("-m 'zip(precision=fp16,origni seed=0,1)'", "force_fp16",
     "-m 'zip(precision=fp16,must_keep_origin_dtype seed=0,1)'"),
    ("-m 'zip(seed=0,x threads=1,2)'", "a whole number", "-m 'zip(seed=0,0 threads=1,2)'"),
    ("-m 'jobs={seed:0},{seed:x}'", "a whole number", "-m 'jobs={seed:0},{seed:0}'"),
    ("-m 'jobs={seeds:0},{seed:1}'", "seed is one", "-m 'jobs={seed:0},{seed:1}'"),
    ("-m 'zip(seed=0,1 seed=2,3)'", "each key once", "-m 'zip(seed=2,3)'"),
    ("-m 'zip(seed=0,1 threads=1,2)' seed=4", "each key once", "-m 'zip(seed=0,1 threads=1,2)'"),
    ("-m 'jobs={seed:0},{seed:1}' seed=4", "each key once", "-m 'jobs={seed:0},{seed:1}'"),
    ("-m 'zip()'", "keys with their values", f"-m {PAIRS}"),
    ("-m jobs=3", "mappings", f"-m {MAPPINGS}"),
    ("'zip(seed=0,1 threads=1,2)'", "only in a sweep", "-m 'zip(seed=0,1 threads=1,2)'"),
    ("-m 'zip(sweep=a,b seed=0,1)'", "beside the list", None),
    ("-m 'zip(hydra.launcher.n_jobs=1,2 seed=0,1)'", "beside the list", None),
    ("-m 'zip(experiment=modelzoo_baseline,null seed=0,1)'", "beside the list", None),
    ("-m hydra/launcher=basic 'zip(seed=0,1 threads=1,1)'",
     "local or slurm or ray, where jobs are listed",
     "-m hydra/launcher=local 'zip(seed=0,1 threads=1,1)'"),
    ("-m 'zip(seed=0,1)' 'zip(precision=fp16,origin)'", "one list of jobs in a sweep", None),
    ("-m 'zip(seed=0,1)' 'jobs={seed:5},{seed:6}'", "one list of jobs in a sweep", None),
    ("-m 'zip(seed=interval(0,1))'", "keys with their values", f"-m {PAIRS}"),
    ("-m 'zip(~seed)'", "keys with their values", f"-m {PAIRS}"),
    ("-m 'jobs={seed:interval(0,1)}'", "mappings", f"-m {MAPPINGS}"),
    ("-m 'jobs={seed:range(0,3)},{seed:1}'", "mappings", f"-m {MAPPINGS}"),
    ("-m 'jobs={seed:choice(0,3)}'", "mappings", f"-m {MAPPINGS}"),
    ("-m 'zip(seed=0,1 b)'", "key=value", None),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "told", "instead"), REFUSED)
def test_what_can_not_be_listed_is_refused_with_the_line_mended(typed, told, instead):
    words = shlex.split(typed)
    with pytest.raises(ConfigError) as raised:
        check_command_line(words)
    mended = CommandLine(PROGRAM, words).mended(raised.value)
    assert told in str(mended)
    assert mended.args[3] == f"{PROGRAM} {instead or '--help'}"
    if instead:
        check_command_line(shlex.split(instead))
