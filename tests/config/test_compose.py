"""Composed configuration -> Settings."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir

from lenet_exp.config import CONF
from lenet_exp.config.compose import flatten, register_resolvers, resolve
from lenet_exp.config.identity import config_hash
from lenet_exp.config.schema import run

pytestmark = pytest.mark.stackless


def settings_of(*overrides):
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return resolve(compose("config", overrides=list(overrides)))


def test_defaults_are_the_design_s():
    assert flatten(settings_of()) == {
        "precision.mode": "allow_mix_precision",
        "precision.modify_mixlist": None,
        "precision.keep_dtype": [],
        "precision.customize_dtypes": None,
        "precision.trace_overflow": False,
        "precision.flush_subnormals": False,
        "loss_scale.name": "none",
        "optimizer.name": "adam",
        "optimizer.learning_rate": 0.001,
        "optimizer.beta1": 0.9,
        "optimizer.beta2": 0.999,
        "optimizer.epsilon": 1e-8,
        "hardware.name": "auto",
        "hardware.cann": "today",
        "hardware.on_refused": "warn",
        "data.name": "mnist",
        "data.path": None,
        "schedule.epochs": 5,
        "schedule.steps_per_epoch": 1000,
        "schedule.batch_size": 64,
        "schedule.checkpoint_every": 500,
        "schedule.log_every": None,
        "tracking.uri": None,
        "tracking.experiment": "lenet-exp",
        "seed": 0,
        "deterministic": False,
        "threads": None,
        "resume": None,
        "init_from": None,
        "exclude": [],
    }


@pytest.mark.parametrize(
    ("overrides", "scale"),
    [
        pytest.param([], 2.0**32, id="the ModelZoo's"),
        pytest.param(["schedule=performance"], 2.0**32, id="performance"),
        pytest.param(["schedule=smoke"], 2.0**15, id="smoke would skip all its steps"),
        pytest.param(["schedule=smoke", "loss_scale.init_loss_scale=8"], 8.0, id="as typed"),
    ],
)
def test_dynamic_scale_starts_where_the_run_can_follow(overrides, scale):
    found = settings_of("loss_scale=dynamic", *overrides).loss_scale
    assert found == run.DynamicLossScale("dynamic", scale, 1000, 2, 2.0, 0.5)


def test_whole_numbers_serve_as_floats_but_not_the_reverse():
    rate = settings_of("optimizer.learning_rate=1").optimizer.learning_rate
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("option", "epochs", "steps"), [("full", 5, 1000), ("performance", 1, 500), ("smoke", 1, 20)]
)
def test_schedules_are_the_modelzoo_s(option, epochs, steps):
    assert settings_of(f"schedule={option}").schedule == run.Schedule(epochs, steps, 64, 500, None)


def test_every_option_file_begins_with_the_command_that_picks_it():
    for path in CONF.glob("*/*.yaml"):
        lines = path.read_text().splitlines()
        first = lines[1] if lines[0].startswith("# @package") else lines[0]
        assert first.startswith("# python -m lenet_exp.run "), path
        if path.parent.name not in ("data", "tracking", "hydra"):
            assert f"{path.parent.name}={path.stem}" in first


def test_every_experiment_and_debug_preset_resolves():
    for group in ("experiment", "debug"):
        for path in (CONF / group).glob("*.yaml"):
            settings_of(f"{group}={path.stem}")


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("seed=1", False),
        ("optimizer.learning_rate=0.002", False),
        ("deterministic=true", False),
        ("precision.flush_subnormals=true", False),
        ("precision.trace_overflow=true", False),  # another sec/step, and more is recorded
        ("tracking.experiment=other", True),
        ("tracking.uri=sqlite:///other.db", True),
        ("data.path=.", True),
        ("hardware.on_refused=error", True),
        ("precision.keep_dtype=[fc_3]", False),
        ("hardware=cpu", True),  # what auto is where there is no chip
    ],
)
def test_identity_follows_what_is_computed_not_where_it_is_kept(override, same):
    base = config_hash(settings_of(), "d", "tf2")
    assert len(base) == 12
    assert int(base, 16) >= 0
    assert (config_hash(settings_of(override), "d", "tf2") == base) is same
    assert config_hash(settings_of(), "other", "tf2") != base
    assert config_hash(settings_of(), "d", "tf1") != base


def test_of_a_file_what_is_in_it_makes_the_identity_not_its_name(tmp_path):
    def identity(name, text):
        (tmp_path / name).write_text(text)
        typed = f"precision.modify_mixlist={tmp_path / name}"
        return config_hash(settings_of("precision=allow_mix_precision", typed), "d", "tf2")

    first = identity("a.json", '{"black-list": {"to-remove": ["ReduceMeanD"]}}')
    assert identity("b.json", '{"black-list": {"to-remove": ["ReduceMeanD"]}}') == first
    assert identity("a.json", '{"white-list": {"to-add": ["ReduceMeanD"]}}') != first


def test_of_a_checkpoint_what_is_in_it_makes_the_identity(tmp_path):
    def identity(folder, weights):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in (("index", "where"), ("data-00000-of-00001", weights), ("meta", folder)):
            (tmp_path / folder / f"model.{name}").write_text(text)
        return config_hash(settings_of(f"init_from={tmp_path / folder}"), "d", "tf2")

    first = identity("a", "0.1")
    assert identity("b", "0.1") == first != config_hash(settings_of(), "d", "tf2")
    assert identity("a", "0.2") != first


def test_names_that_keep_their_type_are_a_list():
    assert settings_of("precision.keep_dtype=[fc_3,loss]").precision.keep_dtype == ("fc_3", "loss")
