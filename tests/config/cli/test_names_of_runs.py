"""What names a run or a sweep leads out of no folder, wherever it is typed."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.recorded_options import CompareOptions
from lenet_exp.errors import ConfigError
from lenet_exp.experiment import resume
from lenet_exp.record.run import run_folders

pytestmark = pytest.mark.stackless

OUTSIDE = ["../x", "a/../../x", "/etc", "..", "x/y", "..\\x", "%2e%2e/x"]
ASKED = {
    "a sweep": lambda name: check_command_line(["-m", f"sweep={name}", "seed=0,1"]),
    "compare sweep": lambda name: CompareOptions.read([f"sweep={name}"]),
    "compare runs": lambda name: CompareOptions.read([f"runs=[abc,{name}]"]),
    "run": lambda name: run_folders.find(
        "python -m lenet_exp.upload run", name, run_folders.Path()
    ),
    "resume": lambda name: resume.prepare([f"resume={name}"]),
}


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("asked", ASKED)
def test_a_name_leads_out_of_no_folder(asked, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        ASKED[asked](name)
    assert list(tmp_path.iterdir()) == []


def test_ids_and_names_that_mlflow_gives_are_taken():
    assert CompareOptions.read(["runs=[12e45678,a-b_c]"]).runs == ("12e45678", "a-b_c")
    assert CompareOptions.read(["sweep=2026-11-25_01-20-11-4711"]).sweep
