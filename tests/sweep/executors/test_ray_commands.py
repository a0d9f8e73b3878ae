"""What Ray is given and how its answers are read; a real Ray is in tests/cluster."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from lenet_exp.errors import EngineError
from lenet_exp.sweep.executors.executor import End
from lenet_exp.sweep.executors.ray import Ray
from lenet_exp.sweep.executors.ray_worker import RayWorker, carried, lost

pytestmark = pytest.mark.stackless
GIVEN = {
    "address": "auto", "cpus": 1, "resources": None, "python": "/bin/echo",
    "dashboard": "http://head:8265",
}  # fmt: skip


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__("a long traceback")
        self.cause = cause


class Jobs:
    """The jobs that a dashboard was given; as Ray does, it takes no id twice."""

    def __init__(self):
        self.known, self.error = [], None

    def __call__(self, dashboard):
        assert dashboard == "http://head:8265"
        if self.error:
            raise self.error
        return self

    def list_jobs(self):
        return [SimpleNamespace(submission_id=None, status="RUNNING"), *self.known]

    def submit_job(self, **given):
        if given["submission_id"] in [job.submission_id for job in self.known]:
            raise RuntimeError("already used")
        self.known.append(SimpleNamespace(status="PENDING", **given))
        return given["submission_id"]

    def submit(self, log, name="lenet-exp:s:12ab"):
        return Ray(1, 3, **GIVEN).submit(["-m", "a b"], log, name)

    def submitted(self, name="lenet-exp:s:12ab"):
        return Ray(1, 3, **GIVEN).submitted(name)


@pytest.fixture
def ray(monkeypatch):
    """A stand-in whose actors are objects of this process; calls of theirs are done at once."""
    module = ModuleType("ray")
    module.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    module.get_runtime_context = lambda: SimpleNamespace(get_actor_id=lambda: "actor")
    module.remote = lambda kind: SimpleNamespace(
        options=lambda **_: SimpleNamespace(remote=lambda *given: Actor(kind(*given)))
    )
    module.wait = lambda refs, timeout: (refs, [])
    module.get = lambda ref: ref()
    module.kill = lambda actor: None
    monkeypatch.setitem(sys.modules, "ray", module)
    return module


@pytest.fixture
def jobs(ray, monkeypatch):
    client = Jobs()
    module = ModuleType("ray.job_submission")
    module.JobSubmissionClient = client
    monkeypatch.setitem(sys.modules, "ray.job_submission", module)
    return client


class Actor:
    def __init__(self, made):
        self._made = made

    def __getattr__(self, name):
        def remote(*given):
            try:
                value = getattr(self._made, name)(*given)
            except OSError as error:
                failed = RayTaskError(error)
                return lambda: (_ for _ in ()).throw(failed)
            return lambda: value

        return SimpleNamespace(remote=remote)


def test_detached_the_launching_command_is_a_job_of_ray_s_once_at_a_time(
    jobs, tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    submitted = jobs.submit(tmp_path / "log")
    (job,) = jobs.known
    assert submitted == f"Ray job {job.submission_id}"
    assert job.submission_id.startswith("lenet-exp-s-12ab-")
    for job.status in ("PENDING", "RUNNING"):
        assert jobs.submitted() == submitted
    assert jobs.submitted("lenet-exp:s:12") is None  # another sweep's
    for job.status in ("STOPPED", "SUCCEEDED", "FAILED"):
        assert jobs.submitted() is None
    jobs.submit(tmp_path / "log")  # Ray takes no id twice


def test_a_detached_command_writes_its_log_in_this_folder_and_has_this_environment(
    jobs, tmp_path, monkeypatch
):
    monkeypatch.setenv("LENET_EXP_DATA", "/shared/mnist")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://u:secret@h:5000")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    log = tmp_path / "a log"
    said = jobs.submit(log)
    (job,) = jobs.known
    assert said.endswith(" (the head must have MLFLOW_TRACKING_URI: no password travels)")
    variables = job.runtime_env["env_vars"]
    assert variables["LENET_EXP_DATA"] == "/shared/mnist"
    assert "secret" not in str(job)
    assert "-u OMP_NUM_THREADS" in job.entrypoint
    subprocess.run(job.entrypoint, shell=True, check=True)
    assert log.read_text() == "-m a b\n"
    assert shlex.split(job.entrypoint)[1:3] == ["env", "-C"]


@pytest.mark.parametrize(
    "error",
    [ConnectionError("Failed to connect"), RuntimeError("needs ray[default]"), ValueError("no")],
)
def test_a_dashboard_that_is_none_is_said(jobs, tmp_path, error):
    jobs.error = error
    with pytest.raises(EngineError, match=f"(?s){str(error)[:5]}.*hydra.launcher.dashboard="):
        jobs.submit(tmp_path / "log")
    with pytest.raises(EngineError, match=r"hydra\.launcher\.dashboard="):
        jobs.submitted()


def test_without_ray_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    with pytest.raises(EngineError, match="needs Ray, which is not here"):
        Ray(1, 3, **GIVEN).submit([], tmp_path / "log", "name")
    with pytest.raises(EngineError, match="needs Ray, which is not here"):
        Ray(1, 3, **GIVEN).worker(tmp_path / "log", "name")


@pytest.mark.parametrize(
    ("key", "value", "travels"),
    [
        ("LENET_EXP_DATA", "/data", True),
        ("MLFLOW_TRACKING_URI", "http://h:5000", True),
        ("MLFLOW_TRACKING_URI", "http://u@h:5000", True),
        ("MLFLOW_TRACKING_URI", "http://u:secret@h:5000", False),
        ("MLFLOW_TRACKING_URI", "postgresql://h/d?password=secret", False),
        ("MLFLOW_TRACKING_PASSWORD", "secret", False),
        ("MLFLOW_TRACKING_TOKEN", "secret", False),
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", "secret", False),
        ("MLFLOW_CRYPTO_KEK_PASSPHRASE", "secret", False),
        ("TF_XLA_FLAGS", "x", True),
        ("PYTHONPATH", "x", True),
        ("OMP_NUM_THREADS", "2", True),
        ("HOME", "x", False),
    ],
)
def test_what_jobs_read_travels_but_no_password(key, value, travels):
    assert carried({key: value}) == ({key: value} if travels else {})


@pytest.mark.parametrize(
    ("program", "code", "text"),
    [("pass", 0, "it ended without a result"), ("print(undefined)", 1, "NameError: name")],
)
def test_an_actor_s_process_gets_the_order_and_its_end_is_read(ray, tmp_path, program, code, text):
    log, kept = tmp_path / "run.log", tmp_path / "order"
    lines = f"import sys; open({str(kept)!r}, 'w').write(sys.stdin.readline()); {program}"
    worker = RayWorker(ray, [sys.executable, "-c", lines], log)
    worker.start({"seed": 1})
    assert worker.poll() == code
    assert json.loads(kept.read_text()) == {"seed": 1}
    assert worker.reason().end is End.FAILED
    assert worker.reason().text.startswith(text)


def test_a_node_that_lacks_the_sweep_s_folder_fails_and_nobody_waits(ray, tmp_path):
    worker = RayWorker(ray, ["true"], tmp_path / "nowhere" / "run.log")
    worker.start({})
    assert worker.poll() == 2
    assert worker.reason().end is End.FAILED
    assert worker.reason().text.startswith("FileNotFoundError: [Errno 2]")
    assert "nowhere" in worker.reason().text


def test_a_lost_actor_is_lost(ray, tmp_path):
    worker = RayWorker(ray, ["true"], tmp_path / "run.log")
    worker.start({})

    def lost(ref):
        raise RayError("the actor died")

    ray.get = lost
    assert worker.poll() == -9
    assert worker.reason() == (End.LOST, "RayError: the actor died")


class OutOfMemoryError(RayError):
    pass


# As Ray 2.60 and 2.7 say it.
_NODE = "Memory on the node (IP: 10.0.0.7, ID: e86b5a)"
KILLED = {
    f"1 worker(s) were killed due to the node running low on memory. {_NODE} was 8.23GB used / "
    "23.54GB limit (0.349689)\nOOM kill reason: Memory usage 8664166400B exceeded threshold of "
    "8571264512B (33.9% of 25276510208B limit)": "33.9%",
    f"Task was killed due to the node running low on memory.\n{_NODE} where the task (task ID: 43, "
    "name=run, pid=11362, memory used=1.25GB) was running was 27.71GB / 28.80GB (0.962273), which "
    "exceeds the memory usage threshold of 0.95. Ray killed this worker": "0.95",
}


@pytest.mark.parametrize(("text", "limit"), KILLED.items())
def test_the_limit_is_named_that_memory_came_over(text, limit):
    told = f"out of memory on 10.0.0.7, limit {limit} of its memory"
    assert lost(OutOfMemoryError(text)) == (End.MEMORY, told)
    assert lost(RayError(f"The actor died: {text}")) == (End.MEMORY, told)


def test_a_lack_of_memory_that_ray_does_not_explain_is_one_all_the_same():
    assert lost(OutOfMemoryError("")) == (End.MEMORY, "out of memory")
