"""Graph files of every kind, from both stacks and from a chip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision import assign
from lenet_exp.precision.ir.load import load_graph
from tests.precision.lenet_graph import CONDITIONAL_FETCHES, FETCHES, conditional_graph
from tests.precision.lenet_graph import training_graph as lenet_step
from tests.precision.small import MIX, cell, floats, halves


def text_of(message):
    from google.protobuf import text_format

    return text_format.MessageToString(message).encode()


def meta_of(graph_def, **collections):
    meta = tf_compat.load().MetaGraphDef()
    meta.meta_info_def.meta_graph_version = "1"
    meta.meta_info_def.stripped_op_list.op.add(name="Conv2D")
    meta.graph_def.CopyFrom(graph_def)
    for key, names in collections.items():
        meta.collection_def[key].node_list.value.extend(names)
    return meta


def saved_of(meta):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    saved.meta_graphs.add().CopyFrom(meta)
    return saved


KINDS = {
    "binary GraphDef": lambda graph: graph.SerializeToString(),
    "text GraphDef": text_of,
    "binary MetaGraph": lambda graph: meta_of(graph).SerializeToString(),
    "text MetaGraph": lambda graph: text_of(meta_of(graph)),
    "SavedModel": lambda graph: saved_of(meta_of(graph)).SerializeToString(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chip", [False, True], ids=["plain", "with Npu operators"])
def test_every_kind_of_file_gives_the_same_graph(kind, chip, tmp_path):
    graph_def = conditional_graph() if chip else lenet_step()
    path = tmp_path / "graph"
    path.write_bytes(KINDS[kind](graph_def))
    loaded = load_graph(path)
    assert loaded.graph_def == graph_def
    assert loaded.fetches == ()


@pytest.mark.parametrize("chip", [False, True], ids=["plain", "with Npu operators"])
def test_what_was_read_is_planned(chip, tmp_path):
    path = tmp_path / "graph"
    path.write_bytes(KINDS["binary GraphDef"](conditional_graph() if chip else lenet_step()))
    fetches = CONDITIONAL_FETCHES if chip else FETCHES
    plan = assign(load_graph(path).graph_def, MIX, fetches=fetches)
    rows = {row.name: cell(row) for row in plan.operators}
    assert rows["conv1/Conv2D"] == "Conv2D hhh>h white *012"
    if chip:
        assert rows["get_status"] == "NPUGetFloatStatus f>f gray"


def test_what_tensorflow_s_saver_and_saved_model_write_is_read(tmp_path):
    tf = tf_compat.load()
    with tf.Graph().as_default(), tf.Session() as session:
        loss = tf.reduce_mean(halves(tf), name="loss")
        train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")
        tf.add_to_collection(tf.GraphKeys.TRAIN_OP, train)
        tf.losses.add_loss(loss)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    loaded = load_graph(tmp_path / "model.ckpt.meta")
    # minimize adds its operation to train_op itself.
    assert set(loaded.fetches) == {"train", "loss:0"}
    plan = assign(loaded.graph_def, MIX, fetches=loaded.fetches)
    kinds = [row.ge_type for row in plan.operators]
    assert "ApplyMomentumD" in kinds
    assert not [kind for kind in kinds if "Save" in kind or "Restore" in kind]


def test_a_frozen_graph_is_read(tmp_path):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.sigmoid(halves(tf), name="out")
        session.run(tf.global_variables_initializer())
        convert = tf.graph_util.convert_variables_to_constants
        frozen = convert(session, graph.as_graph_def(), ["out"])
    path = tmp_path / "frozen.pb"
    path.write_bytes(frozen.SerializeToString())
    rows = {r.name: cell(r) for r in assign(load_graph(path).graph_def, MIX).operators}
    assert rows["out"] == "Sigmoid h>h gray"


def test_a_folder_is_the_saved_model_in_it(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(KINDS["SavedModel"](lenet_step()))
    assert load_graph(tmp_path).graph_def == lenet_step()


@pytest.mark.parametrize(
    ("collections", "fetches"),
    [
        ({}, ()),
        ({"train_op": ["train"]}, ("train",)),
        ({"train_op": ["train"], "losses": ["loss/Mean:0"]}, ("train", "loss/Mean:0")),
        ({"losses": ["loss/Mean:0"]}, ()),
        ({"train_op": ["gone", "train"]}, ("train",)),
    ],
    ids=["nothing said", "train_op", "and losses", "losses alone", "one that was stripped"],
)
def test_collections_say_what_a_run_fetches(collections, fetches, tmp_path):
    path = tmp_path / "model.meta"
    path.write_bytes(meta_of(lenet_step(), **collections).SerializeToString())
    assert load_graph(path).fetches == fetches


def test_without_a_train_op_the_signatures_outputs_are_fetched(tmp_path):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.sigmoid(floats(tf, "x"), name="out")
    meta = meta_of(graph.as_graph_def())
    meta.signature_def["serving_default"].outputs["y"].name = "out:0"
    path = tmp_path / "saved_model.pb"
    path.write_bytes(saved_of(meta).SerializeToString())
    assert load_graph(path).fetches == ("out:0",)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"not a graph", b"\x00\x01\x02\x03" * 50, b"\x89PNG\r\n\x1a\n", b"node {", b"{}"],
    ids=["empty", "line", "words", "bytes", "picture", "cut text", "json"],
)
def test_what_is_no_graph_is_told_in_words(content, tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    with pytest.raises(GraphError, match=r"model\.pb: it holds no TensorFlow graph(.|\n)*\.meta"):
        load_graph(path)


def length_delimited(number, content):
    size, made = len(content), bytes([number << 3 | 2])
    while size >= 128:
        size, made = size >> 7, made + bytes([size & 127 | 128])
    return made + bytes([size]) + content


def one_attribute(shape):
    attribute = length_delimited(1, b"s") + length_delimited(2, length_delimited(7, shape))
    node = length_delimited(1, b"a") + length_delimited(2, b"P") + length_delimited(5, attribute)
    return length_delimited(1, node)


MANY = 9_000_000
BOMBS = {
    "nodes of two bytes": b"\n\x00" * MANY,
    "dimensions of two bytes": one_attribute(b"\x12\x00" * MANY),
    "numbers of no field": b"\x08\x00" * MANY,
}


@pytest.mark.full
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_would_be_far_larger_in_memory_is_refused_unread(bomb, tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(BOMBS[bomb])
    with pytest.raises(GraphError, match="far more parts than a graph of its size"):
        load_graph(path)


@pytest.mark.parametrize(
    "content",
    [bytes(9_000_000), b"\n" * 9_000_000, b"#\n" * 4_500_000, b"words of a book " * 600_000],
    ids=["zeros", "lines", "comments", "words"],
)
def test_a_large_file_that_is_no_graph_is_told_in_words(content, tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    with pytest.raises(GraphError, match="it holds no TensorFlow graph"):
        load_graph(path)


TEXTS = {
    "no operator": (b"node { name: 'a' }\n" * 90_000, False),
    "one operator": (b"node { name: 'a' op: 'B' }\n" + b"node { name: 'a' }\n" * 90_000, False),
    "one node of many parts": (b"node { name: 'a' " + b"input: 'x' " * 150_000 + b"}", False),
    "as TensorFlow writes it": (b'node {\n  name: "a"\n  op: "B"\n}\n' * 50_000, True),
    "which breaks off": (b"node { name: 'a' op: 'B' }\n" * 50_000 + b"node { op: 'B'", False),
    "with a list that is not closed": (b"node { name: 'a' op: 'B' }\n" * 50_000 + b"[", False),
    "braces in texts and comments": (
        b"node { name: '{\\'[' op: \"'{\\\\\" } # '}\"]\n" * 50_000,
        True,
    ),
    "in other signs": (b"node: < name: 'a' op : 'B' >\n" * 50_000, True),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_large_text_is_read_only_where_its_nodes_have_operators(kind, tmp_path, monkeypatch):
    from google.protobuf import text_format

    content, is_read = TEXTS[kind]
    path, read = tmp_path / "model.pbtxt", []
    path.write_bytes(content)
    monkeypatch.setattr(text_format, "Parse", lambda *args, **options: read.append(args))
    with pytest.raises(GraphError, match="it holds no TensorFlow graph"):
        load_graph(path)
    assert bool(read) == is_read


def test_what_may_never_end_is_not_read(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    with (tmp_path / "zeros").open("wb") as stream:
        stream.truncate(3_000_000_000)
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(GraphError, match="it is no regular file"):
            load_graph(path)
    with pytest.raises(GraphError, match="it has 3000000000 bytes, and no graph file has more"):
        load_graph(tmp_path / "zeros")


def test_text_begins_behind_comments_and_is_read_in_a_folder_too(tmp_path):
    content = b"# a graph\n\n  # of ours\n  " + KINDS["text MetaGraph"](lenet_step())
    (tmp_path / "saved_model.pbtxt").write_bytes(content)
    assert load_graph(tmp_path).graph_def == lenet_step()


@pytest.mark.parametrize("opening", [b'func{attr{key:"k" value{', b"list{func{attr{value{"])
def test_text_that_is_nested_too_deep_is_told_in_words(opening, tmp_path):
    path = tmp_path / "model.pbtxt"
    path.write_bytes(b'node{name:"a" op:"b" attr{key:"k" value{' + opening * 3000)
    with pytest.raises(GraphError, match="no TensorFlow graph"):
        load_graph(path)


def test_a_cut_file_is_told_in_words(tmp_path):
    path = tmp_path / "model.meta"
    path.write_bytes(KINDS["binary MetaGraph"](lenet_step())[:-100])
    with pytest.raises(GraphError, match="no TensorFlow graph"):
        load_graph(path)


def test_a_missing_file_and_a_folder_are_told_in_words(tmp_path):
    with pytest.raises(GraphError, match=r"nope\.pb: it can't be read \(no such file"):
        load_graph(tmp_path / "nope.pb")
    with pytest.raises(GraphError, match="it is a folder"):
        load_graph(tmp_path)
