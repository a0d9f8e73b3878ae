"""What a person types wrong, and what they are told."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config.chip import machine
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless

TYPES_OF_CHIP = "hardware=ascend910 hardware.customize_dtypes=/dev/null"
# typed, then what the message must hold
WRONG = [
    ("\"seed='7'\"", ["seed='7' is", "whole number"]),
    ("seed=x", ["seed=x", "whole number", "seed=0"]),
    ("seed=null", ["seed=null", "whole number"]),
    ("seed=", ["seed=", "whole number"]),
    ("seed=-1", ["seed=-1", "from 0 to 2147483647"]),
    ("seed=true", ["seed=true", "whole number"]),
    ("seed=${nope}", ["nope", "resolved"]),
    ("deterministic=1", ["deterministic=1", "true | false"]),
    ("threads=0", ["threads=0", "null or a whole number from 1"]),
    ("schedule.batch_size=0", ["schedule.batch_size=0", "from 1 to 55000", "batch_size=64"]),
    ("schedule.batch_size=55001", ["from 1 to 55000"]),
    ("schedule.batch_size=1.5", ["schedule.batch_size=1.5", "whole number"]),
    ("schedule.epochs=0", ["whole number, 1 or more", "schedule.epochs=5"]),
    ("schedule.steps_per_epoch=abc", ["schedule.steps_per_epoch=abc", "whole number"]),
    ("optimizer.learning_rate=0", ["optimizer.learning_rate=0", "above 0"]),
    ("optimizer.learning_rate=-1", ["above 0"]),
    ("optimizer.learning_rate=nan", ["optimizer.learning_rate=nan", "finite"]),
    ("optimizer.learning_rate=inf", ["finite"]),
    ("optimizer.learning_rate=1e39", ["in float32 too (where it is inf)"]),
    ("optimizer.learning_rate=1e-50", ["in float32 too (where it is 0)"]),
    ("optimizer.epsilon=1e-50", ["in float32 too (where it is 0)"]),
    ("optimizer.beta1=0.99999999999", ["in float32 too (where it is 1)"]),
    ("loss_scale=dynamic loss_scale.incr_ratio=1.00000000001", ["in float32 too"]),
    ("loss_scale=dynamic loss_scale.incr_ratio=1e39", ["in float32 too"]),
    ("loss_scale=dynamic loss_scale.decr_ratio=0.9999999999", ["in float32 too"]),
    ("loss_scale=dynamic loss_scale.decr_ratio=1e-60", ["in float32 too"]),
    ("optimizer.beta1=1", ["from 0 to below 1"]),
    ("optimizer.epsilon=-1e-8", ["0 or more"]),
    ("optimizer.momentum=0.5", ["optimizer=momentum or rmsprop", "optimizer=momentum optim"]),
    ("optimizer.name=sgd", ["chosen by optimizer=OPTION", "run optimizer=sgd"]),
    (
        "loss_scale=fixed loss_scale.value=0.5",
        ["from 1 to 2**126", "loss_scale=fixed loss_scale.value"],
    ),
    ("loss_scale=fixed loss_scale.value=inf", ["from 1 to 2**126"]),
    ("loss_scale=fixed loss_scale.value=1e38", ["from 1 to 2**126"]),
    ("loss_scale=fixed loss_scale.value=nan", ["from 1 to 2**126"]),
    ("loss_scale.value=3", ["loss_scale=fixed", "run loss_scale=fixed loss_scale.value=3"]),
    ("loss_scale=dynamic loss_scale.incr_ratio=1", ["above 1"]),
    ("loss_scale=dynamic loss_scale.decr_ratio=1", ["between 0 and 1"]),
    ("loss_scale=dynamic loss_scale.decr_ratio=0", ["between 0 and 1"]),
    ("loss_scale=dynamic loss_scale.init_loss_scale=0.5", ["from 1 to 2**126"]),
    ("loss_scale=dynamic loss_scale.incr_every_n_steps=0", ["1 or more"]),
    ("nokey=1", ["nokey=1", "precision", "--help"]),
    ("nogroup=x", ["nogroup=x"]),
    ("batch_size=3", ["schedule.batch_size", "run schedule.batch_size=3"]),
    ("schedule.epoch=3", ["run schedule.epochs=3"]),
    ("schedule.batch_size.x=3", ["schedule.batch_size"]),
    ("schedule.colour=3", ["schedule.epochs, schedule.steps_per_epoch"]),
    ("+extra=1", ["extra=1"]),
    ("++optimizer.foo=3", ["optimizer.foo=3", "optimizer.learning_rate"]),
    ("+seed=1", ["without +", "run seed=1"]),
    ("~seed", ["~seed", "seed"]),
    ("~optimizer.epsilon", ["~optimizer.epsilon"]),
    ("~precision", ["~precision"]),
    ("precision=nope", ["precision=nope", "force_fp16", "must_keep_origin_dtype"]),
    ("precision=force_fp61", ["run precision=force_fp16"]),
    ("optimizer.rate=0.1", ["optimizer.learning_rate=0.1"]),
    ("schedule.z=3", ["one of", "schedule.batch_size"]),
    ("precision=fp32", ["run precision=must_keep_origin_dtype"]),
    ("precision=force_fp", ["precision=force_fp", "force_fp16 | force_fp32"]),
    ("precision=must_keep", ["run precision=must_keep_origin_dtype"]),
    ("precision.mode=x", ["precision.mode=x", "allow_mix_precision"]),
    ("precision.keep_dtype=fc_3", ["keep_dtype=fc_3", "a list of nodes", "keep_dtype=[fc_3]"]),
    ("'precision.keep_dtype=[\"\"]'", ["a list of nodes"]),
    ("precision.modify_mixlist=''", ["null or a file"]),
    (
        "precision=force_fp16 precision.modify_mixlist=/dev/null",
        ["only with allow_mix_precision: force_fp16 has no lists", "precision=allow_mix_precision"],
    ),
    (
        "precision=allow_mix_precision precision.modify_mixlist=/no/such.json",
        ["modify_mixlist=/no/such.json", "can be read (No such file", "modify_mixlist=null"],
    ),
    ("precision.customize_dtypes=/", ["can be read (Is a directory)", "customize_dtypes=null"]),
    ("precision.customize_dtypes=/dev/zero", ["can be read (no regular file"]),
    ("precision.customize_dtypes=/dev/null", ["can be read (no regular file"]),
    (
        "precision.customize_dtypes=/dev/null hardware.cann=2021",
        [
            "only with hardware.cann=today",
            "hardware.cann=today precision.customize_dtypes=/dev/null",
        ],
    ),
    (
        "hardware=ascend910 precision.keep_dtype=[fc_3]",
        ["precision.keep_dtype=[fc_3]", "only with hardware=cpu"],
    ),
    ("hardware=ascend910 precision.trace_overflow=true", ["only with hardware=cpu"]),
    ("precision.keep_dtypes=[a]", ["precision.keep_dtype is one"]),
    ("optimizer=5", ["optimizer=5", "name of an option", "optimizer=adam"]),
    ("optimizer=null", ["optimizer=null", "name of an option"]),
    ("experiment=nope", ["experiment=nope", "modelzoo_baseline"]),
    ("+experiment=modelzoo_baseline", ["run experiment=modelzoo_baseline"]),
    ("+precision=force_fp16", ["run precision=force_fp16"]),
    ("precision@x=force_fp16", ["precision"]),
    ("precision=a,b", ["precision=a,b", "-m precision=a,b"]),
    ("seed", ["key=value"]),
    ("force_fp16", ["key=value", "run precision=force_fp16"]),
    ("data.path=[1", ["key=value"]),
    ("data.path=/no/such/folder", ["data.path=/no/such/folder", "exists", "data.path=null"]),
    ("tracking.experiment=~mine", ["key=value", "'tracking.experiment=\"~mine\"'"]),
    ("'data.path=\"~nosuchuser/mnist\"'", ["can be reached"]),
    ("data.path=" + "x" * 300, ["can be reached (File name too long)"]),
    ("data.path=''", ["data.path="]),
    ("tracking.experiment=''", ["tracking.experiment", "a name"]),
    ("tracking.uri=http://me:secret@host", ["password only as MLFLOW_TRACKING_URI"]),
    ("hydra.foo=1", ["hydra.foo=1", "--cfg hydra"]),
    ("hydra/launcher=nope", ["hydra/launcher=nope", "basic"]),
    ("--batch-size=3", ["--batch-size=3", "without dashes", "run schedule.batch_size=3"]),
    ("--bogus", ["--bogus", "without dashes"]),
    ("--cfg foo", ["--cfg"]),
    ("--cfg job -m", ["one of"]),
    ("--config-dir /no/such", ["--config-dir=/no/such", "exists"]),
    ("hardware=ascend910", ["hardware=ascend910", "hardware=cpu"]),
    ("schedule=[1]", ["schedule=[1]", "name of an option", "schedule=full"]),
    ("hydra=1", ["hydra=1"]),
    ("precison=must_keep_origin_dtype", ["run precision=must_keep_origin_dtype"]),
    ("optimiser=sgd", ["run optimizer=sgd"]),
    ("experimnt=modelzoo_baseline", ["run experiment=modelzoo_baseline"]),
    ("optimizer={name:sgd,learning_rate:0.1}", ["name is none of them", "run optimizer=sgd"]),
    ("-m hydra/launcher=basic threads=1,2", ["threads=1,2", "may share a process"]),
    ("-m hydra/launcher=basic deterministic=true,false", ["one value with hydra/launcher=basic"]),
    ("-m hydra/launcher=basic dry_run=true", ["dry_run=true", "only with hydra/launcher=local"]),
    ("-m hydra.launcher.n_jobs=0", ["n_jobs=0", "from 1"]),
    ("-m hydra.launcher.warm=maybe", ["warm=maybe", "true | false"]),
    ("-m hydra/launcher=slurm 'hydra.launcher.options=[a]'", ["options=[a]", "a mapping"]),
    ("-m hydra/launcher=slurm hydra.launcher.options=low", ["options=low", "a mapping"]),
    ("-m hydra/launcher=slurm hydra.launcher.launching=long", ["launching=long", "a mapping"]),
    ("-m hydra/launcher=slurm hydra.launcher.setup=null", ["setup=null", "a list of lines"]),
    ("-m hydra/launcher=slurm hydra.launcher.setup=abc", ["setup=abc", "a list of lines"]),
    ("-m hydra/launcher=slurm 'hydra.launcher.partition=[a,b]'", ["partition=[a,b]"]),
    ("-m hydra/launcher=slurm hydra.launcher.cpus_per_task=-1", ["cpus_per_task=-1", "from 1"]),
    ("-m hydra/launcher=ray hydra.launcher.cpus=one", ["cpus=one", "a number of cores"]),
    ("-m hydra/launcher=ray hydra.launcher.resources=NPU", ["resources=NPU", "a mapping"]),
    ("-m hydra/launcher=ray 'hydra.launcher.resources={NPU: one}'", ["{NPU:one}", "above 0"]),
    ("-m hydra/launcher=slurm 'hydra.launcher.setup=[true]'", ["setup=[true]", "a list of lines"]),
    ("-m hydra/launcher=slurm 'hydra.launcher.options={qos: [a]}'", ["{qos:[a]}", "a mapping"]),
    ("-m hydra.launcher.retries=-1", ["retries=-1", "from 0"]),
    ("-m hydra.launcher.retries=null", ["retries=null", "from 0"]),
    ("-m +hydra.launcher.njobs=2", ["njobs=2", "one of n_jobs, retries, warm"]),
    (
        "-m hydra/launcher=slurm \"hydra.launcher.setup=['export A=http://me:secret@h']\"",
        ["without a password"],
    ),
    (
        "-m hydra/launcher=slurm 'hydra.launcher.options={comment: \"http://me:secret@h\"}'",
        ["without a password"],
    ),
    ("-m hydra/launcher=ray hydra.launcher.dashboard=http://me:secret@h", ["no password"]),
    (
        "-m hydra/launcher=slurm hydra.launcher.partition=npu,gpu",
        ["in quotes", "-m 'hydra.launcher.partition=\"npu,gpu\"'"],
    ),
    ("-m hydra/launcher=slurm,ray", ["one value for the whole sweep", "-m hydra/launcher=slurm"]),
    ("-m detach=true", ["detach=true", "hydra/launcher=slurm or ray", "hydra/launcher=slurm"]),
    ("hydra/launcher=slurm seed=1", ["a sweep, -m", "run -m hydra/launcher=slurm seed=1"]),
    ("hydra/launcher=ray", ["a sweep, -m", "run -m hydra/launcher=ray"]),
    ("-m hydra.launcher.n_jobs=two", ["n_jobs=two", "from 1"]),
    ("-m hydra.sweeper.max_batch_size=2", ["max_batch_size=2", "run -m hydra.launcher.n_jobs=2"]),
    ("-m tracking.experiment=a,b", ["tracking.experiment=a,b", "one store and experiment"]),
    ("sweep=mine", ["sweep=mine", "only with -m", "run -m sweep=mine"]),
    ("fail_fast=true", ["only with -m", "run -m fail_fast=true"]),
    ("-m sweep=../mine", ["sweep=../mine", "a name of letters", "sweep=mine"]),
    ("-m sweep=latest", ["sweep=latest", "but not latest", "sweep=mine"]),
    ("-m sweep=a,b", ["one value for the whole sweep", "run -m sweep=a"]),
    ("-m dry_run=yes", ["dry_run=yes", "true | false"]),
    ("-m on_changed_code=ask", ["keep | redo"]),
    ("-m experiment=precision_sweep,loss_scale_sweep", ["precision_sweep is one"]),
    ("-m 'seed=range(0,3,0)'", ["must not be zero", "range(0,3)"]),
    ("-m hydra.sweeper.params=1", ["hydra.sweeper.params=1"]),
    ("--help precision=nope", ["precision=nope", "force_fp16"]),
    ("-h nokey=1", ["nokey=1"]),
    ("--info config precision=nope", ["precision=nope"]),
    ("--experimental-rerun x", ["--experimental-rerun"]),
    ("--config-name nope", ["--config-name"]),
    ("--config-path=/tmp", ["--config-path"]),
    ("-m 'seed=range(0,0)'", ["seed=range(0,0)", "these are none", "run -m"]),
    ("-m 'precision=glob(zz*)'", ["glob(zz*)", "these are none"]),
    ("-m seed=0,1 dryrun=true", ["run -m dry_run=true"]),
    (
        f"precision.customize_dtypes=/dev/null {TYPES_OF_CHIP}",
        ["one of it and hardware.customize_dtypes"],
    ),
    ("-m seed=1,x", ["seed=x", "whole number"]),
    ("-m precision=must_keep_origin_dtype,force_fp61", ["force_fp61"]),
    ("-m 'seed=interval(0,3)'", ["key=a,b"]),
]


@pytest.mark.parametrize(("typed", "told"), WRONG, ids=[typed for typed, _ in WRONG])
def test_a_mistake_is_refused_with_key_value_what_is_allowed_and_a_remedy(typed, told):
    with pytest.raises(ConfigError) as caught:
        check_command_line(shlex.split(typed))
    message = str(caught.value)
    for part in [*told, "allowed:", "try:"]:
        assert part in message, message
    assert caught.value.exit_code == 2


def test_a_misspelt_option_of_the_chip_is_told_with_the_hardware_that_has_it(monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    with pytest.raises(ConfigError) as caught:
        check_command_line(["hardware.dump_stp=1"])
    assert caught.value.args[2:] == (
        "no such key; hardware.dump_step is one",
        "python -m lenet_exp.run hardware=ascend910 hardware.dump_step=1",
    )


@pytest.mark.parametrize(
    ("typed", "sweeps"),
    [("seed=1", False), ("-m seed=1,2", True), ("experiment=loss_scale_sweep", True)],
)
def test_what_is_checked_of_a_sweep_is_so_of_a_preset_s_too(typed, sweeps):
    seen = []
    check_command_line(shlex.split(typed), check=lambda jobs, are: seen.append((len(jobs), are)))
    assert seen == [({"seed=1": 1, "-m seed=1,2": 2}.get(typed, 9), sweeps)]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "precision=must_keep_origin_dtype",
        "precision.mode=must_keep_origin_dtype",
        "schedule=smoke loss_scale=dynamic seed=3",
        "loss_scale=fixed loss_scale.value=1024",
        "optimizer=momentum optimizer.learning_rate=1e-2 optimizer.momentum=0.5",
        "optimizer.learning_rate=1",
        "++seed=3",
        "experiment=modelzoo_baseline",
        "debug=fast threads=2",
        "schedule={epochs:1,steps_per_epoch:7}",
        "data.path=.",
        "tracking.uri=sqlite:///x.db tracking.experiment=2026",
        "hydra.run.dir=somewhere",
        "-m seed=0,1 schedule=smoke",
        "-m 'seed=range(0,3)' optimizer=adam,sgd",
        "-m threads=1,2 deterministic=true,false",
        "-m hydra/launcher=slurm detach=true hydra.launcher.gres=npu:1 hydra.launcher.time=2:00:00",
        "-m hydra/launcher=slurm hydra.launcher.options={qos:low,exclusive:true}",
        "-m hydra/launcher=slurm hydra.launcher.setup=[module]",
        "-m hydra/launcher=ray hydra.launcher.resources={NPU:1}",
        "-m sweep=mine dry_run=true fail_fast=true on_changed_code=redo hydra.launcher.n_jobs=2",
        "-m hydra/launcher=basic sweep=mine seed=0,1",
        "experiment=precision_sweep sweep=mine schedule=smoke",
        "-m experiment=loss_scale_sweep seed=7",
        "experiment=precision_sweep --cfg job",
        "--cfg job",
        "--help",
        "--hydra-help",
    ],
)
def test_what_is_right_passes(typed):
    check_command_line(shlex.split(typed))


def test_a_persons_own_folder_of_options_counts(tmp_path):
    (tmp_path / "experiment").mkdir()
    preset = "# @package _global_\nseed: {}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(preset.format(7))
    (tmp_path / "experiment" / "wrong.yaml").write_text(preset.format("seven"))
    check_command_line(["--config-dir", str(tmp_path), "experiment=mine"])
    with pytest.raises(ConfigError, match="seed=seven"):
        check_command_line(["--config-dir", str(tmp_path), "experiment=wrong"])
