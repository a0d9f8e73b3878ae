"""Record the bits that a change of the code must not change: plans and checkpoints.

    PYTHON scripts/record_bits.py FOLDER [PART...]

PYTHON is a stack's, and its lenet_exp is what is recorded, in any checkout and layout: only public
commands and names are used. Do it before and after, then `diff -r BEFORE AFTER`. PARTs: lenet
(plans of LeNet as CSV), random (plans of random graphs, and the emulated graphs), checkpoints
(60 deterministic steps in seven configurations, as the Saver wrote them). Nothing of a time, a
path or a machine is in FOLDER, which must not be there yet.
"""

import contextlib
import csv
import io
import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SEED, GRAPHS = 22, 50
MODES = (
    "must_keep_origin_dtype", "allow_mix_precision", "allow_fp32_to_fp16", "force_fp16",
)  # fmt: skip
GENERATIONS = ("today", "2021")

# Scales and rates so high that steps overflow, are skipped, and the scale moves.
OVERFLOWING = (
    "loss_scale=dynamic", "loss_scale.incr_every_n_steps=4", "loss_scale.incr_ratio=4",
    "loss_scale.decr_every_n_nan_or_inf=1", "loss_scale.decr_ratio=0.25",
)  # fmt: skip
CONFIGURATIONS = {
    "keep-none-adam": ("precision=must_keep_origin_dtype",),
    "keep-dynamic-sgd": (
        "precision=must_keep_origin_dtype", *OVERFLOWING, f"loss_scale.init_loss_scale={2.0**126}",
        "optimizer=sgd", "optimizer.learning_rate=30",
    ),
    "mix-dynamic-adam": (
        "precision=allow_mix_precision", *OVERFLOWING, f"loss_scale.init_loss_scale={2.0**24}",
    ),
    "mix-fixed-rmsprop": (
        "precision=allow_mix_precision", "loss_scale=fixed", "optimizer=rmsprop",
        "optimizer.momentum=0.5", "hardware.cann=2021",
    ),
    "allow-fixed-momentum": (
        "precision=allow_fp32_to_fp16", "loss_scale=fixed", "loss_scale.value=65536",
        "optimizer=momentum", "precision.trace_overflow=true",
    ),
    "force-dynamic-adam": (
        "precision=force_fp16", *OVERFLOWING, f"loss_scale.init_loss_scale={2.0**20}",
        "optimizer.epsilon=1e-4",
    ),
    "force-none-sgd": ("precision=force_fp16", "optimizer=sgd"),
}  # fmt: skip
SCHEDULE = ("deterministic=true", "schedule.epochs=1", "schedule.steps_per_epoch=60")


def main(arguments):
    """Write the named parts, all by default, into the folder that comes first."""
    parts = {"lenet": lenet_plans, "random": random_plans, "checkpoints": checkpoints}
    if not arguments or arguments[0].startswith("-") or set(arguments[1:]) - set(parts):
        print(__doc__)
        return 2
    folder = Path(arguments[0]).resolve()
    for name in arguments[1:] or parts:
        (folder / name).mkdir(parents=True)
        parts[name](folder / name)
        print(f"{folder / name}: {sum(1 for path in (folder / name).rglob('*.*'))} files")
    return 0


def lenet_plans(folder):
    """Explain LeNet's step in every mode, scale and generation, and its inference."""
    scales = ("none", "fixed", "dynamic")
    for mode, generation, scale in itertools.product(MODES, GENERATIONS, scales):
        settings = (f"precision={mode}", f"hardware.cann={generation}", f"loss_scale={scale}")
        name = f"{mode}-{generation}-{scale}"
        (folder / f"{name}-train.csv").write_text(explained(*settings))
        (folder / f"{name}-inference.csv").write_text(explained(*settings, "inference=true"))
    for mode, optimizer in itertools.product(MODES, ("momentum", "rmsprop", "sgd")):
        settings = (f"precision={mode}", f"optimizer={optimizer}", "loss_scale=dynamic")
        (folder / f"{mode}-{optimizer}.csv").write_text(explained(*settings))


def explained(*settings):
    """Return what `python -m lenet_exp.explain` prints, warnings included."""
    from lenet_exp.explain import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main([*settings, "format=csv"])
    if code:
        raise RuntimeError(printed.getvalue())
    return printed.getvalue()


def random_plans(folder):
    """Plan and emulate random graphs in every mode and generation; a refusal is kept as text."""
    for number in range(GRAPHS):
        graph_def, fetches = random_graph(number)
        (folder / f"{number:02}.graph.pb").write_bytes(bits(graph_def))
        for mode, generation in itertools.product(MODES, GENERATIONS):
            path = folder / f"{number:02}-{mode}-{generation}"
            record_plan(path, graph_def, fetches, mode, generation)


def bits(message):
    """Return a message's bytes, the same for equal messages."""
    return message.SerializeToString(deterministic=True)


def record_plan(path, graph_def, fetches, mode, generation):
    """Write the plan, what an emulator reads of it, and the emulated graph."""
    from lenet_exp.precision import assign, emulate

    plan = assign(graph_def, mode, generation=generation, fetches=fetches)
    path.with_name(path.name + ".csv").write_text(as_csv(plan))
    if generation == "today":
        path.with_name(path.name + ".planned.pb").write_bytes(bits(plan.graph_def))
        try:
            made = bits(emulate(graph_def, plan).graph_def)
        except Exception as error:  # noqa: BLE001 - which ones, is part of what is recorded
            made = f"{type(error).__name__}: {error}".encode()
        path.with_name(path.name + ".emulated.pb").write_bytes(made)


ROW = (
    "name", "tf_type", "ge_type", "inputs", "outputs", "casts", "colour", "rule", "reason",
    "engine", "unit", "parts", "ports", "results", "origin_inputs", "origin_outputs",
)  # fmt: skip
CAST = ("producer", "consumer", "slot", "port", "source", "target", "on_host", "removed", "reads")


def as_csv(plan):
    """Return operators, casts and warnings of a plan, a row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for fields, rows in ((ROW, plan.operators), (CAST, plan.casts)):
        writer.writerow(fields)
        writer.writerows([plain(getattr(row, name)) for name in fields] for row in rows)
    for removed in plan.removed_casts:
        writer.writerow(["removed", removed.name, plain(removed.reads)])
    writer.writerows(["warning", text] for text in plan.warnings)
    return text.getvalue()


def plain(value):
    """Return a value as text that names no class, so that a class may be renamed."""
    if isinstance(value, (tuple, list)):
        return " ".join(f"({plain(item)})" if isinstance(item, tuple) else plain(item)
                        for item in value)  # fmt: skip
    return str(value)


def checkpoints(folder):
    """Train the seven configurations; keep the Saver's files of the last step."""
    with tempfile.TemporaryDirectory() as work:
        for name, settings in CONFIGURATIONS.items():
            command = [sys.executable, "-m", "lenet_exp.run", *SCHEDULE, *settings]
            command.append(f"hydra.run.dir={name}")
            done = subprocess.run(
                command, cwd=work, capture_output=True, text=True, check=False
            )  # Python 3.7 knows both
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
            (folder / name).mkdir()
            found = sorted(Path(work, name, "checkpoints", "60").glob("model.*"))
            for path in found:
                if path.suffix != ".meta":
                    shutil.copy(str(path), str(folder / name / path.name))
            if len(list((folder / name).iterdir())) < 2:
                raise RuntimeError(f"{name}: no checkpoint of step 60 among {found}")


# Random graphs: from a pool of tensors, each step takes some, and puts what it makes into it.
ROWS, COLUMNS, SIDE = 4, 8, 6  # of matrices; of images, which have 3 channels


class Pool:
    """Tensors to choose from by rank: float32 [4, 8] and [2, 6, 6, 3]."""

    def __init__(self, tf, chance):
        self.tf, self.chance = tf, chance
        self.matrices = [tf.placeholder(tf.float32, [ROWS, COLUMNS], "matrix")]
        self.images = [tf.placeholder(tf.float32, [2, SIDE, SIDE, 3], "image")]
        self.made = 0

    def pick(self, items):
        """Return one, later ones more often."""
        back = min(int(self.chance.geometric(0.4)), len(items))
        return items[len(items) - back]

    def variable(self, *shape):
        """Return a new trainable variable."""
        self.made += 1
        return self.tf.get_variable(f"variable{self.made}", list(shape))


UNARY = ("relu", "sigmoid", "tanh", "exp", "abs", "square", "negative", "floor", "rsqrt", "log1p",
         "sin", "softplus", "elu", "relu6", "stop_gradient", "identity", "sign")  # fmt: skip
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "div", "squared_difference")


def unary(pool, x):
    """A chain of one to three elementwise operators."""
    tf = pool.tf
    for _ in range(pool.chance.randint(1, 4)):
        name = UNARY[pool.chance.randint(len(UNARY))]
        inner = tf.abs(x) + 1.0 if name in ("rsqrt", "log1p") else x
        x = (getattr(tf, name, None) or getattr(tf.nn, name))(inner)
    return x


def binary(pool, x, other):
    """Two operands of one shape."""
    name = BINARY[pool.chance.randint(len(BINARY))]
    return getattr(pool.tf, name)(x, other)


def reduced(pool, x):
    """Reduce all or the last dimension, and broadcast back."""
    reduce = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_prod")[pool.chance.randint(4)]
    axis = None if pool.chance.randint(2) else -1
    return x - getattr(pool.tf, reduce)(x, axis=axis, keepdims=axis is not None)


def reshaped(pool, x):
    """Another order or cut of the same values."""
    tf, shape = pool.tf, x.shape.as_list()
    kind = pool.chance.randint(5)
    if kind == 0:
        return tf.reshape(tf.nn.relu(tf.reshape(x, [-1])), shape)
    if kind == 1:
        order = list(range(len(shape)))
        order[-2:] = order[-1:] + order[-2:-1]
        return tf.transpose(tf.transpose(x, order), order)
    if kind == 2:
        return tf.concat([x[..., :1], tf.nn.tanh(x[..., 1:])], len(shape) - 1)
    if kind == 3:
        return tf.squeeze(tf.expand_dims(x, 1), [1])
    padded = tf.pad(x, [[0, 0]] * (len(shape) - 1) + [[1, 1]])
    return tf.slice(padded, [0] * len(shape), shape)


def casted(pool, x):
    """There and back through another type."""
    tf = pool.tf
    kind = pool.chance.randint(5)
    dtype = (tf.float16, tf.float64, tf.int32, tf.int64, tf.float16)[kind]
    there = tf.cast(x, dtype)
    if kind in (0, 1) and pool.chance.randint(2):
        there = there * tf.cast(2, dtype) + there
    return tf.cast(there, tf.float32)


def chosen(pool, x, other):
    """Comparisons, bools, `where` and `cond`."""
    tf = pool.tf
    if pool.chance.randint(2):
        return tf.where(tf.logical_and(tf.greater(x, other), tf.less(x, 1.0)), x, other)
    pred = tf.reduce_mean(x) > 0.0
    return tf.cond(pred, lambda: binary(pool, x, other), lambda: unary(pool, x))


def product(pool, x, other):
    """Of matrices, with a bias or transposed, or of two of the pool."""
    tf = pool.tf
    kind = pool.chance.randint(4)
    if kind == 0:
        return tf.matmul(tf.matmul(x, other, transpose_b=True), other)
    made = tf.matmul(x, pool.variable(COLUMNS, COLUMNS), transpose_b=kind == 1)
    return tf.nn.bias_add(made, pool.variable(COLUMNS)) if kind == 2 else made


def convolved(pool, x, other):
    """Convolutions, poolings, batch normalization."""
    tf, ones = pool.tf, [1, 1, 1, 1]
    kind = pool.chance.randint(6)
    if kind < 3:
        made = tf.nn.conv2d(x, pool.variable(3, 3, 3, 3), ones, "SAME")
        return tf.nn.bias_add(made, pool.variable(3)) if kind else made
    if kind == 3:
        return tf.nn.depthwise_conv2d(x, pool.variable(3, 3, 3, 1), ones, "SAME")
    if kind == 4:
        pooling = tf.nn.max_pool if pool.chance.randint(2) else tf.nn.avg_pool
        return pooling(x, [1, 2, 2, 1], ones, "SAME")
    return tf.nn.fused_batch_norm(x, pool.variable(3), pool.variable(3))[0]


def crossed(pool):
    """From images to a matrix, and the classes of one."""
    tf = pool.tf
    flat = tf.reshape(pool.pick(pool.images), [2, -1])
    matrix = tf.matmul(flat, pool.variable(SIDE * SIDE * 3, 2 * COLUMNS))
    pool.matrices.append(tf.reshape(matrix, [ROWS, COLUMNS]))
    classes = tf.argmax(pool.pick(pool.matrices), axis=1, output_type=tf.int32)
    pool.matrices.append(tf.one_hot(classes + 1, COLUMNS) + pool.matrices[-1])


def step(pool):
    """Put one more tensor into the pool."""
    items = pool.matrices if pool.chance.randint(2) else pool.images
    if pool.chance.randint(8) == 0:
        crossed(pool)
        return
    x, other = pool.pick(items), pool.pick(items)
    heavy = product if items is pool.matrices else convolved
    one, two = (unary, reduced, reshaped, casted), (binary, chosen, heavy, heavy)
    kind = pool.chance.randint(8)
    items.append(one[kind](pool, x) if kind < 4 else two[kind - 4](pool, x, other))


def random_graph(number):
    """Return GraphDef `number` and what a run of it fetches."""
    from lenet_exp import tf_compat

    tf_compat.configure(hide_gpus=True, deterministic=True)
    tf, chance = tf_compat.load(), np.random.RandomState(1000 * SEED + number)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(number)
        pool = Pool(tf, chance)
        pool.matrices.append(tf.matmul(pool.matrices[0], pool.variable(COLUMNS, COLUMNS)))
        for _ in range(chance.randint(5, 25)):
            step(pool)
        # The second matrix depends on a variable, whatever became of the others.
        ends = [tf.reduce_mean(x) for x in (*pool.matrices[-2:], *pool.images[-1:])]
        ends.append(tf.reduce_mean(tf.square(pool.matrices[1])))
        logits, labels = pool.matrices[-1], tf.placeholder(tf.int32, [ROWS], "labels")
        ends.append(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(
            labels=tf.one_hot(labels, COLUMNS), logits=logits)))  # fmt: skip
        loss = tf.add_n(ends, name="loss")
        fetches = ["loss:0"]
        if chance.randint(5):
            update(tf, chance, loss)
            fetches.append("train")
    return graph.as_graph_def(), fetches


def update(tf, chance, loss):
    """Minimise the loss with one of six optimizers, its gradients scaled or not."""
    train = tf.train
    made = (
        train.AdamOptimizer, lambda: train.MomentumOptimizer(0.1, 0.9),
        lambda: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        lambda: train.RMSPropOptimizer(0.01), lambda: train.GradientDescentOptimizer(0.1),
        lambda: train.AdagradOptimizer(0.1),
    )[chance.randint(6)]()  # fmt: skip
    scale = (1.0, 1024.0)[chance.randint(2)]
    pairs = made.compute_gradients(loss * scale, gate_gradients=train.Optimizer.GATE_GRAPH)
    known = [(gradient / scale, variable) for gradient, variable in pairs if gradient is not None]
    made.apply_gradients(known, name="train")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
