"""The comparison as text."""

from __future__ import annotations

import csv
import io
import math

import pytest

from lenet_exp.comparison import table
from lenet_exp.comparison.rows import TableRow
from lenet_exp.comparison.verdicts import AccuracyVerdict

pytestmark = pytest.mark.stackless

ROW = TableRow(
    configuration="allow_mix_precision", runs=3, seeds=(0, 1, 2), unfinished=0, accuracy=0.98291,
    half_width=0.0013,
    verdict=AccuracyVerdict("within noise", "paired t", (3, 3), 0.98, 0.0004, 0.0011),
    hardware="cpu", emulated=True, sec_per_step=0.00812, images_per_sec=7881.7, comparable=True,
    float32_cost=1.7, chip_ratio=None, skipped_steps=34.0, loss_scale=2.0**32,
    float16_operators=0.3, float16_flops=1.0,
)  # fmt: skip
REFERENCE = ROW._replace(
    configuration="must_keep_origin_dtype", verdict=AccuracyVerdict("reference"), emulated=False
)
EMPTY = TableRow("force_fp16", 0, (), 2, None, None, AccuracyVerdict("no verdict"), "cpu", False,
                 None, None, True, None, None, None, None, None, None)  # fmt: skip


def line_of(rows, label, width=100):
    return [line for line in table.terminal(rows, width).split("\n") if line.startswith(label)]


def test_a_configuration_is_a_line_in_each_of_two_blocks():
    assert [line.split() for line in line_of([ROW, REFERENCE], "allow_mix")] == [
        ["allow_mix_precision", "3", "0.9829", "+-0.0013", "+0.04", "+-0.11", "within",
         "noise", "cpu,", "emulated"],
        ["allow_mix_precision", "0.00812", "7882", "1.70x", "34", "2^32", "30", "%", "100", "%"],
    ]  # fmt: skip
    assert line_of([ROW, REFERENCE], "must_keep")[0].split()[-2:] == ["reference", "cpu"]


LONG = "force_fp16 optimizer=adam optimizer.learning_rate=0.0001 loss_scale=dynamic"


@pytest.mark.parametrize("width", [40, 100, 200])
@pytest.mark.parametrize("label", ["force_fp16", LONG])
def test_no_line_is_wider_than_the_terminal(width, label):
    shown = table.terminal([ROW, REFERENCE, ROW._replace(configuration=label)], width)
    assert max(map(len, shown.split("\n"))) <= max(84, width)
    assert width < 100 or set(label.split()) <= set(shown.split())


def test_a_loss_scale_is_a_power_of_two_and_a_count_is_none():
    assert [table.number(value) for value in (None, 8.0, 2.0**14, math.inf, math.nan)] == [
        "-", "8", "2^14", "inf", "nan",
    ]  # fmt: skip
    assert [table.count(value) for value in (None, 2.5, 2.0**14, 1234567.0)] == [
        "-", "2.5", "16384", "1234567",
    ]  # fmt: skip


def test_what_is_not_known_is_a_dash():
    for line in line_of([ROW, EMPTY._replace(accuracy=0.9)], "force_fp16"):
        assert "-" in line.split()


def test_what_has_not_finished_is_no_row_of_dashes():
    assert line_of([ROW, EMPTY], "force_fp16") == []
    assert "no finished run of force_fp16" in table.terminal([ROW, EMPTY], 100)
    only = "ModelZoo's baseline: accuracy 0.975; no run has finished"
    assert (table.terminal([EMPTY], 100), table.markdown([EMPTY])) == (only, "")


def test_what_moves_on_the_chip_is_in_the_page_and_the_csv_but_not_in_a_terminal():
    row = ROW._replace(moved_bytes=3_080_000, float16_bytes=1_500_000, cast_bytes=250_000,
                       chip="refused: Conv2D")  # fmt: skip
    cells = [[column.head, column.cell(row)] for column in table.ALL[-4:]]
    assert cells == [["MB moved", "3.08"], ["f16 MB", "1.50"], ["cast MB", "0.25"],
                     ["on the chip", "refused: Conv2D"]]  # fmt: skip
    assert "cast MB" in table.markdown([row])
    assert "cast MB" not in table.terminal([row], 200)
    (kept,) = csv.DictReader(io.StringIO(table.as_csv([row])))
    assert (kept["cast_bytes"], kept["chip"]) == ("250000", "refused: Conv2D")


def test_a_time_beside_other_jobs_is_marked_and_explained():
    marked = ROW._replace(comparable=False, float32_cost=None)
    assert "0.00812*" in line_of([marked], "allow_mix")[1]
    assert any(note.startswith("*:") for note in table.footnotes([marked]))
    assert not any(note.startswith("*:") for note in table.footnotes([ROW]))


def test_only_a_chip_is_held_against_the_chip():
    chip = ROW._replace(hardware="ascend910", emulated=False, float32_cost=None, chip_ratio=1.25)
    assert "1.25x 0.0021" in line_of([chip], "allow_mix")[1]
    assert any("0.0021" in note for note in table.footnotes([chip]))
    assert "0.0021" not in table.terminal([ROW], 100) + " ".join(table.footnotes([ROW]))


def test_the_modelzoo_s_baseline_is_named():
    rows = [ROW._replace(accuracy=0.9749), REFERENCE]
    told = "ModelZoo's baseline: accuracy 0.975; not reached by allow_mix_precision (0.9749)"
    assert told in table.terminal(rows, 100)


def test_csv_has_every_field_unrounded():
    (first, second) = csv.DictReader(io.StringIO(table.as_csv([ROW, EMPTY])))
    assert float(first["accuracy"]) == ROW.accuracy
    assert (first["seeds"], first["verdict_word"]) == ("0 1 2", "within noise")
    assert (float(first["difference"]), first["emulated"]) == (0.0004, "true")
    assert (second["accuracy"], second["unfinished"]) == ("", "2")


def test_markdown_is_one_table():
    lines = table.markdown([ROW, REFERENCE]).splitlines()
    assert {line.count("|") for line in lines} == {18}
    assert "allow\\_mix\\_precision" in lines[2]


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_command_below_a_line_is_not_wrapped(indent):
    typed = "  python -m lenet_exp.run -m " + " ".join(f"seed={seed}" for seed in range(40))
    prose = indent + "to go on " + "with the sweep " * 9
    *lines, last = table.wrapped(f"{prose}\n{typed}", 84)
    assert last == typed
    assert len(lines) == 2
    assert " ".join(" ".join(lines).split()) == " ".join(prose.split())
