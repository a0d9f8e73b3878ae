"""Jobs that are listed one by one: `zip(a=1,2 b=3,4)`, or `jobs={a:1,b:3},{a:2,b:4}`.

Light, as every remedy is: Hydra is there where it has read a word.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Sequence

from lenet_exp.config.cli.json_words import as_typed
from lenet_exp.config.cli.suggest import PRESETS
from lenet_exp.config.schema.modes import with_one_name
from lenet_exp.config.schema.run import SWEEP_KEYS
from lenet_exp.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

KEY = "jobs"  # of no configuration: each mapping becomes the words of one job
_RUN = "python -m lenet_exp.run"
_PAIRS = "zip(precision=fp16,origin loss_scale=dynamic,none)"
_MAPPINGS = "{precision:fp16,loss_scale:dynamic},{precision:origin}"
_ZIP = re.compile(r"\s*zip\((.*)\)\s*", re.DOTALL)
_WORD = re.compile(
    r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\([^()]*\)|\{[^{}]*\}|\[[^][]*\]|,\s+|\S)+"""
)

Parse = Callable[[str], "Override"]  # raises for a word that Hydra can't read


def inside(word: str) -> Optional[List[str]]:
    """Return the words of `zip(...)`; None where it is none."""
    found = _ZIP.fullmatch(word)
    return None if found is None else _WORD.findall(found[1])


def as_hydra_sweeps(words: Sequence[str], parse: Parse) -> List[str]:
    """Return the words, each list of jobs among them as a choice of mappings, which Hydra has.

    Raises:
        ConfigError: the values of a zip are no pairs; and what `parse` raises.
    """
    return [_as_choice(word, parse) for word in words]


def _as_choice(word: str, parse: Parse) -> str:
    listed = inside(word)
    if listed is None:
        alone = word.startswith(f"{KEY}={{") and not parse(word).is_sweep_override()
        return f"{KEY}=choice({word.partition('=')[2]})" if alone else word
    values = _paired(word, [parse(one) for one in listed])
    jobs = [",".join(map(":".join, zip(values, job))) for job in zip(*values.values())]
    return f"{KEY}=choice({','.join(f'{{{job}}}' for job in jobs)})"


def _paired(word: str, overrides: Sequence[Override]) -> Dict[str, List[str]]:
    """Return key -> its values, in Hydra's grammar; as many of each."""
    values = {one.key_or_group: _values(one) for one in overrides}
    counts = {key: len(each) for key, each in values.items()}
    if not values or 0 in counts.values():
        raise _no_pairs(word, f"keys with their values, as in {_PAIRS}", _PAIRS)
    if len(values) < len(overrides):
        raise _no_pairs(word, "each key once", _joined(values, max(counts.values())))
    if len({*counts.values()}) > 1:
        said = ", ".join(f"{key} has {count}" for key, count in counts.items())
        good = _joined(values, min(counts.values()))
        raise _no_pairs(word, f"as many values of each key; {said}", good)
    return values


def _no_pairs(word: str, allowed: str, good: str) -> ConfigError:
    return ConfigError(word, None, allowed, f"{_RUN} -m {shlex.quote(good)}")


def _joined(values: Dict[str, List[str]], most: int) -> str:
    return f"zip({' '.join(f'{key}={chr(44).join(v[:most])}' for key, v in values.items())})"


def _values(override: Override) -> List[str]:
    """Return the values in Hydra's grammar; nothing of what has none, as ~key or an interval."""
    if override.is_delete() or override.is_interval_sweep():
        return []
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    return [str(override.input_line).partition("=")[2]]


def words_to_check(overrides: Sequence[Override]) -> List[str]:
    """Return every key=value of the listed jobs, once.

    Raises:
        ConfigError: something that is listed is no job, or sets what is typed beside the list.
    """
    lists = [str(one.input_line)[len(KEY) + 1 :] for one in overrides if one.key_or_group == KEY]
    if len(lists) > 1:
        raise ConfigError(KEY, ",".join(lists), "one list of jobs in a sweep", f"{_RUN} --help")
    beside = {one.key_or_group for one in overrides}
    found: Dict[str, None] = {}
    for override in overrides:
        for word in _words(override) if override.key_or_group == KEY else ():
            key, _, value = word.partition("=")
            if key.startswith("hydra") or key in (*SWEEP_KEYS, *PRESETS):
                allowed = "beside the list: a listed job has keys and groups of a run"
                raise ConfigError(key, value, allowed, f"{_RUN} --help")
            if key in beside:
                allowed = "each key once; it is in a list of jobs, too"
                raise ConfigError(key, None, allowed, f"{_RUN} -m")
            found[word] = None
    return list(found)


def _words(override: Override) -> Iterator[str]:
    several = _has_several_values(override)
    for text in [str(override.input_line).partition("=")[2]] if several else _values(override):
        job = [] if several else expanded([f"{KEY}={text}"])
        if job in ([], [f"{KEY}={text}"]):
            allowed = f"mappings, with one value of each key: {_MAPPINGS}"
            raise ConfigError(KEY, text, allowed, f"{_RUN} -m '{KEY}={_MAPPINGS}'")
        yield from job


def _has_several_values(override: Override) -> bool:
    """Return whether a key of a mapping has a range, a choice or the like: no job is that."""
    from hydra.core.override_parser.types import Sweep  # noqa: PLC0415

    value = override.value()
    jobs = [one for one in getattr(value, "list", [value]) if isinstance(one, dict)]
    return any(isinstance(each, Sweep) for job in jobs for each in job.values())


def expanded(job: Sequence[str]) -> List[str]:
    """Return the words of a job, with those of its mapping in place of it.

    What a mapping sets counts more than the same key of a preset.
    """
    made: List[str] = []
    for word in job:
        found = _mapping(word) if word.startswith(f"{KEY}=") else None
        made += [word] if found is None else [f"{k}={as_typed(v)}" for k, v in found.items()]
    if made == list(job):
        return made
    return with_one_name(list({word.partition("=")[0]: word for word in made}.values()))


def _mapping(word: str) -> Optional[Dict[str, object]]:
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: PLC0415

    value = OverridesParser.create().parse_overrides([word])[0].value()
    return value if isinstance(value, dict) and value else None


def mended(word: str, key: str, value: str, good: Sequence[str]) -> Optional[str]:
    """Return a list of jobs with one of its keys, or one value of it, replaced; None: can't be.

    Args:
        word: the list.
        key: what was refused.
        value: what it was.
        good: what is to be typed instead.
    """
    instead = [one for one in good if "=" in one]
    if len(instead) != 1:
        return None
    name, _, new = instead[0].partition("=")
    if inside(word) is None:
        wrong = rf"(?<=[{{,])\s*{re.escape(key)}\s*:\s*{re.escape(value)}(?=\s*[,}}])"
        changed = re.sub(wrong, lambda _: f"{name}:{new}", word)
        return changed if changed != word else None
    return f"zip({' '.join(_replaced(one, key, value, name, new) for one in inside(word) or ())})"


def _replaced(word: str, key: str, value: str, name: str, new: str) -> str:
    own, _, values = word.partition("=")
    if own != key:
        return word
    each = values.split(",")
    kept = ",".join(new if one == value else one for one in each) if value in each else new
    return f"{name}={values if name != key and new == value else kept}"
