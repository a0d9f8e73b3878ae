"""What an exit code means: a fault of the job's own, something that a further try need not meet."""

from __future__ import annotations

import pytest

from lenet_exp.sweep.executors.executor import End
from lenet_exp.sweep.executors.reasons import of_exit_code, said

pytestmark = pytest.mark.stackless
OURS = "loading TensorFlow ...\nlenet-exp: no data\n  try: other data\n"
TRACE = 'Traceback\n  File "x.py"\nRuntimeError: planted\n'
SRUN = "srun: error: n1: task 0: Exited with exit code 1\n"
REFUSED = "srun: error: Unable to allocate resources: Invalid qos specification\n"
SLURM = "slurmstepd: error: StepId=9.0 exceeded memory limit (321 > 314), being killed\n"
CGROUP = "slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.\n"


@pytest.mark.parametrize(
    ("code", "logged", "end", "text"),
    [
        (0, "", End.FAILED, "it ended without a result"),
        (1, OURS, End.FAILED, "no data"),
        (2, OURS, End.FAILED, "no data"),
        (1, TRACE, End.FAILED, "RuntimeError: planted"),
        (1, TRACE + SRUN, End.FAILED, "RuntimeError: planted"),
        (1, OURS + SRUN, End.FAILED, "no data"),
        (1, REFUSED, End.FAILED, REFUSED.strip()),
        (1, "", End.FAILED, "exit code 1"),
        (75, OURS + SRUN, End.LOST, "no data"),
        (3, TRACE, End.FAILED, "exit code 3"),
        (-9, "", End.LOST, "killed by SIGKILL"),
        (137, "", End.LOST, "killed by SIGKILL"),
        (-15, "", End.LOST, "killed by SIGTERM"),
        (143, "", End.LOST, "ended by SIGTERM"),
        (130, "", End.LOST, "ended by SIGINT"),
        (-11, "", End.FAILED, "killed by SIGSEGV"),
        (139, "", End.FAILED, "ended by SIGSEGV"),
        (134, "", End.FAILED, "ended by SIGABRT"),
        (255, "", End.FAILED, "exit code 255"),
        (200, TRACE, End.FAILED, "exit code 200"),
        (193, "", End.FAILED, "exit code 193"),
        (192, "", End.FAILED, "ended by SIGRTMAX"),
        (128, "", End.FAILED, "exit code 128"),
        (-40, "", End.FAILED, "killed by signal 40"),
        (137, SLURM, End.MEMORY, "killed by SIGKILL for lack of memory"),
        (-9, CGROUP, End.MEMORY, "killed by SIGKILL for lack of memory"),
        (1, CGROUP + TRACE, End.FAILED, "RuntimeError: planted"),
    ],
)
def test_a_reason(code, logged, end, text):
    assert of_exit_code(code, logged) == (end, text)


def test_what_was_said_before_is_another_attempt_s(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("before\n")
    begins = log.stat().st_size
    with log.open("a") as stream:
        stream.write("after\n")
    assert said(log, begins) == "after\n"
    assert said(tmp_path / "none", 0) == ""
