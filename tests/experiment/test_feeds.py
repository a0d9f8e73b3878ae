"""What a person's own graph is fed: odd files are refused by file and key."""

from __future__ import annotations

import os

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import DataError, GraphError
from lenet_exp.experiment.feeds import captured_fetches, read_feeds
from lenet_exp.experiment.steps import captured_step, graph_step
from tests.networks.network import cross_entropy, dense

ONES = np.ones(4, np.float32).tobytes()
X, LABELS = np.ones([3, 4, 6], np.float32), np.zeros([3, 4], np.int32)


def graph():
    tf = tf_compat.load()
    with tf.Graph().as_default() as made:
        x = tf.placeholder(tf.float32, [None, 6], "x")
        labels = tf.placeholder(tf.int32, [4], "labels")
        tf.placeholder(tf.string, [4], "texts")
        tf.placeholder(tf.float32, None, "any")
        loss = cross_entropy(tf, dense(tf, x, 5, "logits"), labels)
        tf.train.GradientDescentOptimizer(0.01).minimize(loss)
    return made


@pytest.fixture(scope="module")
def graph_def():
    return graph().as_graph_def()


@pytest.mark.parametrize(
    "arrays",
    [
        {"x:0": X, "labels:0": LABELS},
        {"x": X, "labels": LABELS},
        {"x:0": X.astype(np.float64), "labels:0": LABELS.astype(np.int64)},
        {"x:0": X.astype(np.int32)},
        {"x:0": X[:, :2]},
        {"any:0": X},
        {"texts:0": np.array([["a", "b", "c", "d"]])},
        {"logits/kernel/read:0": np.zeros([1, 6, 5], np.float32)},
    ],
)
def test_what_can_be_fed(graph_def, tmp_path, arrays):
    np.savez(str(tmp_path / "data.npz"), **arrays)
    found = read_feeds(tmp_path / "data.npz", graph_def)
    assert found.keys() == {name if ":" in name else f"{name}:0" for name in arrays}


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"y:0": X}, "y:0 is no tensor of the graph"),
        ({"x": X, "x:0": X}, "holds x:0 twice: as x:0, and as x"),
        ({"x:1": X}, "x:1 is no tensor of the graph"),
        ({"x:a": X}, "x:a is no tensor of the graph"),
        ({"x:²": X}, "x:² is no tensor of the graph"),
        ({"^x:0": X}, "^x:0 is no tensor of the graph"),
        ({"init:0": X}, "init:0 is no tensor of the graph"),
        ({"x:0": np.float32(1)}, "x:0 has no axis of steps"),
        ({"x:0": X[:0]}, "x:0 holds 0 steps"),
        ({"x:0": X, "labels:0": LABELS[:0]}, "labels:0 holds 0 steps"),
        ({"x:0": X[0]}, "x:0 holds steps of shape [6], where the graph takes [any, 6]"),
        ({"x:0": X[:, :, :5]}, "x:0 holds steps of shape [4, 5], where the graph takes [any, 6]"),
        ({"labels:0": LABELS[:, :3]}, "labels:0 holds steps of shape [3], where the graph"),
        ({"x:0": np.array([["a"]])}, "x:0 holds <U1, where the graph takes float32"),
        ({"x:0": X.astype(np.complex64)}, "x:0 holds complex64, where the graph takes float32"),
        ({"labels:0": LABELS + 0.5}, "labels:0 holds float64, where the graph takes int32"),
        ({"texts:0": np.zeros([1, 4])}, "texts:0 holds float64, where the graph takes string"),
        ({"x:0": np.array([{}, None])}, "x:0 can't be read"),
    ],
)
def test_an_array_that_can_not_be_fed_is_named(graph_def, tmp_path, arrays, says):
    path = tmp_path / "data.npz"
    np.savez(str(path), **arrays)
    with pytest.raises(DataError) as caught:
        read_feeds(path, graph_def)
    assert f"{path}: {says}" in str(caught.value)


def npz(path):
    np.savez(str(path), **{"x:0": X})
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda path: b"", "is no npz"),
        (lambda path: b"text", "is no npz"),
        (lambda path: b"PK\x03\x04", "is no npz"),
        (lambda path: npz(path)[:-30], "is no npz"),
        (lambda path: npz(path)[:100], "is no npz"),
        (
            lambda path: npz(path).replace(b"\x00\x00\x80?" * 4, b"\x01" * 16, 1),
            "x:0 can't be read",
        ),
        (lambda path: npz(path).replace(b"NUMPY", b"NOMPY", 1), "x:0"),
        (lambda path: None, "is no npz"),
    ],
)
def test_a_file_that_is_no_npz_is_named(graph_def, tmp_path, content, says):
    path = tmp_path / "data.npz"
    written = content(path)
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(DataError) as caught:
        read_feeds(path, graph_def)
    assert f"{path}: {says}" in str(caught.value)


def test_what_may_have_no_end_is_not_read(graph_def, tmp_path):
    for name in ("data.npz", "capture.json"):
        os.mkfifo(str(tmp_path / name))
    with pytest.raises(DataError, match=r"data\.npz: is no regular file"):
        read_feeds(tmp_path / "data.npz", graph_def)
    with pytest.raises(GraphError, match=r"graph\.meta"):  # which comes after capture.json
        captured_step(tmp_path, ())


def test_one_array_without_a_name_is_no_npz(graph_def, tmp_path):
    np.save(str(tmp_path / "data.npy"), X)
    with pytest.raises(DataError, match="one array without a name"):
        read_feeds(tmp_path / "data.npy", graph_def)


@pytest.mark.parametrize(
    ("content", "fetches"),
    [(None, ()), ("{}", ()), ('{"fetches": []}', ()), ('{"fetches": ["a", "b:0"]}', ("a", "b:0"))],
)
def test_a_capture_says_what_it_fetches(tmp_path, content, fetches):
    path = tmp_path / "capture.json"
    if content is not None:
        path.write_text(content)
    assert captured_fetches(path) == fetches


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "holds no JSON object"),
        ("null", "holds no JSON object"),
        ("{", "is no JSON that can be read"),
        ("[" * 100_000, "is no JSON that can be read"),
        ('{"fetches": "loss"}', "fetches is no list of names"),
        ('{"fetches": [1]}', "fetches is no list of names"),
        ('{"fetches": null}', "fetches is no list of names"),
    ],
)
def test_what_a_capture_can_not_say_is_named(tmp_path, content, says):
    path = tmp_path / "capture.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        captured_step(tmp_path, ())
    assert f"{path}: {says}" in str(caught.value)


def test_a_variable_without_a_first_value_is_named(graph_def, tmp_path):
    tf = tf_compat.load()
    kept = tf.GraphDef(versions=graph_def.versions)
    gone = {"init", "logits/kernel/Assign"}
    kept.node.extend(node for node in graph_def.node if node.name not in gone)
    (tmp_path / "net.pb").write_bytes(kept.SerializeToString())
    np.savez(str(tmp_path / "data.npz"), **{"x:0": X, "labels:0": LABELS})
    with pytest.raises(DataError) as caught:
        graph_step(tmp_path / "net.pb", tmp_path / "data.npz", ())
    said = "net.pb: gives the variable logits/kernel no first value"
    assert said in str(caught.value)
    assert "checkpoint=DIR" in str(caught.value)


def test_a_dimension_that_the_graph_leaves_open_is_that_of_the_feeds(graph_def, tmp_path):
    (tmp_path / "net.pb").write_bytes(graph_def.SerializeToString())
    np.savez(str(tmp_path / "data.npz"), **{"x": X, "labels:0": LABELS, "any:0": X[:, 0, 0]})
    step = graph_step(tmp_path / "net.pb", tmp_path / "data.npz", ())
    assert step.shapes == {"x": (4, 6), "any": ()}
    (node,) = (node for node in step.graph_def.node if node.name == "x")
    assert [dim.size for dim in node.attr["shape"].shape.dim] == [4, 6]
