"""explain of a part: words, groups, and what a graph leaves open."""

from __future__ import annotations

import csv
import io
import json
import re

from tests.precision.small import floats, graph_of
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there test_explain.py explains


def test_words_narrow_every_form(explain):
    words = ("precision=allow_mix_precision", "only=black,type:ApplyAdam", "without=name:fc_1")
    text = " ".join(explain(*words).split())
    assert "8 of 55 operators (only=black,type:ApplyAdam without=name:fc_1) fetches:" in text
    rows = explain("format=csv", "precision=force_fp16", "only=backward,cast").splitlines()
    read = json.loads(explain("format=json", "precision=force_fp16", "only=backward,cast"))
    assert len(rows) == len(read["records"]) + 1 == read["totals"]["operators"] + 1
    assert (read["view"]["only"], read["view"]["operators"]) == (["backward", "cast"], 55)
    text = explain("precision=allow_mix_precision", "diff=force_fp16", "only=Mul")
    assert "2 of 3 operators differ, of 55 in all (only=Mul)." in text
    phase = ("phase=insert_casts", "precision=allow_mix_precision")
    lines = explain(*phase, "only=cast,black").splitlines()
    assert lines[0].endswith(": 9 of 55 operators (only=cast,black)")
    assert lines[1] == "fetches: train, loss/mean"
    assert len([line for line in lines if " black " in line]) == 9
    lines = explain("phase=prune", "precision=allow_mix_precision", "only=Sigmoid").splitlines()
    assert " nodes (only=Sigmoid)" in lines[0]
    assert "no operator has the rule refused" in explain(*phase, "only=refused")
    done = explain("phase=lower", "only=black", code=2, quiet=False)
    assert "no operator has a list after this phase" in done.err


def test_words_that_leave_nothing_say_so(explain):
    assert "no operator has the rule refused; there is" in explain("only=refused")
    done = explain("only=refused", "format=csv", quiet=False)
    assert "warning: only=refused: no operator has" in done.err
    assert re.fullmatch(r"mode,generation,section,name,.*\n", done.out)
    done = explain("only=layer_3", code=2, quiet=False)
    assert "try: python -m lenet_exp.explain only=layer_2" in done.err


def test_groups_in_every_form(explain):
    keep = "precision=must_keep_origin_dtype"
    lines = explain("group=scope:1", keep).splitlines()
    first = next(line for line in lines if line.endswith("  gradients"))
    assert first.split()[:4] == ["23", "-", "-", "3"]
    assert "to open a group: only=scope:gradients" in lines
    read = json.loads(explain("group=type", "format=json", "precision=force_fp16"))
    rows = list(csv.DictReader(io.StringIO(explain("group=type", "format=csv", "diff=2021"))))
    assert sum(group["operators"] for group in read["groups"]) == 55
    assert rows == []  # LeNet's types are the same
    diff = ("precision=force_fp16", "diff=allow_mix_precision", "group=type")
    rows = list(csv.DictReader(io.StringIO(explain(*diff, "format=csv"))))
    assert rows[0]["name"] == "ApplyAdamD"
    assert json.loads(explain(*diff, "format=json"))["groups"][0]["differ"] == 10


def test_a_large_difference_is_in_groups_until_words_open_it(explain, tmp_path):
    def build(tf):
        made = floats(tf, "x")
        for layer in range(60):
            with tf.name_scope(f"layer{layer}"):
                made = tf.sigmoid(tf.matmul(made, floats(tf, "w", (8, 8))))
        return [tf.identity(made, name="made")]

    (tmp_path / "deep.pb").write_bytes(graph_of(build)[0].SerializeToString())
    words = ("graph=deep.pb", "fetches=made", "precision=force_fp16", "diff=must_keep_origin_dtype")
    lines = explain(*words).splitlines()
    assert "120 of 120 operators differ." in lines
    assert len(lines) < 100
    opening = "only=scope:layer0"
    assert f"to open a group: {opening}; every operator that differs: only=changed" in lines
    assert "layer0/MatMul (MatMulV2)" in explain(*words, opening)
    assert len(explain(*words, "only=changed").splitlines()) > 120


def test_a_batch_makes_costs_known(explain, tmp_path):
    def build(tf):
        x = tf.placeholder(tf.float32, [None, 8], "x")
        return [tf.matmul(x, tf.get_variable("w", [8, 4]), name="made")]

    (tmp_path / "open.pb").write_bytes(graph_of(build)[0].SerializeToString())
    words = ("graph=open.pb", "fetches=made", "precision=force_fp16")
    assert "cube FLOP in float16   none" in explain(*words)
    for given in ("batch=1000", "shapes=x:1000x8", "shapes={x: [1000, 8]}"):
        assert "cube FLOP in float16   100.0 % of 64.0 kFLOP" in explain(*words, given)
    done = explain(*words, "shapes=x:1000x9", code=2, quiet=False)
    assert "in the graph it is [?, 8]" in done.err
