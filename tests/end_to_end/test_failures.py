"""What goes wrong while a run is under way, and what it leaves."""

from __future__ import annotations

import re
import resource
import signal

import pytest

from lenet_exp.data import files
from tests.data.part_of_mnist import PART
from tests.stacks import FULL_ON_TF1, besides_loading, full_on_tf1


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM", marks=FULL_ON_TF1),
    ],
)
def test_an_interrupted_run_is_killed_in_the_store(shared_project, number, code):
    with shared_project.start("schedule.epochs=1000", fresh=number == signal.SIGINT) as child:
        while " loss " not in child.stdout.readline():
            assert child.poll() is None
        child.send_signal(number)
        said, problems = child.communicate(timeout=120)
    assert child.returncode == code
    assert said.splitlines()[-1].startswith("to go on: python -m lenet_exp.run resume=outputs/")
    assert besides_loading(problems).strip() in ("lenet-exp: interrupted", "lenet-exp: terminated")
    assert shared_project.recorded()[0].info.status == "KILLED"


@full_on_tf1
def test_a_run_that_fails_is_failed_in_the_store(shared_project, tmp_path):
    # The run folder loses its figures' place: a plain file stands there.
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "figures").write_text("in the way")
    done = shared_project.run(PART, "debug=fast", f"hydra.run.dir={folder}")
    assert done.returncode == 1
    assert shared_project.recorded()[0].info.status == "FAILED"
    assert "the run failed" in (folder / "run.log").read_text()


@full_on_tf1
def test_a_checkpoint_that_finds_no_room_is_told_in_words(shared_project):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))  # bytes a file

    with shared_project.start(PART, "debug=fast", preexec_fn=little_room) as child:
        said, problems = child.communicate(timeout=300)
    assert child.returncode == 1
    assert said.splitlines()[-1].startswith("to go on: python -m lenet_exp.run resume=outputs/")
    assert re.fullmatch(
        r"lenet-exp: .*model\.data.*File too large.*\n"
        r"  try: .*hydra\.run\.dir=DIR\n       DIR is a folder with room\n",
        besides_loading(problems),
    )
    run = shared_project.recorded()[0]
    assert run.info.status == "FAILED"
    assert not list(shared_project.folder.glob("outputs/*/checkpoints/*"))


def test_a_run_folder_that_cannot_be_made_is_told_in_words(project):
    (project.folder / "outputs").write_text("in the way")
    done = project.run(PART, "debug=fast")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("lenet-exp: outputs")


@full_on_tf1
def test_a_folder_that_holds_a_run_is_not_used_for_another(project):
    folder = project.folder / "mine"
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 0\n")
    done = project.run(PART, "debug=fast", "hydra.run.dir=mine")
    assert done.returncode == 2
    assert "hydra.run.dir" in done.stderr
    assert "no run yet" in done.stderr
    assert not (project.folder / "mlruns").exists()
    assert (folder / "config.yaml").read_text() == "seed: 0\n"


@full_on_tf1
def test_wrong_data_ends_before_a_run_is_recorded(bare_project, tmp_path):
    project = bare_project
    own = tmp_path / "own"
    own.mkdir()
    for official in files.FILES:
        (own / official.name).write_bytes(b"\0" * 16)
    done = project.run("schedule=smoke", f"data.path={own}")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(own / files.FILES[1].name) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_the_other_stack_s_store_is_not_harmed(bare_project, stack):
    project = bare_project
    if stack == "tf2":
        (project.folder / "mlruns" / "0").mkdir(parents=True)
        (project.folder / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: 0\n")
    else:
        (project.folder / "mlflow.db").write_bytes(b"")
    before = sorted(path.name for path in project.folder.rglob("*"))
    done = project.run(PART, "schedule=smoke")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "tracking.uri=sqlite:///" in done.stderr
    left = sorted(path.name for path in project.folder.rglob("*") if "outputs" not in str(path))
    assert left == before


def test_a_server_that_is_not_there_is_told(project):
    done = project.run(PART, "schedule=smoke", "tracking.uri=http://127.0.0.1:9")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    problem = "can't be used (the server doesn't answer: Connection refused)"
    assert f"http://127.0.0.1:9: {problem}\n" in done.stderr
