"""Where a run's session is, and the training in it: the CPU, or an Ascend 910."""

from __future__ import annotations

import abc
import contextlib
import os
from typing import Any, Callable, ContextManager, Dict, Iterator, List

from lenet_exp.config.chip import machine
from lenet_exp.config.chip.checks import steps_per_call
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.run import Settings
from lenet_exp.cpu_session import fix_threads
from lenet_exp.data.batches import batch_indices, drawn_from
from lenet_exp.data.mnist import Split
from lenet_exp.errors import HardwareError
from lenet_exp.experiment.graphs import INFERENCE_BATCH, ChipPlan, Graphs, emulated
from lenet_exp.experiment.traced import TracedRunner
from lenet_exp.hardware import ascend910, chip_config, cpu
from lenet_exp.hardware.devices import locked
from lenet_exp.model import lenet
from lenet_exp.training import device_program, trainer
from lenet_exp.training.device_program import Device, DeviceRunner
from lenet_exp.training.program import FedRunner, assemble
from lenet_exp.training.runner import Runner

Say = Callable[[str], None]
_FIRST_STEP = "the first step of each kind compiles on the chip, which may take minutes"
_OTHER_PLAN = (
    "this npu_bridge is from before 2023-04, but the plan of this run is for hardware.cann=today;"
    " hardware.cann=2021 may be nearer to what the chip does"
)
_AUTO = "; npu_bridge is here (hardware=cpu stays on the CPU)"


class Backend(abc.ABC):
    """A device that is this run's, for as long as it is claimed.

    `name` and `device` say what it is, and `notices` what the person should know before the
    training; `emulates`: a precision mode is imitated, not the device's own. Steps are measured
    in windows of `window`.
    """

    name: str
    emulates: bool
    notices: List[str]

    def __init__(self, settings: Settings, threads: int, device: str, per_call: int = 1) -> None:
        """Of the `threads` of the host 0 means every core; `per_call`: steps of a session call."""
        schedule = settings.schedule
        self.settings, self.threads, self.device = settings, threads, device
        self.window = trainer.window_size(schedule.steps_per_epoch, schedule.log_every, per_call)
        self.notices = []

    @abc.abstractmethod
    def open_session(self, graph: Any) -> Any:
        """Return a session of a graph that is fed; use it in a `with`. Raises HardwareError."""

    @abc.abstractmethod
    def open_runner(
        self, built: Graphs, plan: ChipPlan, train: Split, first_step: int, say: Say
    ) -> ContextManager[Runner]:
        """Open a session that makes the steps from `first_step` on.

        `say` tells the person what the device does otherwise than asked.
        """


class CpuBackend(Backend):
    """The CPU, which imitates what the chip would make of the graphs."""

    name, emulates = cpu.NAME, True

    def __init__(self, settings: Settings, threads: int) -> None:
        """Claim nothing: a CPU is everybody's."""
        super().__init__(settings, threads, cpu.device())

    def open_session(self, graph: Any) -> Any:
        """Return a session on the CPU."""
        return cpu.open_session(graph, self.threads)

    @contextlib.contextmanager
    def open_runner(
        self, built: Graphs, plan: ChipPlan, train: Split, first_step: int, say: Say
    ) -> Iterator[FedRunner]:
        """Emulate the plan of the graphs, and yield what runs it, traced where asked for."""
        settings, precision = self.settings, self.settings.precision
        run = emulated(built, plan, precision.trace_overflow, precision.flush_subnormals)
        made = assemble(*run, settings.loss_scale)
        draw = drawn_from(train, settings.seed, settings.schedule.batch_size)
        with self.open_session(made.program.graph) as session:
            if precision.trace_overflow:
                counters = {"train": run.step.traces, "inference": run.inference.traces}
                yield TracedRunner(made, session, draw, first_step, graphs=counters)
            else:
                yield FedRunner(made, session, draw, first_step)


class ChipBackend(Backend):
    """An Ascend 910, whose own compiler decides as the plan says."""

    name, emulates = ascend910.NAME, False

    def __init__(
        self, settings: Settings, threads: int, number: int, options: Dict[str, Any]
    ) -> None:
        """Use the device of a `number` that is held, with `options` of npu_bridge."""
        self._options, self._per_call = options, steps_per_call(settings)
        super().__init__(settings, threads, f"Ascend 910, device {number}", self._per_call)

    def open_session(self, graph: Any) -> Any:
        """Return a session on the chip."""
        return ascend910.open_session(graph, self._options, self.threads)

    @contextlib.contextmanager
    def open_runner(
        self, built: Graphs, plan: ChipPlan, train: Split, first_step: int, say: Say
    ) -> Iterator[DeviceRunner]:
        """Build the graphs anew, with the vendor's operators, and yield what runs them."""
        settings, schedule, examples = self.settings, self.settings.schedule, len(train.labels)
        device = Device(ascend910.wrap_optimizer, ascend910.input_source, ascend910.loop)
        sizes = (examples, INFERENCE_BATCH)
        made = device_program.build(lenet.logits, lenet.IMAGE_SHAPE, sizes, settings, device)
        left = schedule.epochs * schedule.steps_per_epoch - first_step
        left = max(left, 1)  # a queue of no batch is none, also where only the test is left
        order = batch_indices(settings.seed, examples, schedule.batch_size, first_step, left)
        with self.open_session(made.program.graph) as session:
            yield DeviceRunner(made, session, (*train, order), self._per_call, say)


@contextlib.contextmanager
def claimed(settings: Settings, cores: int = 0, trains: bool = True) -> Iterator[Backend]:
    """Yield the backend of this run; a chip is held meanwhile.

    `cores` is its share of them, where `settings` fix no threads; 0: all. `trains`: it is for
    `open_runner`; else for `open_session`.
    `hardware=auto` takes the chip where npu_bridge is importable. Comes before the first session
    of the process, which today's npu_bridge demands.

    Raises:
        HardwareError: npu_bridge can't be loaded, or no device is free.
        ConfigError: this npu_bridge can't do what was asked.
    """
    threads = cpu.threads_for(settings.threads, settings.deterministic, cores)
    name = settings.hardware.name
    if machine.found(name) == "cpu":
        fix_threads(threads)
        yield CpuBackend(settings, threads)
        return
    machine.check_environment()
    adapter = _adapter(name)
    candidates = ascend910.candidates(chip_of(settings.hardware), os.environ)
    with locked(candidates) as number, ascend910.named_in_environment(number):
        wanted = chip_config.parameters(settings, number, trains)
        options, warnings = chip_config.fitted(wanted, adapter)
        fix_threads(threads)
        chip = ChipBackend(settings, threads, number, options)
        warnings += machine.environment_notices(options, adapter.known)
        if settings.hardware.cann == "today" and not adapter.is_today:
            warnings.append(_OTHER_PLAN)
        chip.notices += [f"warning: {warning}" for warning in warnings]
        if trains:
            why = _AUTO if name == "auto" else ""
            steps = steps_per_call(settings)
            chip.notices += [f"training on {chip.device}, {steps} steps a call{why}", _FIRST_STEP]
        yield chip


def _adapter(name: str) -> chip_config.Adapter:
    try:
        return ascend910.adapter()
    except HardwareError as error:
        if name != "auto":
            raise
        what, problem, remedy = error.args
        raise HardwareError(what, problem, f"hardware=cpu, or {remedy}") from error
