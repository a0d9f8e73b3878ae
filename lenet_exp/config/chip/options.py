"""Every option of npu_bridge that a run may send: options.json, and what follows from it.

A row: `key`; `field` of the protobuf, b i or s; `since` the adapter of which month; what is
allowed (`values`, `today_also` only in today's adapter, `low`, `high`, or a `form`); `needs` one
of these switches, `requires`, `excludes`; `by` where it is set if it has no key of its own; `init`
for what belongs to a process, not to a session; `probe` the parameter that tells of it;
`boolean_until` the month in which a text took the place of a bool. The checks, the comments of
conf/hardware/ascend910.yaml and the tables of docs/ascend910.md are all made from it
(scripts/chip_pages.py). Source: npu-bridge-contract.md, 3.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from lenet_exp.config.chip import profiling
from lenet_exp.config.cli.json_words import as_typed
from lenet_exp.config.schema.keys import key

FIRST = "2021-02"  # the oldest adapter that is supported
_TYPES: Dict[str, type] = {"b": bool, "i": int, "s": str}
_MOST_STEPS = 100


class Option(NamedTuple):
    """A row of the table, and the section it stands in."""

    section: str
    key: str
    field: str
    help: str
    since: str = FIRST
    values: Tuple[Any, ...] = ()
    today_also: Tuple[Any, ...] = ()
    low: Optional[int] = None
    high: Optional[int] = None
    form: str = ""
    needs: Tuple[str, ...] = ()
    requires: Tuple[str, ...] = ()
    excludes: Tuple[str, ...] = ()
    by: str = ""
    init: bool = False
    probe: str = ""
    boolean_until: str = ""
    default: Any = None
    default_of_adapter: str = ""
    note: str = ""

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.values:
            shown = " | ".join(str(value) for value in (*self.values, *self.today_also))
            return shown + (f"; {self.note}" if self.note else "")
        if self.field == "b":
            return "true | false"
        if self.field == "i":
            bits = " of 32 bits"
            return "a whole number" + (bits if self.low is None else _range(self.low, self.high))
        return _FORMS[self.form][0]

    @property
    def good(self) -> Any:
        """A value that works."""
        if self.values:
            return self.values[0]
        return {"b": "true", "i": max(1, self.low or 0)}.get(self.field) or _FORMS[self.form][1]

    def accepts(self, value: Any) -> bool:
        """Return whether a value of the right type is one of those allowed."""
        if self.values:
            return value in (*self.values, *self.today_also)
        if self.field == "i":
            low, high = self.low, self.high
            return bool((-(2**31) if low is None else low) <= value <= (high or 2**31 - 1))
        return can_be_sent(value) and (not self.form or _FORMS[self.form][2](value))


def can_be_sent(value: Any) -> bool:
    """Return whether a field of the session's configuration holds a value: 64 bits, or UTF-8."""
    if isinstance(value, str):
        return re.search("[\ud800-\udfff]", value) is None  # bytes that are none
    return bool(-(2**63) <= value < 2**63)


def _range(low: int, high: Optional[int]) -> str:
    return f", {low} or more" if high is None else f" from {low} to {high}"


def _is_step_list(text: str) -> bool:
    """Return whether it is of the older adapter's exact grammar; today's lets more pass."""
    pairs = [re.fullmatch(r"(\d+)(?:-(\d+))?", item, re.ASCII) for item in text.split("|")]
    in_order = (p is not None and (p[2] is None or int(p[1]) < int(p[2])) for p in pairs)
    return len(pairs) <= _MOST_STEPS and all(in_order)


def _is_named(text: str) -> bool:
    return text.strip() != "" and "\0" not in text


# form: what is allowed in words, a value that works, the test of a text by itself
_FORMS: Dict[str, Tuple[str, str, Callable[[str], bool]]] = {
    "text": ("text", "TEXT", _is_named),
    "names": ("names, comma-separated", "NAME",
              lambda text: all(re.fullmatch(r"\w+", name) for name in text.split(","))),
    "bytes": ("a number of bytes", "16106127360",
              lambda text: re.fullmatch("[1-9][0-9]*", text) is not None),
    "steps": ("steps like 0|5|10-20: each a number, or two in order; at most 100 items, no blanks",
              "'0|5|10'", _is_step_list),
    "profiling": (profiling.ALLOWED, "'{output:DIR,task_trace:\"on\"}'", profiling.is_possible),
    "file": ("a file that exists", "null", _is_named),
    "json": ("a JSON file that exists", "null", _is_named),
    "mixlist": ("a JSON file: black-list, white-list, each with to-add, to-remove: lists of types",
                "null", _is_named),
    "switches": ("a JSON file: Switch, with GraphFusion, UBFusion: each of PASS or ALL: on, off",
                 "null", _is_named),
    "debug_config": ("a file that exists, without both ccec_O0 and oom", "null", _is_named),
    "directory": ("a directory that may be read and written, or can be made", "DIR", _is_named),
    "existing_directory": ("an existing directory that may be read and written", ".", _is_named),
}  # fmt: skip


def _read() -> Iterator[Option]:
    rows: List[Dict[str, Any]] = json.loads(Path(__file__).with_name("options.json").read_text())
    section = ""
    for row in rows:
        section = row.pop("section", section)
        if row:
            plain: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
            yield Option(section, **plain)


TABLE: Dict[str, Option] = {option.key: option for option in _read()}
# Those that have a key of their own in the group hardware.
OWN: Tuple[Option, ...] = tuple(option for option in TABLE.values() if not option.by)


def schema_fields() -> List[Tuple[str, Any, Any]]:
    """Return name, type and dataclass field of each option's own key; None: it is not sent."""
    made = []
    for option in OWN:
        is_boolean = option.field == "s" and "true" in option.values
        text_of = "word" if is_boolean else "json" if option.form == "profiling" else ""
        mend = functools.partial(mended, option)
        more = {"unset": True, "text_of": text_of, "mend": mend}
        declared = key(option.allowed, option.good, option.accepts, **more)
        made.append((option.key, Optional[_TYPES[option.field]], declared))
    return made


def mended(option: Option, value: object) -> str:
    """Return a value that works, as a shell takes it; of profiling options those that can stay."""
    if option.form != "profiling":
        return str(option.good)
    return shlex.quote(as_typed(profiling.mended(value)))


def chosen(hardware: Any) -> Dict[str, Any]:
    """Return key -> value of the options that are set, `extra` last."""
    values = {option.key: getattr(hardware, option.key) for option in OWN}
    return {**{k: v for k, v in values.items() if v is not None}, **(hardware.extra or {})}


def field_for(value: object) -> str:
    """Return the protobuf field that holds a value."""
    return {bool: "b", int: "i"}.get(type(value), "s")
