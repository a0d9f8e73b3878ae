"""diagnose and advise as a person types them, on LeNet and on a graph of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.advise.__main__ import main as advise
from lenet_exp.diagnose.__main__ import main as diagnose
from tests.networks.network import cross_entropy, dense
from tests.stacks import full_on_tf1

SMALL = "schedule.batch_size=8"


@pytest.fixture
def ask(capsys, monkeypatch, tmp_path):
    """Call a verb in an empty folder; return its exit code, its output and its errors."""
    monkeypatch.chdir(tmp_path)

    def run(verb, *words):
        code = verb(words)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def own_graph(tmp_path):
    """Write a person's MetaGraph with its feeds; return both as words."""
    tf = tf_compat.load()
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [4, 6], "x")
        labels = tf.placeholder(tf.int32, [4], "labels")
        loss = cross_entropy(tf, dense(tf, x * 1e-6 * 3e6, 5, "logits"), labels)
        tf.train.AdamOptimizer(0.01).minimize(loss)
        tf.train.export_meta_graph(str(tmp_path / "net.meta"))
    arrays = {"x:0": np.ones([3, 4, 6], np.float32), "labels:0": np.zeros([3, 4], np.int32)}
    np.savez(str(tmp_path / "data.npz"), **arrays)
    return [f"graph={tmp_path / 'net.meta'}", f"feeds={tmp_path / 'data.npz'}"]


def test_lenet_is_diagnosed(ask):
    code, text, _ = ask(diagnose, "precision=force_fp16", SMALL, "operators=8")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "force_fp16, 55 operators of one step, by damage"
    assert max(map(len, lines)) <= 100
    worst = [line for line in lines if "ApplyAdam" in line]
    assert len(worst) >= 5
    assert all("arises" in line for line in worst[:5])


def test_a_graph_of_a_person_is_diagnosed(ask, own_graph):
    code, text, _ = ask(diagnose, *own_graph, "precision=force_fp16", "format=json")
    assert code == 0
    found = json.loads(text)
    assert any(row["ge_type"] == "ApplyAdamD" for row in found["operators"])
    assert found["gradients"].keys() == {"logits/kernel", "logits/bias"}


def test_a_capture_is_a_graph_with_its_feeds(ask, own_graph, tmp_path):
    folder = tmp_path / "capture"
    folder.mkdir()
    for word, name in zip(own_graph, ("graph.meta", "feeds.npz")):
        (tmp_path / word.partition("=")[2]).rename(folder / name)
    (folder / "capture.json").write_text('{"mode": "force_fp16"}')
    code, text, _ = ask(diagnose, f"capture={folder}", "precision=force_fp16", "format=csv")
    assert code == 0
    assert "ApplyAdamD" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["graph=x.meta"], "an npz of what a step is fed"),
        (["run=latest", "checkpoint=x"], "without run="),
        (["checkpoint=nothing"], "holds no checkpoint"),
        (["capture=nothing"], "can't be read"),
        (["operators=few"], "a whole number from 1 on, or all"),
    ],
)
def test_what_can_not_be_is_refused_in_words(ask, words, says):
    code, text, problem = ask(diagnose, *words)
    assert code == 2
    assert text == ""
    assert says in problem
    assert "Traceback" not in problem


def test_a_feed_of_no_tensor_is_named(ask, own_graph, tmp_path):
    np.savez(str(tmp_path / "other.npz"), **{"y:0": np.zeros([1, 4])})
    code, _, problem = ask(diagnose, own_graph[0], f"feeds={tmp_path / 'other.npz'}")
    assert code == 2
    assert "y:0 is no tensor of the graph" in problem


@full_on_tf1
def test_force_fp16_is_advised_to_keep_the_update(ask, tmp_path):
    code, text, _ = ask(advise, "modes=[force_fp16]", "steps=4", SMALL, "ranks=4")
    assert code == 0
    lines = text.splitlines()
    assert len(lines) <= 25
    assert "epsilon" in text
    assert "ApplyAdam" in text
    assert "4 devices: " in text
    command = lines[-1]
    assert command.startswith("train it: python -m lenet_exp.run precision=force_fp16 ")
    assert "precision.customize_dtypes=advice/customize_dtypes.txt" in command
    assert SMALL in command
    kept = (tmp_path / "advice" / "customize_dtypes.txt").read_text()
    assert "ApplyAdam" in kept


@full_on_tf1
def test_what_the_chip_refuses_is_not_advised(ask):
    modes = "modes=[must_keep_origin_dtype,allow_mix_precision]"
    code, text, _ = ask(advise, modes, "steps=2", SMALL, "format=json")
    assert code == 0
    found = json.loads(text)
    assert "Conv2D" in found["refused"]["must_keep_origin_dtype"]
    assert [each["mode"] for each in found["points"]] == ["allow_mix_precision"]
    assert found["points"][0]["recommended"]


@full_on_tf1
def test_a_graph_of_a_person_gets_advice(ask, own_graph):
    code, text, _ = ask(advise, *own_graph, "steps=3")
    assert code == 0
    assert "its plan: python -m lenet_exp.explain graph=" in text
    assert len(text.splitlines()) <= 25


def test_a_mode_that_the_adapter_lacks_is_not_advised(ask, own_graph):
    words = [*own_graph, "modes=[force_fp32,allow_fp32_to_fp16]", "steps=1", "hardware.cann=2021"]
    code, text, _ = ask(advise, *words, "format=json")
    assert code == 0
    found = json.loads(text)
    assert found["refused"] == {"force_fp32": ["it: hardware.cann=2021 has no such mode"]}
    assert {each["mode"] for each in found["points"]} == {"allow_fp32_to_fp16"}


def saved(folder, nodes):
    """Write a GraphDef of nodes that TensorFlow makes; return the graph as a word."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        nodes(tf)
    (folder / "other.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return f"graph={folder / 'other.pb'}"


def gathered(tf):
    table = tf.get_variable("table", [5, 2], initializer=tf.zeros_initializer())
    rows = tf.gather(table, tf.placeholder(tf.int32, [None], "x"))
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(rows * rows, name="loss"))


def two_inputs(tf):
    x, y = (tf.placeholder(tf.float32, [None, 2], name) for name in "xy")
    tf.add(x, y, "sum")


REFUSED = [
    (gathered, {"x": np.full([1, 4], 9, np.int32)}, "= 9 is not in [0, 5)"),
    (two_inputs, {"x": np.ones([1, 3, 2])}, "lacks y:0, which the step takes"),
    (two_inputs, {"x": np.ones([1, 3, 2]), "y": np.ones([1, 5, 2])}, "arrays that fit each other"),
]


@pytest.mark.parametrize(("nodes", "arrays", "says"), REFUSED)
def test_feeds_that_no_step_can_be_made_of_are_refused(ask, tmp_path, nodes, arrays, says):
    np.savez(str(tmp_path / "x.npz"), **arrays)
    code, text, problem = ask(diagnose, saved(tmp_path, nodes), "feeds=x.npz")
    assert (code, text) == (2, "")
    assert says in problem
    assert "Traceback" not in problem


def test_an_operator_that_only_the_chip_knows_is_named_where_it_is_needed(ask, own_graph, tmp_path):
    tf, path = tf_compat.load(), tmp_path / "net.meta"
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    meta.graph_def.node.add(name="strange", op="NpuOnly", input=["x"])
    path.write_bytes(meta.SerializeToString())
    words = (*own_graph, "precision=force_fp16", "operators=1")
    assert ask(diagnose, *words, "fetches=[Adam]")[::2] == (0, "")
    code, _, problem = ask(diagnose, *words, "fetches=[Adam,strange]")
    assert code == 2
    assert "strange: this TensorFlow knows no operator NpuOnly" in problem


def test_where_nothing_is_trained_there_is_no_advice(ask, tmp_path):
    np.savez(str(tmp_path / "x.npz"), x=np.ones([1, 3, 2]), y=np.ones([1, 3, 2]))
    code, _, problem = ask(advise, saved(tmp_path, two_inputs), "feeds=x.npz")
    assert code == 2
    assert "the step has no gradient, so nothing is trained" in problem


def test_a_place_for_the_files_is_asked_for_first(ask, own_graph, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, problem = ask(advise, *own_graph, "to=file")
    assert code == 2
    assert "to=file is not possible" in problem
