"""A network and its trained values -> one graph that any TensorFlow reads.

The graph holds constants only: no variable, iterator, loss, optimizer or operator of the chip.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

import numpy as np

from lenet_exp import tf_compat

IMAGE = "image:0"  # float32 [n, ...] of 0..1
OUTPUTS = {"logits": "logits:0", "probabilities": "probabilities:0", "class": "class:0"}
SIGNATURE = "serving_default"  # what TensorFlow 2 and TensorFlow Serving look for


def freeze(
    network: Callable[[Any], Any], image_shape: Sequence[int], values: Mapping[str, np.ndarray]
) -> Any:
    """Return the MetaGraphDef of a network's inference, for any number of images.

    Its graph_def has the placeholder `image`, float32 [n, *image_shape], and `logits`,
    `probabilities` (float32 [n, classes]) and `class` (int32 [n]); its signature names them.

    `network`: float32 [n, ...] -> float32 [n, classes], making its variables by get_variable;
    `values`: variable name -> its trained value; those the network hasn't are left out.

    Raises:
        KeyError: a variable of the network has no value.
    """
    tf = tf_compat.load()

    def constant(getter: Any, name: str, *args: Any, **options: Any) -> Any:
        return tf.constant(values[name], name=name)

    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, *image_shape], "image")
        with tf.variable_scope("", custom_getter=constant):
            logits = tf.identity(network(images), name="logits")
        tf.nn.softmax(logits, name="probabilities")
        tf.argmax(logits, axis=1, output_type=tf.int32, name="class")
        # A younger TensorFlow's attributes are unknown to 1.15, unless they say nothing new.
        meta = tf.train.export_meta_graph(graph_def=graph.as_graph_def(), strip_default_attrs=True)
        meta.meta_info_def.tags.append(tf.saved_model.SERVING)
        meta.signature_def[SIGNATURE].CopyFrom(_signature(tf, graph))
    return meta


def _signature(tf: Any, graph: Any) -> Any:
    def described(name: str) -> Any:
        return tf.saved_model.build_tensor_info(graph.get_tensor_by_name(name))

    return tf.saved_model.build_signature_def(
        {"image": described(IMAGE)},
        {key: described(name) for key, name in OUTPUTS.items()},
        tf.saved_model.PREDICT_METHOD_NAME,
    )


def saved_model(meta: Any) -> bytes:
    """Return saved_model.pb of a frozen MetaGraphDef: a SavedModel without variables."""
    tf_compat.load()
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415 - after `load`

    whole = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    return bytes(whole.SerializeToString())


def with_batch(graph_def: Any, size: int) -> Any:
    """Return a copy of a frozen GraphDef that takes `size` images: the chip compiles one shape."""
    fixed = type(graph_def)()
    fixed.CopyFrom(graph_def)
    (node,) = (node for node in fixed.node if node.name == IMAGE.partition(":")[0])
    node.attr["shape"].shape.dim[0].size = size
    return fixed
