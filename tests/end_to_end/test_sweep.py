"""A sweep from the command line to the store: one parent, a process a job, and going on."""

from __future__ import annotations

import json
import signal

import pytest

from lenet_exp.record.next_steps import open_command
from lenet_exp.record.store import processes
from tests.data.part_of_mnist import PART
from tests.end_to_end.sweeps import (
    job_folders,
    plant,
    process_of,
    running,
    runs_of,
    statuses,
    unfinished,
    wait_for,
)
from tests.end_to_end.test_resume import differences, outcome, straight
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there test_chip.py has a sweep
FAST = (PART, "debug=fast", "schedule.checkpoint_every=5")


@pytest.fixture(scope="module")
def mended(shared_project):
    """A sweep of three, two at a time, in which one raises; and the same command without."""
    words = ("-m", *FAST, "seed=0,1,2", "sweep=mended", "hydra.launcher.n_jobs=2")
    path = plant(shared_project.folder / "faults", {1: "raise"})
    failed = shared_project.run(*words, PYTHONPATH=path)
    logs = {log: log.read_text() for log in shared_project.folder.glob("multirun/mended/*/run.log")}
    before = runs_of(shared_project, "mended")
    return failed, before, shared_project.run(*words), logs


def test_one_failure_stops_no_other_and_is_told_with_reason_and_log(mended, shared_project):
    failed, (parent, children), _, logs = mended
    assert failed.returncode == 1
    assert failed.stderr == "lenet-exp: 1 of 3 jobs failed\n"
    assert "could be forked" not in failed.stdout  # no thread was started before
    assert statuses(children) == {"seed=0": "FINISHED", "seed=1": "FAILED", "seed=2": "FINISHED"}
    assert parent.info.status == "FAILED"
    assert parent.data.tags["mlflow.runName"] == "mended"
    assert parent.data.params == {"seed": "0,1,2"}
    told = failed.stdout.splitlines()
    place = told.index("1 failed:")
    assert told[place + 1] == "  seed=1: RuntimeError: planted"
    log = told[place + 2].split()[-1]
    assert "RuntimeError: planted" in logs[shared_project.folder / log]
    # The first lines and the last one say what goes on with it.
    command = f"python -m lenet_exp.run -m {PART} debug=fast schedule.checkpoint_every=5 seed=0,1,2"
    assert told[0].startswith("3 jobs, recorded in ./ml")
    assert told[3].strip() == f"{command} hydra.launcher.n_jobs=2 sweep=mended"
    assert told[-1].endswith(told[3].strip())
    # What came out, and the page, opened by a line that can be typed.
    assert "  verdict  After 20 steps no configuration has learned yet" in failed.stdout
    (page,) = [line.split()[-1] for line in told if line.startswith("  page     ")]
    assert (shared_project.folder / page).exists()
    assert f"  {open_command(shared_project.folder / page)}" in told
    assert any(
        line.startswith("    and open http://127.0.0.1:5000/#/experiments/") for line in told
    )


def test_the_same_command_redoes_what_failed_and_nothing_else(mended, shared_project):
    _, (parent_before, before), again, _ = mended
    assert (again.returncode, again.stderr) == (0, "")
    parent, children = runs_of(shared_project, "mended")
    assert set(statuses(children).values()) == {"FINISHED"}
    assert (parent.info.status, parent.info.run_id) == ("FINISHED", parent_before.info.run_id)
    for name in ("seed=0", "seed=2"):
        assert children[name].info.run_id == before[name].info.run_id
        assert children[name].info.end_time == before[name].info.end_time
    assert children["seed=1"].info.run_id != before["seed=1"].info.run_id
    # The failed attempt is kept: its folder, and its run beside the sweep's own.
    (old,) = [r for r in shared_project.recorded() if "superseded" in r.data.tags.get("sweep", "")]
    assert old.info.run_id == before["seed=1"].info.run_id
    assert (shared_project.folder / old.data.tags["folder"] / "run.log").exists()


def test_each_job_is_a_process_of_its_own_with_its_identity(mended, shared_project):
    _, children = runs_of(shared_project, "mended")
    told = [json.loads(run.data.tags[processes.TAG]) for run in children.values()]
    assert len({(tag["pid"], tag["started"]) for tag in told}) == 3
    for run in children.values():
        tags = run.data.tags
        assert tags["folder"] == str(
            shared_project.folder / "multirun" / "mended" / tags["config_hash"]
        )
        beside = tags["job_override"] != "seed=1"
        assert tags["alone"] == ("false" if beside else "true")  # it was redone alone
    folder = job_folders(shared_project, "mended")[0]
    assert {path.name for path in (folder / ".hydra").iterdir()} == {
        "config.yaml", "hydra.yaml", "overrides.yaml",
    }  # fmt: skip


@pytest.mark.full
def test_a_job_is_as_the_same_run_alone(mended, shared_project):
    _, children = runs_of(shared_project, "mended")
    alone = straight(shared_project, "alone", *FAST, "seed=1")
    folder = shared_project.folder / children["seed=1"].data.tags["folder"]
    assert differences(alone, outcome(shared_project, folder)) == []


def test_a_dry_run_lists_what_would_happen_and_changes_nothing(mended, shared_project):
    project = shared_project
    folder = project.folder / runs_of(project, "mended")[1]["seed=2"].data.tags["folder"]
    conditions = json.loads((folder / "conditions.json").read_text())
    text = json.dumps({**conditions, "code_sha256": "of yesterday"})
    (folder / "conditions.json").write_text(text)
    before = {path: path.stat().st_mtime for path in project.folder.rglob("record.jsonl")}
    words = ("-m", *FAST, "seed=1,2,3", "sweep=mended", "dry_run=true")
    done = project.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if ": it " in line}
    assert "to keep: it finished with accuracy" in lines["seed=1"]
    assert "to run: it was never begun" in lines["seed=3"]
    assert f"{folder.name}  seed=2" in done.stdout.partition("with other code")[2]
    redone = project.run(*words, "on_changed_code=redo").stdout
    assert f"{folder.name}  seed=2  to redo: it was made by other code" in redone
    after = {path: path.stat().st_mtime for path in project.folder.rglob("record.jsonl")}
    assert after == before
    fresh = project.run("-m", *FAST, "seed=0,1", "sweep=fresh", "dry_run=true")
    assert "2 to run" in fresh.stdout
    assert not (project.folder / "multirun" / "fresh").exists()


def test_a_killed_sweep_leaves_no_worker_and_goes_on_where_it_was(shared_project, monkeypatch):
    project = shared_project
    monkeypatch.setenv("MLFLOW_RUN_ID", "left over")
    words = ("-m", *FAST, "seed=4,5", "sweep=killed")
    path = plant(project.folder / "faults", {5: "hang"}, step=10)
    with project.start(*words, fresh=True, env_added={"PYTHONPATH": path}) as launching:
        folder = wait_for(lambda: unfinished(project, "killed", after=1), launching)
        wait_for((folder / "checkpoints" / "10").is_dir, launching)
        refused = project.run(*words)
        assert refused.returncode == 2
        assert f"process {launching.pid} on " in refused.stderr
        assert "Traceback" not in refused.stderr
        assert launching.poll() is None
        launching.kill()
        launching.communicate()
    wait_for(lambda: processes.is_dead(process_of(folder)), seconds=10)
    _, before = runs_of(project, "killed")
    assert statuses(before) == {"seed=4": "FINISHED", "seed=5": "RUNNING"}
    again = project.run(*words)
    assert (again.returncode, again.stderr) == (0, "")
    assert "seed=5: goes on after step 10" in again.stdout
    parent, children = runs_of(project, "killed")
    assert (parent.info.status, set(statuses(children).values())) == ("FINISHED", {"FINISHED"})
    assert running(project) == []
    assert {n: r.info.run_id for n, r in children.items()} == {
        n: r.info.run_id for n, r in before.items()
    }
    assert children["seed=4"].info.end_time == before["seed=4"].info.end_time
    monkeypatch.delenv("MLFLOW_RUN_ID")
    undisturbed = straight(project, "undisturbed", *FAST, "seed=5")
    assert differences(undisturbed, outcome(project, folder)) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM", marks=pytest.mark.full),
    ],
)
def test_an_interrupted_sweep_and_its_jobs_are_killed_in_the_store(shared_project, number, code):
    project, name = shared_project, f"interrupted{number:d}"
    words = ("-m", "schedule.epochs=1000", "seed=0,1", f"sweep={name}", "hydra.launcher.n_jobs=2")
    with project.start(*words) as launching:
        wait_for(lambda: len(job_folders(project, name)) == 2, launching)
        for folder in job_folders(project, name):
            wait_for(lambda: "epoch 1/1000" in (folder / "run.log").read_text(), launching)  # noqa: B023 - called at once
        launching.send_signal(number)
        said, problems = launching.communicate(timeout=120)
    assert launching.returncode == code
    assert problems.strip() in ("lenet-exp: interrupted", "lenet-exp: terminated")
    assert said.splitlines()[-1].startswith("to go on: python -m lenet_exp.run -m ")
    assert all(processes.is_dead(process_of(folder)) for folder in job_folders(project, name))
    parent, children = runs_of(project, name)
    assert (parent.info.status, set(statuses(children).values())) == ("KILLED", {"KILLED"})


def test_hydra_s_basic_launcher_still_works(shared_project):
    words = ("-m", PART, "debug=fast", "seed=0,1", "sweep=basic", "hydra/launcher=basic")
    done = shared_project.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    runs = [run for run in shared_project.recorded() if run.data.tags.get("sweep") == "basic"]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert {run.data.tags["folder"].rpartition("/")[2] for run in runs} == {"0", "1"}
    again = shared_project.run(*words)
    assert "a folder that holds no run yet" in again.stderr + again.stdout


def test_a_key_of_one_swept_option_is_said_in_the_list_of_jobs(shared_project):
    words = ("-m", *FAST, "loss_scale=none,fixed", "loss_scale.value=128", "dry_run=true")
    done = shared_project.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  loss_scale.value=128: of the jobs with loss_scale=fixed only\n" in done.stdout
    jobs = [line.split()[1] for line in done.stdout.splitlines() if ": it was never" in line]
    assert jobs == ["loss_scale=none", "loss_scale=fixed,loss_scale.value=128"]
