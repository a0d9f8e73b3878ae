"""Which jobs a command line has, and which folders each of them."""

import os
import sys

import pytest

from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.errors import ConfigError
from lenet_exp.script.sweep.jobs import jobs_of, own_folders

pytestmark = pytest.mark.stackless


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """Return what reads the jobs of a line about a script in the current folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.py").write_text("")
    monkeypatch.chdir(tmp_path / "in")
    return lambda *words: ScriptOptions.read_jobs(["-m", "path=train.py", *words])


def test_each_choice_is_a_job(lines, tmp_path):
    found = lines("precision=fp16,origin", "keep_dtype=[a,b],c", "--", "--x=1,2")
    asked = [(line.options.precision, line.options.keep_dtype) for line in found]
    modes, kept = ("force_fp16", "must_keep_origin_dtype"), (("a", "b"), ("c",))
    assert asked == [(mode, names) for mode in modes for names in kept]
    assert {line.options.arguments for line in found} == {("--x=1,2",)}
    jobs = jobs_of(found, tmp_path)
    assert len({job.identity for job in jobs}) == 4
    assert jobs[0].delta == "precision=force_fp16,precision.keep_dtype=[a,b]"


def test_a_file_or_a_node_that_is_called_as_a_mode_keeps_its_name(lines, tmp_path):
    (tmp_path / "fp16").mkdir()
    (tmp_path / "fp16" / "mix.json").write_text("{}")
    words = (f"modify_mixlist={tmp_path}/fp16/mix.json", "keep_dtype=[enc/origin],[fp16]")
    found = [line.options for line in lines("precision=mixed_float16", *words)]
    assert [options.keep_dtype for options in found] == [("enc/origin",), ("fp16",)]
    assert {options.modify_mixlist for options in found} == {tmp_path / "fp16" / "mix.json"}
    assert {options.precision for options in found} == {"allow_mix_precision"}


def test_the_same_job_has_the_same_identity_while_its_files_are_the_same(lines, tmp_path):
    def identity(*words):
        (job,) = jobs_of(lines(*words), tmp_path)
        return job.identity

    first = identity("precision=force_fp16")
    assert identity("precision=fp16", "sweep=x", "tracking.experiment=y") == first
    assert identity("precision=force_fp16", "steps=3") != first
    assert identity("precision=force_fp16", "--", "3") != first
    (tmp_path / "in" / "folder.py").mkdir()
    (tmp_path / "in" / "link.py").symlink_to("nowhere")
    assert identity("precision=force_fp16") == first
    (tmp_path / "in" / "model.py").write_text("")
    assert identity("precision=force_fp16") != first


def test_a_module_is_told_from_what_it_was_by_its_files(lines, tmp_path, monkeypatch):
    def identity(name):
        (line,) = ScriptOptions.read_jobs(["-m", f"module={name}"])
        return jobs_of([line], tmp_path)[0].identity

    package = tmp_path / "in" / "of" / "a_name"
    package.mkdir(parents=True)
    files = {"net": package.parent / "net.py", "of.net": package.parent / "net.py",
             "of.a_name": package / "__main__.py"}  # fmt: skip
    for name, file in files.items():
        monkeypatch.setattr(sys, "path", ["", str(package.parent)])
        before = identity(name)
        file.write_text(f"{before!r}")
        after = identity(name)
        assert after not in (before, identity(f"{name}.other"))
        assert identity(name) == after


def test_equal_jobs_are_one(lines, tmp_path):
    assert len(jobs_of(lines("precision=fp16,force_fp16"), tmp_path)) == 1


@pytest.mark.parametrize(("typed", "own"), [
    (["--o=there"], ["--o={}"]),
    (["-o", "there", "x"], ["-o", "{}", "x"]),
    (["x"], ["x", "--o={}"]),
    (["--other=1", "--o", "there"], ["--other=1", "--o", "{}"]),
    (["--o", "--lr", "3"], ["--o={}", "--lr", "3"]),
    (["--o="], ["--o={}"]),
    (["x", "-o"], ["x", "-o={}"]),
    (["--o=a", "--o=there"], ["--o={}", "--o={}"]),  # the last one counts
])  # fmt: skip
@pytest.mark.parametrize("name", ["o", "--o", "[o,-o,--o]"])
def test_an_argument_gets_a_folder_of_the_job_s_own(name, typed, own, lines, tmp_path):
    (line,) = lines(f"out={name}", "--", *typed)
    arguments, copied = own_folders(line.options, tmp_path / "own")
    mine = str(tmp_path / "own" / "o")
    assert list(arguments) == [word.format(mine) for word in own]
    there = str(tmp_path / "in" / "there") if "there" in " ".join(typed) else ""
    assert copied == {mine: there}


def test_two_sweeps_of_a_name_can_not_be_typed(lines):
    with pytest.raises(ConfigError, match="a name of letters"):
        lines("sweep=latest")


def test_a_file_that_no_encoding_names_is_a_script(lines, tmp_path):
    name = os.fsdecode(b"b\xe9.py")
    (tmp_path / "in" / name).write_text("")
    assert len(jobs_of(lines("precision=fp16"), tmp_path)) == 1


def test_a_notebook_is_told_how_to_become_a_script(lines, tmp_path):
    (tmp_path / "in" / "a.ipynb").write_text("{}")
    with pytest.raises(ConfigError, match="jupyter nbconvert --to script"):
        ScriptOptions.read(["path=a.ipynb"])
