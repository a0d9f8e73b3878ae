"""The remedy of a refusal: what the person typed, with the one word mended that was wrong."""

from __future__ import annotations

import re
import shlex
from typing import List, Mapping, NamedTuple, Optional, Sequence

from lenet_exp.config.cli import listed_jobs
from lenet_exp.config.cli.options import names
from lenet_exp.config.input_shapes import InputShapes
from lenet_exp.config.schema.run import FAMILIES, all_keys
from lenet_exp.errors import ConfigError, LenetExpError, PrecisionError, WordError

SWEEPS = ("-m", "--multirun")
_WITH_VALUE = ("--config-dir", "-cd", "--cfg", "-c", "--info", "-i", "--package", "-p")
_FLAGS = (*SWEEPS, "--cfg", "job", "--resolve")
_NO_PLAIN_CHOICE = set("()[]{}'\"\\$")


class CommandLine(NamedTuple):
    """What was typed: the program, as it is typed anywhere, and its arguments.

    `rest`: what follows them and is another program's, after `--`.
    """

    program: str
    words: Sequence[str]
    rest: Sequence[str] = ()

    def mended(self, error: LenetExpError) -> LenetExpError:
        """Return the same refusal; its remedy is this line, mended.

        As it is where its remedy is another program's line, prose, or asks for help.
        """
        *said, remedy = error.args or ("",)
        if isinstance(error, WordError):
            line = [one for word in self.words for one in _with_good_word(word, error)]
            what, problem = map(str, said)
            return PrecisionError(what, problem, self._shown(line))
        first, *others = str(remedy).split("\n")
        if not f"{first} ".startswith(f"{self.program} "):
            return error
        try:
            good = shlex.split(first[len(self.program) :])
        except ValueError:
            return error
        if not all("=" in word or word in _FLAGS for word in good):
            return error
        key, value = map(str, said[:2] if isinstance(error, ConfigError) else ("", ""))
        line = _mended_list(self.words, key, value, good) or _mended(self.words, key, value, good)
        return type(error)(*said, "\n".join([self._shown(line), *others]))

    def _shown(self, words: Sequence[str]) -> str:
        rest = ["--", *self.rest] if self.rest else []
        return " ".join([self.program, *map(shlex.quote, [*words, *rest])])


def _with_good_word(word: str, error: WordError) -> List[str]:
    """Return a word of the line, mended; none where nothing of it is left."""
    key, _, text = word.partition("=")
    if key not in error.keys:
        return [word]
    kept = [] if error.word is None else _parts(key, text, error.word, error.good)
    return [f"{key}={','.join(kept)}"] if kept else []


def _parts(key: str, text: str, wrong: str, good: Optional[str]) -> List[str]:
    """Return the words of a value, one of them mended or left out: names, or shapes of inputs."""
    if key == "shapes":
        parts = list(InputShapes(text.strip()).words().items())
    else:
        parts = [(name, name) for name in names(text.strip())]
    instead = [good if name == wrong else part for name, part in parts]
    return list(dict.fromkeys(filter(None, instead)))


def flags_first(words: Sequence[str]) -> List[str]:
    """Return the words in an order that Hydra takes: it has no flags after a key."""
    flags: List[str] = []
    others: List[str] = []
    for before, word in zip(["", *words], words):
        is_value = before in _WITH_VALUE and not word.startswith("-") and "=" not in word
        (flags if is_value or word.startswith("-") else others).append(word)
    return sorted(flags, key=lambda flag: flag not in SWEEPS) + others


def _mended(words: Sequence[str], key: str, value: str, good: Sequence[str]) -> List[str]:
    """Return `words` with those of `good` in place of those of `key`, and of their own keys."""
    wrong = _places(words, key)
    beside = {_key(word) for at, word in enumerate(words) if at not in wrong}
    new = {_key(word): word for word in good if _key(word) in beside}
    instead = [word for word in good if _key(word) not in beside]
    line: List[str] = []
    for at, word in enumerate(words):
        if at in wrong[:1]:
            line += [_in_choice(word, value, other) for other in instead]
        if at not in wrong:
            line.append(_replaced(word, new, key))
    line += [] if wrong else instead
    return flags_first(without_lost_keys(line, good))


def _mended_list(
    words: Sequence[str], key: str, value: str, good: Sequence[str]
) -> Optional[List[str]]:
    """Return `words` with a list of jobs mended; None where the key is in none, or beside one."""
    if _places(words, key):
        return None
    each = ((at, listed_jobs.mended(word, key, value, good)) for at, word in enumerate(words))
    found = [(at, word) for at, word in each if word is not None]
    if not found:
        return None
    at, word = found[0]
    return [*words[:at], word, *words[at + 1 :]]


def without_lost_keys(words: Sequence[str], good: Sequence[str]) -> List[str]:
    """Return the words without keys that the options in `good` don't have."""
    chosen = dict(word.partition("=")[::2] for word in good)
    kept = []
    for word in words:
        group, owners = _key(word).partition(".")[0], all_keys().get(_key(word), ())
        known = chosen.get(group) in FAMILIES.get(group, {})
        if word in good or not (owners and known and chosen[group] not in owners):
            kept.append(word)
    return kept


def _places(words: Sequence[str], key: str) -> List[int]:
    """Return where the words of `key` are: a flag's value may be the next one."""
    found = []
    for at, word in enumerate(words):
        several = [at + n for n in range(4) if " " in key and " ".join(words[at : at + n]) == key]
        if several:
            return list(range(at, several[0]))
        if word == key or _key(word) == _key(key):
            found.append(at)
        elif at - 1 in found and words[at - 1].startswith("--") and not set("=-") & set(word[:1]):
            found += [at] if "=" not in words[at - 1] + word else []
    return found


def _key(word: str) -> str:
    return SWEEPS[0] if word in SWEEPS else word.lstrip("+~").partition("=")[0]


def _choices(word: str) -> List[str]:
    text = word.partition("=")[2]
    return [] if _NO_PLAIN_CHOICE & set(text) else text.split(",")


def each_once(word: str) -> str:
    """Return a word without what its plain choice has twice."""
    choices = dict.fromkeys(_choices(word) if "=" in word else ())
    return f"{word.partition('=')[0]}={','.join(choices)}" if choices else word


def _in_choice(word: str, value: str, good: str) -> str:
    """Return `good`; of a choice of several, only in place of the `value` that was wrong."""
    name, _, mended = good.partition("=")
    choices = _choices(word)
    if _key(word) != name or value not in choices:
        return good
    kept = dict.fromkeys(mended if choice == value else choice for choice in choices)
    return f"{name}={','.join(kept)}"


def _replaced(word: str, new: Mapping[str, str], key: str) -> str:
    """Return the word of the same key in `new`; a mapping gets what another `key` is in it."""
    good = new.get(_key(word), word)
    if good == word or key.startswith(_key(word)) or not (_is_mapping(word) and _is_mapping(good)):
        return good
    return f"{word[:-1]},{good.partition('={')[2]}"


def _is_mapping(word: str) -> bool:
    return re.match(r"[^=]*={[^{}]+}$", word) is not None
