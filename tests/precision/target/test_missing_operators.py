"""scripts/list_missing_operators.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import lenet_exp
from tests.precision.small import floats, graph_of, halves

SCRIPT = Path(lenet_exp.__file__).parent.parent / "scripts" / "list_missing_operators.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path, build):
    path.write_bytes(graph_of(build)[0].SerializeToString())
    return str(path)


def odd(tf):
    hosted = tf.py_func(abs, [floats(tf, "x")], tf.float32, name="a")
    return tf.py_func(abs, [hosted], tf.float32, name="b")


def test_a_table_of_what_is_lacking(script, tmp_path, capsys):
    files = [write(tmp_path / "one.pb", odd), write(tmp_path / "two.pb", odd)]
    files.append(write(tmp_path / "three.pb", lambda tf: tf.squeeze(halves(tf)[:1])))
    assert script.main(files) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["graphs", "times", "CANN", "operator"]
    assert lines[1].split()[:4] == ["2", "4", "2021", "PyFunc:"]
    assert lines[2].split()[:4] == ["2", "4", "today", "PyFunc:"]
    assert lines[3] == "1 operators of 3 graphs lack an entry"


def test_nothing_lacking_and_no_graph(script, tmp_path, capsys):
    whole = write(tmp_path / "whole.pb", lambda tf: tf.squeeze(halves(tf)[:1]))
    assert script.main([whole]) == 0
    (tmp_path / "broken.pb").write_bytes(b"\xff")
    assert script.main([whole, str(tmp_path / "broken.pb")]) == 2
    assert "broken.pb" in capsys.readouterr().err
