"""Make the archive of a stack: a person's folder as one version of lenet-exp leaves it.

PYTHON record.py ARCHIVE: PYTHON is a stack's environment in a checkout of that version. Runs of a
few steps from a small network, so that checkpoints can be compressed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

import lenet_exp

SMALL = (
    "deterministic=true", "init_from=start/model", "schedule.epochs=2",
    "schedule.steps_per_epoch=4", "schedule.batch_size=16", "schedule.checkpoint_every=2",
    "schedule.log_every=1",
)  # fmt: skip
SGD = ("optimizer=sgd", "precision=allow_mix_precision", "loss_scale=fixed")
# Python runs a sitecustomize of the path at every start: jobs of these seeds wait at step 6.
WAITING = """
import time
import lenet_exp.data.batches as batches
drawn = batches.batch_indices

def batch_indices(seed, count, size, step, steps):
    if seed in (1, 2) and step >= 6:
        time.sleep(600)
    return drawn(seed, count, size, step, steps)

batches.batch_indices = batch_indices
"""
ROOT = "/recorded"  # in the archive's texts: where the folder was
_SHAPES = {
    "layer_1/weights": (5, 5, 1, 6), "layer_2/weights": (5, 5, 6, 16), "fc_1/weight": (784, 120),
    "fc_2/weight": (120, 84), "fc_3/weight": (84, 10),
    "layer_1/bias": (6,), "layer_2/bias": (16,), "fc_1/bias": (120,), "fc_2/bias": (84,),
    "fc_3/bias": (10,),
}  # fmt: skip


def write_start(folder):
    """Write a checkpoint whose zeros stay zeros: units so far from 0 that they have no gradient."""
    from lenet_exp import tf_compat

    tf, chance = tf_compat.load(), np.random.RandomState(0)
    values = {name: chance.randint(-2, 3, shape) / 16 for name, shape in _SHAPES.items()}
    values["layer_2/weights"][..., 4:] = values["fc_1/weight"][:, 2:] = 0
    values["layer_2/bias"][4:] = -200
    values["fc_1/bias"][2:] = -200
    with tf.Graph().as_default(), tf.Session() as session:
        made = [tf.get_variable(n, initializer=v.astype(np.float32)) for n, v in values.items()]
        session.run(tf.global_variables_initializer())
        tf.train.Saver(made).save(session, str(folder / "model"), write_meta_graph=False)
    (folder / "checkpoint").unlink()


def start(work, *settings, waiting=False):
    """Return a command at work in the folder."""
    planted = work.parent / "planted"
    planted.mkdir(exist_ok=True)
    (planted / "sitecustomize.py").write_text(WAITING)
    added = {"PYTHONPATH": str(planted)} if waiting else {}
    command = [sys.executable, "-m", "lenet_exp.run", *SMALL, *settings]
    return subprocess.Popen(command, cwd=str(work), env={**os.environ, **added})


def stop(child, work, pattern, by):
    """Send a signal once the step that a run waits at is checkpointed."""
    while not list(work.glob(f"{pattern}/checkpoints/6/manifest.json")):
        assert child.poll() is None, "it ended"
        time.sleep(0.1)
    time.sleep(7)  # the store is told every five seconds
    child.send_signal(by)
    child.wait()


def fill(work):
    """Have a finished run, a killed one, and a sweep that was ended in its second job."""
    write_start(work / "start")
    assert start(work, "loss_scale=dynamic", "hydra.run.dir=outputs/finished").wait() == 0
    settings = (*SGD, "seed=2", "hydra.run.dir=outputs/killed")
    stop(start(work, *settings, waiting=True), work, "outputs/killed", signal.SIGKILL)
    settings = (*SGD, "-m", "seed=0", "sweep=begun")
    assert start(work, *settings).wait() == 0
    (first,) = work.glob("multirun/begun/*/checkpoints")
    settings = (*SGD, "-m", "seed=0,1", "sweep=begun")
    second = f"multirun/begun/[!{first.parent.name[0]}]*"
    stop(start(work, *settings, waiting=True), work, second, signal.SIGTERM)


def thin(work):
    """Leave the newest checkpoint of each run and of its artifacts."""
    for checkpoints in work.rglob("checkpoints"):
        for path in sorted(checkpoints.iterdir(), key=lambda path: int(path.name))[:-1]:
            shutil.rmtree(str(path))


def pack(work, archive):
    """Write the folder but for pictures, which nothing reads, with ROOT for where it was."""
    database = work / "mlflow.db"
    if database.exists():  # a text is smaller, and the test can change its paths
        with contextlib.closing(sqlite3.connect(str(database))) as connection:
            (work / "mlflow.sql").write_text("\n".join(connection.iterdump()))
        database.unlink()
    replaced = [(str(work), ROOT), *private(work)]
    with tarfile.open(archive, "w:xz", preset=9) as made:
        # Checkpoints side by side: most of what they hold is the same.
        for path in sorted(work.rglob("*"), key=lambda path: (path.name, str(path))):
            if path.is_file() and path.suffix not in (".png", ".html"):
                content = path.read_bytes()
                for old, new in replaced:
                    content = content.replace(old.encode(), new.encode())
                item = tarfile.TarInfo(str(path.relative_to(work)))
                item.size = len(content)
                made.addfile(item, io.BytesIO(content))


def private(work):
    """Return what names the machine and its places -> what the archive has instead."""
    checkout = Path(lenet_exp.__file__).resolve().parents[1]
    origin = ["git", "-C", str(checkout), "config", "remote.origin.url"]
    url = subprocess.run(origin, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    journal = (work / "outputs" / "killed" / "record.jsonl").read_text()
    tagged = {
        value: key for key, value in re.findall(r"(boot|machine)[^0-9a-f]+([0-9a-f-]+)", journal)
    }
    found = {sys.prefix: "/environment", str(checkout): "/lenet-exp", url: "/origin"}
    found.update({str(Path.home()): "/home", **tagged})
    return sorted(((old, new) for old, new in found.items() if old), reverse=True)


def main(archive):
    """Record into a temporary folder, and pack it."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary, "work")
        (work / "start").mkdir(parents=True)
        fill(work)
        thin(work)
        pack(work, archive)


if __name__ == "__main__":
    main(sys.argv[1])
