"""The words of only= and without=: which operators of a plan a reader wants to see.

A word is KIND:VALUE, or a value alone that says by itself what it is. Words of one kind are
alternatives, those of several kinds have all to fit; `without` leaves out what any word fits.
"""

from __future__ import annotations

import difflib
import fnmatch
from typing import (
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from lenet_exp.errors import WordError
from lenet_exp.precision.analysis.step_sections import SECTIONS
from lenet_exp.precision.plan import Rule
from lenet_exp.precision.reporting.letters import LETTERS
from lenet_exp.precision.target.modes import Colour

ROOT = "."  # of a scope: the operators that are in it, and in none inside it
# Kinds that have no value, and what an operator then does.
_FLAGS = {"cast": "gets a Cast", "changed": "is changed", "warning": "has a warning"}
_CLOSED = {
    **{flag: (flag,) for flag in _FLAGS},
    "list": tuple(colour.value for colour in Colour),
    "rule": tuple(rule.value for rule in Rule),
    "dtype": tuple(LETTERS.values()),
    "section": SECTIONS,
}
_OPEN = ("type", "scope", "name")  # what is there depends on the graph; tried in this order
_ALSO = {"op": "type", "colour": "list", "color": "list", "warned": "warning", "casts": "cast"}
_ENOUGH = 3  # letters that stand for what they are a part of
_SHOWN = 5  # values that are there, in a message


class Facts(NamedTuple):
    """What can be asked of an operator; None where a phase of the compiler doesn't know it yet.

    `names` begin with its own, then those of the nodes fused with it; `scope` is as `scopes_of`
    says; `types` are the chip's and TensorFlow's; `changed`: other types than the graph's, or, of
    two plans, than in the other.
    """

    names: Tuple[str, ...]
    scope: str
    types: Tuple[str, ...]
    dtypes: FrozenSet[str]
    colour: Optional[str] = None
    rule: Optional[str] = None
    section: Optional[str] = None
    cast: Optional[bool] = None
    changed: Optional[bool] = None
    warning: Optional[bool] = None


class View(NamedTuple):
    """What is shown: the words, how many `operators` there are in all, why none is left if so.

    `silent` are warnings about other operators.
    """

    only: Tuple[str, ...] = ()
    without: Tuple[str, ...] = ()
    operators: int = 0
    note: str = ""
    silent: int = 0

    @property
    def narrows(self) -> bool:
        """Whether there are words at all."""
        return bool(self.only or self.without)

    def __str__(self) -> str:
        named = (("only", self.only), ("without", self.without))
        return " ".join(f"{key}={','.join(words)}" for key, words in named if words)


class Word(NamedTuple):
    """One word as it was typed; `kind` None where only the graph tells what it is."""

    typed: str
    kind: Optional[str]
    value: str


def read_words(key: str, words: Sequence[str]) -> Tuple[Word, ...]:
    """Return the words of only= or without=, so far as they can be read without a graph.

    Raises:
        WordError: there is no such kind, or a kind has no such value.
    """
    return tuple(_read(key, word) for word in words)


def scopes_of(names: Sequence[str]) -> Dict[str, str]:
    """Return the scope that each operator is in, "" for none.

    A name that is also a scope ("xent" beside "xent/Reshape") is in its own.
    """
    parents = {name: name.rpartition("/")[0] for name in names}
    known: Set[str] = set()
    for scope in parents.values():
        while scope and scope not in known:
            known.add(scope)
            scope = scope.rpartition("/")[0]
    return {name: name if name in known else parent for name, parent in parents.items()}


def _read(key: str, typed: str) -> Word:
    kind, colon, value = typed.partition(":")
    if not colon or value.isdigit():  # plain, or the name of a tensor
        plain = _ALSO.get(kind, kind)
        found = next((kind for kind, values in _CLOSED.items() if plain in values), None)
        return Word(typed, found, kind if found is None else plain)
    kind = _ALSO.get(kind, kind)
    if kind not in (*_CLOSED, *_OPEN) or kind in _FLAGS:
        kinds = [each for each in (*_OPEN, *_CLOSED) if each not in _FLAGS]
        good = _of_near_kind(key, _nearest(kind, kinds), value)
        raise _refused(key, typed, f"no such kind; there are {', '.join(kinds)}", good)
    if not value:
        good = f"{kind}:{_CLOSED[kind][0]}" if kind in _CLOSED else None
        raise _refused(key, typed, f"it has no value; {kind}:VALUE has one", good)
    if kind in _CLOSED and kind != "dtype" and value not in _CLOSED[kind]:
        raise _unknown(key, typed, kind, value, _CLOSED[kind])
    return Word(typed, kind, value.rstrip("/") if kind == "scope" else value)


def _of_near_kind(key: str, kind: Optional[str], value: str) -> Optional[str]:
    """Return a word of a kind that there is, with a value that it has."""
    if kind is None:
        return None
    try:
        return _read(key, f"{kind}:{value}").typed
    except WordError as error:
        return error.good


def _refused(key: str, typed: str, problem: str, good: Optional[str] = None) -> WordError:
    remedy = f"{key}={good}" if good else f"{key}= without {typed}"
    return WordError(f"{key}={typed}", problem, remedy, [key], typed, good)


def _unknown(key: str, typed: str, kind: str, value: str, known: Sequence[str]) -> WordError:
    near = _nearest(value, known)
    problem = f"there is no such {kind}"
    if near is None:
        problem += f"; there are {', '.join(known[:_SHOWN])}" + ", ..." * (len(known) > _SHOWN)
        near = known[0] if known and kind in _CLOSED else None  # one of few
    return _refused(key, typed, problem, f"{kind}:{near}" if near else None)


def _nearest(value: str, known: Sequence[str]) -> Optional[str]:
    word = value.lower()
    short = {} if "/" in word else {each.rpartition("/")[2].lower(): each for each in known}
    lower = {**short, **{each.lower(): each for each in known}}
    parts = sorted((each for each in lower if word in each), key=len)
    close = parts[:1] if len(word) >= _ENOUGH else []
    close = close or difflib.get_close_matches(word, list(lower), n=1, cutoff=0.6)
    return lower[close[0]] if close else None


def seen(
    rows: Sequence[Sequence[Facts]], only: Sequence[str], without: Sequence[str]
) -> Tuple[View, List[bool]]:
    """Return what is shown of some operators, and of each whether it is.

    Args:
        rows: the facts of each operator, of two plans those of both: one of them has to fit.
        only: words; none means all.
        without: words.

    Raises:
        WordError: a word that means nothing here, with the nearest that does.
    """
    known = _Known(rows)
    wanted = _by_kind([known.resolved("only", word) for word in read_words("only", only)])
    left_out = [known.resolved("without", word) for word in read_words("without", without)]
    kept = [all(_any(words, row) for words in wanted.values()) for row in rows]
    chosen = [keep and not _any(left_out, row) for keep, row in zip(kept, rows)]
    note = ""
    if rows and not any(chosen):
        note = _nothing(rows, wanted, sum(kept))
    return View(tuple(only), tuple(without), len(rows), note), chosen


def _by_kind(words: Sequence[Word]) -> Dict[str, List[Word]]:
    found: Dict[str, List[Word]] = {}
    for word in words:
        found.setdefault(str(word.kind), []).append(word)
    return found


def _any(words: Sequence[Word], row: Sequence[Facts]) -> bool:
    return any(_TESTS[str(word.kind)](word.value, facts) for word in words for facts in row)


def _is_glob(value: str) -> bool:
    return any(sign in value for sign in "*?[")


def _in_scope(value: str, facts: Facts) -> bool:
    name, own = facts.names[0], facts.scope
    if value == ROOT or value.endswith(f"/{ROOT}"):
        return own == value[: -len(ROOT)].rstrip("/")
    if _is_glob(value):
        return any(fnmatch.fnmatchcase(f"{name}/", f"{value}{end}") for end in ("/", "/*"))
    return f"{name}/".startswith(f"{value}/")


def _has_name(value: str, facts: Facts) -> bool:
    if _is_glob(value):
        return any(fnmatch.fnmatchcase(name, value) for name in facts.names)
    return any(value in name for name in facts.names)


_TESTS: Dict[str, Callable[[str, Facts], bool]] = {
    "type": lambda value, facts: any(fnmatch.fnmatchcase(each, value) for each in facts.types),
    "scope": _in_scope,
    "name": _has_name,
    "list": lambda value, facts: facts.colour == value,
    "rule": lambda value, facts: facts.rule == value,
    "dtype": lambda value, facts: value in facts.dtypes,
    "section": lambda value, facts: facts.section == value,
    **{flag: lambda value, facts: bool(getattr(facts, value)) for flag in _FLAGS},
}
_FIELD = {"list": "colour"}  # of Facts, where it has another name


class _Known:
    """What there is in a graph, to tell what a word means."""

    def __init__(self, rows: Sequence[Sequence[Facts]]) -> None:
        self._facts = [facts for row in rows for facts in row]

    def resolved(self, key: str, word: Word) -> Word:
        """Return a word with its kind and a value that means something here.

        Raises:
            WordError: it means nothing here.
        """
        if word.kind is None:
            return self._plain(key, word)
        kind, value = word.kind, word.value
        if kind in _OPEN or kind == "dtype":
            known = self.values(kind)
            exact = {each.lower(): each for each in known} if kind == "type" else {}
            fitting = word._replace(value=exact.get(value.lower(), value))
            if not self._fits(fitting) and value not in _CLOSED.get(kind, ()):
                raise _unknown(key, word.typed, kind, value, known)
            return fitting
        self._check_decided(key, word)
        return word

    def _check_decided(self, key: str, word: Word) -> None:
        """Refuse to ask what no operator here can say."""
        field = _FIELD.get(str(word.kind), str(word.kind))
        if self._facts and all(getattr(facts, field) is None for facts in self._facts):
            problem = f"no operator has a {word.kind} after this phase, but after a later one"
            raise _refused(key, word.typed, problem)

    def _plain(self, key: str, word: Word) -> Word:
        value = word.value
        exact = {each.lower(): each for each in self.values("type")}
        for kind in _OPEN[:2] if "/" not in value else _OPEN[1:2]:
            own = exact.get(value.lower(), value) if kind == "type" else value.rstrip("/")
            if self._fits(Word(word.typed, kind, own)):
                return Word(word.typed, kind, own)
        if self._fits(Word(word.typed, "name", value)):
            return Word(word.typed, "name", value)
        near = self._meant(value)
        problem = "it is no type, scope or name of an operator here, no list, rule or dtype"
        raise _refused(key, word.typed, problem, near)

    def _meant(self, value: str) -> Optional[str]:
        words = [each for values in _CLOSED.values() for each in values]
        near = _nearest(value, [*words, *self.values("type"), *self.values("scope")])
        return near or _nearest(value, self.values("name"))

    def _fits(self, word: Word) -> bool:
        return any(_any([word], [facts]) for facts in self._facts)

    def values(self, kind: str) -> List[str]:
        """Return what there is of a kind, the most frequent first; scopes and names in order."""
        counts: Dict[str, int] = {}
        for facts in self._facts:
            for each in _values(kind, facts):
                counts[each] = counts.get(each, 0) + 1
        in_order = kind in _OPEN[1:]
        return list(counts) if in_order else sorted(counts, key=lambda each: (-counts[each], each))


def _values(kind: str, facts: Facts) -> Iterable[str]:
    if kind == "scope":
        parts = facts.scope.split("/") if facts.scope else []
        return ["/".join(parts[: count + 1]) for count in range(len(parts))]
    if kind in ("type", "name"):
        return dict.fromkeys(facts.types if kind == "type" else facts.names)
    if kind == "dtype":
        return facts.dtypes
    found = getattr(facts, _FIELD.get(kind, kind))
    return [kind if found is True else str(found)] if found else []


def _nothing(rows: Sequence[Sequence[Facts]], wanted: Dict[str, List[Word]], kept: int) -> str:
    """Return in words why nothing is left."""
    if kept:
        return f"without= leaves out all {kept} operators that there would be"
    counts = {kind: sum(_any(words, row) for row in rows) for kind, words in wanted.items()}
    for kind, count in counts.items():
        if not count and kind in _FLAGS:
            return f"no operator {_FLAGS[kind]}"
        if not count:
            asked = " or ".join(word.value for word in wanted[kind])
            there = ", ".join(_Known(rows).values(kind)[:_SHOWN])
            return f"no operator has the {kind} {asked}; there is {there}"
    each = ", ".join(f"{','.join(w.typed for w in wanted[k])} {n}" for k, n in counts.items())
    return f"no operator is all of that at once; each alone: {each} of {len(rows)}"
