"""Who may hold a sweep."""

import contextlib

import pytest

from lenet_exp.errors import ConfigError
from lenet_exp.record.store.journal import Journal
from lenet_exp.sweep import parent

pytestmark = pytest.mark.stackless
RUNS, SCRIPTS = ("python -m lenet_exp.run -m seed=0", "python -m lenet_exp.script -m path=x.py")


@pytest.mark.parametrize(("before", "now"), [
    (None, RUNS), (RUNS, RUNS), (SCRIPTS, SCRIPTS), (RUNS, SCRIPTS), (SCRIPTS, RUNS),
])  # fmt: skip
def test_a_name_is_a_sweep_of_runs_or_of_scripts(before, now, tmp_path):
    if before:
        with contextlib.closing(Journal(tmp_path / "mine")) as held:
            held.append("tags", {"command": before})
    if before in (None, now):
        with parent.hold(tmp_path / "mine", now) as held:
            assert held.folder.name == "mine"
        return
    with pytest.raises(ConfigError, match=f"that sweep is of {' '.join(before.split()[:3])}"), \
            parent.hold(tmp_path / "mine", now):  # fmt: skip
        pass
