"""The files of a keep list: proved by a plan, with a person's own entries, none of an old one."""

from __future__ import annotations

import json

import pytest

from lenet_exp.commands.advice import files
from lenet_exp.commands.advice.files import written
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.experiment.steps import Step, plan_of
from lenet_exp.precision.diagnosis.front import Point
from lenet_exp.precision.diagnosis.keep_list import KeepList
from lenet_exp.precision.target.op_lists import read_changes
from tests.precision.diagnosis.planted import FAULTS, network
from tests.precision.small import FORCE, MIX

LINES, LISTS, NAMES = "customize_dtypes.txt", "modify_mixlist.json", "keep_dtype.txt"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return an empty folder, which is current."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def advised(mode, names, words=()):
    """Return a step, its settings, and a recommendation under which operators stay float32."""
    graph_def, fetches, values, feeds = network(FAULTS[0], 1)
    step = Step(graph_def, fetches, values, lambda number: feeds, None, None)
    settings = settings_to_explain([f"precision={mode}", *words])
    kept = KeepList(tuple(names), plan_of(step, settings, keep_dtype=tuple(names)), None, 1.0,
                    True, True, 0)  # fmt: skip
    return step, settings, Point(mode, kept, 0.0, 1.0, 1.0, 1, 0, (), ())


def products():
    """Return the names of all products of the network."""
    _, _, best = advised(FORCE, ())
    return [row.name for row in best.kept.plan.operators if row.ge_type == "MatMulV2"]


def there(folder):
    """Return the names in a folder, but of what was set aside."""
    return {path.name for path in folder.glob("*")} - {*map(str, aside(folder))}


def aside(folder):
    """Return what was set aside, by its names, and what it was."""
    return {path.name: path.read_text() for path in folder.glob("*.2*-*_*-*.*")}


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.full), None])
def test_old_files_are_not_taken_for_new_ones(place, count):
    names, folder = products()[:count], place / "advice"
    made = written(folder, *advised(MIX, products()))
    assert there(folder) == {LINES, LISTS, NAMES}
    assert {*made} == {"precision.customize_dtypes", "precision.modify_mixlist"}
    (folder / "mine.txt").write_text("mine")
    written(folder, *advised(FORCE, names))
    assert there(folder) == {LINES, NAMES, "mine.txt"}
    assert (folder / NAMES).read_text().split() == names
    assert written(folder, *advised(FORCE, ())) == {}
    assert there(folder) == {"mine.txt"}


@pytest.mark.parametrize(("name", "suffix"), [
    (LINES, ".txt"), (LISTS, ".json"), pytest.param(NAMES, ".txt", marks=pytest.mark.full),
])  # fmt: skip
def test_nothing_of_a_person_s_is_lost(place, name, suffix):
    for number, best in enumerate((products(), (), products()[:1])):
        (place / name).write_text(f"mine {number}")
        written(place, *advised(FORCE, best))
    assert {text for text in aside(place).values() if text.startswith("mine")} == {
        "mine 0", "mine 1", "mine 2",
    }  # fmt: skip
    assert all(each.endswith(suffix) for each in aside(place) if each.startswith(name[:5]))


def test_the_same_advice_again_sets_nothing_aside(place):
    for _ in range(2):
        written(place, *advised(FORCE, products()))
    assert aside(place) == {}


def test_without_a_recommendation_no_file_is_left(place):
    step, settings, best = advised(FORCE, products())
    written(place / "advice", step, settings, best)
    assert written(place / "advice", step, settings, None) == {}
    assert there(place / "advice") == set()


def test_where_no_plan_proves_a_file_it_is_not_written(place, monkeypatch):
    monkeypatch.setattr(files, "checked_file", lambda planner, content, wanted: False)
    assert written(place / "advice", *advised(MIX, products())) == {}
    assert there(place / "advice") == {NAMES}


def test_a_person_s_entries_stay(place):
    own = {"black-list": {"to-add": ["Relu"]}, "white-list": {"to-add": ["MatMulV2"]}}
    (place / "m.json").write_text(json.dumps(own))
    (place / "c.txt").write_text("OpType::Mul:InputDtype:float32,,OutputDtype:float32\n")
    words = ["precision.modify_mixlist=m.json", "precision.customize_dtypes=c.txt"]
    step, settings, best = advised(MIX, products(), words)
    assert {*written(place / "advice", step, settings, best)} == {
        "precision.customize_dtypes", "precision.modify_mixlist",
    }  # fmt: skip
    lists = read_changes(place / "advice" / LISTS)
    assert {name: [str(each) for each in change.added] for name, change in lists.items()} == {
        "Relu": ["black"], "MatMulV2": ["black"],
    }  # fmt: skip
    lines = (place / "advice" / LINES).read_text().splitlines()
    assert lines[-1] == "OpType::Mul:InputDtype:float32,,OutputDtype:float32"
    for key, name in (("customize_dtypes", LINES), ("modify_mixlist", LISTS)):
        made = plan_of(step, settings, **{key: place / "advice" / name})
        assert [row[:5] for row in made.operators] == [row[:5] for row in best.kept.plan.operators]


def test_a_file_that_is_read_is_not_removed(place):
    folder = place / "advice"
    folder.mkdir()
    (folder / LINES).write_text("OpType::Mul:InputDtype:float32,,OutputDtype:float32\n")
    words = [f"precision.customize_dtypes=advice/{LINES}"]
    assert written(folder, *advised(FORCE, (), words)) == {}
    assert there(folder) == {LINES}
