"""What the precision modes do to your own TensorFlow 1 graph.

`lenet_exp.precision.assign` takes any GraphDef and returns a plan, a row for each operator of
the chip's graph; `report` reads it for you. `emulated_session` gives a tf.Session in which the
graph computes as on the chip. Run this file to see three small networks under every mode, and to
train them:

    python docs/examples/your_own_network.py
"""

import textwrap

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulated_session, report, verdict

STEPS = 20
MODES = (
    "allow_mix_precision", "allow_fp32_to_fp16", "force_fp16", "force_fp32",
    "must_keep_origin_dtype",
)  # fmt: skip

# TensorFlow 1.15, or TensorFlow 2's compat.v1 in graph mode. Plain `import tensorflow as tf`
# (tf.compat.v1 on TensorFlow 2) does as well.
tf_compat.configure(hide_gpus=True, deterministic=False)
tf = tf_compat.load()


def weights(name, *shape):
    return tf.get_variable(name, shape)


def residual_block():
    """Convolution, batch normalisation and Relu twice, and the way around them; SGD."""
    images = tf.placeholder(tf.float32, [8, 16, 16, 32], "images")
    hidden = images
    for name in ("first", "second"):
        hidden = tf.nn.conv2d(hidden, weights(f"{name}_filter", 3, 3, 32, 32), [1, 1, 1, 1], "SAME")
        scale, offset = weights(f"{name}_scale", 32), weights(f"{name}_offset", 32)
        hidden, _, _ = tf.nn.fused_batch_norm(hidden, scale, offset, name=f"{name}_norm")
        hidden = tf.nn.relu(hidden + images if name == "second" else hidden)
    loss = tf.reduce_mean(tf.square(hidden), name="loss")
    tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")


def perceptron():
    """Two dense layers, trained with momentum."""
    rows = tf.placeholder(tf.float32, [32, 100], "rows")
    labels = tf.placeholder(tf.int32, [32], "labels")
    hidden = tf.nn.relu(tf.matmul(rows, weights("hidden", 100, 64)) + weights("hidden_bias", 64))
    logits = tf.nn.bias_add(tf.matmul(hidden, weights("out", 64, 10)), weights("out_bias", 10))
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = tf.reduce_mean(each, name="loss")
    tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")


def lstm_step():
    """One step of an LSTM, from single operators, whose next state is to be 0.5; Adam.

    With an epsilon that is not 0 in float16.
    """
    inputs = tf.placeholder(tf.float32, [16, 40], "inputs")
    cell = tf.placeholder(tf.float32, [16, 64], "cell")
    state = tf.placeholder(tf.float32, [16, 64], "state")
    gates = tf.matmul(tf.concat([inputs, state], 1), weights("kernel", 104, 256))
    gates = tf.nn.bias_add(gates, weights("bias", 256))
    take, new, forget, give = tf.split(gates, 4, axis=1)
    cell = cell * tf.sigmoid(forget + 1.0) + tf.sigmoid(take) * tf.tanh(new)
    next_state = tf.multiply(tf.tanh(cell), tf.sigmoid(give), name="next_state")
    loss = tf.reduce_mean(tf.square(next_state - 0.5), name="loss")
    tf.train.AdamOptimizer(0.01, epsilon=1e-4).minimize(loss, name="train")


def graph_of(network):
    """Return a network's GraphDef, its initialiser "init" included, and what to feed it with."""
    random = np.random.RandomState(0)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        network()
        tf.global_variables_initializer()
        feeds = {}
        for node in graph.get_operations():
            if node.type == "Placeholder":
                shape = node.outputs[0].shape.as_list()
                whole = node.outputs[0].dtype == tf.int32
                feeds[f"{node.name}:0"] = (
                    random.randint(0, 10, shape) if whole else random.randn(*shape)
                )
        return graph.as_graph_def(), feeds


def train(graph_def, feeds, mode):
    """Return the loss of each step, and whether anything overflowed float16."""
    with emulated_session(graph_def, mode, ["train", "loss"]) as session:
        session.run("init")
        losses = [session.run(["loss:0", "train"], feeds)[0] for _ in range(STEPS)]
        return losses, session.run(session.graph.float_status) > 0


def tell(what, ge_types):
    if ge_types:
        text = f"    {what}: {', '.join(ge_types)}"
        print(textwrap.fill(text, 100, subsequent_indent=" " * 6))


def main():
    for network in (residual_block, perceptron, lstm_step):
        graph_def, feeds = graph_of(network)
        print(network.__name__.replace("_", " "))
        for mode in MODES:
            # The GraphDef is not modified; `fetches` are what your session runs.
            plan = assign(graph_def, mode, fetches=["train", "loss"])
            read = report(plan)
            halves = sorted(
                {r.ge_type for r in plan.operators if "float16" in r.inputs + r.outputs}
            )
            refused = sorted(verdict(plan).refused)
            shown = f"{read.totals.float16} of {read.totals.operators} operators in float16"
            print(f"  {mode:22}  {shown}, {read.totals.casts} casts")
            tell("float16", halves)
            tell("refused by the chip", refused)
            losses, overflowed = train(graph_def, feeds, mode)
            seen = "; overflowed" if overflowed else ""
            print(f"    loss {losses[0]:.4f}, after {STEPS} steps {losses[-1]:.4f}{seen}")
    print("\nwhy the residual block's operators are what they are, in allow_mix_precision:")
    graph_def, _ = graph_of(residual_block)
    for row in assign(graph_def, "allow_mix_precision", fetches=["train"]).operators[:6]:
        print(f"  {row.name}: {row.reason}")


if __name__ == "__main__":
    main()
