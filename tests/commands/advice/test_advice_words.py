"""What an advice tells a person to type, and why."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from lenet_exp.commands.advice.words import command, nearest, of_epsilon, scale_words
from lenet_exp.config.checks import check_runnable
from lenet_exp.config.chip import machine
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.experiment.steps import Step
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import Diagnosis, OperatorError
from lenet_exp.precision.diagnosis.front import Point
from lenet_exp.precision.diagnosis.keep_list import KeepList
from lenet_exp.precision.diagnosis.measures import Error
from tests.networks.network import cross_entropy, dense

RIGHT, WRONG = Error(1.0, 0.0, 0.0, 1, 0, 0, 1.0), Error(0.0, 9.0, 9.0, 1, 0, 0, 1.0)
RUN, EXPLAIN = "python -m lenet_exp.run precision=", "python -m lenet_exp.explain graph="
LINES = {"precision.customize_dtypes": Path("advice/customize_dtypes.txt")}
WITH_LINES = "precision.customize_dtypes=advice/customize_dtypes.txt"
MIXLIST = {"precision.modify_mixlist": Path("advice/modify_mixlist.json")}
SCALED, LISTED = "loss_scale=fixed loss_scale.value=1", "precision.modify_mixlist=m.json"
MOMENTUM, CANN = "optimizer=momentum optimizer.learning_rate=0.05", "hardware.cann=2021"
CHIP = "hardware=ascend910"
NEAREST, OR = "no mode reaches the target,", "or another network"
FLUSH = "precision.flush_subnormals=true"
OWN = ["graph=n.meta", "feeds=d.npz"]


def point(mode="force_fp16", names=(), error=0.0, holds=True, refused=()):
    kept = KeepList(tuple(names), None, RIGHT, 1 - error, holds, True, 0)
    return Point(mode, kept, error, 1.0, 1.0, 1, 0, tuple(refused), ())


def write(folder, files):
    """Write the files of a keep list, without lines."""
    for path in files.values():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("{}" if path.suffix == ".json" else "")


@pytest.mark.parametrize(
    ("words", "recorded", "names", "files", "line"),
    [
        ([], [], (), {}, f"{RUN}force_fp16"),
        (["seed=3"], [], (), {}, f"{RUN}force_fp16 seed=3"),
        (["checkpoint=my/old"], [], (), {}, f"{RUN}force_fp16 init_from=my/old"),
        ([*OWN, "checkpoint=c"], [], (), {}, f"{EXPLAIN}n.meta precision=force_fp16"),
        (["precision=force_fp32", "loss_scale=fixed"], [], (), {}, f"{RUN}force_fp16"),
        (
            [LISTED, "seed=3"],
            [],
            ("a", "b"),
            MIXLIST,
            f"{RUN}force_fp16 'precision.keep_dtype=[a,b]' {SCALED} seed=3",
        ),
        (
            ["run=latest"],
            [*MOMENTUM.split(), "seed=3", "schedule.epochs=2"],
            (),
            {},
            f"{RUN}force_fp16 {MOMENTUM} schedule.epochs=2 seed=3",
        ),
        (
            ["run=latest"],
            ["precision=force_fp32", "precision.customize_dtypes=c.txt", "loss_scale=dynamic"],
            ("a",),
            LINES,
            f"{RUN}force_fp16 {WITH_LINES} {SCALED}",
        ),
        ([*OWN, CANN], [], (), {}, f"{EXPLAIN}n.meta precision=force_fp16 {CANN}"),
        (["capture=c"], [], (), {}, f"{EXPLAIN}c/graph.meta precision=force_fp16"),
        (
            ["precision.keep_dtype=[fc_3]"],
            [],
            ("a",),
            LINES,
            f"{RUN}force_fp16 'precision.keep_dtype=[fc_3]' {WITH_LINES} {SCALED}",
        ),
        (
            ["precision.keep_dtype=[fc_3]"],
            [],
            ("a",),
            {},
            f"{RUN}force_fp16 'precision.keep_dtype=[fc_3,a]' {SCALED}",
        ),
        (
            ["run=latest"],
            ["hardware=ascend910", CANN],
            ("a",),
            {},
            f"{RUN}force_fp16 'precision.keep_dtype=[a]' {SCALED} hardware=cpu {CANN}",
        ),
        (["run=latest"], [CHIP], (), {}, f"{RUN}force_fp16 {CHIP}"),
        (
            ["run=latest"],
            [CHIP, "hardware.customize_dtypes=c.txt", "hardware.modify_mixlist=m.json"],
            (),
            {},
            f"{RUN}force_fp16 precision.customize_dtypes=c.txt {CHIP}",
        ),
        (
            ["run=latest"],
            [CHIP, "hardware.customize_dtypes=c.txt"],
            ("a",),
            LINES,
            f"{RUN}force_fp16 {WITH_LINES} {SCALED} {CHIP}",
        ),
    ],
)
def test_the_command_has_what_the_advice_is_of(
    tmp_path, monkeypatch, words, recorded, names, files, line
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.json").write_text("{}")
    (tmp_path / "c.txt").write_text("")
    options = AdviseOptions.read(words)
    settings = settings_to_explain(recorded) if recorded else options.settings
    scale = scale_words(1.0, bool(names))
    assert command(options, settings, point(names=names), scale, files) == line
    if ".run " in line:
        write(tmp_path, files)
        settings_to_explain(shlex.split(line)[3:])


@pytest.mark.parametrize("recorded", [[], ["seed=3"]])
@pytest.mark.parametrize(
    ("words", "names", "on_a_cpu"),
    [([], ("a",), True), ([FLUSH], (), True), (["precision.keep_dtype=[fc_3]"], (), True),
     ([], (), False)],
)  # fmt: skip
def test_beside_a_chip_the_command_is_one_that_run_takes(
    words, names, on_a_cpu, recorded, monkeypatch
):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    options = AdviseOptions.read([*words, *(["run=latest"] if recorded else [])])
    settings = settings_to_explain([*words, *recorded])
    line = command(options, settings, point(names=names), scale_words(1.0, bool(names)), {})
    assert ("hardware=cpu" in line.split()) == on_a_cpu
    settings_to_explain(shlex.split(line)[3:], check=check_runnable)


def test_a_typed_mixlist_is_said_in_the_mode_that_has_lists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.json").write_text("{}")
    options = AdviseOptions.read([LISTED])
    best = point("allow_mix_precision", ["a"])
    line = command(options, options.settings, best, SCALED.split(), MIXLIST)
    assert line.endswith(f"{LISTED} 'precision.keep_dtype=[a]' {SCALED}")
    settings_to_explain(shlex.split(line)[3:])


@pytest.mark.parametrize(
    ("points", "line"),
    [
        ([], "the chip refuses every mode that was tried: modes= others, or another network"),
        (
            [point(error=0.3, holds=False), point("force_fp32", error=0.0123456789, holds=False)],
            f"{NEAREST} force_fp32 is the nearest with 0.987654: 'target=cosine>=0.987654', {OR}",
        ),
        (
            [point(error=1.5, holds=False)],
            f"{NEAREST} force_fp16 is the nearest with -0.500000: another network",
        ),
        (
            [point(error=0.5, holds=False), point(refused=["Conv2D"])],
            "the chip refuses what reaches the target: modes= others, or another network",
        ),
    ],
)
def test_what_is_reached_where_nothing_can_be_recommended(points, line):
    assert nearest(points) == line


def adam(epsilon, mode, of_tensor=False):
    """Return a Diagnosis whose worst operator is the update, of Adam with an epsilon."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [4, 6], "x")
        loss = cross_entropy(tf, dense(tf, x, 5, "logits"), tf.placeholder(tf.int32, [4], "labels"))
        given = tf.abs(tf.reduce_mean(x)) if of_tensor else epsilon
        train = tf.train.AdamOptimizer(0.01, epsilon=given).minimize(loss)
    plan = assign(graph.as_graph_def(), mode, fetches=[train.name])
    rows = tuple(
        OperatorError(row, "update", WRONG, WRONG if "ApplyAdam" in row.ge_type else RIGHT, 0.0)
        for row in plan.operators
    )
    return Diagnosis(plan, rows, (), RIGHT, ())


@pytest.mark.parametrize(
    ("epsilon", "mode", "words", "said"),
    [
        (1e-8, "force_fp16", [], ["epsilon, 1e-08,", "optimizer.epsilon has", "6e-08", "=force_f"]),
        (1e-8, "force_fp16", ["run=x"], ["epsilon, 1e-08,", "optimizer.epsilon has to be 6e-08"]),
        (2e-8, "force_fp16", OWN, ["epsilon, 2e-08,", "its epsilon has to be 6e-08"]),
        (1e-3, "force_fp16", [], []),
        (1e-3, "force_fp16", OWN, []),
        (6e-8, "force_fp16", [], []),
        (5e-5, "force_fp16", [FLUSH], ["epsilon, 5e-05,", "has to be 6e-05", "=force_f"]),
        (7e-5, "force_fp16", [FLUSH], []),
        (1e-8, "allow_mix_precision", [], []),
    ],
)
def test_an_epsilon_is_blamed_only_where_float16_has_it_as_0(epsilon, mode, words, said):
    text = of_epsilon(AdviseOptions.read(words), adam(epsilon, mode))
    assert bool(text) == bool(said)
    assert all(each in text for each in said)
    assert ("experiment=" in text) == (said[-1:] == ["=force_f"])


def test_an_epsilon_that_is_no_constant_is_not_blamed():
    assert of_epsilon(AdviseOptions.read([]), adam(1e-8, "force_fp16", of_tensor=True)) == ""


def test_an_update_by_resource_has_its_epsilon_too():
    tf = tf_compat.load()
    with tf.variable_scope(tf.get_variable_scope(), use_resource=True):
        found = adam(1e-8, "force_fp16")
    assert "1e-08" in of_epsilon(AdviseOptions.read([]), found)


def of_a_file(words, files, step=None):
    """Return the words of the command of a keep list, without the program."""
    options = AdviseOptions.read(words)
    scale = SCALED.split()
    line = command(options, options.settings, point(names=["a"]), scale, files, step)
    return shlex.split(line)[3:]


@pytest.mark.parametrize("folder", ["my own", "it's, [x]={y}", "\u00fc$HOME"])
def test_the_file_of_an_odd_folder_is_read_as_it_is_written(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    files = {"precision.customize_dtypes": Path(folder) / "customize_dtypes.txt"}
    write(tmp_path, files)
    read = settings_to_explain(of_a_file([], files))
    assert read.precision.customize_dtypes == f"{folder}/customize_dtypes.txt"


@pytest.mark.parametrize(
    ("scale", "is_set", "words"),
    [
        (None, False, "loss_scale=dynamic"),
        (None, True, "loss_scale=dynamic"),
        (1.0, False, ""),
        (1.0, True, SCALED),
        (4096.0, False, "loss_scale=fixed loss_scale.value=4096"),
    ],
)
def test_a_loss_scale_is_said_where_it_is_another_graph(scale, is_set, words):
    assert scale_words(scale, is_set) == words.split()


def test_a_graph_is_explained_with_what_was_fetched_and_fed():
    step = Step(None, ("train", "loss:0"), {}, None, None, None, {"x": (4, 6), "keep": ()})
    words = of_a_file(["capture=c"], {}, step)
    assert words[:3] == ["graph=c/graph.meta", "fetches=[train,loss:0]", "shapes=x:4x6,keep:[]"]
    words = of_a_file([*OWN, "fetches=[loss:0]"], {}, step)
    assert words[1] == "fetches=[loss:0]"
    asked = ExplainOptions.read(words)
    assert (asked.fetches, asked.shapes) == (("loss:0",), {"x": (4, 6), "keep": ()})
