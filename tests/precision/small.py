"""Small graphs and their plans in a form that a table can hold."""

from __future__ import annotations

from lenet_exp import tf_compat
from lenet_exp.precision import assign

LETTERS = {
    "float16": "h", "float32": "f", "int32": "i", "int64": "l", "bool": "b", "uint8": "u",
    "float64": "d",
}  # fmt: skip
MIX, ALLOW, FORCE, KEEP = (
    "allow_mix_precision", "allow_fp32_to_fp16", "force_fp16", "must_keep_origin_dtype",
)  # fmt: skip
CUBE = "force_fp32"  # products of float16, summed to float32


def graph_of(build):
    """Return the GraphDef that build(tf) makes, and the names of the tensors it returns."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        made = build(tf)
        made = made if isinstance(made, (list, tuple)) else [made]
        return graph.as_graph_def(), [one.name for one in made]


def plan_of(build, mode=MIX, **options):
    graph_def, names = graph_of(build)
    options.setdefault("fetches", names)
    return assign(graph_def, mode, **options)


def cell(row):
    """Return "GeType hh>h white *1"."""
    inputs = "".join(LETTERS.get(dtype, "?") for dtype in row.inputs)
    outputs = "".join(LETTERS.get(dtype, "?") for dtype in row.outputs)
    casts = " *" + "".join(map(str, row.casts)) if row.casts else ""
    return f"{row.ge_type} {inputs}>{outputs} {row.rule}{casts}"


def cells(build, mode=MIX, **options):
    """Return the rows by name."""
    return {row.name: cell(row) for row in plan_of(build, mode, **options).operators}


def floats(tf, name, shape=(4, 8)):
    return tf.placeholder(tf.float32, list(shape), name)


def halves(tf, name="half", shape=(4, 8)):
    """Return a tensor that is float16 in allow_mix_precision: a product."""
    weights = tf.get_variable(f"{name}_weights", [shape[-1], shape[-1]])
    return tf.matmul(floats(tf, f"{name}_in", shape), weights, name=name)
