"""Small real graphs, and changes of what is in them that leave a file which still parses."""

from __future__ import annotations

import random

from lenet_exp import tf_compat
from tests.precision.ir.test_load import meta_of, saved_of, text_of
from tests.precision.small import floats, graph_of, halves

_SIZES = (0, 1, -1, -2, 3, 127, 65536, 2**31 - 1, 2**31, 4_000_000_000, 2**62, -(2**63))
_ENUMS = (0, 1, 2, 3, 7, 9, 19, 20, 21, 101, 120, 999, -1, 2**31 - 1)
_CHIPS = (
    *(b"Pow", b"Sub", b"Mul", b"AddN", b"Relu", b"ReluGrad", b"BiasAdd", b"MatMulV2", b"Conv2D"),
    *(b"Cast", b"L2Loss", b"ReduceSumD", b"Exp", b"ApplyMomentumD", b"ClipByValue", b"Unheard"),
    b"SparseSoftmaxCrossEntropyWithLogits",
)
_NAMES = (
    "",
    "x",
    "a:0",
    "^a",
    "<lambda>",
    "a b",
    "é" * 3,
    "n" * 20_000,
    "/" * 300,
    "\x1b[31m",
    "-",
)


def called(graph_def):
    """Add StatefulPartitionedCall(x, variable) = reshape(matmul(x, variable), [rows, 4])."""
    tf = tf_compat.load()
    function = graph_def.library.function.add()
    function.signature.name = "__inference_<lambda>_7"
    function.signature.input_arg.add(name="x", type=tf.float32.as_datatype_enum)
    function.signature.input_arg.add(name="v", type=tf.resource.as_datatype_enum)
    function.signature.output_arg.add(name="y", type=tf.float32.as_datatype_enum)
    with tf.Graph().as_default() as body:
        x = floats(tf, "x", [None, 8])
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[8, 8], name="v")
        product = tf.matmul(x, tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32))
        tf.reshape(product, [tf.shape(x)[0], 2, 4], name="y")
    offsets = {"Shape": "output", "StridedSlice": "output", "Pack": "output", "MatMul": "product",
               "ReadVariableOp": "value", "Const": "output"}  # fmt: skip
    nodes = {node.name: node.op for node in body.as_graph_def().node}
    for node in body.as_graph_def().node:
        if node.name in ("x", "v"):
            continue
        made = function.node_def.add()
        made.CopyFrom(node)
        del made.input[:]
        made.input.extend(
            f"{text}:{offsets[nodes[text]]}:0" if text not in ("x", "v") else text
            for text in node.input
        )
    function.ret["y"] = "y:output:0"
    outside = tf.Graph()
    with outside.as_default():
        tf.placeholder(tf.float32, [None, 8], "rows")
        tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[8, 8], name="handle")
    graph_def.node.extend(outside.as_graph_def().node)
    call = graph_def.node.add(name="call", op="StatefulPartitionedCall", input=["rows", "handle"])
    call.attr["Tin"].list.type.extend([tf.float32.as_datatype_enum, tf.resource.as_datatype_enum])
    call.attr["Tout"].list.type.append(tf.float32.as_datatype_enum)
    call.attr["f"].func.name = function.signature.name
    return graph_def


def _trained(tf):
    product = tf.reshape(halves(tf), [-1, 2, 4])
    left, right = tf.split(product, 2, axis=2)
    wide = tf.fill([4, 2, 2], 0.5) + tf.cast(tf.range(2), tf.float32)
    loss = tf.reduce_mean(tf.concat([left * wide, right], 2), name="loss")
    train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")
    return [loss.op, train]


def _looped(tf):
    x = floats(tf, "x")
    looped = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.nn.relu(y)), (0, x))
    branch = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: tf.sigmoid(x))
    return [tf.add(looped[1], branch, name="sum")]


def _fused(tf):
    x, labels = floats(tf, "x"), tf.placeholder(tf.int32, [4], "labels")
    weights = tf.get_variable("weights", [4, 8])
    total = tf.add_n([0.5 * weights, tf.pow(x, 2.0), tf.nn.log_softmax(x)])
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=total)
    return [*tf.gradients(loss, weights), *tf.shape_n([x, weights])]


def small_graphs():
    """Return GraphDefs: a training step, control flow of version 1, a function's call, fusions."""
    made = [graph_of(build)[0] for build in (_trained, _looped, _fused)]
    return [*made[:2], called(tf_compat.load().GraphDef()), *made[2:]]


def binary(message):
    """Return the same bytes in every process: protobuf's own order of a map is by chance."""
    return message.SerializeToString(deterministic=True)


def files():
    """Return every small graph as every kind of file."""
    made = []
    for graph_def in small_graphs():
        meta = meta_of(graph_def)
        made += [binary(graph_def), text_of(graph_def), binary(meta), text_of(meta)]
        made.append(binary(saved_of(meta)))
    return made


def damaged(rng: random.Random, graph_def):
    """Return a copy with one to three changes, any of which may be harmless."""
    made = tf_compat.load().GraphDef()
    made.CopyFrom(graph_def)
    for _ in range(rng.randrange(1, 4)):
        bodies = [made.node, *(function.node_def for function in made.library.function)]
        body = rng.choice([each for each in bodies if each])
        rng.choice(_DAMAGES)(rng, made, body, rng.choice(body))
    return made


def _lose_attribute(rng, _graph, _body, node):
    if node.attr:
        del node.attr[rng.choice(sorted(node.attr))]


def _spoil_attribute(rng, _graph, _body, node):
    if node.attr:
        value = node.attr[rng.choice(sorted(node.attr))]
        kind = rng.choice(("type", "i", "s", "shape", "tensor", "list", "func", "f", "placeholder"))
        _fill(rng, value, kind)


def _fill(rng, value, kind):
    if kind == "list":
        value.list.type.extend(rng.choice(_ENUMS) for _ in range(rng.randrange(4)))
        value.list.i.extend(rng.choice(_SIZES) for _ in range(rng.randrange(4)))
    elif kind in ("shape", "tensor"):
        shape = value.shape if kind == "shape" else value.tensor.tensor_shape
        shape.unknown_rank = rng.random() < 0.2
        for _ in range(rng.randrange(4)):
            shape.dim.add(size=rng.choice(_SIZES))
        if kind == "tensor":
            value.tensor.dtype = rng.choice(_ENUMS)
            value.tensor.float_val.append(1.0)
            value.tensor.tensor_content = bytes(rng.randrange(9))
    elif kind == "func":
        value.func.name = rng.choice(_NAMES)
    else:
        texts = (b"", b"SAME", b"\xff\xfe")
        plain = {"type": _ENUMS, "i": _SIZES, "s": texts, "f": (float("nan"), 0.0)}
        setattr(value, kind, rng.choice(plain.get(kind, ("T",))))


def _spoil_constant(rng, _graph, body, _node):
    constants = [each for each in body if each.op == "Const"]
    if constants:
        tensor = rng.choice(constants).attr["value"].tensor
        for dim in tensor.tensor_shape.dim or [tensor.tensor_shape.dim.add()]:
            dim.size = rng.choice(_SIZES)
        if rng.random() < 0.5:
            tensor.int_val.append(rng.choice((-1, 0, 2**31 - 1, 2_000_000_000)))
            tensor.tensor_content = b""


def _rename(rng, _graph, _body, node):
    node.name = rng.choice(_NAMES)


def _other_operator(rng, graph, body, node):
    node.op = rng.choice((rng.choice(body).op, "Npu", "", "<lambda>", "Fill", "ConcatV2", "While"))


def _input(rng, _graph, body, node):
    other = rng.choice(body).name
    texts = (
        other,
        f"^{other}",
        f"{other}:1",
        f"{other}:999999",
        f"{other}:-1",
        "nowhere",
        "",
        ":",
        "^",
    )
    if node.input and rng.random() < 0.7:
        node.input[rng.randrange(len(node.input))] = rng.choice(texts)
    else:
        node.input.append(rng.choice(texts))


def _lose_inputs(rng, _graph, _body, node):
    del node.input[rng.randrange(len(node.input) + 1) :]


def _no_tensors(_rng, _graph, body, _node):
    for node in (each for each in body if "N" in each.attr):
        node.attr["N"].i = 0
        del node.input[:]


def _stand_in(rng, _graph, _body, node):
    node.attr["_ge_type"].s = rng.choice(_CHIPS)


def _lose_node(rng, _graph, body, _node):
    del body[rng.randrange(len(body))]


def _repeat_node(rng, _graph, body, node):
    body.add().CopyFrom(node)


def _versions(rng, graph, _body, _node):
    graph.versions.producer = rng.choice((-1, 0, 5, 21, 27, 2**31 - 1))
    graph.versions.min_consumer = rng.choice((0, 2**31 - 1))


def _function(rng, graph, body, node):
    if graph.library.function:
        function = rng.choice(graph.library.function)
        change = rng.randrange(5)
        if change == 0:
            node.op = function.signature.name  # perhaps in itself
        elif change == 1:
            function.ret.clear()
        elif change == 2:
            function.ret["y"] = rng.choice(
                ("y", "y:0", "y:output", "y:output:9", "^y", "", "x:0:0")
            )
        elif change == 3:
            del function.signature.input_arg[:1]
        else:
            function.signature.output_arg[0].type = rng.choice(_ENUMS[:-2])


_DAMAGES = (
    _lose_attribute, _spoil_attribute, _spoil_attribute, _spoil_constant, _rename, _other_operator,
    _input, _input, _lose_inputs, _lose_node, _repeat_node, _versions, _function, _function,
    _no_tensors, _stand_in,
)  # fmt: skip
