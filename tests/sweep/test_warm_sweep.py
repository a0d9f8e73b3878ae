"""Jobs that are forked after the imports leave the bits that fresh interpreters leave."""

from __future__ import annotations

import pytest

from lenet_exp.record.run import conditions
from tests.end_to_end.conftest import bare_project, project  # noqa: F401 - fixtures
from tests.end_to_end.sweeps import job_folders
from tests.end_to_end.test_resume import differences, outcome

pytestmark = pytest.mark.full
WORDS = ("-m", "seed=0,1", "precision=origin,fp16", "debug=fast", "deterministic=true")


def test_warm_jobs_have_the_bits_of_fresh_ones(project):  # noqa: F811
    folders = {}
    for warm in ("true", "false"):
        words = (
            *WORDS,
            "hydra.launcher.n_jobs=2",
            f"hydra.launcher.warm={warm}",
            f"sweep=warm-{warm}",
        )
        done = project.run(*words, fresh=True)
        assert done.returncode == 0, done.stderr
        assert "could be forked" not in done.stdout
        folders[warm] = job_folders(project, f"warm-{warm}")
    assert [path.name for path in folders["true"]] == [path.name for path in folders["false"]]
    assert len(folders["true"]) == 4
    for one, other in zip(*folders.values()):
        assert differences(outcome(project, one), outcome(project, other)) == []
        recorded = map(conditions.recorded, (one, other))
        assert conditions.differences(*recorded) == []
