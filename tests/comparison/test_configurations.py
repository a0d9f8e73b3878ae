"""Which runs are one configuration, and what it is called."""

from __future__ import annotations

import functools

import pytest

from lenet_exp.comparison.configurations import (
    common,
    configurations,
    float32_of,
    reference_of,
)
from lenet_exp.comparison.runs import Recorded
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.compose import flatten
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless

TAGS = {"hardware": "cpu", "stack": "tf2", "data_sha256": "ab" * 32}


@functools.lru_cache(maxsize=None)
def params_of(*words):
    typed = flatten(settings_to_explain(list(words)))
    return {key: "null" if value is None else str(value) for key, value in typed.items()}


def run(*words, started=0, status="FINISHED", **tags):
    params = dict(params_of(*words))
    metrics = {"accuracy": 0.9} if status == "FINISHED" else {}
    name = f"{' '.join(words)} {started}"
    return Recorded(name, "1", status, started, params, {**TAGS, **tags}, metrics, "")


MODES = ("must_keep_origin_dtype", "allow_mix_precision", "force_fp16")
OF_MODES = [run(f"precision={mode}", f"seed={seed}") for mode in MODES for seed in (0, 1)]


@pytest.mark.parametrize(
    ("runs", "labels"),
    [
        pytest.param(OF_MODES, list(MODES), id="modes"),
        pytest.param(OF_MODES[:2], ["must_keep_origin_dtype"], id="one"),
        pytest.param(
            [run(), run("tracking.experiment=x"), run("schedule.checkpoint_every=7"),
             run("hardware=cpu")],
            ["allow_mix_precision"], id="where a run is kept is no part of it",
        ),
        pytest.param(
            [run(), run("optimizer.epsilon=1e-4"), run("optimizer=sgd")],
            ["optimizer=adam optimizer.epsilon=1e-08", "optimizer=adam optimizer.epsilon=0.0001",
             "optimizer=sgd"], id="only an option's own keys",
        ),
        pytest.param(
            [run("precision=force_fp16"), run("precision=force_fp16", "loss_scale=dynamic"),
             run("loss_scale=dynamic")],
            ["force_fp16 loss_scale=none", "force_fp16 loss_scale=dynamic",
             "allow_mix_precision loss_scale=dynamic"], id="two groups",
        ),
        pytest.param(
            [run(hardware="ascend910"), run("hardware=ascend910", hardware="ascend910"),
             run("hardware=ascend910", "hardware.debug_dir=x", hardware="ascend910")],
            ["allow_mix_precision"], id="a chip that auto found is that chip",
        ),
        pytest.param(
            [run("hardware=ascend910", f"hardware.op_compiler_cache_mode={mode}",
                 hardware="ascend910") for mode in ("enable", "null")],
            ["hardware.op_compiler_cache_mode=enable", "no op_compiler_cache_mode"],
            id="an option of the chip that was left out",
        ),
        pytest.param([run(), run(stack="tf1")],
                     ["stack=tf2", "stack=tf1"], id="two stacks"),
        pytest.param([run(), run(data_sha256="cd" * 32)],
                     ["data=abababab", "data=cdcdcdcd"], id="two data sets"),
    ],
)  # fmt: skip
def test_labels_are_what_sets_configurations_apart(runs, labels):
    assert [one.label for one in configurations(runs)] == labels


def test_of_equal_runs_the_latest_finished_one_counts():
    first, second, failed = run(started=1), run(started=2), run(started=3, status="FAILED")
    (found,) = configurations([second, failed, first])
    assert found.runs == (second,)
    assert found.others == (first, failed)


def test_a_run_that_went_on_is_known_by_its_new_epochs():
    grown = run("seed=1", **{"schedule.epochs": "9"})
    assert len(configurations([run(), grown])) == 2
    assert len(configurations([run("schedule.epochs=9"), grown])) == 1


def test_a_setting_that_an_older_version_lacked_gives_another_label():
    old = run()
    kept = {key: value for key, value in old.params.items() if key != "optimizer.epsilon"}
    found = configurations([old, old._replace(params=kept)])
    assert len({one.label for one in found}) == 2


def test_what_is_common_is_what_does_not_set_them_apart():
    found = common(configurations(OF_MODES))
    assert found["optimizer.name"] == "adam"
    assert "precision.mode" not in found


MIXED = [
    run("precision=force_fp16"),
    run("precision=must_keep_origin_dtype"),
    run("precision=must_keep_origin_dtype", "loss_scale=dynamic"),
    run("precision=force_fp16", "loss_scale=dynamic"),
]


@pytest.mark.parametrize(
    ("named", "place"),
    [
        pytest.param(None, 1, id="float32 by default"),
        pytest.param("force_fp16,loss_scale=dynamic", 3, id="words"),
        pytest.param("precision=force_fp16,loss_scale=none", 0, id="as it was typed"),
        pytest.param("force_fp16 loss_scale=none", 0, id="a label"),
        pytest.param("precision.mode=force_fp16 loss_scale.name=dynamic", 3, id="dotted"),
        pytest.param("fp16,loss_scale=none", 0, id="another name of a mode"),
        pytest.param("precision=origin,loss_scale=dynamic", 2, id="another name, as typed"),
    ],
)
def test_the_reference_is_named_in_a_person_s_words(named, place):
    found = configurations(MIXED)
    assert reference_of(found, named) is found[place]


def test_without_float32_the_first_is_the_reference():
    found = configurations(OF_MODES[2:])
    assert reference_of(found, None).label == "allow_mix_precision"


@pytest.mark.parametrize("named", ["force_fp16", "nope", "optimizer=sgd", ","])
def test_a_reference_that_is_none_or_several_is_refused_with_the_labels(named):
    with pytest.raises(ConfigError, match="force_fp16,loss_scale=dynamic") as caught:
        reference_of(configurations(MIXED), named)
    good = str(caught.value).rpartition("reference=")[2]
    assert reference_of(configurations(MIXED), good)


def test_emulation_is_held_against_the_same_training_in_float32():
    found = configurations(MIXED)
    assert float32_of(found[3], found) is found[2]
    assert float32_of(found[0], found) is found[1]
    assert float32_of(found[3], found[:2]) is None


LOOKS = [run("schedule=smoke", f"precision={mode}", started=1) for mode in MODES]
FULLS = [run(f"precision={mode}", started=2) for mode in MODES[1:]]


@pytest.mark.parametrize(
    ("runs", "label"),
    [
        pytest.param(LOOKS + FULLS, "allow_mix_precision schedule.epochs=5", id="trained longest"),
        pytest.param(LOOKS + FULLS[:1], "must_keep_origin_dtype", id="of which there are two"),
        pytest.param(LOOKS[1:2] + FULLS[:1], "schedule.epochs=5", id="one of each"),
    ],
)
def test_the_reference_is_of_what_others_can_be_compared_with(runs, label):
    chosen = reference_of(configurations(runs), None)
    assert set(label.split()) <= {*chosen.label.split()}
    assert chosen.settings["schedule.epochs"] == ("5" if "epochs=5" in label else "1")
