"""Training on a device that draws its own batches: a stand-in, which counts as the chip does."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import cpu_session
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.data import mnist
from lenet_exp.data.batches import batch_indices, drawn_from
from lenet_exp.errors import HardwareError
from lenet_exp.experiment import graphs
from lenet_exp.hardware import ascend910
from lenet_exp.model import lenet
from lenet_exp.training import device_program
from lenet_exp.training.device_program import Device, DeviceProgram, DeviceRunner
from lenet_exp.training.program import FedRunner, assemble
from lenet_exp.training.runner import Program


class Session:
    """A chip's session that makes `steps` steps a call and skips the updates of `skipped`."""

    def __init__(self, steps, skipped=(), refused=()):
        self.steps, self.skipped, self.refused = steps, skipped, refused
        self.made, self.fed = 0, []

    def run(self, fetches, feed_dict=None):
        if fetches == ["looped", "loss"]:
            self.made += 1 if self.made in self.refused else self.steps
            return None, self.made
        if fetches == ["made", "applied", "scale"]:
            applied = self.made - sum(step < self.made for step in self.skipped)
            return self.made, applied, 2.0**applied
        self.fed.append((fetches, feed_dict))
        return None


class Source:
    initializer, fed = "iterator", ("images", "labels", "order")


def opened(session, per_call=5, before=0):
    """Return a runner of a session in which `before` steps were made, and what it says."""
    said, loops = [], []

    def loop(*arguments):
        loops.append(arguments)
        return "looped"

    program = Program(None, "variables", None, None, {}, None)
    device, state = Device(None, None, loop), ("made", "applied", "scale")
    made = DeviceProgram(program, device, Source, "train", "loss", state)
    runner = DeviceRunner(made, session, ("a", "b", "c"), per_call, said.append)
    session.made = before
    return runner, said, loops


def test_the_iterator_is_initialised_alone_and_before_the_variables():
    session = Session(5)
    opened(session)
    fed = {"images": "a", "labels": "b", "order": "c"}
    assert session.fed == [("iterator", fed), ("variables", None)]


def test_the_loop_is_made_once_and_each_call_s_loss_stands_for_its_steps():
    runner, said, loops = opened(Session(5))
    first, second = runner.make_steps(15), runner.make_steps(10)
    assert loops == [(runner.session, "train", 5)]
    assert first.losses.tolist() == [5] * 5 + [10] * 5 + [15] * 5
    assert second.losses.tolist() == [20] * 5 + [25] * 5
    assert said == []


def test_as_many_steps_are_marked_as_lack_their_update_since_the_last_call():
    runner, *_ = opened(Session(5, skipped=(3, 21, 22, 31)), before=20)
    first, second, third = (runner.make_steps(count) for count in (10, 5, 5))
    assert first.skipped.tolist() == [True] * 2 + [False] * 8
    assert second.skipped.tolist() == [True] + [False] * 4
    assert not third.skipped.any()
    assert (first.loss_scale, third.loss_scale) == (2.0**27, 2.0**36)


def test_a_device_that_makes_one_step_a_call_is_told_of_and_gone_on_with():
    runner, said, _ = opened(Session(1), before=20)
    made = runner.make_steps(10)
    assert made.losses.tolist() == list(range(21, 31))
    assert runner.make_steps(5).losses.tolist() == list(range(31, 36))
    assert said == [
        "warning: the device makes 1 step a call, not 5: the training is the same, and slower"
    ]


def test_one_step_a_call_as_asked_for_is_nothing_to_tell():
    runner, said, _ = opened(Session(1), per_call=1)
    assert runner.make_steps(3).losses.tolist() == [1, 2, 3]
    assert said == []


@pytest.mark.parametrize(
    ("steps", "refused", "made"),
    [pytest.param(3, (), 6, id="from the first call on"), pytest.param(5, (5,), 6, id="later")],
)
def test_a_device_that_makes_another_number_of_steps_is_refused(steps, refused, made):
    runner, said, _ = opened(Session(steps, refused=refused))
    with pytest.raises(HardwareError, match=f"made {made} steps where 10 were asked for"):
        runner.make_steps(10)
    assert said == []


def test_a_live_graph_trains_as_one_that_is_fed(mnist_folder):
    """Without the vendor's optimizer, and without its loop: one step a call."""
    words = ["precision=must_keep_origin_dtype", "schedule.batch_size=32", "seed=3"]
    settings = settings_to_explain(words)
    train = mnist.load(mnist_folder).train
    device = Device(
        lambda optimizer, manager_of: (optimizer, manager_of(None)),
        ascend910.input_source,
        lambda session, operation, steps: operation,
    )
    sizes = (len(train.labels), 250)
    live = device_program.build(lenet.logits, lenet.IMAGE_SHAPE, sizes, settings, device)
    order, said = batch_indices(3, len(train.labels), 32, 0, 12), []
    built = graphs.build_graphs(settings)
    emulated = graphs.emulated(built, graphs.plan(settings, built))
    fed = assemble(*emulated, settings.loss_scale)
    graphs_of_both = (live.program.graph, fed.program.graph)
    one, other = (cpu_session.open_session(each, 1, optimize=False) for each in graphs_of_both)
    with one, other:
        runner = DeviceRunner(live, one, (*train, order), 4, said.append)
        twin = FedRunner(fed, other, drawn_from(train, 3, 32))
        assert runner.make_steps(12).losses.tobytes() == twin.make_steps(12).losses.tobytes()
        assert said == [
            "warning: the device makes 1 step a call, not 4: the training is the same, and slower"
        ]
        images = train.images[:260]
        assert np.array_equal(runner.predict(images), twin.predict(images))
        assert runner.program.variables.keys() == twin.program.variables.keys()
