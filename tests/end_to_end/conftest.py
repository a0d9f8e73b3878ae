"""Runs as a person starts them, and the real store they leave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from tests.end_to_end.forked import Forked
from tests.stores import made_once, new_store


class Project:
    """A folder in which a person works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *words, verb="run"):
        return [sys.executable, "-m", f"lenet_exp.{verb}", *words]

    def run(self, *words, verb="run", cwd=None, fresh=False, **environment):
        """Run to the end; return code, stdout and stderr."""
        with self.start(*words, verb=verb, cwd=cwd, fresh=fresh, env_added=environment) as child:
            said, problems = child.communicate(timeout=1800)  # a machine at work on other things
        return subprocess.CompletedProcess(child.args, child.returncode, said, problems)

    def start(self, *words, verb="run", cwd=None, fresh=False, env_added=None, **options):
        """Start in the background, with a pipe for what it prints; `options` are Popen's.

        A fork serves unless a test is about the process, or Popen's options shape it.
        """
        folder, environment = str(cwd or self.folder), {**os.environ, **(env_added or {})}
        if not (fresh or options):
            return Forked(f"lenet_exp.{verb}", [*map(str, words)], folder, environment)
        return subprocess.Popen(
            self.command(*words, verb=verb),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    @property
    def uri(self):
        """MLflow's own default store in this folder."""
        if tf_compat.stack_of_this_python() == "tf1":
            return str(self.folder / "mlruns")
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def recorded(self, uri=None):
        """Return the runs of the store, newest first."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri or self.uri)
        experiment = client.get_experiment_by_name("lenet-exp")
        return client.search_runs([experiment.experiment_id]) if experiment else []

    def recorded_in(self, folder):
        """Return the run of a run folder."""
        (run,) = [run for run in self.recorded() if run.data.tags["folder"] == str(folder)]
        return run

    def history(self, run_id, key):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=self.uri)
        return [(m.step, m.value) for m in client.get_metric_history(run_id, key)]

    def artifacts(self, run_id):
        from mlflow.tracking import MlflowClient

        client, found, folders = MlflowClient(tracking_uri=self.uri), [], [""]
        while folders:
            for item in client.list_artifacts(run_id, folders.pop()):
                if item.is_dir:
                    folders.append(item.path)
                else:
                    found.append(item.path)
        return sorted(found)


def with_store(project: Project) -> Project:
    """Save MLflow 3 the seconds of making a database; MLflow 1 takes none for its files."""
    if tf_compat.stack_of_this_python() == "tf2":
        new_store(project.folder / "mlflow.db")
    return project


@pytest.fixture
def bare_project(tmp_path, part_of_mnist) -> Project:
    """A folder in which nothing was done yet."""
    return Project(tmp_path)


@pytest.fixture
def project(bare_project) -> Project:
    return with_store(bare_project)


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory, part_of_mnist) -> Project:
    """One folder for a module's runs."""
    return with_store(Project(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, part_of_mnist) -> Project:
    """A folder with one run, outputs/it, that tells most digits apart."""
    words = ("schedule.epochs=1", "schedule.steps_per_epoch=500", "optimizer.learning_rate=0.005")
    own = tmp_path_factory.mktemp("trained")
    with made_once(tmp_path_factory, "trained") as folder:
        if not folder.is_dir():
            folder.mkdir()
            project = with_store(Project(folder))
            mode = "precision=must_keep_origin_dtype"
            done = project.run(*words, mode, "hydra.run.dir=outputs/it")
            assert done.returncode == 0, done.stderr
        shutil.copytree(str(folder / "outputs"), str(own / "outputs"))
    return with_store(Project(own))
