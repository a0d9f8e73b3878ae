"""benchmarks/networks.py: a folder of graphs in, a table out, whatever is wrong with one."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from lenet_exp import tf_compat
from tests.stacks import full_on_tf1

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def networks(monkeypatch):
    """Return the benchmark, taking each network in this process."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = importlib.import_module("networks")
    monkeypatch.setattr(found, "in_a_process", found.examine)
    monkeypatch.setattr(found, "WINDOW_SECONDS", 0)  # of one step
    return found


def write_network(path, said=None, resource=False):
    """Write the MetaGraph of a dense layer, with dropout that has no seed, under Adam."""
    tf = tf_compat.load()
    with tf.Graph().as_default():
        x, keep = tf.placeholder(tf.float32, [None, 8], "x"), tf.placeholder(tf.bool, [], "keep")
        with tf.variable_scope("layer", use_resource=resource):
            weights = tf.get_variable("weights", [8, 4])
        hidden = tf.where(keep, tf.matmul(x, weights), tf.zeros_like(tf.matmul(x, weights)))
        dropped = tf.nn.dropout(hidden, rate=0.5)
        loss = tf.reduce_mean(tf.square(dropped), name="loss")
        train = tf.train.AdamOptimizer(0.1, epsilon=1e-3).minimize(loss, name="train")
        tf.add_to_collection("train_op", train)
        tf.add_to_collection("losses", loss)
        tf.train.export_meta_graph(str(path))
    if said is not None:
        path.with_suffix(".json").write_text(json.dumps(said))


def lines_of(networks, capsys, *words):
    status = networks.main([".", *words])
    return status, capsys.readouterr().out.splitlines()


@full_on_tf1
def test_the_table_has_a_line_for_each_network(networks, capsys):
    feeds = {"x:0": {"dtype": "float32", "shape": [2, 8], "range": [-1, 1]}}
    feeds["keep:0"] = {"dtype": "bool", "shape": [], "value": True}
    write_network(Path("said.meta"), {"feeds": feeds, "fetches": ["train", "loss:0"], "seed": 3})
    write_network(Path("unsaid.meta"), resource=True)
    Path("broken.meta").write_bytes(b"no graph")
    status, lines = lines_of(networks, capsys, "--rounds", "2", "--modes", "mix")
    assert status == 1
    assert [line.split(":")[0] for line in lines[:3]] == ["broken", "said", "unsaid"]
    broken, said, unsaid = (
        line.split(" | ") for line in lines if line.startswith("| ") and "network" not in line
    )
    assert broken[1:-1] == ["- -> -", "-", "-", "-", "-", "0", "-", "-"]
    for cells in (said, unsaid):
        assert cells[8] == "yes / - / - / - / -"
        assert len(cells[9].split(" / ")) == len(networks.MODES)
    (problem,) = (line for line in lines if line.startswith("broken: all"))
    assert problem == "broken: all: GraphError: broken.meta: it holds no TensorFlow graph"
    assert problem in lines[-3:]


def test_a_table_is_made_in_portions(networks, capsys, monkeypatch):
    """What is kept is not run again; only modes and parts that were not told yet are."""
    write_network(Path("one.meta"), resource=True)
    asked, take = [], networks.in_a_process
    monkeypatch.setattr(
        networks, "in_a_process", lambda *given: asked.append(given[1].modes) or take(*given)
    )
    common = ("--results", "kept", "--rounds", "2", "--modes")
    for words in (("mix", "--parts", "plan"), ("mix", "cube", "--parts", "plan"), ("cube",)):
        lines_of(networks, capsys, *common, *words)
    status, lines = lines_of(networks, capsys, *common, "mix", "cube", "--parts", "bits")
    assert asked == [["mix"], ["cube"], ["cube"], ["mix"]]
    cells = lines[-1].split(" | ")
    assert cells[8] == "yes / - / - / yes / -"
    assert [cell != "-" for cell in cells[9].split(" (")[0].split(" / ")] == [0, 0, 0, 1, 0]
    assert status == 0


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([0.0], [-0.0], False),
        ([1.0], [[1.0]], False),
        ([1.0], [np.nextafter(np.float32(1), np.float32(2))], False),
    ],
    ids=["nan", "sign of zero", "shape", "last bit"],
)
def test_what_counts_as_the_same_bits(networks, one, other, equal):
    assert networks.same(np.asarray(one, np.float32), np.asarray(other, np.float32)) is equal


@pytest.mark.parametrize(
    ("broken", "words"),
    [({"y": 2.0}, "step 2 differs in y"), ({}, "step 2 differs in the float status")],
    ids=["a value", "the flag"],
)
def test_a_difference_is_said_in_words(networks, broken, words):
    values = {"x": np.float32([1.0]), "y": np.float32([1.0])}
    sound = networks.Step(values, False)
    changed = {name: np.float32([value]) for name, value in broken.items()}
    other = networks.Step({**values, **changed}, not broken)
    assert networks.difference([sound] * 3, [sound, other, other]) == words
    assert networks.difference([sound] * 3, [sound] * 3) == ""


@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
@pytest.mark.parametrize("ordered", [False, True])
def test_a_variable_read_and_written_in_no_order_is_named(networks, ordered, resource):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        step = tf.get_variable("step", [], use_resource=resource)
        rate = tf.multiply(step.read_value() if resource else step, 2.0, name="rate")
        with tf.control_dependencies([rate] if ordered else []):
            count = tf.assign(step, 5.0, name="count").op
        tf.group(count, rate, name="train")
    reader = "Read/ReadVariableOp" if resource else "rate"
    found = networks.races(graph.as_graph_def(), ["train"])
    assert [str(race) for race in found] == (
        [] if ordered else [f"step: {reader} and {count.name}"]
    )
    assert networks.races(networks.in_order(graph.as_graph_def(), ["train"]), ["train"]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuchdir"], "nosuchdir: no .meta file is there"),
        (["."], ".: no .meta file is there"),
        ([".", "--only", "x*"], "--only x*: it fits none of one"),
    ],
    ids=["no folder", "an empty folder", "nothing fits"],
)
def test_a_folder_without_networks_is_refused(networks, capsys, words, said):
    if "--only" in words:
        Path("one.meta").write_bytes(b"")
    with pytest.raises(SystemExit) as refused:
        networks.main(words)
    assert refused.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_kept_is_of_one_stack_and_generation(networks, capsys):
    write_network(Path("one.meta"))
    Path("kept").mkdir()
    Path("kept/one.json").write_text("{}")
    common = ("--results", "kept", "--rounds", "0", "--modes", "mix", "--parts", "plan", "cost")
    _, first = lines_of(networks, capsys, *common)
    _, again = lines_of(networks, capsys, *common)
    _, other = lines_of(networks, capsys, *common, "--generation", "2021")
    ran = [lines[0].startswith("one: ") for lines in (first, again, other)]
    assert ran == [True, False, True]  # no rounds: a cost is not missing
    assert "not read, of an unknown stack and generation: one.json" in again
    stack = tf_compat.stack_of_this_python()
    names = {f"one.{stack}.{generation}.json" for generation in ("today", "2021")}
    assert {path.name for path in Path("kept").iterdir()} == {"one.json", *names}


def test_a_problem_is_gone_once_its_part_went_well(networks):
    table = importlib.import_module("network_parts.table")
    broken, well = table.empty(), table.empty()
    networks.tell(broken, "mix", "bits", "step 1 differs in x")
    networks.tell(broken, "all", "process", "not done after 1 s")
    for mode, part in (("mix", "plan"), ("all", "process")):
        with networks.problems(well, mode, part):
            pass
    assert table.problems_of(table.add(broken, well)) == ["mix: step 1 differs in x"]
    with networks.problems(well, "mix", "bits"):
        pass
    assert table.problems_of(table.add(broken, well)) == []


def test_a_process_s_problem_stays_until_what_it_left_is_told(networks):
    table = importlib.import_module("network_parts.table")

    def told(modes, part, *problem):
        found = table.empty()
        with networks.problems(found, "all", "process"):
            found[part] = {} if problem else dict.fromkeys(modes, "yes")
        for each in problem:
            networks.tell(found, "all", "process", each)
        table.to_what_is_left(found, modes, [part])
        return found

    known = table.add(table.empty(), told(["mix", "allow"], "bits", "it ended with -9"))
    for modes, part, left in (
        (["mix", "allow"], "cost", ["all: it ended with -9"]),
        (["mix"], "bits", ["all: it ended with -9"]),
        (["allow"], "bits", []),
    ):
        known = table.add(known, told(modes, part))
        assert table.problems_of(known) == left


def test_a_process_that_comes_to_no_end_leaves_what_it_told(networks):
    assert networks.last_told(b'{"nodes": 1}\n{"nodes": 2}\n{"nod') == {"nodes": 2}
    assert networks.last_told(b'{"nodes": 1}\n3\nnull\n[]\n') == {"nodes": 1}
    assert networks.last_told(b"") == importlib.import_module("network_parts.table").empty()
