"""Run folders: read back with what the run had, and gone where no run began."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal

pytestmark = pytest.mark.stackless


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


TAGS = ("tags", {"process": "mine"})
RUN = ("run", {"run_id": "1", "name": "a", "cwd": "/", "uri": ""})
MADE = [
    # files besides the journal, its entries, whether it is held, whether it goes
    ([".hydra/config.yaml", "run.log"], None, False, True),
    (["multirun.yaml"], None, False, True),
    (["multirun.yaml", "config.yaml"], [TAGS], False, True),
    (["multirun.yaml", "probe.log"], [TAGS], False, True),
    ([".hydra/config.yaml", "run.log", "config.yaml"], [], False, True),
    (["multirun.yaml", "config.yaml"], [TAGS, RUN], False, False),
    (["multirun.yaml"], [TAGS], True, False),
    (["run.log", "config.yaml"], None, False, False),  # a person's own settings
    (["multirun.yaml", "0/run.log"], None, False, False),
    (["run.log", "notes.txt"], None, False, False),
]


@pytest.mark.parametrize(("names", "entries", "held", "goes"), MADE)
@pytest.mark.parametrize("above", ["outputs", "multirun"])
def test_nothing_of_what_never_began_remains(names, entries, held, goes, above, here):
    folder = here / above / "one"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    if entries is not None:
        record = journal.Journal(folder)
        for entry in entries:
            record.append(*entry)
        if not held:
            record.close()
    before = sorted(here.rglob("*"))
    run_folders.forget_unbegun(folder)
    assert sorted(here.rglob("*")) == ([] if goes else before)


OF_FILES = [
    ("precision", "modify_mixlist"),
    ("precision", "customize_dtypes"),
    ("hardware", "modify_mixlist"),
    ("hardware", "customize_dtypes"),
    ("hardware", "fusion_switch_file"),
]


@pytest.mark.parametrize(("group", "key"), OF_FILES)
def test_a_run_is_read_back_with_the_copies_of_the_files_it_was_made_with(group, key, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"{group}:\n  {key}: gone\n")
    assert run_folders.config_of(tmp_path)[group][key] == "gone"
    (tmp_path / f"precision.{key}").write_text("kept")
    assert run_folders.config_of(tmp_path)[group][key] == str(tmp_path / f"precision.{key}")


@pytest.mark.parametrize(
    ("named", "found"),
    [("run", True), ("run/checkpoints/20/model", True), ("run/export/lenet.pb", True),
     ("elsewhere/model", False), ("run/a/b/c/d", False)],
)  # fmt: skip
def test_the_run_folder_around_a_file_is_known(named, found, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.jsonl").write_text("")
    assert run_folders.around(tmp_path / named) == (tmp_path / "run" if found else None)


@pytest.mark.parametrize("path", ["digits", "/elsewhere/digits", None])
def test_a_run_s_relative_paths_are_meant_from_where_it_began(path, tmp_path):
    folder, start = tmp_path / "run", tmp_path / "start"
    folder.mkdir()
    words = [] if path is None else [f"data.path={path}"]
    written = json.dumps(dataclasses.asdict(settings_to_explain(words)))  # which is YAML, too
    (folder / "config.yaml").write_text(written)
    record = journal.Journal(folder)
    record.append("run", {"run_id": "1", "name": "a", "cwd": str(start), "uri": ""})
    record.close()
    found = run_folders.settings_from_here(folder)
    assert found.data.path == (None if path is None else str(start / path))
