"""A trained network and pictures -> a table of what it sees in them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.checkpoint_path import prefix_of
from lenet_exp.config.cli.graph_options import PredictOptions
from lenet_exp.config.schema.run import Settings
from lenet_exp.data import download, files, images, mnist
from lenet_exp.errors import ConfigError, DataError, GraphError
from lenet_exp.experiment import backends, changes
from lenet_exp.experiment.graphs import plan_inference
from lenet_exp.inference import classifier, frozen
from lenet_exp.model import lenet, weights
from lenet_exp.precision import Emulated, emulate, load_graph, verdict
from lenet_exp.record.run import run_folders
from lenet_exp.record.terminal import fetch_progress

_EXAMPLE = PredictOptions.command()
_HERE, _OF_RUN = "in this mode", "the run's "
_ROWS = 30  # of a table; format=csv has all
_EXPORTED = "a graph of python -m lenet_exp.export, with its placeholder and outputs"


def main(options: PredictOptions) -> int:
    """Classify the images, and print what is seen.

    Raises:
        LenetExpError: the model or the images can't be used.
    """
    decides, left_out = _as_trained(options)
    settings = replace(options.settings, precision=decides.precision)
    shown = _images(options.images)
    tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    graph_def = frozen.with_batch(_model(options.model), options.batch)
    with backends.claimed(settings, trains=False) as machine:
        emulated, notes = _emulated(machine, graph_def, decides)
        run_def = emulated.graph_def if emulated else graph_def
        with machine.open_session(classifier.graph_of(run_def)) as session:
            if emulated:
                session.run(emulated.reset)
            found = classifier.classify(session, shown.pixels, options.batch)
            if emulated and session.run(emulated.float_status):
                notes.append("warning: something overflowed float16; the chip goes on with 65504")
    rows = _rows(shown, found)
    if options.format == "csv":
        print(_as_csv(rows), end="", flush=True)
        return 0
    device = "the CPU" if machine.emulates else machine.device
    summary = _summary(shown, found, options.batch, device)
    print("\n".join([*_table(rows), "", *summary, *shown.notes, *notes, *left_out]), flush=True)
    return 0


def _images(path: Path) -> images.Images:
    if path != Path("mnist") or path.exists():
        return images.read(path)
    folder = files.cache_folder()
    with fetch_progress() as progress:
        download.fetch(folder, progress)
    return images.of_split(mnist.load(folder).test)


def _model(path: Path) -> Any:
    """Return the frozen GraphDef that `path` means: a file, a checkpoint, or a run."""
    for file in (path / "lenet.pb", path / "saved_model.pb", path):
        if file.is_file() and file.suffix in (".pb", ".pbtxt"):
            return _checked(load_graph(file).graph_def, file)
    prefix = prefix_of(path)
    if prefix is None and path.exists():
        allowed = "a .pb, a SavedModel, a checkpoint, a run folder, a run id, or latest"
        raise ConfigError("model", path, allowed, _EXAMPLE)
    if prefix is None:
        prefix = prefix_of(_found(path) or path)
    if prefix is None:
        raise ConfigError("model", path, "a run that has a checkpoint", _EXAMPLE)
    return _frozen(prefix)


def _frozen(prefix: Path) -> Any:
    try:
        return frozen.freeze(lenet.logits, lenet.IMAGE_SHAPE, weights.read(prefix)).graph_def
    except (KeyError, ValueError, TypeError) as error:
        problem = f"is no checkpoint of this network ({error})"
        raise GraphError(prefix, problem, _EXAMPLE) from error


def _checked(graph_def: Any, path: Path) -> Any:
    """Return the graph if it is one of ours: frozen, from images to classes."""
    nodes = {node.name: node for node in graph_def.node}
    wanted = [name.partition(":")[0] for name in (frozen.IMAGE, *frozen.OUTPUTS.values())]
    for name in wanted:
        if name not in nodes:
            raise GraphError(path, f"it has no node {name}", _EXPORTED)
    shape = [dim.size for dim in nodes[wanted[0]].attr["shape"].shape.dim]
    if shape[1:] != list(lenet.IMAGE_SHAPE):
        raise GraphError(path, f"its images are {shape}, not [n, 28, 28, 1]", _EXPORTED)
    return graph_def


def _as_trained(options: PredictOptions) -> Tuple[Settings, List[str]]:
    """Return what decides the types, and what is to be said of what does not.

    Of a run in its own mode all that decided its step's types does. Where files or nodes were
    typed, or another mode, these alone count.
    """
    asked = options.settings
    mode, generation = asked.precision.mode, asked.hardware.cann
    typed = changes.changes(asked)
    if typed:
        return asked, changes.told(changes.without_effect(typed, mode), _HERE)
    trained = _trained(options.model)
    if trained is None:
        return asked, []
    own = changes.changes(trained)
    if mode == changes.FLOAT32:
        return asked, changes.told(changes.without_effect(own, mode), _HERE, _OF_RUN)
    if trained.precision.mode != mode:
        return asked, changes.told(own, f"here: it was in {trained.precision.mode}", _OF_RUN)
    if trained.hardware.cann != generation:
        cann = f"hardware.cann={trained.hardware.cann}"
        return asked, changes.told(own, f"here: it was planned for {cann}", _OF_RUN)
    return trained, []


def _trained(model: Path) -> Optional[Settings]:
    """Return the settings of the run that a model is of, None if it is of none that is known."""
    folder = run_folders.around(model)
    if folder is None and not model.exists():
        folder = _found(model)
    try:
        return None if folder is None else run_folders.settings_of(folder, to_run=False)
    except (ConfigError, DataError):  # its checkpoint is what counts
        return None


def _found(model: Path) -> Optional[Path]:
    if prefix_of(model) is not None:  # PREFIX of PREFIX.index
        return None
    command = f"{PredictOptions.program()} model"
    return run_folders.find(command, str(model), Path.cwd())


def _emulated(
    machine: backends.Backend, graph_def: Any, settings: Settings
) -> Tuple[Optional[Emulated], List[str]]:
    """Return the graph that a CPU runs instead, None where it runs as it is; and what to say."""
    precision, typed = settings.precision, changes.changes(settings)
    without = changes.without_effect(typed, precision.mode)
    changed = ", ".join(key for key in typed if key not in without)
    said = f"precision {precision.mode}" + (f" with {changed}" if changed else "")
    if not machine.emulates:
        return None, [said, *machine.notices]
    if precision.mode == changes.FLOAT32 and not typed:
        return None, [f"{said}: float32, as the graph has it"]
    plan = plan_inference(settings, graph_def, tuple(frozen.OUTPUTS.values()))
    on_chip = verdict(plan)
    warnings = [f"warning: on the chip {on_chip}"] if any(on_chip) else []
    made = emulate(graph_def, plan, flush_subnormals=precision.flush_subnormals)
    return made, [f"{said}, emulated on the CPU", *warnings]


def _table(rows: List[List[str]]) -> List[str]:
    kept = rows[: _ROWS + 1]
    width = max(len(row[0]) for row in kept)
    lines = [row[0].ljust(width) + "".join(f"{cell:>13}" for cell in row[1:]) for row in kept]
    if len(rows) > len(kept):
        lines.append(f"... and {len(rows) - len(kept)} more: format=csv has them all")
    return lines


def _as_csv(rows: List[List[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _rows(shown: images.Images, found: classifier.Classified) -> List[List[str]]:
    """Return a row an image, after the heads of the columns."""
    sure = (f"{row[seen]:.4f}" for row, seen in zip(found.probabilities, found.classes))
    columns = [["image", *shown.names], ["class", *found.classes], ["probability", *sure]]
    if shown.labels is not None:
        columns.append(["label", *shown.labels])
    return [list(map(str, row)) for row in zip(*columns)]


def _summary(
    shown: images.Images, found: classifier.Classified, batch: int, device: str
) -> List[str]:
    count, lines = len(shown.names), []
    if shown.labels is not None:
        right = int(np.sum(found.classes == shown.labels))
        lines.append(f"accuracy {right / count:.4f} ({right} of {count})")
    rate = found.seconds / (-(-count // batch) * batch)
    lines.append(
        f"{rate:.3g} s an image on {device}, in batches of {batch}; a first run was left out"
    )
    return lines
