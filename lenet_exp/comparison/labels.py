"""The labels of configurations: each is called by what sets it apart from the others. Pure."""

from __future__ import annotations

from pathlib import PurePath
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Sequence, Set, Tuple

from lenet_exp.config.schema.modes import by_one_name
from lenet_exp.config.schema.run import CHIP_FILES, PLAN_FILES

MODE = "precision.mode"
# Settings that name a file, and the tag that knows its content.
FILE_TAGS = {
    f"{group}.{key}": f"precision.{key}"
    for group in ("precision", "hardware")
    for key in PLAN_FILES
}
FILE_TAGS.update({key: key for key in (f"hardware.{each}" for each in CHIP_FILES)})
NAMED_BY_PATH = (*FILE_TAGS, "init_from")
ABSENT = ("null", "None", "[]", "{}")
_WORDS_FOR_ABSENT = {"modify_mixlist": "no mixlist", "threads": "every core"}

Settings = Mapping[str, str]
_Key = Tuple[str, str]  # a key, and the option it belongs to: learning_rate of sgd is not adam's


class _Told(NamedTuple):
    """What tells configurations apart: keys; per key what those that have a value differ in."""

    keys: Tuple[_Key, ...]
    others: Mapping[str, Set[FrozenSet[Tuple[str, str]]]]
    names: Mapping[Tuple[str, str], str]


def labels(settings: Sequence[Settings], paths: Sequence[Settings]) -> List[str]:
    """Return a label for each of some configurations, in order; all are different.

    Args:
        settings: of each configuration; a file is there by its content, where that is known.
        paths: of each configuration, what a run of it had typed for `NAMED_BY_PATH`.
    """
    told = _Told(_differing(settings), _with_a_value(settings), _file_names(settings, paths))
    made: List[str] = []
    seen: Dict[str, int] = {}
    for one in settings:
        label = _label(one, told)
        seen[label] = seen.get(label, 0) + 1
        # Alike but for a setting that another version did not have.
        made.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return made


def words_of(label: str) -> List[str]:
    """Return the words of a label, or of what a person typed for one, commas between them."""
    return by_one_name(label).replace(",", " ").split()


def _of_option(key: str, settings: Settings) -> _Key:
    return key, "" if key.endswith(".name") else settings.get(key.partition(".")[0] + ".name", "")


def _differing(settings: Sequence[Settings]) -> Tuple[_Key, ...]:
    """Return the keys that have more than one value, an option before its own keys."""
    seen: Dict[_Key, Set[str]] = {}
    for one in settings:
        for key, value in one.items():
            seen.setdefault(_of_option(key, one), set()).add(value)
    apart = [key for key, values in seen.items() if len(values) > 1]
    return tuple(sorted(apart, key=lambda of: not of[0].endswith(".name")))


def _rest(settings: Settings, key: str) -> FrozenSet[Tuple[str, str]]:
    return frozenset((name, value) for name, value in settings.items() if name != key)


def _with_a_value(settings: Sequence[Settings]) -> Dict[str, Set[FrozenSet[Tuple[str, str]]]]:
    """Return, of each key that some configurations lack, what else those with a value have."""
    lacking = {key for one in settings for key, value in one.items() if value in ABSENT}
    return {
        key: {_rest(one, key) for one in settings if one.get(key, "null") not in ABSENT}
        for key in lacking
    }


def _file_names(
    settings: Sequence[Settings], paths: Sequence[Settings]
) -> Dict[Tuple[str, str], str]:
    """Return what each file is called, by its key and value: alone of its name, by that name."""
    first: Dict[Tuple[str, str], str] = {}
    for one, typed in zip(settings, paths):
        for key in NAMED_BY_PATH:
            if one.get(key, "null") not in ABSENT:
                first.setdefault((key, one[key]), typed.get(key, one[key]))
    found = {}
    for (key, value), path in first.items():
        name = PurePath(path).name or path
        namesakes = [p for (k, _), p in first.items() if k == key and PurePath(p).name == name]
        by_content = name if value == path else f"{name}@{value[:8]}"
        found[key, value] = name if len(namesakes) == 1 else path if value == path else by_content
    return found


def _label(settings: Settings, told: _Told) -> str:
    keys = [key for key, option in told.keys if (key, option) == _of_option(key, settings)]
    parts = [_shown(key, settings, told) for key in keys if key in settings and key != MODE]
    parts = [part for part in parts if part]
    if MODE in keys or not parts:
        parts.insert(0, settings.get(MODE, "?"))
    return " ".join(parts)


def _shown(key: str, settings: Settings, told: _Told) -> str:
    """Return a setting as it is typed, `optimizer.epsilon=0.0001`; of an absent one a word.

    That word only where a configuration that has the setting is the same in all else.
    """
    value = settings[key]
    if value in ABSENT:
        if _rest(settings, key) not in told.others[key]:
            return ""
        own = key.rpartition(".")[2]
        return _WORDS_FOR_ABSENT.get(own, f"no {own}")
    shown = told.names.get((key, value), value[:8] if key == "data" else value)
    if shown.startswith("["):
        shown = shown.replace("'", "").replace(", ", ",")
    return f"{key[:-5] if key.endswith('.name') else key}={shown}"
