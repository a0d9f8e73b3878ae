"""GE types, D forms, the support test and what the library lacks: sections 3 and 4.1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.target import operator_library
from lenet_exp.precision.target.modes import Generation
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cell, cells, floats, halves, plan_of

STRIDES = [1, 1, 1, 1]


def images(tf, name="images", channels=4):
    return floats(tf, name, (2, 8, 8, channels))


def conv(tf, value, name="conv"):
    kernel = tf.get_variable(f"{name}_kernel", [3, 3, int(value.shape[-1]), 4])
    return tf.nn.conv2d(value, kernel, STRIDES, "SAME", name=name)


def test_batch_norm_keeps_float32_statistics_behind_a_float16_producer():
    def build(tf):
        scale, offset = tf.get_variable("scale", [4]), tf.get_variable("offset", [4])
        made = tf.nn.fused_batch_norm(conv(tf, images(tf)), scale, offset, name="norm")[0]
        grads = tf.gradients(made, [scale])
        return [made, *grads]

    rows = cells(build)
    norm = next(cell for cell in rows.values() if cell.startswith("BatchNorm "))
    grad = next(cell for cell in rows.values() if cell.startswith("BatchNormGrad"))
    assert norm.split()[1].startswith("hffff>hffff")
    assert (norm.split()[2], grad.split()[2]) == ("gray", "gray")
    # The ones that tf.gradients begins with are constant, so x decides.
    assert grad.split()[1].startswith("hhfff")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf, x: tf.tile(x, [2, 1]), "TileD h>h gray"),
        (lambda tf, x: tf.concat([x, x], 0), "ConcatD hh>h gray"),
        (lambda tf, x: tf.transpose(x, [1, 0]), "TransposeD h>h gray"),
        (lambda tf, x: tf.pad(x, [[0, 1], [0, 0]]), "PadD h>h gray"),
        (lambda tf, x: tf.gather(x, [0], axis=0), "GatherV2 hii>h gray"),
        (lambda tf, x: tf.split(x, 2, 1)[0], "SplitD h>hh gray"),
        (lambda tf, x: x[0:2], "StridedSliceD h>h gray"),
        (lambda tf, x: tf.slice(x, [0, 0], [2, 2]), "Slice hii>h gray"),
        (lambda tf, x: tf.argmax(x, 1, output_type=tf.int32), "ArgMaxD h>i gray"),
        (lambda tf, x: tf.cumsum(x), "CumsumD h>h gray"),
        (lambda tf, x: tf.reduce_max(x), "ReduceMaxD h>h gray"),
        (lambda tf, x: tf.nn.softmax(x), "SoftmaxV2 h>h gray"),
        (lambda tf, x: tf.nn.log_softmax(x), "LogSoftmaxV2 f>f black *0"),
        (lambda tf, x: tf.log(x), "Log f>f black *0"),
        (lambda tf, x: tf.nn.l2_loss(x), "L2Loss f>f black *0"),
        (lambda tf, x: tf.stack([x, x]), "Pack hh>h gray"),
        (lambda tf, x: tf.unstack(x)[0], "Unpack h>hhhh gray"),
    ],
)
def test_forms_and_lists_today(make, expected):
    def build(tf):
        made = make(tf, halves(tf))
        return tf.identity(made, "out")

    plan = plan_of(build)
    assert cell(plan.operators[-1]) == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf, x: tf.nn.log_softmax(x), "LogSoftmaxV2 h>h gray"),
        (lambda tf, x: tf.log(x), "Log h>h gray"),
        (lambda tf, x: tf.pow(x, x), "Pow hh>h gray"),
        (lambda tf, x: tf.nn.l2_loss(x), "L2Loss f>f black *0"),
        (lambda tf, x: tf.reduce_mean(x), "ReduceMeanD f>f black *0"),
        (lambda tf, x: tf.slice(x, [0, 0], [2, 2]), "SliceD h>h gray"),
        (lambda tf, x: tf.reverse(x, [0]), "ReverseV2D h>h gray"),
        (lambda tf, x: tf.pad(x, [[0, 1], [0, 0]], constant_values=1.0), "PadV2D hh>h gray *1"),
        (lambda tf, x: tf.diag(x), "DiagD h>h gray"),
        (lambda tf, x: tf.shape(x[: tf.placeholder(tf.int32, [])]), "Shape f>i keep *0"),
        (lambda tf, x: tf.range(tf.to_int32(x[0, 0])), "Range iii>i ai_cpu"),
        (lambda tf, x: tf.pad(x, [[0, 1], [0, 0]], "REFLECT"), "MirrorPad fi>f ai_cpu *0"),
    ],
)
def test_lists_of_2021(make, expected):
    plan = plan_of(lambda tf: make(tf, halves(tf)), generation="2021")
    assert cell(plan.operators[-1]) == expected


def test_a_sum_of_integers_is_no_d_form():
    def build(tf):
        return tf.reduce_sum(tf.placeholder(tf.int32, [4], "x"), name="sum")

    assert cells(build)["sum"] == "ReduceSum ii>i black"


@pytest.mark.parametrize("labels", ["int32", "int64"])
def test_sparse_cross_entropy_has_a_one_hot_in_front(labels):
    def build(tf):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.placeholder(labels, [4], "labels"), logits=halves(tf), name="xent"
        )

    rows = {name: cell for name, cell in cells(build).items() if "half" not in name}
    assert sorted(rows.values()) == [
        *(["Cast l>i keep"] if labels == "int64" else []),
        "OneHotD iff>f gray",
        "SoftmaxCrossEntropyWithLogits hh>hh gray *1",
    ]


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("mode", [MIX, FORCE])
def test_a_concatenation_along_a_fed_axis_is_no_d_form(mode, generation):
    def build(tf):
        axis = tf.placeholder(tf.int32, [], "axis")
        return tf.concat([floats(tf, "x"), halves(tf)], axis, name="joined")

    row = cells(build, mode, generation=generation)["joined"]
    rule = "ai_cpu" if generation == "2021" else {MIX: "gray", FORCE: "forced"}[mode]
    assert row == f"ConcatV2 ffi>f {rule} *1"


def test_what_a_run_may_feed_is_data_though_it_has_a_default():
    def build(tf):
        default = tf.placeholder_with_default(tf.constant(2.0), [], "keep")
        return tf.multiply(tf.exp(default, "power"), halves(tf), name="scaled")

    rows = cells(build)
    assert rows["power"] == "Exp f>f gray"
    assert rows["scaled"] == "Mul ff>f gray *1"


def odd(make):
    """Return the row of what make(tf, x) makes behind a float16 producer, and the warnings."""
    plan = plan_of(lambda tf: tf.sigmoid(make(tf, halves(tf)), "end"))
    return next(row for row in plan.operators if row.name == "odd"), plan.warnings


@pytest.mark.parametrize(
    ("make", "decided", "told"),
    [
        (lambda tf, x: tf.lgamma(x, name="odd"), ("f", "ai_cpu", "ai_cpu"), "slower"),
        (lambda tf, x: tf.expand_dims(x, 0, name="odd"), ("f", "keep", "none"), None),
        (lambda tf, x: tf.squeeze(x[:1], name="odd"), ("f", "keep", "none"), None),
        (lambda tf, x: tf.raw_ops.IdentityN(input=[x], name="odd")[0], ("f", "keep", "none"), None),
        (lambda tf, x: tf.py_func(abs, [x], tf.float32, name="odd"), ("f", "keep", "host"), "host"),
    ],
)
def test_what_the_ai_core_lacks_keeps_its_types_for_a_reason(make, decided, told):
    row, warnings = odd(make)
    assert (row.inputs[0], row.rule, row.engine) == ("float32", *decided[1:])
    assert row.casts == (0,)
    assert row.reason
    assert "not decided" not in row.reason
    assert [told in warning for warning in warnings if "odd" in warning] == [True] * bool(told)


def test_what_a_plan_does_not_take_apart_is_told():
    def build(tf):
        equation = "ij,jk->ik"
        return tf.raw_ops.Einsum(inputs=[halves(tf), floats(tf, "x", (8, 2))], equation=equation)

    plan = plan_of(build)
    assert plan.operators[-1].rule == "unknown"
    assert plan.warnings[0].startswith("Einsum is not decided: the compiler takes it apart")


@pytest.mark.parametrize("generation", ["today", "2021"])
def test_sizes_and_shapes_are_the_compiler_s_own(generation):
    def build(tf):
        x = tf.placeholder(tf.float32, [None, 4], "x")
        ops = tf.raw_ops
        shapes = ops.ShapeN(input=[x, x], name="shapes")
        return [ops.Size(input=x, name="size"), ops.Rank(input=x, name="rank"), *shapes]

    plan = plan_of(build, generation=generation)
    rows = {row.name: (cell(row), row.engine) for row in plan.operators}
    wanted = {"size": "Size f>i keep", "shapes": "ShapeN ff>ii keep", "rank": "Rank f>i keep"}
    assert rows == {name: (wanted[name], "none") for name in rows}
    assert plan.warnings == ()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float64", "Mul dd>d ai_cpu"),
        ("int64", "Mul ll>l gray"),
        ("uint8", "Mul uu>u keep"),
        ("int32", "Mul ii>i gray"),
    ],
)
def test_a_type_without_float_kernels_is_kept(dtype, expected):
    def build(tf):
        x = tf.placeholder(dtype, [4], "x")
        return tf.multiply(x, x, name="product")

    assert cells(build)["product"] == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf, x: tf.reduce_max(x), "Max di>d ai_cpu"),
        (lambda tf, x: tf.concat([x, x], 0), "ConcatV2 ddi>d ai_cpu"),
        (lambda tf, x: tf.argmax(x), "ArgMax di>l ai_cpu"),
    ],
)
def test_no_d_form_is_made_that_has_no_kernels(make, expected):
    def build(tf):
        return make(tf, tf.placeholder(tf.float64, [4], "x"))

    (row,) = cells(build, generation="2021").values()
    assert row == expected


@pytest.mark.parametrize("mode", [MIX, ALLOW, FORCE, KEEP])
@pytest.mark.parametrize(("fallback", "rule"), [(["Mul"], "ai_cpu"), ([], "refused")])
def test_kernels_for_each_type_but_none_for_all_at_once(mode, fallback, rule):
    columns = ["ih>i", "hi>h", "ff>f"]  # int32 is in every place, but never in all
    entry = {"in": ["x", "y"], "out": ["z"], "cols": columns, "pr": None, "tf": ["Mul"]}
    table = {"ops": {"Mul": entry}, "ai_cpu_fallback": {"ops": fallback}}

    def build(tf):
        x = tf.placeholder(tf.int32, [4], "x")
        return tf.multiply(x, x, name="product")

    assert cells(build, mode, library=table)["product"] == f"Mul ii>i {rule}"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (MIX, "MaxPool h>h gray *0"),
        (ALLOW, "MaxPool h>h reduced *0"),
        (KEEP, "MaxPool f>f ai_cpu"),
    ],
)
def test_support_test_of_an_operator_without_float32_kernels(mode, expected):
    def build(tf):
        return tf.nn.max_pool(images(tf), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", name="pool")

    assert cells(build, mode)["pool"] == expected


EXP = {"in": ["x"], "out": ["y"], "cols": ["h>h"], "pr": False, "tf": ["Exp"]}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, 'has no object "ops"'),
        ({"ops": {"Exp": 3}}, "library Exp is 3, and not an object"),
        ({"ops": {"Exp": {}}}, 'library Exp "in" is None, and not an array of names'),
        (
            {"ops": {"Exp": {**EXP, "pr": "white"}}},
            'library Exp "pr" is white, and not true (white)',
        ),
        ({"ops": {"Exp": {**EXP, "tf": "Exp"}}}, 'library Exp "tf" is Exp, and not an array'),
        ({"ops": {"Exp": {**EXP, "cols": ["h"]}}}, 'library: Exp has the column "h"; a column is'),
        ({"ops": {"Exp": {**EXP, "cols": ["q>h"]}}}, 'library: Exp has the column "q>h"'),
        ({"ops": {"Exp": {**EXP, "in": ["x", "n"]}}}, 'library: Exp has the column "h>h"'),
        ({"ops": {"Exp": {**EXP, "out": []}}}, 'library: Exp has the column "h>h"'),
        ({"ops": {"Exp": {**EXP, "cols_2021": ["hh>h"]}}}, 'library: Exp has the column "hh>h"'),
        ({"ops": {}, "fp16_first": [3]}, 'library "fp16_first" is [3], and not an array of names'),
        ({"ops": {}, "ai_cpu_only": []}, 'library "ai_cpu_only" is [], and not an object'),
        ({"ops": {}, "ai_cpu_only": {"ops": {"X": []}}}, 'library "ai_cpu_only" X is [], and not'),
        ({"ops": {}, "own_engines": {"local": "X"}}, 'library "own_engines" "local" is X, and not'),
        ("/dev/zero", "library /dev/zero: it can't be read (it is no regular file)"),
        ("nowhere.json", "library nowhere.json: it can't be read"),
    ],
)
def test_a_wrong_table_is_refused_in_words(table, told):
    with pytest.raises(PrecisionError) as caught:
        cells(lambda tf: tf.exp(floats(tf, "x")), library=table)
    assert told in str(caught.value)
    assert "*_ops.json" not in str(caught.value)


@pytest.mark.parametrize("key", ["tf", "cols", "other", "cols_2021", "other_2021"])
@pytest.mark.parametrize("generation", [*Generation])
def test_null_in_a_table_is_a_list_of_nothing(key, generation):
    told = [
        operator_library.load_library({"ops": {"Exp": {**EXP, key: value}}}, generation)
        for value in (None, [])
    ]
    assert told[0] == told[1]


def test_a_black_operator_is_not_reduced_in_mix():
    table = {
        "ops": {
            "Exp": {"in": ["x"], "out": ["y"], "cols": ["h>h"], "pr": False, "tf": ["Exp"]},
            "Abs": {"in": ["x"], "out": ["y"], "cols": ["h>h"], "pr": False, "tf": ["Abs"]},
        },
        "ai_cpu_fallback": {"ops": ["Abs"]},
    }

    def build(tf):
        return tf.abs(tf.exp(floats(tf, "x"), "exp"), "abs")

    rows = cells(build, library=table)
    assert rows == {"exp": "Exp f>f refused", "abs": "Abs f>f ai_cpu"}
    assert cells(build, ALLOW, library=table)["exp"] == "Exp h>h reduced *0"


def test_another_library_brings_its_own_first_list(tmp_path):
    path = tmp_path / "ops.json"
    entry = {"in": ["x"], "out": ["y"], "cols": ["f>f", "h>h"], "pr": True, "tf": ["Exp"]}
    path.write_text(json.dumps({"ops": {"Exp": entry}, "fp16_first": ["Exp"]}))

    def build(tf):
        return tf.exp(floats(tf, "x"), "exp")

    assert cells(build, ALLOW)["exp"] == "Exp f>f keep"
    assert cells(build, ALLOW, library=str(path))["exp"] == "Exp h>h fp16_first *0"
    assert cells(build, MIX, library=path)["exp"] == "Exp h>h white *0"


def test_a_table_without_matmul_leaves_a_half_product_and_its_cast_alone():
    table = json.loads(Path(operator_library.__file__).with_name("ascend910_ops.json").read_text())
    for name in ("MatMul", "MatMulV2"):
        del table["ops"][name]

    def build(tf):
        half = tf.cast(floats(tf, "x", (8, 8)), tf.float16)
        return tf.cast(tf.matmul(half, half, name="product"), tf.float32)

    plan = plan_of(build, library=table)
    (product,) = [row for row in plan.operators if row.name == "product"]
    assert (product.engine, product.outputs) == ("ai_cpu", ("float16",))
