"""A recorded run -> files that need nothing of ours, and the chip's command for them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, List, NamedTuple

from lenet_exp import tf_compat
from lenet_exp.config.cli.recorded_options import ExportOptions
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import DataError
from lenet_exp.inference import frozen
from lenet_exp.model import lenet, weights
from lenet_exp.precision import assign
from lenet_exp.precision.reporting.verdict import Verdict, verdict
from lenet_exp.record.run import checkpoints, run_folders
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.terminal import resume_command, short

GRAPH = "lenet.pb"
SAVED_MODEL = "saved_model"


class Exported(NamedTuple):
    """What was written: `folder` holds lenet.pb and saved_model/, made of the `step`'s values."""

    folder: Path
    step: int
    settings: Settings
    on_chip: Verdict  # of its inference, under the run's precision mode
    damaged: List[str]  # newer checkpoints that could not be taken


def main(options: ExportOptions, folder: Path) -> int:
    """Export the run in `folder`, and say what was written."""
    print(_report(export(folder, (options.to or folder / "export").absolute())))
    return 0


def export(run: Path, folder: Path) -> Exported:
    """Freeze the newest checkpoint of `run` into `folder`.

    Raises:
        DataError: the run has no checkpoint yet, or is no run of this program.
        OSError: the files can't be written.
    """
    settings = run_folders.settings_of(run)
    tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    found = checkpoints.newest(run)
    if found.path is None:
        problem = f"holds no whole checkpoint yet{''.join(f'; {text}' for text in found.damaged)}"
        raise DataError(run / "checkpoints", problem, resume_command(run))
    meta = frozen.freeze(lenet.logits, lenet.IMAGE_SHAPE, weights.read(Path(found.prefix)))
    write_bytes(folder / GRAPH, meta.graph_def.SerializeToString())
    write_bytes(folder / SAVED_MODEL / "saved_model.pb", frozen.saved_model(meta))
    return Exported(
        folder, found.history.step, settings, _on_chip(meta.graph_def, settings), found.damaged
    )


def _on_chip(graph_def: Any, settings: Settings) -> Verdict:
    fixed = frozen.with_batch(graph_def, settings.schedule.batch_size)
    mode, generation = settings.precision.mode, settings.hardware.cann
    fetches = tuple(frozen.OUTPUTS.values())
    return verdict(assign(fixed, mode, generation=generation, fetches=fetches))


def _report(made: Exported) -> str:
    """Return what a person reads: the files, and how the chip's compiler takes them."""
    graph = short(made.folder / GRAPH)
    mode = made.settings.precision.mode
    outputs = ", ".join(frozen.OUTPUTS.values())
    lines = [
        *made.damaged,
        f"step {made.step} of the run",
        f"  {graph}  {frozen.IMAGE} -> {outputs}",
        f"  {short(made.folder / SAVED_MODEL)}  the same, signature {frozen.SIGNATURE}",
        "",
        f"the chip's own form, in {mode} as in training (atc's default is force_fp16;",
        "npu-smi info names the chip for --soc_version):",
        "  " + atc_command(graph, made.settings),
    ]
    if made.on_chip.refused:
        lines += [
            f"warning: in this mode the chip refuses {', '.join(made.on_chip.refused)}",
            "  try: the command with --precision_mode=allow_mix_precision",
        ]
    return "\n".join(lines)


def atc_command(graph: Path, settings: Settings) -> str:
    """Return the command that makes the .om of a frozen graph, for one batch size."""
    shape = ",".join(str(size) for size in (settings.schedule.batch_size, *lenet.IMAGE_SHAPE))
    arguments = [
        "atc",
        "--framework=3",
        f"--model={graph}",
        f"--output={graph.with_suffix('')}",
        "--soc_version=Ascend910A",
        f"--input_shape=image:{shape}",
        "--input_format=NHWC",
        f"--out_nodes={';'.join(frozen.OUTPUTS.values())}",
        f"--precision_mode={settings.precision.mode}",
    ]
    return " ".join(shlex.quote(argument) for argument in arguments)
