"""A run on the chip, as its double sees it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.record.run import checkpoints
from lenet_exp.record.store import journal
from tests.data.part_of_mnist import PART, PART_FILE
from tests.hardware import double
from tests.stacks import besides_loading

pytestmark = double.ONLY_TF1
SMALL = (PART, "schedule=smoke", "deterministic=true")
DYNAMIC = ("loss_scale=dynamic", "loss_scale.incr_every_n_steps=3", "loss_scale.init_loss_scale=16")
FORCED = (*SMALL, *DYNAMIC, "precision=force_fp16")
OVERFLOWS = "4,6,7,11,12,20,21"  # 20 is the first step beyond: evaluation reads no status
MODES = (
    "allow_fp32_to_fp16", "force_fp16", "force_fp32", "must_keep_origin_dtype",
    "allow_mix_precision",
)  # fmt: skip
SCALES = {
    "none": (),
    "fixed": ("loss_scale=fixed", "loss_scale.value=1024"),
    "dynamic": DYNAMIC,
}


class Chip:
    """A project on a machine with a chip; `sessions` are those that were opened on it."""

    def __init__(self, project):
        self.project = project
        self.record = project.folder / "device.jsonl"

    def run(self, *words, hardware="ascend910", verb="run", **switches):
        if self.record.exists():
            self.record.unlink()
        environ = double.environment(record=self.record, **switches)
        environ["TMPDIR"] = str(self.project.folder)  # its own device locks
        chosen = [f"hardware={hardware}"] if hardware else []
        return self.project.run(*chosen, *words, verb=verb, fresh=True, **environ)

    def sessions(self):
        """Return those on the chip; all others of the process must have asked for the host."""
        every = [json.loads(line) for line in self.record.read_text().splitlines()]
        hosts = [one for one in every if not one["on_device"]]
        assert all(one["map"] == {"use_off_line": ["b", False]} for one in hosts)
        # Device 0 would be opened too where the environment names no other.
        assert all(one["opened"] == [one["device"]] for one in every if one["on_device"])
        return [one for one in every if one["on_device"]]

    def trained(self, name, *words, **switches):
        """Run to the end in the folder `name`; return what was printed, and the device's view."""
        done = self.run(*words, f"hydra.run.dir={name}", **switches)
        assert (done.returncode, besides_loading(done.stderr)) == (0, "")
        (session,) = self.sessions()
        return done.stdout, session

    def variables(self, name):
        found = checkpoints.newest(self.project.folder / name)
        reader = tf_compat.load().train.load_checkpoint(found.prefix)
        return {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}

    def history(self, name):
        return checkpoints.newest(self.project.folder / name).history


@pytest.fixture(scope="module")
def chip(shared_project):
    return Chip(shared_project)


@pytest.fixture(scope="module")
def forced(chip):
    """A training of today's, on a chip that auto finds, with overflows; and what it printed."""
    return chip.trained("forced-today", *FORCED, hardware="auto", overflows=OVERFLOWS)


def sent(mode, generation="today"):
    seeded = {} if generation == "2021" else {"deterministic": ["i", 1]}
    return {
        **seeded,
        "use_off_line": ["b", True],
        "session_device_id": ["i", 0],
        "enable_data_pre_proc": ["b", True],
        "iterations_per_loop": ["i", 10],
        "precision_mode": ["s", mode],
        "op_compiler_cache_mode": ["s", "enable"],
    }


def test_auto_takes_the_chip_and_says_so(forced):
    assert "npu_bridge is here (hardware=cpu stays on the CPU)" in forced[0]


def test_forced_overflows_skip_their_updates_and_move_the_scale(chip, forced):
    check_forced(chip, "today", *forced)


@pytest.mark.full
def test_forced_overflows_do_so_on_the_first_generation(chip):
    trained = chip.trained("forced-2021", *FORCED, generation="2021", overflows=OVERFLOWS)
    check_forced(chip, "2021", *trained)


def check_forced(chip, generation, printed, session):
    name = f"forced-{generation}"
    assert "training on Ascend 910, device 0, 10 steps a call" in printed
    assert "the first step of each kind compiles on the chip, which may take minutes" in printed
    assert session["map"] == sent("force_fp16", generation)
    assert session["entries"] == ["NpuOptimizer"]
    assert session["flags"] == {"remapping": 2, "memory_optimization": 2}
    assert (session["steps"], session["fed_loops"], session["closed"]) == (20, 0, True)
    history = chip.history(name)
    assert history.skipped.sum() == 5
    # The contract's vector, then finite steps: 13 steps end with 16, 0, 0.
    assert history.loss_scales.tolist() == [16.0, 64.0]
    kept = chip.variables(name)
    assert (kept["loss_scale"], kept["good_steps"], kept["bad_steps"]) == (64, 1, 0)
    run = chip.project.recorded_in(chip.project.folder / name)
    assert run.data.metrics["skipped_steps"] == 5
    assert run.data.metrics["loss_scale"] == 64
    tags = {"hardware": "ascend910", "device": "Ascend 910, device 0", "emulated": "false"}
    assert {key: run.data.tags[key] for key in tags} == tags


@pytest.mark.full
@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_sent_with_what_it_needs_and_nothing_else(chip, mode):
    _, session = chip.trained(f"mode-{mode}", *SMALL, f"precision={mode}")
    assert session["map"] == sent(mode)
    assert session["init_options"]["precision_mode"] == f"b'{mode}'"
    assert session["steps"] == 20
    # iterator, variables, four of the loop, training and its loss, counter, classes, checkpoint
    assert session["compiles"] == 10
    with np.load(str(chip.project.folder / f"mode-{mode}" / "test_predictions.npz")) as kept:
        assert kept["classes"].shape == (10000,)


@pytest.mark.parametrize(
    "scale", ["dynamic", *(pytest.param(s, marks=pytest.mark.full) for s in ("none", "fixed"))]
)
def test_a_run_leaves_the_bits_that_it_leaves_on_a_cpu_without_emulation(chip, scale):
    """The double computes in float32: then the two ways must be one training."""
    words = (*SMALL, *SCALES[scale], "precision=must_keep_origin_dtype", "seed=5")
    chip.trained(f"chip-{scale}", *words)
    done = chip.project.run(*words, "hardware=cpu", f"hydra.run.dir=cpu-{scale}")
    assert done.returncode == 0, done.stderr
    run = chip.project.recorded_in(chip.project.folder / f"chip-{scale}")
    assert run.data.params["hardware.op_compiler_cache_mode"] == "enable"
    one, other = chip.variables(f"chip-{scale}"), chip.variables(f"cpu-{scale}")
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in other.items()}
    losses, reference = chip.history(f"chip-{scale}").losses, chip.history(f"cpu-{scale}").losses
    assert losses[9::10].tobytes() == reference[9::10].tobytes()
    assert np.unique(losses).size == 2  # of a call, the last step's stands for all


@pytest.mark.full
def test_a_run_of_two_parts_leaves_the_bits_of_one(chip):
    words = (*SMALL, *DYNAMIC, "precision=force_fp16", "schedule.epochs=2")
    whole = {"overflows": "3,25,26"}
    chip.trained("whole", *words, **whole)
    chip.trained("parts", *words[:-1], overflows="3")
    resumed = chip.run("resume=parts", "schedule.epochs=2", hardware="", overflows="5,6")
    assert resumed.returncode == 0, resumed.stderr
    assert "goes on after step 20" in resumed.stdout
    one, other = chip.variables("whole"), chip.variables("parts")
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in other.items()}
    for key in ("losses", "loss_scales"):
        assert (
            getattr(chip.history("whole"), key).tolist()
            == getattr(chip.history("parts"), key).tolist()
        )
    assert chip.history("whole").skipped.sum() == chip.history("parts").skipped.sum() == 3


@pytest.mark.parametrize(
    ("generation", "environ"),
    [
        ("2021", {"PROFILING_MODE": "true"}),
        pytest.param("2022", {"ASCEND_DEVICE_ID": "1"}, marks=pytest.mark.full),
        pytest.param("today", {"DEVICE_ID": "1"}, marks=pytest.mark.full),
    ],
)
def test_the_queue_of_batches_ends_on_the_run_s_device(chip, monkeypatch, generation, environ):
    """The older adapters open it on the environment's device, and a training starves elsewhere."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    words = (*SMALL, "schedule.steps_per_epoch=10", "hardware.device=3")
    printed, session = chip.trained(f"device-{generation}", *words, generation=generation)
    assert [name for name in environ if f"warning: {name}=" in printed] == [
        name for name in environ if name == "PROFILING_MODE"
    ]
    assert (session["device"], session["steps"]) == (3, 10)


def test_a_sweep_gives_each_mode_a_process_and_a_device_of_its_own(chip):
    """Two at a time on two devices: a job that took the other's would be refused."""
    devices = ("hardware.device=auto", "hardware.devices=[3,5]", "hydra.launcher.n_jobs=2")
    modes = ("allow_fp32_to_fp16", "force_fp16")
    words = ("-m", f"precision={','.join(modes)}", *SMALL, *DYNAMIC, "schedule.steps_per_epoch=10")
    done = chip.run(*words, *devices, "sweep=modes")
    assert done.returncode == 0, done.stdout + done.stderr
    sessions = chip.sessions()
    seen = {session["map"]["precision_mode"][1]: session["map"] for session in sessions}
    assert sorted(seen) == sorted(modes)
    taken = {
        mode: {"session_device_id": sent_map["session_device_id"]}
        for mode, sent_map in seen.items()
    }
    assert seen == {mode: {**sent(mode), **taken[mode]} for mode in modes}
    assert {value for each in taken.values() for _, value in each.values()} == {3, 5}
    assert len({session["pid"] for session in sessions}) == len(sessions) == 2
    runs = [
        chip.project.recorded_in(folder)
        for folder in chip.project.folder.glob("multirun/modes/*/")
        if (folder / journal.NAME).is_file()
    ]
    assert sorted(run.data.tags["precision"] for run in runs) == sorted(modes)
    assert {run.data.tags["device"] for run in runs} == {f"Ascend 910, device {n}" for n in (3, 5)}


def test_a_prediction_is_made_on_the_chip_by_one_graph_without_a_loop(chip, forced):
    words = ("model=forced-today", f"images={PART_FILE}", "batch=300", "hardware.device=6")
    done = chip.run(*words, "precision=force_fp16", verb="predict")
    assert (done.returncode, besides_loading(done.stderr)) == (0, "")
    assert "s an image on Ascend 910, device 6, in batches of 300" in done.stdout
    assert "emulated" not in done.stdout
    (session,) = chip.sessions()
    assert session["map"] == {
        "use_off_line": ["b", True],
        "session_device_id": ["i", 6],
        "precision_mode": ["s", "force_fp16"],
        "op_compiler_cache_mode": ["s", "enable"],
    }
    assert (session["compiles"], session["closed"]) == (1, True)
    with np.load(str(chip.project.folder / "forced-today" / "test_predictions.npz")) as kept:
        right = np.mean(kept["classes"] == kept["labels"])
    assert f"accuracy {right:.4f}" in done.stdout


@pytest.mark.full
def test_a_device_that_does_not_loop_makes_the_same_steps(chip):
    words = (*SMALL, *DYNAMIC, "precision=allow_fp32_to_fp16")
    printed, session = chip.trained("single", *words, loops="no", overflows="3,4")
    assert "warning: the device makes 1 step a call, not 10" in printed
    assert session["steps"] == 20
    assert chip.history("single").skipped.sum() == 2
    assert np.unique(chip.history("single").losses).size == 20


@pytest.mark.full
def test_cpu_stays_on_the_cpu_beside_npu_bridge(chip):
    done = chip.run(*SMALL, "schedule.steps_per_epoch=10", hardware="cpu")
    assert done.returncode == 0, done.stderr
    assert not chip.record.exists()
    assert "Ascend" not in done.stdout


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("library", ["libge_runner.so: cannot open", "LD_LIBRARY_PATH"]),
        pytest.param("hccl", ["No module named 'hccl'", "PYTHONPATH"], marks=pytest.mark.full),
        pytest.param("tf_adapter", ["tf_adapter", "tfplugin"], marks=pytest.mark.full),
    ],
)
def test_an_npu_bridge_that_does_not_load_is_told_in_words(chip, broken, told):
    done = chip.run(*SMALL, broken=broken)
    assert done.returncode == 1
    for word in ["npu_bridge: could not be imported", *told]:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_held_device_is_told_in_words(chip):
    holder = (
        "from lenet_exp.hardware.devices import locked\n"
        "with locked([2]):\n print('held', flush=True)\n input()"
    )
    environ = {**double.environment(), "TMPDIR": str(chip.project.folder)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", holder], env=environ, text=True, **pipes) as child:
        child.stdout.readline()
        done = chip.run(*SMALL, "hardware.device=2")
        child.communicate("\n")
    assert done.returncode == 1
    assert f"no device is free: 2 by process {child.pid}" in done.stderr


def test_a_device_that_fails_is_told_in_words_and_the_run_is_failed(chip):
    done = chip.run(*SMALL, "hydra.run.dir=failing", fails=1)
    assert done.returncode == 1
    assert "the chip: InternalError: E39999: aicore exception" in done.stderr
    assert "ASCEND_GLOBAL_LOG_LEVEL" in done.stderr
    assert "Traceback" not in done.stderr
    assert chip.sessions()[0]["closed"]
    assert chip.project.recorded_in(chip.project.folder / "failing").info.status == "FAILED"


@pytest.mark.full
def test_a_run_that_was_killed_while_it_was_tested_is_tested(chip):
    _, session = chip.trained("tested", *SMALL)
    record = chip.project.folder / "tested" / journal.NAME
    lines = record.read_text().splitlines(keepends=True)
    tested = next(n for n, line in enumerate(lines) if "accuracy" in json.loads(line)["values"])
    record.write_text("".join(lines[:tested]))
    done = chip.run("resume=tested", hardware="")
    assert done.returncode == 0, done.stderr
    assert "accuracy " in done.stdout
    assert (session["steps"], chip.sessions()[0]["steps"]) == (20, 0)
