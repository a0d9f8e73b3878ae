"""What a run's variables start from: its own newest checkpoint, another's values, or neither."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NamedTuple, Optional

from lenet_exp.config.checkpoint_path import prefix_named
from lenet_exp.config.schema.run import Settings
from lenet_exp.experiment.graphs import Graphs
from lenet_exp.model import weights
from lenet_exp.record.run import checkpoints
from lenet_exp.training import warm_start
from lenet_exp.training.runner import Runner


class InitialState(NamedTuple):
    """The run's `checkpoint`, if there is one; of a run that has none, what it is to start from."""

    checkpoint: checkpoints.Checkpoint
    start: Optional[warm_start.Start]

    def restore(self, runner: Runner, resumed: bool, say: Callable[[str], None]) -> None:
        """Set the variables, and say of which step they are; `resumed`: it was begun before."""
        for problem in self.checkpoint.damaged:
            say(problem)
        if self.checkpoint.path is not None:
            runner.restore(self.checkpoint.prefix)
            say(f"goes on after step {self.checkpoint.history.step}")
        elif resumed:
            say("begins anew: it was interrupted before its first checkpoint")
        if self.start is not None:
            runner.start_from(self.start.prefix, self.start.names)
            say(str(self.start))


def initial_state(settings: Settings, folder: Path, built: Graphs) -> InitialState:
    """Return what the run in `folder` starts from.

    Raises:
        DataError: `init_from` can't be read, or has not what the network needs.
        ConfigError: `exclude` fits nothing.
    """
    found = checkpoints.newest(folder)
    prefix = prefix_named(settings.init_from) if settings.init_from else None
    if found.path is not None or prefix is None:
        return InitialState(found, None)
    saved = {name: value.shape for name, value in weights.read(prefix).items()}
    network = built.inference.variables
    return InitialState(found, warm_start.choose(str(prefix), saved, network, settings.exclude))
