"""What of a command line is about a sweep: whether it is one, its jobs, and what fits together."""

from __future__ import annotations

import argparse
import functools
import math
import operator
import re
import shlex
from typing import Collection, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.types import RunMode
from omegaconf import DictConfig

from lenet_exp.config.cli import listed_jobs, suggest
from lenet_exp.config.cli.json_words import argument
from lenet_exp.config.compose import flatten
from lenet_exp.config.schema.run import (
    FAMILIES,
    SWEEP_KEYS,
    Settings,
    all_keys,
    groups,
    takes_text,
)

MOST_JOBS = 10_000  # each takes its time, and memory, before the first begins
_LAUNCHERS, _SWEEPER = ("local", "slurm", "ray"), "basic"
_N_JOBS = "hydra.launcher.n_jobs"
_MAX_BATCH = "hydra.sweeper.max_batch_size"
_REFERENCE = re.compile(r"(?<!\\)(\\\\)*\$\{")  # one that no backslash makes a text
_PER_PROCESS = ("threads", "deterministic")  # what TensorFlow takes once a process

# The jobs of a sweep as Hydra composes them, by all the overrides that they are composed of.
JobConfigs = Dict[Tuple[str, ...], DictConfig]


class Line(NamedTuple):
    """The overrides of a command line, those of a preset's sweep first, and whether it sweeps.

    `mode` is Hydra's, of a preset or by its key; None where nothing sets it.
    """

    overrides: List[Override]
    sweeps: bool
    mode: Optional[RunMode]


def read(overrides: Sequence[Override], args: argparse.Namespace, searched: Sequence[str]) -> Line:
    """Return the command line, a preset's own sweep included.

    Args:
        overrides: what was typed.
        args: the flags.
        searched: an override that has a person's own folder of options found.
    """
    mode, params = None, []
    presets = (*suggest.PRESETS, "hydra.mode", *(groups() if searched else ()))
    chosen = [item for item in overrides if item.key_or_group in presets]
    for item in chosen:
        if item.is_discrete_sweep():
            _check_no_sweep_of_sweeps(item, searched)
    if chosen:
        asked = [item for item in overrides if item in chosen or item.is_hydra_override()]
        words = [str(item.input_line) for item in asked if not item.is_sweep_override()]
        cfg = compose("config", [*searched, *words], return_hydra_config=True)
        mode = cfg.hydra.mode
        of_preset = cfg.hydra.sweeper.get("params") or {}
        params = [f"{key}={value}" for key, value in of_preset.items()]
    only_asks = args.cfg is not None or args.help or args.info is not None
    sweeps = args.multirun or (mode == RunMode.MULTIRUN and not only_asks)
    preset = overrides_parser().parse_overrides(params) if sweeps else []
    return Line([*preset, *overrides], sweeps, mode)


def overrides_parser() -> OverridesParser:
    """Return Hydra's parser, inside a session of it."""
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())


def _check_no_sweep_of_sweeps(override: Override, searched: Sequence[str]) -> None:
    for value in override.sweep_string_iterator():
        word = f"{override.key_or_group}={value}"
        cfg = compose("config", [*searched, word], return_hydra_config=True)
        if cfg.hydra.mode == RunMode.MULTIRUN or cfg.hydra.sweeper.get("params"):
            key, allowed = override.key_or_group, f"one sweep at a time; {value} is one"
            raise suggest.not_possible(key, typed_value(override), allowed, shlex.quote(word))


def jobs(line: Line) -> Optional[List[List[str]]]:
    """Return the overrides of each job; None where another sweeper will choose them.

    Raises:
        ConfigError: something can't be swept over, or means nothing without a sweep.
    """
    chosen_by_another = line.sweeps and not _is_ours(line, "hydra/sweeper", _SWEEPER)
    for override in line.overrides:
        if not (chosen_by_another and override.is_interval_sweep()):
            _check_override(override, line.sweeps)
    if not line.sweeps:
        _check_single(line)
        return [[str(override.input_line) for override in line.overrides]]
    _check_lists(line)
    if chosen_by_another:
        return None
    # Hydra puts its own before those of each job.
    first = [str(one.input_line) for one in line.overrides if _is_of_hydra(one)]
    first += [] if line.mode == RunMode.MULTIRUN else ["hydra.mode=MULTIRUN"]
    swept = [one for one in line.overrides if not _is_of_hydra(one)]
    _check_owners(swept)
    _check_count(swept)
    split = BasicSweeper.split_arguments(swept, max_batch_size=None)[0]
    split = [listed_jobs.expanded(job) for job in split]
    if not _is_ours(line, "hydra/launcher", *_LAUNCHERS):
        return [first + job for job in split]
    options = {job_word for job in split for job_word in job}
    return [first + applicable(job, options) for job in split]


def _check_single(line: Line) -> None:
    """Refuse an engine's launcher for a single run, which is made where it is typed."""
    launcher = _given(line, "hydra/launcher")
    if launcher in _LAUNCHERS[1:]:
        typed = [shlex.quote(str(one.input_line)) for one in line.overrides]
        allowed = "a sweep, -m, of one job or more; it can be left and gone on with"
        raise suggest.not_possible("hydra/launcher", launcher, allowed, f"-m {' '.join(typed)}")


def _check_lists(line: Line) -> None:
    """Refuse a list of jobs beside what is Hydra's, which would take it for a setting."""
    listed = any(one.key_or_group == listed_jobs.KEY for one in line.overrides)
    for group, ours in (("hydra/sweeper", (_SWEEPER,)), ("hydra/launcher", _LAUNCHERS)):
        if listed and not _is_ours(line, group, *ours):
            allowed, good = f"{' or '.join(ours)}, where jobs are listed", f"-m {group}={ours[0]}"
            raise suggest.not_possible(group, _given(line, group), allowed, good)


def _check_owners(overrides: Sequence[Override]) -> None:
    """Refuse a key that none of the options has that its group is swept over."""
    swept = {one.key_or_group: one for one in overrides if one.is_discrete_sweep()}
    for override in overrides:
        key = override.key_or_group
        group, owners = key.partition(".")[0], all_keys().get(key, ())
        choice = swept.get(group)
        options = set(choice.sweep_string_iterator()) if owners and choice else set()
        if options and options <= {*FAMILIES[group]} and not options & {*owners}:
            value, needed = typed_value(override), f"{group}={' or '.join(owners)}"
            allowed = f"only with {needed}, and no job of this sweep has that"
            raise suggest.not_possible(key, value, allowed, "-m")


def _check_count(swept: Sequence[Override]) -> None:
    counts = [_count(override) for override in swept]
    jobs = functools.reduce(operator.mul, counts, 1)
    if jobs <= MOST_JOBS:
        return
    override = swept[counts.index(max(counts))]
    key, sweep, each = override.key_or_group, override.value(), MOST_JOBS * max(counts) // jobs
    good = "--help"
    if isinstance(sweep, RangeSweep) and each:
        start, step = sweep.start or 0, sweep.step
        good = f"range({start},{start + each * step}{'' if step == 1 else f',{step}'})"
        good = f"-m '{key}={good}'"
    allowed = f"at most {MOST_JOBS} jobs in one sweep; these are {jobs}"
    raise suggest.not_possible(key, typed_value(override), allowed, good)


def _count(override: Override) -> int:
    sweep = override.value()
    if isinstance(sweep, RangeSweep):  # not one by one: it may be long
        span = (sweep.stop or 0) - (sweep.start or 0)
        return max(0, math.ceil(span / sweep.step)) if sweep.step else 0
    return len(list(override.sweep_string_iterator())) if override.is_sweep_override() else 1


def applicable(job: Sequence[str], all_jobs: Optional[Collection[str]] = None) -> List[str]:
    """Return the words of a job without those that only other options of its group have.

    Args:
        job: its overrides; `loss_scale.value=128` is none of the job with `loss_scale=none`.
        all_jobs: the overrides of all jobs of the sweep: one of them has to have the key. None:
            one has, as was checked.
    """
    chosen = dict(word.partition("=")[::2] for word in job)
    return [word for word in job if not _of_another_option(word, chosen, all_jobs)]


def _of_another_option(
    word: str, chosen: Mapping[str, str], all_jobs: Optional[Collection[str]]
) -> bool:
    key = word.partition("=")[0].lstrip("+")
    group, owners = key.partition(".")[0], all_keys().get(key, ())
    option = chosen.get(group)
    return (
        bool(owners)
        and option in FAMILIES.get(group, ())
        and option not in owners
        and (all_jobs is None or any(f"{group}={owner}" in all_jobs for owner in owners))
    )


def _one_of_hydra(key: str, value: str) -> str:
    """Return what a shell takes for a key of Hydra's: a text with commas, the first of options."""
    first = value.partition(",")[0]
    return shlex.quote(f"{key}={first}") if "/" in key else argument(key, value)


def not_swept(overrides: Sequence[Override]) -> List[str]:
    """Return the words that every job has, but keys of a group that is swept over."""
    swept = {one.key_or_group for one in overrides if one.is_sweep_override()}
    fixed = [one for one in overrides if not one.is_sweep_override()]
    of_all = [one for one in fixed if one.key_or_group.partition(".")[0] not in swept]
    return [str(one.input_line) for one in of_all]


def _is_of_hydra(override: Override) -> bool:
    return override.is_hydra_override() and not override.is_sweep_override()


def _check_override(override: Override, in_sweep: bool) -> None:
    key, value, word = override.key_or_group, typed_value(override), str(override.input_line)
    if key == listed_jobs.KEY and not in_sweep:
        raise suggest.not_possible("a list of jobs", None, "only in a sweep, with -m", "-m")
    whole = with_comma(override)
    if whole and (not in_sweep or key in SWEEP_KEYS):
        allowed = "one value; one that holds a comma in quotes"
        raise suggest.not_possible(key, value, allowed, whole)
    if override.is_interval_sweep():
        allowed = "one value, or in a sweep each of them: key=a,b or key=range(0,3)"
        good = f"-m {key}={value[len('interval(') : -1]}"
        raise suggest.not_possible(key, value, allowed, good)
    if in_sweep and override.is_hydra_override() and override.is_sweep_override():
        allowed = "one value for the whole sweep; one that holds a comma in quotes"
        raise suggest.not_possible(key, value, allowed, f"-m {_one_of_hydra(key, value)}")
    if in_sweep and key in SWEEP_KEYS and override.is_sweep_override():
        first = next(override.sweep_string_iterator(), "null")
        good = f"-m {shlex.quote(f'{key}={first}')}"
        raise suggest.not_possible(key, value, "one value for the whole sweep", good)
    if not in_sweep and key in SWEEP_KEYS:
        allowed = "only with -m: it is about a sweep"
        raise suggest.not_possible(key, value, allowed, f"-m {shlex.quote(word)}")
    if not in_sweep and override.is_sweep_override():
        allowed = "one value; several only in a sweep, with -m"
        quoted = suggest.whole_value(key, value)
        allowed = "in quotes, one value with commas" if quoted else allowed
        raise suggest.not_possible(key, value, allowed, quoted or f"-m {shlex.quote(word)}")


def quoted(override: Override) -> str:
    """Return what a shell takes where a text has a meaning in Hydra's grammar; else ""."""
    key, value = override.key_or_group, override.value()
    refers = isinstance(value, str) and _REFERENCE.search(value) and takes_text(key, value)
    return argument(key, value) if refers else with_comma(override)


def with_comma(override: Override) -> str:
    """Return what a shell takes where a choice of texts was one text with a comma; else ""."""
    key, value = override.key_or_group, typed_value(override)
    plain = override.is_choice_sweep() and not set(value) & set("\"'()[]{}")
    return argument(key, value) if plain and takes_text(key, value) else ""


def check_compatible(line: Line, settings: Sequence[Settings]) -> None:
    """Refuse what one sweep can't have, given the settings of all its jobs."""
    keys = [key for key in flatten(settings[0]) if key.startswith("tracking.")]
    _check_same(settings, keys, "one store and experiment in a sweep; sweep once for each")
    if _is_ours(line, "hydra/launcher", *_LAUNCHERS):
        _check_batch(line)
        return
    launcher = _given(line, "hydra/launcher")
    for key in SWEEP_KEYS[1:]:
        value = _given(line, key)
        if value is not None:
            allowed = f"only with hydra/launcher={' or '.join(_LAUNCHERS)}"
            raise suggest.not_possible(key, value, allowed, f"-m {key}={value}")
    why = f"one value with hydra/launcher={launcher}, whose jobs may share a process"
    _check_same(settings, _PER_PROCESS, why)


def _check_batch(line: Line) -> None:
    batch = _given(line, _MAX_BATCH)
    if batch not in (None, "null"):
        allowed = "null; n_jobs says how many run at a time"
        raise suggest.not_possible(_MAX_BATCH, batch, allowed, f"-m {_N_JOBS}={batch}")


def _check_same(settings: Sequence[Settings], keys: Sequence[str], allowed: str) -> None:
    for key in keys:
        values = sorted({str(suggest.shown(flatten(job)[key])) for job in settings})
        if len(values) > 1:
            raise suggest.not_possible(key, ",".join(values), allowed, f"-m {key}={values[0]}")


def _is_ours(line: Line, group: str, *ours: str) -> bool:
    return _given(line, group) in (None, *ours)


def _given(line: Line, key: str) -> Optional[str]:
    values = [typed_value(override) for override in line.overrides if override.key_or_group == key]
    return values[-1] if values else None


def typed_value(override: Override) -> str:
    """Return the value as it was typed: a sweep has no other text."""
    return str(override.input_line).partition("=")[2] or "..."
