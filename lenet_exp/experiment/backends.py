"""Where a run's session is: the CPU, or an Ascend 910; and the training in it."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

from lenet_exp.config.chip import machine
from lenet_exp.config.chip.checks import steps_per_call
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.run import Settings
from lenet_exp.data.batches import batch_indices
from lenet_exp.data.mnist import Split
from lenet_exp.errors import HardwareError
from lenet_exp.hardware import ascend910, chip_config, cpu
from lenet_exp.model import lenet
from lenet_exp.training import device_program, trainer
from lenet_exp.training.device_program import Device, DeviceRunner, Feed
from lenet_exp.training.program import STEPS_PER_CALL, Program, Runner, Steps

INFERENCE_BATCH = 250  # divides the validation and the test set
_FIRST_STEP = "the first step of each kind compiles on the chip, which may take minutes"
_OTHER_PLAN = (
    "this npu_bridge is from before 2023-04, but the plan of this run is for hardware.cann=today;"
    " hardware.cann=2021 may be nearer to what the chip does"
)
MakeSteps = Callable[[int, int], Steps]  # (first step, how many) -> what they did


class Machine(NamedTuple):
    """A device that is this run's, for as long as it was asked for.

    `options` of npu_bridge, None on a CPU; `said` is what the person should know before the
    training; steps are measured in windows of `window`, made by calls of at most `longest_call`.
    """

    name: str
    device: str
    threads: int
    options: Optional[Dict[str, Any]]
    said: Tuple[str, ...]
    window: int
    longest_call: int

    @property
    def emulates(self) -> bool:
        """Whether a precision mode is imitated, not the device's own."""
        return self.options is None


@contextlib.contextmanager
def claimed(settings: Settings, cores: int = 0, trains: bool = True) -> Iterator[Machine]:
    """Yield the machine of this run; a chip is held meanwhile.

    `cores` is its share of them, where `settings` fix no threads; 0: all. `trains`: it is for
    `opened`; else for `open_session`.
    `hardware=auto` takes the chip where npu_bridge is importable. Comes before the first session
    of the process, which today's npu_bridge demands.

    Raises:
        HardwareError: npu_bridge can't be loaded, or no device is free.
        ConfigError: this npu_bridge can't do what was asked.
    """
    threads = cpu.threads_for(settings.threads, settings.deterministic, cores)
    schedule, name = settings.schedule, settings.hardware.name
    if machine.found(name) == "cpu":
        window = trainer.window_size(schedule.steps_per_epoch, schedule.log_every)
        cpu.fix_threads(threads)
        yield Machine(cpu.NAME, cpu.device(), threads, None, (), window, STEPS_PER_CALL)
        return
    machine.check_environment()
    adapter = _adapter(name)
    with ascend910.device_of(chip_of(settings.hardware)) as number:
        asked = chip_config.parameters(settings, number, trains)
        sent, warnings = chip_config.fitted(asked, adapter)
        device, steps = ascend910.device_name(number), steps_per_call(settings)
        cpu.fix_threads(threads)
        if settings.hardware.cann == "today" and not adapter.is_today:
            warnings.append(_OTHER_PLAN)
        said = [f"warning: {warning}" for warning in warnings]
        if trains:
            said += [f"training on {device}, {steps} steps a call{_why(name)}", _FIRST_STEP]
        window = trainer.window_size(schedule.steps_per_epoch, schedule.log_every, steps)
        yield Machine(ascend910.NAME, device, threads, sent, tuple(said), window, window)


def _why(name: str) -> str:
    return "; npu_bridge is here (hardware=cpu stays on the CPU)" if name == "auto" else ""


def _adapter(name: str) -> chip_config.Adapter:
    try:
        return ascend910.adapter()
    except HardwareError as error:
        if name != "auto":
            raise
        what, problem, remedy = error.args
        raise HardwareError(what, problem, f"hardware=cpu, or {remedy}") from error


def open_session(graph: Any, machine: Machine) -> Any:
    """Return a session of a graph that is fed; use it in a `with`. Raises HardwareError."""
    if machine.options is None:
        return cpu.open_session(graph, machine.threads)
    return ascend910.open_session(graph, machine.options, machine.threads)


@contextlib.contextmanager
def opened(
    settings: Settings,
    machine: Machine,
    on_cpu: Callable[[], Tuple[Program, Callable[[Any], Runner]]],
    train: Split,
    first_step: int,
    say: Callable[[str], None],
) -> Iterator[Tuple[Runner, MakeSteps]]:
    """Yield the runner of an open session, and what makes its steps from `first_step` on.

    `say` tells the person what the device does otherwise than asked. `on_cpu` makes the
    CPU's program, and of a session its runner; the chip's program has its vendor's operators, and
    is made here.
    """
    if machine.options is not None:
        with _on_chip(settings, machine, train, first_step, say) as runner:
            yield runner, lambda step, count: runner.make_steps(count)
        return
    program, runner_of = on_cpu()
    with cpu.open_session(program.graph, machine.threads) as session:
        cpu_runner = runner_of(session)
        yield cpu_runner, stepper(settings, train, cpu_runner)


def stepper(settings: Settings, train: Split, runner: Runner) -> MakeSteps:
    """Return what makes k steps from a step on: draws their batches, and runs them."""
    images, labels = train

    def run(step: int, steps: int) -> Steps:
        drawn = batch_indices(settings.seed, len(labels), settings.schedule.batch_size, step, steps)
        return runner.run_steps(images[drawn], labels[drawn])

    return run


@contextlib.contextmanager
def _on_chip(
    settings: Settings,
    machine: Machine,
    train: Split,
    first_step: int,
    say: Callable[[str], None],
) -> Iterator[DeviceRunner]:
    """Yield the runner of a session on the chip, whose iterator begins with `first_step`."""
    device = Device(ascend910.wrap_optimizer, ascend910.input_source, ascend910.loop)
    schedule, examples = settings.schedule, len(train.labels)
    made = device_program.build(
        lenet.logits,
        lenet.IMAGE_SHAPE,
        (examples, schedule.batch_size, INFERENCE_BATCH),
        settings.optimizer,
        settings.loss_scale,
        settings.seed,
        device,
    )
    left = schedule.epochs * schedule.steps_per_epoch - first_step
    order = batch_indices(settings.seed, examples, schedule.batch_size, first_step, left)
    options = machine.options or {}
    with ascend910.open_session(made.program.graph, options, machine.threads) as session:
        feed = Feed(train.images, train.labels, order)
        yield DeviceRunner(made, session, feed, device, steps_per_call(settings), say)
