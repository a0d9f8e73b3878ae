"""A run's own page, made of what its folder and its journal hold."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np

from lenet_exp.record.pages import operators, page
from lenet_exp.record.run.plots import in_words
from lenet_exp.record.store.journal import Entry, merged

_TEMPLATE = Path(__file__).with_name("run.html")
_OPTIONS = ("precision.mode", "loss_scale.name", "optimizer.name", "hardware.name")
_FEW_STEPS = 1000  # an epoch of the ModelZoo's five


class _Picture(NamedTuple):
    title: str
    alt: str
    png: bytes


def load() -> None:
    """Read the templates before the first page is made."""
    page.load(_TEMPLATE)


def render(folder: Path, entries: Sequence[Entry], baseline: float) -> bytes:
    """Return the page of a run whose files are in `folder`, whose journal has `entries`.

    `baseline` is the accuracy that it is held against. A file that isn't there is left out.
    """
    metrics, tags = merged(entries, "metrics"), merged(entries, "tags")
    plan = _text(folder / "precision.csv")
    return page.render(
        _TEMPLATE,
        name=merged(entries, "run").get("name", folder.name),
        headline=conclusion(entries, baseline),
        emulated=tags.get("emulated") == "true",
        facts=facts(entries),
        pictures=_pictures(folder, metrics),
        operators=operators.of_plan(plan, tags.get("precision", "?")) if plan else None,
        shares=_shares(plan),
        overflows=_text(folder / "overflows.txt").rstrip(),
        settings=_text(folder / "config.yaml").rstrip(),
    )


def conclusion(entries: Sequence[Entry], baseline: float) -> str:
    """Return in one sentence what came out; `baseline` as in `render`."""
    mode = merged(entries, "tags").get("precision", "?")
    accuracy, steps = merged(entries, "metrics").get("accuracy"), _steps(entries)
    if accuracy is None:
        return f"{mode}: not tested yet."
    shown = f"{accuracy:.4f} after {steps} step{'s' * (steps != 1)}"
    if steps < _FEW_STEPS:
        return f"{mode} has accuracy {shown}: a look, not a training."
    reached = "reached" if accuracy >= baseline else "missed"
    return f"{mode} {reached} the ModelZoo's accuracy of {baseline}: {shown}."


def facts(entries: Sequence[Entry]) -> Dict[str, str]:
    """Return what a run was and did, by its name on the page; what is not known is left out."""
    metrics, tags, params = (merged(entries, kind) for kind in ("metrics", "tags", "params"))
    emulated = ", float16 emulated" if tags.get("emulated") == "true" else ""
    every = [f"{key.partition('.')[0]} {params[key]}" for key in _OPTIONS if key in params]
    found = {
        "accuracy": _shown(metrics, "accuracy", "{:.4f} on all test images"),
        "validation accuracy": _shown(metrics, "validation_accuracy", "{:.4f} at the end"),
        "sec/step": _shown(metrics, "sec_per_step", "{:.5f}"),
        "images/s": _shown(metrics, "images_per_sec", "{:.0f}"),
        "skipped steps": _shown(metrics, "skipped_steps", "{:g}"),
        "loss scale": _shown(metrics, "loss_scale", "{:g} at the end"),
        "hardware": f"{tags.get('hardware', '?')}{emulated}",
        "device": tags.get("device", ""),
        "on the chip": tags.get("chip", ""),
        "settings": ", ".join(every),
        "seed": str(params.get("seed", "")),
        "TensorFlow": tags.get("tensorflow", ""),
        "run": merged(entries, "run").get("run_id", ""),
    }
    return {what: str(value) for what, value in found.items() if value}


def _shown(metrics: Mapping[str, Any], key: str, form: str) -> str:
    return form.format(metrics[key]) if key in metrics else ""


def _steps(entries: Sequence[Entry]) -> int:
    return max((entry.step for entry in entries if entry.kind == "metrics"), default=0)


def _shares(plan: str) -> str:
    share = operators.share(plan) if plan else None
    if share is None:
        return ""
    said = f"In the training step {100 * share.operators:.0f} % of the operators have float16"
    flops = "" if share.flops is None else f", and {100 * share.flops:.0f} % of the cube's FLOP"
    return f"{said}{flops}. Why each has its types: precision.csv."


def _pictures(folder: Path, metrics: Mapping[str, Any]) -> List[_Picture]:
    loss = _shown(metrics, "loss", "loss {:.4g} at the end")
    validated = _shown(metrics, "validation_accuracy", ", validation accuracy {:.4f}")
    alts = {
        "Loss and validation accuracy": ("loss.png", f"By step: {loss}{validated}"),
        "Misread digits": ("confusion_matrix.png", f"Confusion matrix{_misread(folder)}"),
    }
    places = {title: (folder / "figures" / file, alt) for title, (file, alt) in alts.items()}
    return [
        _Picture(title, alt, path.read_bytes())
        for title, (path, alt) in places.items()
        if path.is_file()
    ]


def _misread(folder: Path) -> str:
    try:
        with np.load(io.BytesIO((folder / "test_predictions.npz").read_bytes())) as kept:
            return f": {in_words(kept['labels'], kept['classes'])}"
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return ""  # not there, damaged, or of a version that kept no labels


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""
