"""What a forked command computes and leaves is what a fresh one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.data.part_of_mnist import PART
from tests.end_to_end.forked import Forked
from tests.end_to_end.test_resume import OVERFLOWING, differences, outcome
from tests.stacks import FULL_ON_TF1, besides_loading

ONE_STEP = (PART, "schedule=smoke", "schedule.steps_per_epoch=1", "loss_scale=dynamic")
SIXTY_STEPS = (
    PART, "schedule.epochs=2", "schedule.steps_per_epoch=30", "schedule.checkpoint_every=20",
)  # fmt: skip
MODES = (
    "allow_fp32_to_fp16", "force_fp16", "force_fp32", "must_keep_origin_dtype",
    "allow_mix_precision",
)  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(ONE_STEP, id="one step", marks=FULL_ON_TF1),
        *(
            pytest.param((*SIXTY_STEPS, f"precision={mode}"), id=mode, marks=pytest.mark.full)
            for mode in MODES
        ),
        *(
            pytest.param((*SIXTY_STEPS, *scale), id=name, marks=pytest.mark.full)
            for name, scale in OVERFLOWING.items()
            if name != "none"
        ),
    ],
)
def test_a_forked_training_leaves_the_bits_of_a_fresh_one(project, words):
    left = {}
    for name in ("forked", "fresh"):
        done = project.run(
            *words, "deterministic=true", f"hydra.run.dir={name}", fresh=name == "fresh"
        )
        assert (done.returncode, besides_loading(done.stderr)) == (0, "")
        folder = project.folder / name
        files = [*folder.glob("checkpoints/*/model.*"), folder / "precision.csv"]
        assert len(files) > 2
        left[name] = {str(path.relative_to(folder)): path.read_bytes() for path in files}
        left[name].update(outcome(project, folder))
    assert differences(left["forked"], left["fresh"]) == []


PROBE = """
import os, signal, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("PROBE"), signal.getsignal(signal.SIGINT).__name__)
print(__name__, os.getpgid(0), len(os.listdir("/proc/self/task")), sys.path[0], sys.stdin.read())
print([name for name in sys.modules if name.partition(".")[0] == "lenet_exp"])
print("a problem", file=sys.stderr)
word = sys.argv[1]
if word.startswith("SIG"):
    os.kill(os.getpid(), getattr(signal, word))
    signal.pause()
sys.exit(int(word) if word.isdigit() else word)
"""


@pytest.mark.parametrize("word", ["0", "3", "said", "SIGTERM", "SIGKILL"])
def test_a_forked_command_is_given_and_ends_as_a_fresh_one(tmp_path, word):
    (tmp_path / "probe.py").write_text(PROBE)
    environment = {**os.environ, "PROBE": "here"}
    environment.pop("HOME", None)
    with Forked("probe", [word], str(tmp_path), environment) as forked:
        seen = forked.communicate()
    fresh = subprocess.run(
        [sys.executable, "-m", "probe", word],
        cwd=str(tmp_path),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert seen == (fresh.stdout, fresh.stderr)
    assert forked.returncode == fresh.returncode


def test_a_forked_command_can_be_waited_for_and_killed(tmp_path):
    (tmp_path / "sleeper.py").write_text("import time; print('up', flush=True); time.sleep(600)")
    with Forked("sleeper", [], str(tmp_path), dict(os.environ)) as child:
        assert child.stdout.readline() == "up\n"
        assert child.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)
        child.kill()
    assert child.returncode == -signal.SIGKILL
