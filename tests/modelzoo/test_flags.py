"""The ModelZoo's flags -> a run's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.errors import ConfigError
from lenet_exp.modelzoo import flags, own_paths

pytestmark = pytest.mark.stackless


def refused(*typed, chip=False):
    with pytest.raises(ConfigError) as caught:
        words("case=full", "--data_path=.", *typed, chip=chip)
    return str(caught.value)


def words(*typed, chip=False):
    return flags.run_arguments(flags.read(typed), chip)


def settings(*typed):
    """Return the settings that a run would have, but for its data."""
    data = [] if any(word.startswith("data.path=") for word in typed) else ["--data_path=."]
    found = words(*typed, *data)
    return settings_to_explain([w for w in found if not (data and w.startswith("data.path="))])


@pytest.mark.parametrize(
    ("case", "precision", "epochs", "steps", "log_every"),
    [
        ("full", "allow_mix_precision", 5, 1000, 10),
        ("performance", "allow_mix_precision", 1, 500, 10),
        ("lenet", "allow_fp32_to_fp16", 1, 860, 1),  # ceil(55000 / 64) steps
    ],
)
def test_each_case_has_the_defaults_of_the_original(case, precision, epochs, steps, log_every):
    found = settings(f"case={case}")
    assert found.precision.mode == precision
    schedule = found.schedule
    assert (schedule.epochs, schedule.steps_per_epoch) == (epochs, steps)
    assert (schedule.batch_size, schedule.log_every) == (64, log_every)
    assert found.loss_scale.name == "none"
    assert found.optimizer.name == "adam"


@pytest.mark.parametrize(
    ("typed", "dotted", "value"),
    [
        ("--precision_mode=force_fp16", "precision.mode", "force_fp16"),
        ("--precision_mode=cube_fp16in_fp32out", "precision.mode", "force_fp32"),
        ("--precision_mode=mixed_float16", "precision.mode", "allow_mix_precision"),
        ("--loss_scale_flag=1 --loss_scale_value=0", "loss_scale.name", "dynamic"),
        ("--loss_scale_flag=1 --loss_scale_value=1024", "loss_scale.value", 1024),
        ("--loss_scale_flag 1 --loss_scale_value 8.5", "loss_scale.value", 8.5),
        ("--loss_scale_flag=0 --loss_scale_value=0", "loss_scale.name", "none"),
        ("--batch_size=100", "schedule.batch_size", 100),
        ("--batch_size=100 --steps=0", "schedule.steps_per_epoch", 550),
        ("--steps=7", "schedule.steps_per_epoch", 7),
        ("--epochs 2", "schedule.epochs", 2),
        ("--iteration_per_loop=5", "schedule.log_every", 5),
        ("--learing_rata=0.01", "optimizer.learning_rate", 0.01),
        ("--random_remove=True", "deterministic", True),
        ("--random_remove=False", "deterministic", False),
        ("--over_dump=False --profiling=False --autotune=False", "hardware.name", "auto"),
        ("--data_dump_flag=0 --data_dump_step=0|5|10", "hardware.name", "auto"),
        ("seed=3", "seed", 3),
        ("--steps=7 schedule.steps_per_epoch=9", "schedule.steps_per_epoch", 9),
        ("--steps=0 schedule.batch_size=128", "schedule.steps_per_epoch", 430),
    ],
)
def test_a_flag_is_a_setting(typed, dotted, value):
    found = settings("case=full", *typed.split())
    for name in dotted.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", ["hardware=ascend910", "hardware.iterations_per_loop=10"]),
        (
            "--over_dump=True",
            [
                "hardware.enable_dump_debug=true",
                "hardware.dump_debug_mode=all",
                "hardware.dump_path=/out/over_dump",
            ],
        ),
        (
            "--data_dump_flag=True --data_dump_step=1|3-5",
            [
                "hardware.enable_dump=true",
                "hardware.dump_mode=all",
                'hardware.dump_step="1|3-5"',
                "hardware.dump_path=/out/data_dump",
            ],
        ),
        ("--autotune=True", ['hardware.auto_tune_mode="RL,GA"']),
        (
            "--profiling=True",
            [
                "hardware.profiling_mode=true",
                (
                    "hardware.profiling_options={output:/out/profiling,training_trace:'on',"
                    "task_trace:'on',fp_point:'',bp_point:'',aic_metrics:PipeUtilization}"
                ),
            ],
        ),
    ],
)
def test_on_the_chip_switches_are_its_options(typed, wanted):
    found = words("case=full", "output=/out", "--data_path=.", *typed.split(), chip=True)
    assert [word for word in wanted if word not in found] == []


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--nope=1", "--nope=1 is not possible"),
        ("--precison_mode=force_fp16", "modelzoo --precision_mode=force_fp16"),
        ("--precision_mode=bf16", "allow_fp32_to_fp16 | force_fp16 | force_fp32"),
        ("--precision_mode", "--precision_mode= is not possible"),
        ("--epochs=many", "a whole number"),
        ("--loss_scale_flag=1", "--loss_scale_flag=1 is not possible"),
        ("--loss_scale_flag=1 --loss_scale_value=0.5", "0 (dynamic) or a number from 1 on"),
        ("--loss_scale_value=1024", "--loss_scale_flag=1 --loss_scale_value=1024"),
        ("--ckpt_count=5", "kept besides the best"),
        ("--data_dump_step=0..5", "steps: 0|5|10"),
        ("--profiling=True", "no Ascend 910"),
        ("--over_dump=True", "no Ascend 910"),
        ("--autotune=True", "no Ascend 910"),
        ("--data_dump_flag=1", "no Ascend 910"),
        ("--over_dump=True --data_dump_flag=1", "exclude each other"),
        ("--data_dump_step=5", "modelzoo --data_dump_flag=False --data_dump_step=5"),
        ("hardware=cpu --profiling=True", "False with hardware=cpu"),
        ("data.path=/x", "data.path=/x is not possible.\n  allowed: one of it and --data_path"),
        ("resume=latest", "try:     python -m lenet_exp.run resume=latest"),
        ("word", "--flag=value or key=value"),
        ("case=nope", "full | performance"),
    ],
)
def test_a_flag_that_is_not_possible_is_told(typed, told):
    assert told in refused(*typed.split())


def test_on_the_chip_the_steps_of_a_dump_are_refused_without_one():
    assert "--data_dump_flag=True '--data_dump_step=0|5'" in refused(
        "--data_dump_step=0|5", chip=True
    )


def test_images_that_are_named_as_a_run_s_are_not_fetched():
    assert flags.read(["data.path=/x"]).data is None
    assert words("case=full", "data.path=/x")[-1] == "data.path=/x"
    assert flags.read([]).data == Path("MNIST").absolute()


def test_what_is_relative_is_named_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "runs")
    (tmp_path / "a b.json").write_text("{}")
    found = settings("case=full", "precision.modify_mixlist='a b.json'")
    assert own_paths.from_here(found) == [
        f'precision.modify_mixlist="{tmp_path}/a b.json"', f"tracking.uri={tmp_path}/runs"
    ]  # fmt: skip
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert own_paths.from_here(settings("case=full", f"data.path={tmp_path}")) == []


@pytest.mark.parametrize("case", ["full", "performance"])
def test_the_scripts_need_to_be_told_where_mnist_is(case):
    with pytest.raises(ConfigError, match="--data_path is missing"):
        flags.read([f"case={case}"])


@pytest.mark.parametrize("name", ["a b", "it's", 'a"b', "a,b=c", "{x}", "a$b"])
def test_any_folder_can_be_named(name):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = [w for w in words(f"--data_path=/{name}") if w.startswith("data.path=")]
    parsed = OverridesParser.create().parse_override(word)
    assert parsed.value() == f"/{name}"
