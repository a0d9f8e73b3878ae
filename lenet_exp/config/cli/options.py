"""The options of a command: declared as settings are, and read from key=value arguments.

Light: a machine that lacks Hydra can still be asked what it lacks.
"""

from __future__ import annotations

import os
import re
import shlex
import typing
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple, Type, TypeVar, Union

from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.modes import with_one_name
from lenet_exp.config.schema.run import all_keys, groups
from lenet_exp.errors import ConfigError, UsageError

_Self = TypeVar("_Self", bound="Options")


@dataclass(frozen=True)
class Options:
    """What a command line asks of the command VERB.

    A subclass has a field for each key, made by `schema.keys.key`; one without a default has to
    be given. Its metadata `name` is the key, where that is no name in Python. A field without
    metadata is no key: the subclass makes it of the arguments that `split` leaves.
    """

    VERB: ClassVar[str]
    BODY: ClassVar[str] = ""  # the module that carries it out; blank: VERB's
    NO_KEYS: ClassVar[str] = "no argument"  # what is allowed where there are none
    # What a text without a key was surely meant for: of these forms the first, and its key.
    BARE: ClassVar[Tuple[Tuple[str, str], ...]] = ()
    OF_A_RUN: ClassVar[Tuple[str, ...]] = ()  # groups and keys of a run that it takes besides

    @classmethod
    def read(cls: Type[_Self], arguments: Sequence[str]) -> _Self:
        """Return what the arguments of a command line ask.

        Raises:
            ConfigError: with the key, the value, what is allowed and what to type instead.
        """
        given, others = cls.split(arguments)
        for argument in others:
            raise cls.unknown(argument, typed_values(arguments))
        return cls(**given)

    @classmethod
    def split(cls, arguments: Sequence[str]) -> Tuple[Dict[str, Any], List[str]]:
        """Return field -> value of the keys that are given, and the arguments that are none.

        Raises:
            ConfigError: dashes, no value or an impossible one; a key misspelt, twice or lacking.
        """
        arguments = with_one_name(arguments)
        keys, typed, of_a_run = _keys(cls), typed_values(arguments), {*all_keys(), *groups()}
        given: Dict[str, Any] = {}
        others = []
        for argument in arguments:
            name, equals, text = argument.partition("=")
            if name not in keys:
                bare = not equals and cls._meant_bare(name)
                if bare or name.startswith("-") or (name not in of_a_run and _meant(name, keys)):
                    raise cls.unknown(argument, typed)
                others.append(argument)
            elif not equals:
                raise ConfigError(argument, None, "key=value", cls.command(name, typed=typed))
            elif keys[name].name in given:
                raise ConfigError(name, text, "each key once", cls.command(name, text, typed))
            else:
                given[keys[name].name] = _value(cls, name, text.strip(), typed)
        lacking = [name for name in _required(cls) if name not in typed]
        strange = [each for each in others if each.partition("=")[0] not in of_a_run]
        if lacking and strange:  # most likely it is what was meant
            raise cls.unknown(strange[0], typed)
        for name in lacking:
            allowed = f"{name}={keys[name].metadata['allowed']}"
            raise UsageError(f"the key {name}", "is missing", allowed, cls.command(typed=typed))
        return given, others

    @classmethod
    def unknown(cls, argument: str, typed: Optional[Dict[str, str]] = None) -> ConfigError:
        """Return the error for an argument that names no key of this command.

        `typed`: what was typed, key -> text: the remedy keeps what has to be given.
        """
        name, _, text = argument.partition("=")
        keys = _keys(cls)
        meant = _meant(name.lstrip("-").replace("-", "_"), keys)
        if not keys:
            return ConfigError(name, text or None, cls.NO_KEYS, cls.command())
        bare = "" if "=" in argument else cls._meant_bare(argument)
        if bare:
            allowed = f"key=value, as {bare}={argument}"
            return ConfigError(name, None, allowed, cls.command(bare, argument, typed))
        if name.startswith("-"):
            allowed = "key=value without dashes, and --help"
        elif meant:
            allowed = f"no such key; {meant} is one"
        else:
            allowed = "one of " + ", ".join(f"{key}=..." for key in (*keys, *cls.OF_A_RUN))
        remedy = f"{cls.program()} --help"
        if meant or _required(cls):
            remedy = cls.command(meant or "", text if meant else "", typed)
        return ConfigError(name, text or None, allowed, remedy)

    @classmethod
    def keys(cls) -> Tuple[str, ...]:
        """Return the verb's own keys."""
        return (*_keys(cls),)

    @classmethod
    def _meant_bare(cls, text: str) -> str:
        """Return the key that a text without one was meant for, or nothing."""
        no_value = text.startswith("-") or text in (*_keys(cls), *all_keys(), *groups())
        found = [] if no_value else [key for form, key in cls.BARE if re.fullmatch(form, text)]
        return found[0] if found else ""

    @classmethod
    def program(cls) -> str:
        """Return what a command line of this command begins with."""
        return f"python -m lenet_exp.{cls.VERB}"

    @classmethod
    def command(cls, name: str = "", text: str = "", typed: Optional[Dict[str, str]] = None) -> str:
        """Return a command line that works.

        Args:
            name: a key that it has.
            text: its value; without one, a value that works.
            typed: what was typed, key -> text: what has to be given is kept.
        """
        keys = _keys(cls)
        known = {key: (typed or {}).get(key) for key in _required(cls)}
        if name:
            known[name] = text
        pairs = [f"{key}={value or keys[key].metadata['good']}" for key, value in known.items()]
        return " ".join([cls.program(), *map(shlex.quote, pairs)])


def _keys(cls: Type[Options]) -> Dict[str, Any]:
    """Return key -> field."""
    return {item.metadata.get("name", item.name): item for item in fields(cls) if item.metadata}


def typed_values(arguments: Sequence[str]) -> Dict[str, str]:
    """Return key -> text of what was typed."""
    return dict(argument.partition("=")[::2] for argument in arguments)


def _required(cls: Type[Options]) -> List[str]:
    return [name for name, item in _keys(cls).items() if item.default is MISSING]


def _meant(name: str, keys: Dict[str, Any]) -> Optional[str]:
    """Return the key that was surely meant: it, its last part, or one written much alike."""
    short = {key.rpartition(".")[2]: key for key in keys}
    if "(" in name:  # zip(...), of runs
        return None
    return name if name in keys else short.get(name) or suggest.close_to(name, keys)


def _value(cls: Type[Options], name: str, text: str, typed: Dict[str, str]) -> Any:
    item = _keys(cls)[name]
    try:
        value = _of_type(text, typing.get_type_hints(cls)[item.name])
    except (ValueError, KeyError):
        value = None
    if text == "" or value is None or not item.metadata["check"](value):
        mend, check = item.metadata.get("mend"), item.metadata["check"]
        mended = mend(text) if mend else None
        meant = mended if mended and check(mended) else None
        meant = meant or suggest.close_to(text, item.metadata.get("options", ()))
        good = cls.command(name, meant or "", {**typed, name: ""})
        raise ConfigError(name, text, item.metadata["allowed"], good)
    return value


def names(text: str) -> Tuple[str, ...]:
    """Return names with commas between, typed with or without brackets and quotes."""
    text = text[1:] if text[:1] == "[" else text
    text = text[:-1] if text[-1:] == "]" and text.count("]") > text.count("[") else text
    return tuple(dict.fromkeys(filter(None, (name.strip(" \"'") for name in text.split(",")))))


def list_of(found: Sequence[str]) -> str:
    """Return names as `names` reads them: quotes would belong to Hydra, which reads none of it."""
    return f"[{','.join(found)}]"


def _of_type(text: str, hint: Any) -> Any:
    """Return an argument's value in the type of its key; raises ValueError or KeyError."""
    kind = getattr(hint, "__origin__", None)
    if kind is Union:  # Optional[X]
        return _of_type(text, hint.__args__[0])
    if kind is tuple:
        return names(text)
    if hint is bool:
        return {"true": True, "false": False}[text]
    if hint is int and not re.fullmatch("[0-9]+", text):
        raise ValueError(text)
    if hint is Path:
        expanded = os.path.expanduser(text)  # noqa: PTH111 - this one doesn't raise
        if text.startswith("~") and expanded == text:
            raise ValueError(text)  # the home of no user
        return Path(expanded)
    return hint(text)
