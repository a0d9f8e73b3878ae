"""Runs that differ in their seed alone are one configuration; its name is what sets it apart."""

from __future__ import annotations

import shlex
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.comparison import labels
from lenet_exp.comparison.runs import Recorded
from lenet_exp.config.chip.options import TABLE
from lenet_exp.config.compose import flatten
from lenet_exp.config.identity import is_part
from lenet_exp.config.schema.hardware import Hardware, chip_of
from lenet_exp.errors import ConfigError

_OF_BUDGET = ("epochs", "steps_per_epoch", "batch_size")
_FLOAT32 = "must_keep_origin_dtype"
# What a run was made on and with, besides its settings: tag -> name.
_FROM_TAGS = {"hardware": "hardware", "stack": "stack", "data_sha256": "data"}
_SAID_OTHERWISE = ("seed", "hardware.name", "data.name")
# What hardware=auto has of the chip that it finds, which a run of it does not say.
_OF_CHIP = {
    key: "null" if value is None else str(value)
    for key, value in flatten(chip_of(Hardware("auto", "today", "warn")), "hardware.").items()
}
# A run that names the chip lacks an option only where it is not sent.
_NOT_SENT = {key: "null" for key in _OF_CHIP if key.partition(".")[2] in TABLE}
_EPOCHS = "schedule.epochs"  # of a run that went on the tag knows better


class Configuration(NamedTuple):
    """Runs alike but for their seed.

    `runs` are FINISHED, one per seed, the latest, in order of seeds; `others` are the rest.
    """

    label: str
    settings: Mapping[str, str]
    runs: Tuple[Recorded, ...]
    others: Tuple[Recorded, ...]

    @property
    def seeds(self) -> Tuple[int, ...]:
        """The seeds of its finished runs."""
        return tuple(run.seed for run in self.runs)

    @property
    def data(self) -> str:
        """The SHA-256 of what it was trained and tested on; "" where that is not known."""
        return self.settings.get("data", "")

    @property
    def images(self) -> Optional[int]:
        """How many training images each run sees; None where that is not known."""
        try:
            counts = [int(self.settings[f"schedule.{key}"]) for key in _OF_BUDGET]
        except (KeyError, ValueError):
            return None
        return counts[0] * counts[1] * counts[2]

    @property
    def accuracies(self) -> Tuple[float, ...]:
        """The test accuracy of each finished run, 0..1."""
        return tuple(run.metrics["accuracy"] for run in self.runs)


def settings_of(run: Recorded) -> Dict[str, str]:
    """Return what a run computes, its seed apart."""
    by_default: Mapping[str, str] = {}
    if run.tags.get("hardware") == "ascend910":
        by_default = _OF_CHIP if run.params.get("hardware.name") == "auto" else _NOT_SENT
    params = {**by_default, **run.params}
    kept = {k: v for k, v in params.items() if is_part(k) and k not in _SAID_OTHERWISE}
    newer = {_EPOCHS: run.tags[_EPOCHS]} if _EPOCHS in run.tags else {}
    for key, tag in labels.FILE_TAGS.items():  # what is in a file counts, not its name
        if tag in run.tags and kept.get(key, "null") not in labels.ABSENT:
            newer[key] = run.tags[tag]
    made_on = {name: run.tags.get(tag, "") for tag, name in _FROM_TAGS.items()}
    return {**kept, **newer, **made_on}


def configurations(runs: Iterable[Recorded]) -> List[Configuration]:
    """Return the configurations of runs, in the order in which each was first begun."""
    grouped: Dict[Tuple[Tuple[str, str], ...], List[Recorded]] = {}
    for run in sorted(runs, key=lambda run: run.started):
        grouped.setdefault(tuple(sorted(settings_of(run).items())), []).append(run)
    called = labels.labels(
        [dict(key) for key in grouped], [members[0].params for members in grouped.values()]
    )
    made = []
    for label, (key, members) in zip(called, grouped.items()):
        whole = (run for run in members if run.status == "FINISHED" and "accuracy" in run.metrics)
        latest = {run.seed: run for run in whole}
        kept = tuple(latest[seed] for seed in sorted(latest))
        rest = tuple(run for run in members if run not in kept)
        made.append(Configuration(label, dict(key), kept, rest))
    return made


def common(found: Sequence[Configuration]) -> Dict[str, str]:
    """Return the settings that all configurations have alike."""
    first, *others = (one.settings for one in found)
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def reference_of(found: Sequence[Configuration], named: Optional[str]) -> Configuration:
    """Return the configuration that the others are held against.

    Args:
        found: at least one.
        named: a label or settings, as in "precision=force_fp16,optimizer=adam"; None means
            must_keep_origin_dtype, else the first, of those that others can be compared with:
            the longest training where there are several.

    Raises:
        ConfigError: it names none of them, or several.
    """
    if named is None:
        alike = _most_trained(found)
        float32 = [one for one in alike if one.settings.get(labels.MODE) == _FLOAT32]
        return next((one for one in (*float32, *alike) if one.runs), found[0])
    words = labels.words_of(named)
    exactly = [one for one in found if labels.words_of(one.label) == words]
    chosen = exactly or [one for one in found if all(_says(one, word) for word in words)]
    if not words or len(chosen) != 1:
        allowed = [one.label.replace(" ", ",") for one in found]
        remedy = f"python -m lenet_exp.compare {shlex.quote(f'reference={allowed[0]}')}"
        raise ConfigError("reference", named, " | ".join(allowed), remedy)
    return chosen[0]


def _most_trained(found: Sequence[Configuration]) -> List[Configuration]:
    """Return the configurations of one budget and data set: the largest of which there are two."""
    groups: Dict[Tuple[int, str], List[Configuration]] = {}
    for one in found:
        if one.runs:
            groups.setdefault((one.images or 0, one.data), []).append(one)
    if not groups:
        return list(found)
    several = [key for key, members in groups.items() if len(members) > 1]
    return groups[max(several or groups, key=lambda key: key[0])]


def _says(one: Configuration, word: str) -> bool:
    key, equals, value = word.partition("=")
    if not equals:
        return one.settings.get(labels.MODE) == word
    keys = (key, f"{key}.name", f"{key}.mode")
    return any(one.settings.get(name) == value for name in keys) or word in one.label.split()


def float32_of(one: Configuration, found: Iterable[Configuration]) -> Optional[Configuration]:
    """Return the configuration that differs from `one` in its precision alone, without float16."""

    def rest(of: Configuration) -> Dict[str, str]:
        return {k: v for k, v in of.settings.items() if not k.startswith("precision.")}

    float32 = (other for other in found if other.settings.get(labels.MODE) == _FLOAT32)
    return next((other for other in float32 if rest(other) == rest(one)), None)
