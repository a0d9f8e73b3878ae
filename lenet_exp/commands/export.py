"""A recorded run -> files that need nothing of ours, and the chip's command for them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from lenet_exp import tf_compat
from lenet_exp.config.cli.recorded_options import ExportOptions
from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.errors import DataError
from lenet_exp.experiment import changes, graphs
from lenet_exp.inference import frozen
from lenet_exp.model import lenet, weights
from lenet_exp.precision import verdict
from lenet_exp.precision.planning.options import nodes_of, without_effect
from lenet_exp.record.run import checkpoints, run_folders
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.terminal import resume_command, short

GRAPH = "lenet.pb"
SAVED_MODEL = "saved_model"


def main(options: ExportOptions, folder: Path) -> int:
    """Freeze the newest checkpoint of the run in `folder`, and say what was written.

    Raises:
        DataError: the run has no checkpoint yet, or is no run of this program.
        OSError: the files can't be written.
    """
    settings = run_folders.settings_of(folder, to_run=False)
    tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    found = checkpoints.newest(folder)
    if found.path is None:
        problem = f"holds no whole checkpoint yet{''.join(f'; {text}' for text in found.damaged)}"
        raise DataError(folder / "checkpoints", problem, resume_command(folder))
    meta = frozen.freeze(lenet.logits, lenet.IMAGE_SHAPE, weights.read(Path(found.prefix)))
    to = (options.to or folder / "export").absolute()
    write_bytes(to / GRAPH, meta.graph_def.SerializeToString())
    write_bytes(to / SAVED_MODEL / "saved_model.pb", frozen.saved_model(meta))
    fixed = frozen.with_batch(meta.graph_def, settings.schedule.batch_size)
    plan = graphs.plan_inference(settings, fixed, tuple(frozen.OUTPUTS.values()))
    report = _report(to, settings, verdict(plan).refused, _copied(to, settings, fixed))
    print("\n".join([*found.damaged, f"step {found.history.step} of the run", *report]))
    return 0


def _copied(to: Path, settings: Settings, graph_def: Any) -> Dict[str, Path]:
    """Copy what changes the mode's decisions to where the graph is; return it by atc's option.

    atc reads keep_dtype as a file, a node a line (`KeepDtypeFunc` of hicann/ge,
    compiler/api/aclgrph/attr_options/keep_dtype_option.cc); scopes are an adapter's.
    """
    contents = {key: path.read_bytes() for key, path in precision_files(settings).items()}
    named = [nodes_of(graph_def, name) for name in settings.precision.keep_dtype]
    kept = list(dict.fromkeys(node for nodes in named for node in nodes))
    if kept:
        contents["keep_dtype"] = "".join(f"{name}\n" for name in kept).encode()
    for key, content in contents.items():
        write_bytes(to / key, content)
    return {key: to / key for key in contents}


def _report(
    folder: Path, settings: Settings, refused: Sequence[str], files: Mapping[str, Path]
) -> List[str]:
    """Return what a person reads: the files, and how the chip's compiler takes them."""
    graph, outputs = short(folder / GRAPH), ", ".join(frozen.OUTPUTS.values())
    mode = settings.precision.mode
    lines = [
        f"  {graph}  {frozen.IMAGE} -> {outputs}",
        f"  {short(folder / SAVED_MODEL)}  the same, signature {frozen.SIGNATURE}",
        "",
        f"the chip's own form, in {mode} as in training (atc's default is force_fp16;",
        "npu-smi info names the chip for --soc_version):",
        "  " + _atc_command(graph, settings, files),
        *changes.told(without_effect(changes.changes(settings), mode), "in this mode"),
    ]
    if refused:
        lines += [
            f"warning: in this mode the chip refuses {', '.join(refused)}",
            "  try: the command with --precision_mode=allow_mix_precision",
        ]
    return lines


def _atc_command(graph: Path, settings: Settings, files: Mapping[str, Path]) -> str:
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
        *(f"--{key}={short(path)}" for key, path in files.items()),
    ]
    return " ".join(shlex.quote(argument) for argument in arguments)
