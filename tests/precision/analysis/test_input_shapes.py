"""Shapes given to a graph's inputs: what they make known, and what does not fit."""

from __future__ import annotations

import pytest

from lenet_exp.errors import PrecisionError, WordError
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.analysis.cost import totals
from lenet_exp.precision.analysis.input_shapes import open_inputs, with_input_shapes
from tests.precision.small import MIX, graph_of


def network(tf):
    """A convolution and a product; the batch is unknown, and the product's shape comes of it."""
    images = tf.placeholder(tf.float32, [None, 8, 8, 1], "images")
    labels = tf.placeholder(tf.int32, [None], "labels")
    made = tf.nn.conv2d(images, tf.get_variable("w", [3, 3, 1, 4]), [1, 1, 1, 1], "SAME")
    made = tf.reshape(made, [tf.shape(made)[0], -1])
    made = tf.matmul(made, tf.get_variable("m", [8 * 8 * 4, 10]))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=made)
    loss = tf.reduce_mean(losses, name="loss")
    return [loss, tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")]


@pytest.fixture(scope="module")
def graph():
    return graph_of(network)


# Convolution and its weights' gradient; the product and its two gradients.
FLOPS = 2 * 2 * (8 * 8 * 4 * 9) + 3 * 2 * (256 * 10)


@pytest.mark.parametrize(
    ("options", "batch"),
    [
        ({"batch": 32}, 32),
        ({"shapes": {"images": [7, 8, 8, 1], "labels": [7]}}, 7),
        ({"shapes": {"images:0": (None, 8, 8, 1)}, "batch": 5}, 5),
        ({"shapes": {"labels": [3]}, "batch": 3}, 3),
    ],
)
def test_a_shape_makes_arithmetic_and_bytes_known(graph, options, batch):
    found = totals(assign(graph[0], MIX, fetches=graph[1], **options))
    assert found.uncounted == ()
    assert found.cube_flops == found.cube_flops_float16 == batch * FLOPS
    assert found.moved_bytes_float16 > 0


@pytest.mark.parametrize("shape", ["missing", "empty"])
def test_asking_which_inputs_are_open_modifies_nothing(shape):
    graph_def, _ = graph_of(lambda tf: tf.exp(tf.placeholder(tf.float32, None, "x")))
    graph_def.versions.producer = 21  # up to which an empty shape means any
    del graph_def.node[0].attr["shape"]
    if shape == "empty":
        graph_def.node[0].attr["shape"].shape.SetInParent()
    before = graph_def.SerializeToString(deterministic=True)
    assert open_inputs(graph_def) == ["x"]
    assert graph_def.SerializeToString(deterministic=True) == before


def test_without_shapes_the_graph_stays_as_it_is(graph):
    assert with_input_shapes(graph[0]) is graph[0]
    assert totals(assign(graph[0], MIX, fetches=graph[1])).cube_flops == 0


def test_the_given_graph_is_not_modified_and_its_plan_can_be_emulated(graph):
    before = graph[0].SerializeToString(deterministic=True)
    plan = assign(graph[0], MIX, fetches=graph[1], batch=2)
    assert graph[0].SerializeToString(deterministic=True) == before
    made = emulate(graph[0], plan).graph_def
    (images,) = [node for node in made.node if node.name == "images"]
    assert [dim.size for dim in images.attr["shape"].shape.dim] == [2, 8, 8, 1]


def unknown_rank(tf):
    return [tf.sigmoid(tf.placeholder(tf.float32, name="x"), name="y")]


def iterator(tf):
    data = tf.data.Dataset.from_tensor_slices(([[1.0, 2.0]], [1])).batch(8)
    values, numbers = tf.data.make_one_shot_iterator(data).get_next()
    made = tf.matmul(values, tf.get_variable("w", [2, 3]), name="product")
    return [made, tf.identity(numbers, name="numbers")]


def known(tf):
    return [tf.sigmoid(tf.placeholder(tf.float32, [4, 2], "x"))]


def test_any_shape_goes_where_not_even_the_number_of_dimensions_is_known():
    graph_def, fetches = graph_of(unknown_rank)
    found = totals(assign(graph_def, MIX, fetches=fetches, shapes={"x": [2, 3]}))
    assert found.moved_bytes == 2 * 4 * 6


@pytest.mark.parametrize("options", [{"batch": 8}, {"shapes": {"IteratorGetNext": [8, 2]}}])
def test_what_an_iterator_gives_is_an_input_too(options):
    graph_def, fetches = graph_of(iterator)
    found = totals(assign(graph_def, MIX, fetches=fetches, **options))
    assert found.cube_flops == 2 * 8 * 2 * 3


@pytest.mark.parametrize(
    ("build", "options", "told"),
    [
        (network, {"shapes": {"image": [1]}}, ["shapes: image", "no such input", "try: images"]),
        (network, {"shapes": {"zzz": [1]}}, ["no such input", "one of images, labels"]),
        (
            network, {"shapes": {"images": [2, 9, 8, 1]}},
            ["images [2, 9, 8, 1]", "in the graph it is [?, 8, 8, 1]", "images: [32, 8, 8, 1]"],
        ),
        (network, {"shapes": {"images": [2, 8]}}, ["in the graph it is [?, 8, 8, 1]"]),
        (network, {"shapes": {"labels": [0]}}, ["a dimension is 1 or more"]),
        (network, {"batch": 0}, ["batch 0", "no number of examples"]),
        (
            network, {"shapes": {"images": [2, 8, 8, 1], "labels": [3]}},
            ["Dimensions must be equal", "shapes that fit each other"],
        ),
        (known, {"batch": 8}, ["no input of this graph has an unknown first dimension"]),
        (known, {"shapes": {"x": [8, 2]}}, ["in the graph it is [4, 2]"]),
        (unknown_rank, {"batch": 8}, ["number of dimensions", "shapes: x [8, ...]"]),
        (lambda tf: [tf.sigmoid(tf.get_variable("v", [2]))], {"shapes": {"v": [2]}},
         ["a graph with placeholders"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(build, options, told):
    graph_def, fetches = graph_of(build)
    with pytest.raises(PrecisionError) as caught:
        assign(graph_def, MIX, fetches=fetches, **options)
    for part in told:
        assert part in str(caught.value)


def test_a_graph_that_has_a_fault_of_its_own_is_planned_as_without_shapes(graph):
    broken = type(graph[0])()
    broken.CopyFrom(graph[0])
    made = broken.node.add(name="lonely", op="MatMul", input=["w", "labels"])
    made.attr["T"].type = 1
    plan = assign(broken, MIX, fetches=graph[1], batch=2)
    assert plan.operators == assign(graph[0], MIX, fetches=graph[1], batch=2).operators


@pytest.mark.parametrize(
    ("build", "options", "word", "good"),
    [
        (network, {"shapes": {"image": [4, 8, 8, 1]}}, "image", "images:4x8x8x1"),
        (network, {"shapes": {"image": [4]}}, "image", "images:32x8x8x1"),
        (network, {"shapes": {"zzz": [1]}}, "zzz", None),
        (network, {"shapes": {"images:0": [2, 9, 8, 1]}}, "images:0", "images:32x8x8x1"),
        (network, {"shapes": {"images": [0, 8, 8, 1]}}, "images", "images:32x8x8x1"),
        (known, {"batch": 8}, None, None),
        (unknown_rank, {"shapes": {"x": [0]}}, "x", None),
    ],
)
def test_the_good_word_is_one_to_type(build, options, word, good):
    graph_def, fetches = graph_of(build)
    with pytest.raises(WordError) as caught:
        assign(graph_def, MIX, fetches=fetches, **options)
    error = caught.value
    assert (error.keys, error.word, error.good) == (tuple(options), word, good)
