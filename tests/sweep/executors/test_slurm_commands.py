"""What srun and sbatch are given; a real Slurm is in tests/cluster."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lenet_exp.errors import EngineError
from lenet_exp.sweep.executors import slurm_programs, slurm_worker
from lenet_exp.sweep.executors.executor import End
from lenet_exp.sweep.executors.slurm import Slurm

pytestmark = pytest.mark.stackless
GIVEN = {
    "partition": None, "time": None, "gres": None, "account": None, "mem": None,
    "cpus_per_task": 1, "options": None, "setup": [], "python": None, "launching": None,
}  # fmt: skip


def started(tmp_path, **given):
    worker = Slurm(1, 3, **{**GIVEN, **given}).worker(tmp_path / "run.log", "lenet-exp:s:1:a:1")
    worker.start({"seed": 1})
    while worker.poll() is None:
        pass
    return worker


def test_options_are_srun_s_and_the_order_is_none_of_them(engine, tmp_path):
    options = {"qos": "low", "exclusive": True, "overcommit": False, "comment": None}
    started(tmp_path, partition="npu", time="2:00:00", gres="npu:1", mem="8G", options=options)
    called = engine("srun")
    name, job = "--job-name=lenet-exp:s:1:a:1", [sys.executable, "-m", "lenet_exp.sweep.job"]
    told = ["--partition=npu", "--time=2:00:00", "--gres=npu:1", "--mem=8G", "--cpus-per-task=1"]
    shown = ["--quiet", "--ntasks=1", name, *told, "--qos=low", "--exclusive", *job]
    assert called["argv"] == shown
    assert json.loads(called["input"]) == {"seed": 1}


def test_setup_lines_come_before_the_node_s_python_and_read_none_of_the_order(engine, tmp_path):
    started(tmp_path, setup=["cat", "export A=1"], python="/opt/python")
    shell, flag, lines, *job = engine("srun")["argv"][-6:]
    assert (shell, flag, job) == ("/bin/sh", "-c", ["/opt/python", "-m", "lenet_exp.sweep.job"])
    assert lines.splitlines() == ["{", "cat", "export A=1", "} </dev/null", 'exec "$0" "$@"']


def test_inside_a_job_of_slurm_s_a_job_is_not_a_step_of_that(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    started(tmp_path)
    seen = engine("srun")["environment"]
    assert [key for key in seen if key.startswith("SLURM")] == ["SLURM_CONF"]


@pytest.mark.parametrize(
    ("code", "known", "end", "text"),
    [
        ("1", "NODE_FAIL|NodeDown|n1|1G", End.LOST, "NODE_FAIL on n1"),
        ("143", "TIMEOUT|TimeLimit|n1|1G", End.LOST, "TIMEOUT on n1"),
        ("143", "PREEMPTED|None|n1|1G", End.LOST, "PREEMPTED on n1"),
        ("1", "CANCELLED|None||1G", End.LOST, "CANCELLED (None)"),
        ("143", "FAILED|NonZeroExitCode|n1|1G", End.LOST, "ended by SIGTERM on n1"),
        ("137", "FAILED|JobLaunchFailure|n2|1G", End.LOST, "killed by SIGKILL on n2"),
        ("137", "", End.LOST, "killed by SIGKILL"),
        ("1", "OUT_OF_MEMORY|OutOfMemory|n1|1G", End.MEMORY, "out of memory on n1, limit 1G"),
        ("3", "FAILED|NonZeroExitCode|n1|1G", End.FAILED, "exit code 3"),
        ("3", "", End.FAILED, "exit code 3"),
        ("0", "TIMEOUT|TimeLimit|n1|1G", End.LOST, "TIMEOUT on n1"),
        ("0", "", End.LOST, "it ended without a result (Slurm knows no more of it)"),
        ("0", "COMPLETED|None|n1|1G", End.FAILED, "it ended without a result"),
    ],
)
def test_the_end_is_as_slurm_knows_it_or_as_srun_said(
    engine, tmp_path, monkeypatch, code, known, end, text
):
    monkeypatch.setenv("CODE_srun", code)
    monkeypatch.setenv("TOLD_squeue", known)
    assert started(tmp_path).reason() == (end, text)


def test_detached_the_launching_command_is_a_batch_job_once(engine, tmp_path, monkeypatch):
    executor = Slurm(1, 3, **{**GIVEN, "launching": {"partition": "long"}})
    monkeypatch.setenv("TOLD_sbatch", "7;cluster")
    submitted = executor.submit(["-m", "a b"], tmp_path / "log", "lenet-exp:s:1")
    assert submitted == "Slurm job 7"
    words = engine("sbatch")["argv"]
    assert {"--requeue", "--signal=B:TERM@60", "--partition=long"} <= {*words}
    assert words[-1] == f"--wrap=exec {sys.executable} -m 'a b'"
    monkeypatch.setenv("TOLD_squeue", "6|a|b\n7|lenet-exp:s:1\n8|lenet-exp:s:12")
    assert executor.submitted("lenet-exp:s:1") == "Slurm job 7"
    assert executor.submitted("lenet-exp:s") is None


def test_the_launching_job_has_the_node_s_python_and_setup_lines_too(engine, tmp_path):
    given = {"setup": ["cat", "export A='1 2'"], "python": "/bin/echo"}
    Slurm(1, 3, **{**GIVEN, **given}).submit(["a b", "$A"], tmp_path / "log", "name")
    lines = engine("sbatch")["argv"][-1].partition("=")[2]
    words = ["/bin/sh", "-c", lines]
    done = subprocess.run(words, input="x", capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("a b $A\n", "")


def test_what_slurm_refuses_is_said(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("CODE_sbatch", "1")
    with pytest.raises(EngineError, match="sbatch"):
        Slurm(1, 3, **GIVEN).submit([], tmp_path / "log", "name")


@pytest.mark.parametrize("asked", ["submitted", "end_leftovers"])
def test_a_queue_that_can_t_be_seen_is_said(engine, monkeypatch, asked):
    monkeypatch.setenv("CODE_squeue", "1")
    with pytest.raises(EngineError, match="squeue: "):
        getattr(Slurm(1, 3, **GIVEN), asked)("lenet-exp:s:1")


def test_jobs_with_any_name_are_in_the_queue_and_ours_are_ended(engine, monkeypatch):
    monkeypatch.setenv("TOLD_squeue", "5|a|b\n6|lenet-exp:s:1:x:1\n7|lenet-exp:s:1:y|z:1\n8|")
    assert Slurm(1, 3, **GIVEN).end_leftovers("lenet-exp:s:1:") == 2
    assert engine("scancel")["argv"] == ["6", "7"]


NO_CONTROLLER = "srun: error: Unable to allocate resources: Unable to contact slurm controller"


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (NO_CONTROLLER, End.LOST),
        ("srun: error: x\nsrun: error: Socket timed out on send/recv operation", End.LOST),
        (f"lenet-exp: Connection refused\n{NO_CONTROLLER}", End.FAILED),
        ("Traceback: Connection refused\nsrun: error: n1: task 0: Exited with code 1", End.FAILED),
        ("srun: error: Invalid partition name specified", End.FAILED),
    ],
)
def test_a_controller_that_is_started_again_loses_jobs_and_fails_none(
    engine, tmp_path, monkeypatch, said, end
):
    monkeypatch.setenv("CODE_srun", "1")
    worker = started(tmp_path)
    (tmp_path / "run.log").write_text(f"{said}\n")
    monkeypatch.setattr(slurm_worker, "_DOWN", 0.0)
    reason = worker.reason()
    assert reason.end is end, reason
    assert said.splitlines()[-1] in reason.text or end is End.FAILED


def test_the_next_try_waits_until_the_controller_answers(monkeypatch):
    asked = []

    def queued():
        asked.append(None)
        if len(asked) < 3:
            raise EngineError("squeue", "fails", "wait")
        return []

    monkeypatch.setattr(slurm_worker, "queued", queued)
    monkeypatch.setattr(slurm_worker, "_PAUSE", 0.0)
    slurm_worker._wait_for_an_answer()
    assert len(asked) == 3


def test_all_jobs_are_signalled_at_once(tmp_path, monkeypatch):
    asked = []

    def ask(*words):
        asked.append(words)
        return ["1|a", "2|b|c", "3|other"] if words[0] == "squeue" else []

    class Living(slurm_worker.SlurmWorker):
        def poll(self):
            return None

        def kill(self):
            asked.append(("kill", self.name))

    monkeypatch.setattr(slurm_programs, "ask", ask)
    monkeypatch.setattr(slurm_worker, "ask", ask)
    workers = [Living([], tmp_path / "log", name) for name in ("a", "b|c")]
    Slurm(1, 3, **GIVEN).signal(workers, 9)
    assert asked[1:] == [
        ("scancel", "--state=PENDING", "1", "2"),
        ("scancel", "--state=RUNNING", "--signal=9", "1", "2"),
        ("kill", "a"),
        ("kill", "b|c"),
    ]


def test_that_slurm_does_not_answer_is_said(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_programs, "_ANSWER", 0.0)
    executor = Slurm(1, 3, **GIVEN)
    with pytest.raises(EngineError, match="sbatch: gets no answer"):
        executor.submit([], tmp_path / "log", "name")
    for asked in (executor.submitted, executor.end_leftovers):
        with pytest.raises(EngineError, match="squeue: gets no answer"):
            asked("lenet-exp:s:1")


def test_without_slurm_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="srun: is not on the path"):
        started(tmp_path)
    with pytest.raises(EngineError, match="squeue: is not on the path"):
        Slurm(1, 3, **GIVEN).submitted("name")
    with pytest.raises(FileNotFoundError, match="nowhere"):  # that is no program
        Slurm(1, 3, **GIVEN).worker(tmp_path / "nowhere" / "log", "name").start({})
