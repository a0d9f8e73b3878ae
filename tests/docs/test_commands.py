"""Every command of README and docs does what its page shows, figures and times aside."""

from __future__ import annotations

import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from lenet_exp import tf_compat
from lenet_exp.data import files, mnist
from tests.data.part_of_mnist import PART
from tests.docs import pages
from tests.end_to_end.conftest import Project, with_store
from tests.hardware import double
from tests.stacks import FULL_ON_TF1

QUICK = ("README.md",)
ELSEWHERE = (
    "README.zh-CN.md",  # test_readme.py: the same commands as README.md
    "precision.md",  # test_pages.py: to the letter
    "cluster.md",  # tests/cluster/: it needs one
    "scripts.md",  # of a script that is not ours
)
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LASTING = ("configuration ", "differences: ", "cost: ", "emulated: ", "accuracy: ", "page: ")
SHORT = (PART, "schedule=smoke")
# As many images as the part has: else it is a look and no training, and ends with other words.
TRAINING = (PART, "schedule.epochs=1", "schedule.steps_per_epoch=172")


def parameter(page):
    return pytest.param(
        page, marks=FULL_ON_TF1 if page.name in QUICK else [pytest.mark.full], id=page.name
    )


@pytest.mark.parametrize("page", [parameter(p) for p in pages.PAGES if p.name not in ELSEWHERE])
def test_the_commands_of_a_page_print_what_it_shows(page, tmp_path, part_of_mnist):
    project, chip = with_store(Project(tmp_path)), {}
    for command in pages.commands(page):
        if "hardware=ascend910" in command.words and "dump_step" not in str(command):
            if sys.version_info >= (3, 8):
                continue  # npu_bridge is for TensorFlow 1.15 alone
            chip = double.environment()
        words = prepare(project, command)
        done = project.run(*shortened(command, words), verb=command.verb, **chip)
        printed = done.stdout.splitlines() + done.stderr.splitlines()
        assert done.returncode == exit_code(command), (str(command), done.stderr)
        assert "Traceback" not in done.stderr, (str(command), done.stderr)
        assert pages.missing(lasting(command), printed) == [], (str(command), printed)


def lasting(command):
    """Return what is shown that is no verdict: 20 steps have another one than 5000."""
    if command.verb != "compare":
        return command.printed
    return [line for line in command.printed if line.startswith(LASTING)]


def exit_code(command):
    if any("is not possible" in line for line in command.printed):
        return 2
    return int(any(word.startswith("require_accuracy=") for word in command.words))


def shortened(command, words):
    """Return words with a schedule that takes seconds, where a training would take minutes."""
    own = any(word.startswith(("schedule", "debug", "--", "hardware.dump")) for word in words)
    if command.verb != "run" or own or exit_code(command):
        return words
    return (*words, *(TRAINING if command.printed else SHORT))


def prepare(project, command):
    """Make what a command speaks of; return its words with the names that things have here."""
    if any("was killed" in line for line in command.printed):
        killed_run(project)
    if command.verb == "compare":
        named = [word for word in command.words if word.startswith("sweep=")]
        words = ["seed=0", *named] if named else ["experiment=precision_sweep", "sweep=modes"]
        if named or not list(project.folder.glob("multirun/*")):
            assert project.run("-m", *words, *SHORT).returncode == 0
    return tuple(prepared(project, word) for word in command.words)


def prepared(project, word):
    """Return a word, naming the newest run where a page names one; make the file it names."""
    key, _, value = word.partition("=")
    if value == "latest" or key in ("init_from", "resume"):
        folder = trained_run(project)
        return word if value == "latest" else f"{key}={folder}"
    if key == "images" and value != "mnist":
        pictures(project.folder / value)
    elif key == "data.path":
        return f"data.path={data(project.folder, value)}"
    elif key == "graph":
        graph(project.folder / value)
    elif key == "feeds":
        np.savez(str(project.folder / value), **{"images:0": np.ones([3, 8, 4], np.float32)})
    return word


def killed_run(project):
    with project.start("schedule=full") as child:
        while " loss " not in child.stdout.readline():
            assert child.poll() is None, child.stderr.read()
        child.kill()


def trained_run(project):
    """Return the folder of the newest run, relative to the project's; make one if none is there."""
    if not list(project.folder.glob("outputs/*/checkpoints/*")):
        assert project.run(*SHORT).returncode == 0
    newest = max(
        project.folder.glob("outputs/*/checkpoints"), key=lambda path: path.stat().st_mtime
    )
    return newest.parent.relative_to(project.folder)


def pictures(folder):
    folder.mkdir(exist_ok=True)
    test = mnist.load(files.cache_folder()).test
    for name, image in zip(DIGITS, test.images):
        Image.fromarray(np.uint8(255 * image.reshape(28, 28))).save(str(folder / f"{name}.png"))


def data(folder, name):
    """Return a file or folder of the kind that a name stands for: 600 images, or MNIST."""
    if not name.endswith(".npz"):
        return files.cache_folder()
    images, labels = np.zeros((600, 28, 28), np.uint8), np.arange(600) % 10
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(str(folder / "mine.npz"), **arrays)
    return folder / "mine.npz"


def graph(path):
    tf = tf_compat.load()
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [8, 4], "images")
        weights = tf.get_variable("weights", [4, 2])
        loss = tf.reduce_mean(tf.matmul(images, weights))
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        tf.train.export_meta_graph(str(path))


@pytest.mark.stackless
@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_a_page_names_only_make_targets_that_are_there(page):
    made = (pages.ROOT / "Makefile").read_text()
    for block in pages.blocks(page):
        for line in block.splitlines():
            words = shlex.split(line, comments=True) if line.startswith("make ") else []
            for target in (word for word in words[1:] if "=" not in word):
                assert f"\n{target}:" in made, line
