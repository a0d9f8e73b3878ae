"""What running a script through us costs it: python benchmarks/scripts.py cost.

For each mode, in rounds of 50 steps, in pairs:

wrapper      ms a call that the taken-over session takes beyond a run of what it runs instead:
             finding the plan, overflows, history and record; of a step of one small layer, the
             least of all rounds. At most 0.3 is the goal. What follows is of LeNet's training
             step, fed batch by batch, with a summary and its loss fetched:
script       seconds a step of the script, emulated / float32
emulation    the same step in `emulated_session`, without us around it / float32
script / emulation   at most 1.10 is the goal
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

import numpy as np
from paired import measure, ratio

from lenet_exp import tf_compat
from lenet_exp.model import lenet
from lenet_exp.precision import emulated_session
from lenet_exp.script.record import Kept, ScriptRecord
from lenet_exp.script.sessions import Takeover
from lenet_exp.script.watch import Watch
from lenet_exp.training.graphs import cross_entropy

MODES = ("must_keep_origin_dtype", "allow_mix_precision", "allow_fp32_to_fp16", "force_fp16")
ROUNDS, STEPS, BATCH = 15, 50, 64
# Adam's usual epsilon is 0 in float16, so that every force_fp16 update would overflow.
EPSILON = 1e-4
GOALS = {"wrapper": 0.3, "script / emulation": 1.10}


class Script(NamedTuple):
    """A graph as a script has it."""

    graph: Any
    fetches: List[Any]
    feeds: Dict[Any, Any]
    init: Any


def build() -> Script:
    tf = tf_compat.load()
    numbers = np.random.RandomState(0)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        images = tf.placeholder(tf.float32, [BATCH, *lenet.IMAGE_SHAPE])
        labels = tf.placeholder(tf.int32, [BATCH])
        loss = cross_entropy(lenet.logits(images), labels, lenet.CLASSES)
        tf.summary.scalar("loss", loss)
        train = tf.train.AdamOptimizer(epsilon=EPSILON).minimize(loss)
        fetches, init = [tf.summary.merge_all(), loss, train], tf.global_variables_initializer()
    fed = {
        images: numbers.rand(BATCH, *lenet.IMAGE_SHAPE).astype(np.float32),
        labels: numbers.randint(0, lenet.CLASSES, BATCH),
    }
    return Script(graph, fetches, fed, init)


def small() -> Script:
    """Return a step that takes hardly longer than its call."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [8, 4])
        w = tf.get_variable("w", initializer=np.ones((4, 3), np.float32))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w)), name="loss")
        train = tf.train.MomentumOptimizer(EPSILON, 0.9).minimize(loss)
        init = tf.global_variables_initializer()
    return Script(graph, [loss, train], {x: np.ones((8, 4))}, init)


def steps(session: Any, fetches: Any, feeds: Any) -> Callable[[], float]:
    """Return what makes some steps and returns the seconds of one."""

    def call() -> float:
        begun = time.perf_counter()
        for _ in range(STEPS):
            session.run(fetches, feeds)
        return (time.perf_counter() - begun) / STEPS

    return call


@contextlib.contextmanager
def opened(made: Script, mode: str, watch: Watch) -> Iterator[Dict[str, Callable[[], float]]]:
    """Yield the four ways to make the step."""
    tf = tf_compat.load()
    from tensorflow.python.client import session as sessions

    takeover = Takeover({"mode": mode}, watch)
    takeover.install(sessions)
    takeover = sessions.BaseSession._lenet_exp_takeover  # noqa: SLF001
    takeover.__dict__.update(_typed={"mode": mode}, asked=None, observer=watch)
    on_host = tf.ConfigProto()
    tf_compat.keep_on_host(on_host)
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(tf.Session(graph=made.graph, config=on_host))
        taken = stack.enter_context(tf.Session(graph=made.graph))
        for session in (plain, taken):
            session.run(made.init)
        taken.run(made.fetches, made.feeds)
        (prepared,) = [one for one in watch._runs if one.trains]  # noqa: SLF001
        named = {tensor.name: value for tensor, value in made.feeds.items()}
        names = [element.name for element in made.fetches]
        takeover.every_session = False
        alone = stack.enter_context(emulated_session(made.graph, mode, names))
        alone.run(made.init.name)
        takeover.every_session = True
        run = prepared.run
        instead = made.fetches if run is None else [*run.tensors, *run.operations]

        def unwrapped() -> float:
            takeover._busy.on = True  # noqa: SLF001
            try:
                return steps(taken, instead, made.feeds)()
            finally:
                takeover._busy.on = False  # noqa: SLF001

        yield {
            "plain": steps(plain, made.fetches, made.feeds),
            "script": steps(taken, made.fetches, made.feeds),
            "unwrapped": unwrapped,
            "alone": steps(alone, names, named),
        }


def measured(made: Script, mode: str) -> Dict[str, List[float]]:
    """Return the seconds a step of each way, by round."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Kept("x.py", None, (), Path(folder) / "record", "none", "x")
        watch = Watch(ScriptRecord(kept), None)
        with opened(made, mode, watch) as ways:
            return measure(ways, ROUNDS)


def cost(mode: str) -> Dict[str, float]:
    """Return the figures of a mode."""
    least = {way: min(seen) for way, seen in measured(small(), mode).items()}
    seen = measured(build(), mode)
    return {
        "wrapper": 1000 * (least["script"] - least["unwrapped"]),
        "script": ratio(seen["script"], seen["plain"]).median,
        "emulation": ratio(seen["alone"], seen["plain"]).median,
        "script / emulation": ratio(seen["script"], seen["alone"]).median,
    }


def main() -> int:
    """Print the table; return 1 if a goal is missed."""
    tf_compat.configure(hide_gpus=True, deterministic=False)
    missed = []
    print("| mode | wrapper, ms a call | script | emulation | script / emulation |")
    print("|---|---|---|---|---|")
    for mode in MODES:
        found = cost(mode)
        print(f"| {mode} | {' | '.join(f'{value:.3f}' for value in found.values())} |", flush=True)
        missed += [f"{mode}: {k} {found[k]:.3f}, at most {most}" for k, most in GOALS.items()
                   if found[k] > most]  # fmt: skip
    print("\n".join(missed) or "every goal is reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
