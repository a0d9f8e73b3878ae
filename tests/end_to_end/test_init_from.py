"""Runs that start from trained networks: ours, and those of the ModelZoo's own script."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.data.part_of_mnist import PART
from tests.stacks import full_on_tf1

# One step that changes no weight: what a checkpoint then has is what the run started from.
ONE_STEP = (
    PART, "schedule=smoke", "schedule.steps_per_epoch=1", "optimizer.learning_rate=1e-30", "seed=5",
    "precision=must_keep_origin_dtype",
)  # fmt: skip
SHAPES = {
    "layer_1/weights": [5, 5, 1, 6], "layer_1/bias": [6],
    "layer_2/weights": [5, 5, 6, 16], "layer_2/bias": [16],
    "fc_1/weight": [784, 120], "fc_1/bias": [120],
    "fc_2/weight": [120, 84], "fc_2/bias": [84],
    "fc_3/weight": [84, 10], "fc_3/bias": [10],
}  # fmt: skip


@pytest.fixture(scope="module")
def modelzoo(tmp_path_factory):
    """A checkpoint as the ModelZoo's LeNet.py leaves it, with loss scaling: mode.ckpt."""
    from lenet_exp import tf_compat

    tf, folder = tf_compat.load(), tmp_path_factory.mktemp("ckpt_npu")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(11)
        made = [tf.get_variable(name, shape) for name, shape in SHAPES.items()]
        loss = tf.add_n([tf.reduce_sum(variable) for variable in made])
        optimizer = tf.train.AdamOptimizer()
        pairs = optimizer.compute_gradients(loss)
        tf.get_variable("loss_scale", initializer=2.0**7, trainable=False)
        tf.get_variable("good_steps", initializer=3, trainable=False)
        train = tf.cond(tf.constant(True), lambda: optimizer.apply_gradients(pairs), tf.no_op)
        session.run(tf.global_variables_initializer())
        session.run(train)
        tf.train.Saver().save(session, str(folder / "mode.ckpt"))
    return folder


def values_of(prefix):
    from lenet_exp.model import weights

    return weights.read(prefix)


def started(project, *words):
    done = project.run(*ONE_STEP, *words)
    assert done.returncode == 0, done.stderr
    folder = max((project.folder / "outputs").iterdir(), key=lambda path: path.stat().st_mtime)
    return values_of(folder / "checkpoints" / "1" / "model"), done.stdout


def same(values, others):
    return {name for name in SHAPES if np.array_equal(values[name], others[name])}


@full_on_tf1
def test_a_run_starts_from_ours_and_its_optimizer_afresh(shared_project, trained):
    source = trained.folder / "outputs" / "it"
    before = values_of(source / "checkpoints" / "500" / "model")
    values, printed = started(shared_project, f"init_from={source}", "exclude=[fc_3]")
    assert same(values, before) == {*SHAPES} - {"fc_3/weight", "fc_3/bias"}
    assert "checkpoints/500/model: 8 variables, not fc_3/weight, fc_3/bias" in printed
    assert values["beta1_power"] == pytest.approx(0.9**2)  # as after one step, not 501


def test_a_run_starts_from_a_checkpoint_of_the_modelzoo_s_script(shared_project, modelzoo):
    before = values_of(modelzoo / "mode.ckpt")
    assert "cond/beta1_power" in before
    values, printed = started(shared_project, f"init_from={modelzoo}", "loss_scale=dynamic")
    assert same(values, before) == {*SHAPES}
    assert "mode.ckpt: 10 variables\n" in printed
    assert (values["loss_scale"], values["good_steps"]) == (2.0**15, 1)  # its own


@pytest.mark.full
def test_a_repetition_from_another_start_says_so(shared_project, trained, modelzoo, tmp_path):
    start = tmp_path / "start"
    shutil.copytree(str(modelzoo), str(start))
    started(shared_project, f"init_from={start}")
    other = trained.folder / "outputs" / "it" / "checkpoints" / "500"
    for path in other.glob("model.*"):
        shutil.copy(str(path), str(start / f"mode.ckpt{path.suffix}"))
    done = shared_project.run("run=latest", verb="rerun")
    assert done.returncode == 1, done.stderr
    assert "files_sha256.init_from: " in done.stdout


@pytest.mark.full
def test_the_first_values_are_others_without_it(shared_project, modelzoo):
    values, _ = started(shared_project)
    assert not same(values, values_of(modelzoo / "mode.ckpt"))


@full_on_tf1
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("exclude=[fc_3]", "only with init_from="),
        ("init_from=nowhere", "init_from=nowhere is not possible"),
        ("init_from=outputs/it exclude=fc_3", "such as [fc_3]"),
        ("init_from=outputs/it exclude=[3]", "such as [fc_3]"),
    ],
)
def test_a_start_that_is_not_possible_is_told_before_tensorflow(trained, words, told, monkeypatch):
    from lenet_exp.config.cli.command_line import check_command_line
    from lenet_exp.errors import ConfigError

    monkeypatch.chdir(trained.folder)
    check_command_line(["init_from=outputs/it", "exclude=[fc_3]"])
    with pytest.raises(ConfigError) as caught:
        check_command_line(words.split())
    assert told in str(caught.value)


@full_on_tf1
def test_a_checkpoint_of_another_network_is_told_and_leaves_no_run(shared_project):
    from lenet_exp import tf_compat

    tf, prefix = tf_compat.load(), shared_project.folder / "other" / "model.ckpt"
    prefix.parent.mkdir()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("fc_3/weight", [84, 5])
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(prefix))
    before = len(shared_project.recorded()), made_in(shared_project)
    done = shared_project.run(*ONE_STEP, f"init_from={prefix}")
    assert done.returncode == 2
    assert "holds no layer_1/weights" in done.stderr
    assert "exclude=[layer_1]" in done.stderr
    assert "Traceback" not in done.stderr
    assert (len(shared_project.recorded()), made_in(shared_project)) == before


def made_in(project):
    return sorted(project.folder.glob("outputs/*"))
