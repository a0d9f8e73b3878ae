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
