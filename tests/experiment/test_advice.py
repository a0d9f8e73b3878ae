"""A run that went wrong ends with the command that shows why."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.experiment.advice import advice
from lenet_exp.experiment.summary import Outcome
from lenet_exp.training.history import History

pytestmark = pytest.mark.stackless
RUN = ["python", "-m", "lenet_exp.run"]
NONE, FLOAT32 = "loss_scale=none", "precision=must_keep_origin_dtype"
RATE = "optimizer.learning_rate"


def advised(
    words, command, accuracy=0.98, skipped=0, losses=(1.0,) * 10, look=False, cpu=True, swept=False
):
    settings = settings_to_explain(words)
    done = Outcome(settings, cpu, cpu, "a device", look, 10000, accuracy, 0.01, swept)
    history = History(losses=np.array(losses, np.float32), skipped=np.arange(len(losses)) < skipped)
    return advice(done, history, command)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"skipped": 4},
        {"accuracy": 0.11, "look": True},
        {"accuracy": 0.21},
        {"losses": [np.nan] * 3 + [1.0] * 7},  # and it learned all the same
    ],
)
def test_nothing_is_wrong(given):
    assert advised([], RUN, **given) == []


TRACED = "precision.trace_overflow=true"


@pytest.mark.parametrize(
    ("words", "given", "lines"),
    [
        (
            [NONE],
            {"accuracy": 0.1135},
            [
                "accuracy 0.1135 is no better than guessing",
                "what trains instead: python -m lenet_exp.advise",
                f"which operator overflows: python -m lenet_exp.run {NONE} {TRACED}",
            ],
        ),
        (
            ["loss_scale=fixed", "optimizer=momentum", "hardware=cpu", "hardware.cann=2021"],
            {"accuracy": 0.11, "skipped": 10},
            [
                "10 of 10 steps were skipped: their gradients overflowed",
                (
                    "which loss scales do: python -m lenet_exp.advise modes=allow_mix_precision"
                    " optimizer=momentum hardware.cann=2021"
                ),
                (
                    "which operator overflows: python -m lenet_exp.run loss_scale=fixed"
                    f" optimizer=momentum hardware=cpu hardware.cann=2021 {TRACED}"
                ),
            ],
        ),
        (
            ["loss_scale=fixed"],
            {"accuracy": 0.11, "skipped": 10},
            [
                "10 of 10 steps were skipped: their gradients overflowed",
                "which loss scales do: python -m lenet_exp.advise modes=allow_mix_precision",
                f"which operator overflows: python -m lenet_exp.run loss_scale=fixed {TRACED}",
            ],
        ),
        (
            [NONE],
            {"losses": [1.0, np.nan, np.inf], "skipped": 3},
            [
                "the training diverged: the loss of step 2 is no number",
                "what trains instead: python -m lenet_exp.advise",
                f"which operator overflows: python -m lenet_exp.run {NONE} {TRACED}",
            ],
        ),
        (
            [NONE],
            {"accuracy": 0.1, "cpu": False},
            [
                "accuracy 0.1000 is no better than guessing",
                "what trains instead: python -m lenet_exp.advise",
                f"which operator overflows: python -m lenet_exp.run {NONE} {TRACED} hardware=cpu",
            ],
        ),
        (
            ["precision=force_fp16"],
            {"accuracy": 0.11},
            [
                "accuracy 0.1100 is no better than guessing",
                f"Adam's epsilon is 0 in float16; try: {' '.join(RUN)} experiment=force_fp16_adam",
                "or its update stays float32: python -m lenet_exp.advise modes=force_fp16",
            ],
        ),
        (
            ["precision=force_fp16", "optimizer.epsilon=5e-5", "precision.flush_subnormals=true"],
            {"accuracy": 0.11},
            [
                "accuracy 0.1100 is no better than guessing",
                f"Adam's epsilon is 0 in float16; try: {' '.join(RUN)} experiment=force_fp16_adam",
                (
                    "or its update stays float32: python -m lenet_exp.advise modes=force_fp16"
                    " precision.flush_subnormals=true optimizer.epsilon=5e-05"
                ),
            ],
        ),
        (
            [TRACED],
            {"accuracy": 0.11},
            [
                "accuracy 0.1100 is no better than guessing",
                "which operator overflowed: overflows.txt in the folder",
            ],
        ),
        (
            [FLOAT32, f"{RATE}=3"],
            {"accuracy": 0.11},
            [
                "accuracy 0.1100 is no better than guessing",
                f"nothing is float16 here; try: {' '.join(RUN)} {FLOAT32} {RATE}=0.3",
            ],
        ),
    ],
)
def test_what_is_wrong_and_what_shows_why(words, given, lines):
    assert advised(words, [*RUN, *words, "hydra.run.dir=x"], **given) == lines


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["lenet-exp", "run", "seed=1"], f"lenet-exp run seed=1 {TRACED}"),
        (
            [*RUN, "data.path='a b'"],
            f"python -m lenet_exp.run 'data.path='\"'\"'a b'\"'\"'' {TRACED}",
        ),
        (["python", "-m", "lenet_exp.rerun", "run=latest"], TRACED),
        ([], TRACED),
    ],
)
def test_the_command_is_what_was_typed_if_that_makes_the_run_again(command, shown):
    assert advised([], command, accuracy=0.1)[-1] == f"which operator overflows: {shown}"


@pytest.mark.parametrize("typed", ["-m", "experiment=precision_sweep"])
def test_a_job_is_not_traced_by_the_whole_sweep(typed):
    line = advised([], [*RUN, typed], accuracy=0.1, swept=True)[-1]
    assert line == f"which operator overflows: {TRACED}"


def test_a_chip_s_run_is_traced_on_a_cpu_without_the_keys_of_a_chip(tmp_path):
    path = tmp_path / "mix.json"
    path.write_text("{}")
    words = [
        "hardware=ascend910",
        "hardware.iterations_per_loop=5",
        "hardware.cann=today",
        f"hardware.modify_mixlist={path}",
        "seed=1",
    ]
    line = advised(words, [*RUN, *words], accuracy=0.11, cpu=False)[-1]
    mixlist = f"precision.modify_mixlist={path}"
    typed = ["hardware.cann=today", mixlist, "seed=1", TRACED, "hardware=cpu"]
    assert shlex.split(line)[-len(typed) - 3 :] == [*RUN, *typed]
    settings_to_explain(typed)


def test_the_command_records_where_this_environment_says(monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "a b")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host")
    line = advised([NONE], [*RUN, NONE], accuracy=0.11)[-1]
    assert line.endswith(f"{TRACED} 'tracking.experiment=\"a b\"' 'tracking.uri=\"http://host\"'")


def test_the_advice_is_under_the_files_of_a_chip_s_run(tmp_path):
    path = tmp_path / "a b.txt"
    path.write_text("OpType::Relu::InputDtype:float32,OutputDtype:float32\n")
    words = ["hardware=ascend910", f"hardware.customize_dtypes='{path}'"]
    _, line, _ = advised(words, RUN, accuracy=0.11, cpu=False)
    assert shlex.split(line)[-1] == f'precision.customize_dtypes="{path}"'
