"""keep_dtype and customize_dtypes: sections 6.5 and 6.6."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.errors import PrecisionError
from lenet_exp.precision import assign
from lenet_exp.precision.planning.dtype_overrides import read_custom_dtypes
from tests.precision import lenet_graph
from tests.precision.chip import compute
from tests.precision.small import (
    ALLOW,
    FORCE,
    KEEP,
    MIX,
    cell,
    cells,
    floats,
    graph_of,
    halves,
    plan_of,
)


def product(tf):
    weights = tf.get_variable("weights", [8, 8])
    return tf.sigmoid(tf.matmul(floats(tf, "x"), weights, name="product"), "after")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("product::InputDtype:float32,float32,OutputDtype:float32", "MatMulV2 ff>f white"),
        ("product::InputDtype:float16,float16,OutputDtype:float32", "MatMulV2 hh>f white *01"),
        ("product::InputDtype:,,OutputDtype:float32", "MatMulV2 hh>f white *01"),
        ("product::InputDtype:float32,OutputDtype:", "MatMulV2 ff>f white"),
        ("OpType::MatMulV2:InputDtype:float32,,OutputDtype:", "MatMulV2 ff>f white"),
        ("OpType::Sigmoid:InputDtype:float32,OutputDtype:float32", "MatMulV2 hh>h white *01"),
        # Names win over types.
        (
            "OpType::MatMulV2:InputDtype:float32,,OutputDtype:\nproduct::InputDtype:float16,OutputDtype:float16",
            "MatMulV2 hh>h white *01",
        ),
        # A repeated name is ignored.
        (
            "product::InputDtype:float32,,OutputDtype:\nproduct::InputDtype:float16,,OutputDtype:",
            "MatMulV2 ff>f white",
        ),
        # One part alone, in other case, with blanks, with words before it: as the vendor reads it.
        ("product::InputDtype:float32", "MatMulV2 ff>f white"),
        ("product::OutputDtype:float32", "MatMulV2 hh>f white *01"),
        ("OpType::MatMulV2:OutputDtype:float32", "MatMulV2 hh>f white *01"),
        ("product::InputDtype:Float32,FLOAT32,OutputDtype:fLoat32", "MatMulV2 ff>f white"),
        ("product::InputDtype:float,float,OutputDtype:float", "MatMulV2 ff>f white"),
        ("product::InputDtype: float32 , float32 ,OutputDtype: float32 ", "MatMulV2 ff>f white"),
        ("product::InputDtype:float32,float32 OutputDtype:float32", "MatMulV2 ff>f white"),
        ("OpType::MatMulV2:fixed here:InputDtype:float32,OutputDtype:", "MatMulV2 ff>f white"),
        ("OpType:: MatMulV2:InputDtype:float32,OutputDtype:", "MatMulV2 ff>f white"),
        ("  product::InputDtype:float32,float32,OutputDtype:float32\t\r", "MatMulV2 ff>f white"),
        ("product:InputDtype:float32", "MatMulV2 ff>f white"),
        ("product::InputDtype=float32,float32,OutputDtype:", "MatMulV2 ff>f white"),
        # An index that the operator lacks fixes nothing.
        ("product::InputDtype:float16,float16,float32,OutputDtype:float32,int8",
         "MatMulV2 hh>f white *01"),
        ("OpType::MatMulV2:InputDtype:,,,,int8,OutputDtype:", "MatMulV2 hh>h white *01"),
    ],
)  # fmt: skip
def test_columns_with_other_types_are_dropped(line, expected):
    assert cells(product, customize_dtypes=line)["product"] == expected


def test_a_path_works_and_a_last_line_end_is_no_blank_line(tmp_path):
    path = tmp_path / "types.cfg"
    path.write_text("product::InputDtype:float32,float32,OutputDtype:float32\n")
    for source in (path, str(path)):
        assert cells(product, customize_dtypes=source)["product"] == "MatMulV2 ff>f white"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("product::InputDtype : FLOAT16,OutputDtype:", "no blank before the colon"),
        ("product::InputDtype:FLOAT16,OutputDtype : float16", "no blank before the colon"),
    ],
)
def test_the_vendor_s_parser_takes_no_blank_before_a_colon(tmp_path, line, told):
    (tmp_path / "types.cfg").write_text(line)
    with pytest.raises(PrecisionError, match="is no type") as caught:
        read_custom_dtypes(tmp_path / "types.cfg")
    assert told in caught.value.args[2]
    (tmp_path / "types.cfg").write_text(line.replace(" :", ":"))
    assert read_custom_dtypes(tmp_path / "types.cfg").names["product"].inputs[0] == "float16"


@pytest.mark.parametrize("mode", [ALLOW, FORCE])
def test_other_modes_obey_too(mode):
    line = "product::InputDtype:float32,float32,OutputDtype:float32"
    assert cells(product, mode, customize_dtypes=line)["product"].startswith("MatMulV2 ff>f")


def test_must_keep_is_not_touched():
    line = "product::InputDtype:float16,float16,OutputDtype:float16"
    assert cells(product, KEEP, customize_dtypes=line)["product"] == "MatMulV2 ff>f keep"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it can't be read"),
        (":InputDtype:float16", "is not of the form"),
        ("product::float16,OutputDtype", "it can't be read"),
        ("x::OutputDtype:\nproduct::InputDtype", 'line 2: "product::InputDtype" is not of the'),
        ("x::OutputDtype:\nproduct::inputdtype:float16", "is not of the form"),
        ("product::InputDtypeOutputDtype:", '"utputdtype:" is no type'),
        ("# a comment\nproduct::InputDtype:,OutputDtype:", "is not of the form"),
        ("product::InputDtype:,OutputDtype:\n\nx::InputDtype:,OutputDtype:", "line 2: it is blank"),
        ("product::OutputDtype:float16,InputDtype:float16", "is not of the form"),
        ("product::InputDtype:half,OutputDtype:", '"half" is no type'),
        ("product::InputDtype:float 16,OutputDtype:", '"float 16" is no type'),
        ("product::InputDtype:" + "," * 1100 + "OutputDtype:", "characters"),
        ("product::InputDtype:int8,int8,OutputDtype:int8", "no kernel for these types"),
    ],
)
def test_errors_name_the_line_or_the_operator(text, problem):
    graph_def, fetches = graph_of(product)
    with pytest.raises(PrecisionError) as caught:
        assign(graph_def, MIX, fetches=fetches, customize_dtypes=text)
    assert problem in str(caught.value)
    assert "try:" in str(caught.value)


def test_a_line_for_products_with_a_bias_does_for_those_of_their_gradients():
    line = "OpType::MatMulV2:InputDtype:float16,float16,float32,OutputDtype:float32"
    graph_def, fetches = lenet_graph.graph_and_fetches("none")
    plan = assign(graph_def, MIX, fetches=fetches, customize_dtypes=line)
    products = [cell(row) for row in plan.operators if row.ge_type == "MatMulV2"]
    assert len(products) == 9
    assert {text.partition(" white")[0] for text in products[:3]} == {"MatMulV2 hhf>f"}
    assert {text.partition(" white")[0] for text in products[3:]} == {"MatMulV2 hh>f"}


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "types.cfg"
    path.write_text("")
    with pytest.raises(PrecisionError, match="it is empty"):
        read_custom_dtypes(path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nobody::OutputDtype:float32", 'no operator has the name "nobody"'),
        ("product ::OutputDtype:float32", 'no operator has the name "product "'),
        ("OpType::Relu:OutputDtype:float32", 'no operator is a "Relu"'),
        (" OpType::MatMulV2:OutputDtype:float32", 'no operator has the name "OpType"'),
    ],
)
def test_a_line_for_no_operator_is_told(line, told):
    (warning,) = plan_of(product, customize_dtypes=line).warnings
    assert warning == f"customize_dtypes: {told}, so its line does nothing"


@pytest.mark.parametrize(
    ("key", "value"),
    [("keep_dtype", ["product"]), ("customize_dtypes", "product::OutputDtype:float32")],
)
def test_what_changes_nothing_where_every_type_is_kept_is_told(key, value):
    told = f"{key}: {KEEP} keeps every type, so it changes nothing"
    assert plan_of(product, KEEP, **{key: value}).warnings == (told,)
    assert plan_of(product, MIX, **{key: value}).warnings == ()


def expanded(tf):
    return tf.exp(tf.expand_dims(floats(tf, "x"), 0, name="same"), name="end")


def unique(tf):
    return tf.exp(tf.unique(floats(tf, "x", (8,)), name="same").y, name="end")


@pytest.mark.parametrize(
    ("build", "line", "row"),
    [
        (expanded, "OpType::ExpandDims:InputDtype:float16,OutputDtype:float16", "hi>h keep *0"),
        (expanded, "same::InputDtype:float16", "hi>f keep *0"),
        (unique, "OpType::Unique:InputDtype:float16,OutputDtype:float16", "h>hi ai_cpu *0"),
        (unique, "same::InputDtype:float16,OutputDtype:float16,int64", "h>hl ai_cpu *0"),
    ],
)
def test_what_chooses_no_types_takes_those_of_a_line(build, line, row):
    plan = plan_of(build, customize_dtypes=line)
    assert cell(plan.operators[0]).split(" ", 1)[1] == row
    assert plan.operators[0].reason.endswith(", but for those that customize_dtypes gives")
    assert not any(text.startswith("customize_dtypes") for text in plan.warnings)
    assert plan_of(build, KEEP, customize_dtypes=line).operators[0].casts == ()


def test_what_a_line_gives_is_computed():
    line = "OpType::ExpandDims:InputDtype:float16,OutputDtype:float16"
    x = np.full((4, 8), 1.0001, np.float32)
    (got,), _ = compute(expanded, {"x:0": x}, MIX, customize_dtypes=line)
    assert set(got.ravel()) == {np.float16(np.exp(1))}


def lgamma(tf):
    return tf.lgamma(floats(tf, "x"), name="same")


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("line", ["InputDtype:float16,OutputDtype:float16", "OutputDtype:float16"])
@pytest.mark.parametrize(("x", "expected"), [(2.5, np.float16(0.2846829)), (3e4, 65504.0)])
def test_what_a_line_gives_is_computed_on_the_ai_cpu(reference, line, x, expected):
    # The chip reads infinity as its largest value, and no flag is set.
    feeds, line = {"x:0": np.full((4, 8), x, np.float32)}, f"OpType::Lgamma:{line}"
    (got,), flag = compute(lgamma, feeds, MIX, reference=reference, customize_dtypes=line)
    assert (set(got.ravel()), flag) == ({np.float32(expected)}, False)


def integers(tf):
    whole = tf.placeholder(tf.int32, [4], "whole")
    return tf.multiply(whole, whole, name="same")


def reshaped(tf):
    return tf.reshape(tf.placeholder(tf.int32, [2, 2], "whole"), [4], name="same")


@pytest.mark.parametrize(
    ("build", "line", "row", "told"),
    [
        (integers, "OpType::Mul:InputDtype:float16,float16", "Mul ii>i gray",
         "input 0 (int32) and input 1 (int32), which"),
        (reshaped, "OpType::Reshape:InputDtype:float16", "Reshape ii>i gray",
         "input 0 (int32), which"),
        (expanded, "same::InputDtype:,float16", "ExpandDims fi>f keep",
         "input 1 (int32), which"),
    ],
)  # fmt: skip
def test_no_line_makes_a_float_of_an_integer(build, line, row, told):
    plan = plan_of(build, customize_dtypes=line)
    (warning,) = plan.warnings
    assert cell(plan.operators[0]) == row
    assert warning.startswith(f"customize_dtypes: its line for {plan.operators[0].ge_type} same")
    assert f"does nothing: it would make another kind of number of {told}" in warning


@pytest.mark.parametrize("line", ["OutputDtype:float32", "InputDtype:float64,OutputDtype:float32"])
def test_no_line_changes_what_a_cast_writes(line):
    def build(tf):
        return tf.cast(tf.placeholder(tf.float64, [4], "x"), tf.float16, name="same")

    plan = plan_of(build, customize_dtypes=f"OpType::Cast:{line}")
    assert cell(plan.operators[0]) == "Cast d>h ai_cpu"
    told = "its line for Cast same does nothing: a Cast writes the type that it says itself"
    assert plan.warnings[-1] == f"customize_dtypes: {told}"


def convolution(tf):
    kernel = tf.get_variable("kernel", [3, 3, 2, 2])
    return tf.nn.conv2d(floats(tf, "x", (1, 8, 8, 2)), kernel, [1] * 4, "SAME", name="same")


def pooled(tf):
    return tf.nn.max_pool(
        floats(tf, "x", (1, 8, 8, 2)), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", name="same"
    )


@pytest.mark.parametrize(
    ("build", "line", "row"),
    [
        (convolution, "same::InputDtype:float16,float16,float16,OutputDtype:float16", "hh>h"),
        (convolution, "same::OutputDtype:float32", "hh>f"),
        (pooled, "same::InputDtype:float16", "h>h"),
    ],
)
def test_a_line_stands_for_the_test_of_types(build, line, row):
    (found,) = plan_of(build, keep_dtype=["same"], customize_dtypes=line).operators
    assert (found.engine, cell(found).split()[1]) == ("ai_core", row)


def test_a_line_without_a_kernel_is_refused_where_the_chip_runs_the_operator():
    # Where it is refused anyway, or on the AI CPU, the line changes nothing of that.
    line = "OpType::MaxPool:InputDtype:float32"
    with pytest.raises(PrecisionError, match="MaxPool has no kernel for these types"):
        plan_of(pooled, customize_dtypes=line)
    (row,) = plan_of(pooled, keep_dtype=["same"], customize_dtypes=line).operators
    assert cell(row) == "MaxPool f>f ai_cpu"


def test_a_line_for_what_no_kernel_is_known_of_is_told():
    def build(tf):
        return tf.sigmoid(floats(tf, "x"), name="same")

    graph_def, fetches = graph_of(build)
    graph_def.node[-1].attr["_ge_type"].s = b"Unheard"
    plan = assign(graph_def, MIX, fetches=fetches, customize_dtypes="same::InputDtype:float16")
    assert "its line for Unheard same does nothing: not decided" in plan.warnings[-1]


def test_february_2021_has_no_such_file():
    graph_def, fetches = graph_of(product)
    with pytest.raises(PrecisionError, match="February 2021"):
        assign(graph_def, MIX, generation="2021", fetches=fetches, customize_dtypes="a")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (MIX, "MatMulV2 ff>f keep"),
        (ALLOW, "MatMulV2 ff>f keep"),  # without the float16-first list
        (FORCE, "MatMulV2 ff>f keep"),
        (KEEP, "MatMulV2 ff>f keep"),
    ],
)
def test_keep_dtype_keeps_float32(mode, expected):
    assert cells(product, mode, keep_dtype=["product"])["product"] == expected


@pytest.mark.parametrize(
    ("name", "near"),
    [("layer_2", "one of layer, "), ("layer/prod", "layer/product"), ("x", "layer")],
)
def test_a_name_that_no_node_has_is_told_with_those_that_are_near(name, near):
    with pytest.raises(PrecisionError, match=f"keep_dtype {name} has|keep_dtype {name}:") as caught:
        cells(biased, keep_dtype=[name])
    assert near in caught.value.args[2]


def test_keep_dtype_does_not_follow_the_producer():
    def build(tf):
        return tf.sigmoid(halves(tf), "after")

    assert cells(build)["after"] == "Sigmoid h>h gray"
    assert cells(build, keep_dtype=["after"])["after"] == "Sigmoid f>f keep *0"


def test_no_reduction_in_the_support_test():
    def build(tf):
        images = floats(tf, "x", (1, 8, 8, 2))
        pooled = tf.nn.max_pool(images, [1, 2, 2, 1], [1, 2, 2, 1], "SAME", name="pool")
        kernel = tf.get_variable("kernel", [3, 3, 2, 2])
        return tf.nn.conv2d(pooled, kernel, [1, 1, 1, 1], "SAME", name="conv")

    rows = cells(build, keep_dtype=["pool", "conv"])
    assert (rows["pool"], rows["conv"]) == ("MaxPool f>f ai_cpu", "Conv2D ff>f refused")


def biased(tf):
    with tf.name_scope("layer"):
        made = tf.matmul(floats(tf, "x"), tf.get_variable("weights", [8, 8]), name="product")
        return tf.nn.bias_add(made, tf.get_variable("bias", [8]), name="added")


@pytest.mark.parametrize("named", ["layer/product", "layer/added", "layer", "layer/"])
def test_a_fused_node_inherits_keep_dtype_from_any_part(named):
    assert cells(biased, keep_dtype=[named])["layer/product"] == "MatMulV2 fff>f keep"


@pytest.mark.parametrize("part", ["layer/product", "layer/added"])
@pytest.mark.parametrize("field", ["b", "i"])
def test_the_node_attribute_marks_as_the_argument_does(part, field):
    graph_def, fetches = graph_of(biased)
    for node in graph_def.node:
        if node.name == part:
            setattr(node.attr["_keep_dtype"], field, 1)
    plan = assign(graph_def, MIX, fetches=fetches, generation="2021")
    row = next(row for row in plan.operators if row.name == "layer/product")
    assert (row.rule, row.inputs) == ("keep", ("float32",) * 3)


def test_keep_dtype_of_nothing_is_refused():
    graph_def, fetches = graph_of(biased)
    with pytest.raises(PrecisionError, match="keep_dtype lay"):
        assign(graph_def, MIX, fetches=fetches, keep_dtype=["lay"])
