"""Records, groups, differences, CSV, JSON and text."""

from __future__ import annotations

import csv
import io
import json

import pytest

from lenet_exp.precision.reporting import records, tables
from tests.precision import lenet_graph
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, halves, plan_of


@pytest.fixture(scope="module")
def reports():
    asked = {m: (m, "today") for m in (MIX, FORCE, KEEP)}
    asked.update({"old": (MIX, "2021"), "allow 2021": (ALLOW, "2021")})
    return {name: records.report(lenet_graph.plan_of("none", *how)) for name, how in asked.items()}


@pytest.mark.parametrize(
    ("dtypes", "text"),
    [
        (("float16", "float32", "int32", "int64", "bool"), "hfilb"),
        (("float32",) * 4, "ffff"),
        (("float32",) * 5, "5f"),
        (("int32", *["float32"] * 10), "i10f"),
        (("qint8",), "?"),
        ((), ""),
    ],
)
def test_types_are_compact(dtypes, text):
    assert records.compact(dtypes) == text


def test_a_record_carries_every_field(reports):
    found = {record.name: record for record in reports[MIX].records}
    first = found["conv1/Conv2D"]
    assert (first.section, first.types, first.operator.casts) == ("forward", "hhh>h", (0, 1, 2))
    row = first.operator
    assert (row.colour, row.rule, row.engine, row.unit) == ("white", "white", "ai_core", "cube")
    assert row.parts == ("conv1/Conv2D", "conv1/BiasAdd")
    assert first.cost.flops == 15_052_800
    # float16: images, weights, bias, output
    assert first.shown()["moved_bytes"] == 2 * (64 * 784 + 150 + 6 + 64 * 784 * 6)
    assert found["conv1/Sigmoid"].cost.flops is None


def test_sections_follow_the_step(reports):
    sections = [record.section for record in reports[MIX].records]
    assert [sections.count(s) for s in ("forward", "backward", "update")] == [18, 23, 14]
    assert sections == sorted(sections, key=["forward", "backward", "update"].index)


def test_what_serves_only_the_update_is_update():
    read = records.report(lenet_graph.plan_of("variable", MIX))
    sections = {record.name: record.section for record in read.records}
    assert sections["inv_scale"] == "update"
    assert sections["unscale/fc1/kernel"] == "update"
    assert sections["gradients/scaled_loss_grad/Mul"] == "backward"


def test_groups_are_alike_and_complete(reports):
    groups = records.summary(reports[MIX]).groups
    first = groups[0]
    assert first == records.Group(
        "forward", "Conv2D", "hhh>h", "white", "white", 5, ("conv1/Conv2D", "conv2/Conv2D")
    )
    assert sum(len(group.names) for group in groups) == 55
    assert sum(group.casts for group in groups) == 27
    adam = [group for group in groups if group.ge_type == "ApplyAdamD"]
    assert [(len(group.names), group.casts) for group in adam] == [(10, 3)]


def test_a_difference_is_in_types_casts_or_engine(reports):
    found = records.compare(reports[MIX], reports[FORCE])
    differing = {difference.name: difference for difference in found.differences}
    mean = differing["loss/Mean"]
    assert (mean.first.types, mean.second.types) == ("f>f", "h>h")
    assert "conv1/Conv2D" not in differing
    assert len(found.differences) + found.by_rule == 55


def test_the_generations_give_lenet_the_same_types_by_other_lists(reports):
    found = records.compare(reports[MIX], reports["old"])
    # Conv2D twice, BackpropFilter twice, BackpropInput: white today, gray in 2021 (10.1).
    assert (found.differences, found.by_rule) == ((), 5)
    assert "every operator has the same types" in tables.comparison_table(found, 100)


def test_a_narrowed_report_adds_up_what_it_shows(reports):
    plan = lenet_graph.plan_of("none", MIX)
    read = records.report(plan, ["conv1", "float16"], ["type:MaxPool"])
    assert [record.name for record in read.records] == ["conv1/Conv2D", "conv1/Sigmoid"]
    assert (read.totals.operators, read.totals.casts, read.view.operators) == (2, 3, 55)
    assert read.totals.cube_flops == 15_052_800
    # Of images, weights and bias: read as float32, written as float16.
    assert read.totals.cast_bytes == 6 * (64 * 784 + 150 + 6)
    assert str(read.view) == "only=conv1,float16 without=type:MaxPool"
    whole = reports[MIX]
    assert (whole.view.narrows, whole.totals.operators, whole.totals.casts) == (False, 55, 27)
    assert whole.fetches == ("train", "loss/Mean")


def test_changed_is_what_the_graph_has_otherwise(reports):
    changed = records.report(lenet_graph.plan_of("none", MIX), ["changed"]).records
    assert {record.name for record in changed} == {
        record.name for record in reports[MIX].records if "float16" in str(record.shown())
    }
    keep = lenet_graph.plan_of("none", KEEP)
    assert records.report(keep, ["changed"]).view.note == "no operator is changed"
    warned = {record.operator.engine for record in records.report(keep, ["warning"]).records}
    assert warned == {"ai_cpu", "refused"}


def test_a_narrowed_report_keeps_refusals_and_counts_the_other_warnings(reports):
    assert [records.refuses(text) for text in reports[KEEP].warnings] == [True] * 3 + [False] * 2
    read = records.report(lenet_graph.plan_of("none", KEEP), ["type:MaxPool"])
    told = [text.partition(" ")[0] for text in read.warnings]
    assert told[3:] == ["MaxPool"]
    assert read.view.silent == 1
    assert "1 more warning" in tables.table(read, 100)


def test_a_narrowed_comparison_keeps_both_sides_of_an_operator(reports):
    found = records.compare(reports[MIX], reports[FORCE], ["black"], ["type:ApplyAdamD"])
    assert found.differences[0].name == "loss/Mean"
    assert len(found.first.records) == len(found.second.records) == 6
    text = tables.comparison_table(found, 100)
    assert "6 of 6 operators differ, of 55 in all (only=black" in " ".join(text.split())
    changed = records.compare(reports[MIX], reports[FORCE], ["changed"])
    whole = records.compare(reports[MIX], reports[FORCE])
    assert changed.differences == whole.differences
    nothing = records.compare(reports[MIX], reports[FORCE], ["float16", "type:Mul"], ["changed"])
    assert nothing.differences == ()
    none = records.compare(reports[MIX], reports[FORCE], ["refused"])
    assert "no operator has the rule refused" in tables.comparison_table(none, 100)


@pytest.mark.parametrize("show", [tables.table, tables.summary_table])
def test_a_narrowed_table_says_of_how_many(show):
    plan = lenet_graph.plan_of("none", MIX)
    text = show(records.report(plan, ["ApplyAdam"]), 100)
    assert "10 of 55 operators (only=ApplyAdam)" in text
    assert "fetches: train, loss/Mean" in text.splitlines()
    assert "operators in float16   0 of 10" in text
    lines = show(records.report(plan, ["refused"]), 100).splitlines()
    assert lines[0].endswith("0 of 55 operators (only=refused)")
    assert lines[-1].startswith("no operator has the rule refused; there is ")


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (0, "none"), (4000, "25.0 % of 4.0 kB"), (10_000_000, "25.0 % of 10.0 MB"),
        (18_200_000, "25.0 % of 18.2 MB"), (20_000_000_000, "25.0 % of 20.0 GB"),
    ],
)  # fmt: skip
def test_amounts_have_a_fitting_unit(reports, whole, told):
    sums = reports[MIX].totals._replace(moved_bytes=whole, moved_bytes_float16=whole // 4)
    assert tables.figures(sums)["bytes in float16"] == told


def test_an_operator_that_one_plan_lacks_is_a_difference():
    one = records.report(plan_of(halves))
    two = records.report(plan_of(lambda tf: tf.sigmoid(halves(tf), name="more")))
    found = records.compare(one, two)
    assert [(d.name, d.first) for d in found.differences] == [("more", None)]
    assert "(not there)" in tables.comparison_table(found, 100)
    assert records.compare(two, one).differences[0].second is None


def test_csv_has_a_row_an_operator_and_survives_its_commas(reports):
    rows = list(csv.DictReader(io.StringIO(records.as_csv(reports[MIX].records, {"mode": MIX}))))
    assert len(rows) == 55
    assert list(rows[0]) == ["mode", *records.FIELDS]
    sigmoid = next(row for row in rows if row["name"] == "conv1/Sigmoid")
    assert sigmoid["reason"] == "gray: follows conv1/Conv2D, which is float16"
    assert rows[0]["casts"] == "0 1 2"
    assert rows[0]["inputs"] == "float16 float16 float16"


def test_csv_of_nothing_is_its_head():
    assert records.as_csv([], {"mode": MIX}) == "mode\n"
    head = ",".join(("mode", *records.FIELDS))
    assert records.as_csv([], {"mode": MIX}, records.FIELDS) == f"{head}\n"


def test_a_graph_without_operators_leaves_the_head_of_a_run_s_csv(reports):
    empty = reports[MIX]._replace(records=())
    text = records.as_csv_of_run({"inference": empty, "train": reports[MIX]})
    assert len(list(csv.DictReader(io.StringIO(text)))) == 55
    assert text.splitlines()[0].endswith(",".join(records.FIELDS))


def test_csv_of_a_run_names_the_graph(reports):
    text = records.as_csv_of_run({"train": reports[MIX], "inference": reports[KEEP]})
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["graph"] for row in rows] == ["train"] * 55 + ["inference"] * 55
    assert {row["mode"] for row in rows[55:]} == {KEEP}


def test_json_carries_records_totals_and_warnings(reports):
    read = json.loads(records.as_json(reports[KEEP]))
    assert read["mode"] == KEEP
    assert read["records"][0]["casts"] == []
    assert read["records"][0]["engine"] == "refused"
    assert read["totals"]["operators"] == 55
    assert any("Conv2D" in warning for warning in read["warnings"])


def texts(reports):
    yield tables.table(reports[MIX], 100)
    yield tables.table(reports[KEEP], 100)
    yield tables.summary_table(reports[FORCE], 100)
    yield tables.comparison_table(records.compare(reports[MIX], reports[FORCE]), 100)
    yield tables.comparison_table(records.compare(reports["allow 2021"], reports[KEEP]), 100)
    cond = records.report(lenet_graph.plan_of("conditional", ALLOW))
    yield tables.table(cond, 100)
    yield tables.summary_table(cond, 100)


def test_no_line_is_wider_than_asked(reports):
    for text in texts(reports):
        assert max(map(len, text.splitlines())) <= 100
        assert not [line for line in text.splitlines() if line != line.rstrip()]


def differing(reports, width):
    return tables.comparison_table(records.compare(reports[KEEP], reports[FORCE]), width)


@pytest.mark.parametrize("width", [10, 48, 50, 60, 72, 80, 133])
def test_other_widths_hold_too_down_to_48(reports, width):
    shown = [show(reports[KEEP], width) for show in (tables.table, tables.summary_table)]
    for text in (*shown, differing(reports, width)):
        assert max(map(len, text.splitlines())) <= max(width, 48)
        assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("width", [48, 50, 80])
def test_names_stay_whole_where_there_is_little_room(reports, width):
    whole = ["conv1/Conv2D", "fc1/MatMul", "gradients/conv2/Conv2D_grad/Conv2DBackpropInput"]
    shown = [show(reports[KEEP], width) for show in (tables.table, tables.summary_table)]
    for text in (*shown, differing(reports, width)):
        assert "..." not in text
        together = "".join(line.strip() for line in text.splitlines())
        assert [name for name in whole if name not in together] == []


@pytest.mark.parametrize("show", [tables.table, tables.summary_table])
@pytest.mark.parametrize(("mode", "refused"), [(KEEP, 3), (MIX, 0)])
def test_what_the_chip_refuses_stands_first_and_the_legend_before_the_table(
    reports, show, mode, refused
):
    lines = show(reports[mode], 100).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("FORWARD"))
    told = [i for i, line in enumerate(lines) if line.startswith("warning: ")]
    before = [i for i in told if i < first]
    assert len(before) == refused
    assert all("refused" in lines[i] for i in before)
    assert not any("refused" in lines[i] for i in told if i > first)
    assert (2 in before) is (refused > 0)
    (legend,) = [i for i, line in enumerate(lines) if "*012 inputs that get a Cast" in line]
    assert max([0, *before]) < legend < first


def test_lenet_s_summary_fits_one_screen(reports):
    for name in (MIX, FORCE, "old"):
        assert len(tables.summary_table(reports[name], 100).splitlines()) <= 45


def test_the_table_says_what_there_is_to_know(reports):
    text = tables.table(reports[MIX], 100)
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if "conv1/Conv2D + BiasAdd" in line)
    assert lines[at].split() == ["hhh>h", "white", "*012", "conv1/Conv2D", "+", "BiasAdd"]
    assert lines[at + 1].strip() == "Conv2D - float16 wherever a kernel has it"
    assert "h float16; f float32; i int32" in text
    assert "casts put in           27" in text
    assert "cube FLOP in float16   100.0 % of 251.1 MFLOP" in text
    assert "10f>fff" in text


def test_the_legend_names_only_letters_that_are_there():
    text = tables.table(records.report(plan_of(lambda tf: tf.sigmoid(floats(tf, "x")))), 100)
    assert "f float32" in text
    assert "float16;" not in text
    assert "int32" not in text


def test_a_refused_and_an_ai_cpu_operator_stand_out_side_by_side(reports):
    text = tables.comparison_table(records.compare(reports[KEEP], reports[MIX]), 100)
    assert "fff>f refused" in text
    assert "f>f on the AI CPU" in text


def test_many_casts_are_a_range_or_separated():
    def build(tf):
        more = [tf.sigmoid(floats(tf, f"x{i}")) for i in range(12)]
        return tf.add_n([halves(tf), *more], name="sum")

    text = tables.table(records.report(plan_of(build)), 100)
    assert "*1-12" in text
