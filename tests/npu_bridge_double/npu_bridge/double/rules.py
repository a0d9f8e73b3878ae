"""What the adapter does with its options when a graph is first run.

Typed from the contract, sections 2 and 3, by whoever tests; shares nothing with what is tested.
"""

import json
import os
import re
from pathlib import Path

import tensorflow as tf

from npu_bridge.double import switches

KNOWN = json.loads((Path(__file__).parent / "known_keys.json").read_text())
_EMPTY = {"b": False, "i": 0, "s": b""}


class Abort(BaseException):
    """The adapter's LOG(FATAL): nothing in a real process could catch it."""


class UnknownKey(BaseException):
    """The adapter ignores such a key without a word; a test must not."""


def is_known(key, date=None):
    rule = KNOWN[key]
    date = date or switches.date()
    return rule.get("since", "2021-02") <= date <= rule.get("until", "9999-99")


def field_of(key):
    """Return the field that this generation reads."""
    rule = KNOWN[key]
    return "b" if switches.date() < rule.get("boolean_until", "") else rule["field"]


def read(parameter_map):
    """Return key -> value as the adapter reads it: each from its own field of the oneof."""
    found = {}
    for key, value in parameter_map.items():
        if key not in KNOWN:
            raise UnknownKey(key)
        if is_known(key):
            field = field_of(key)
            held = value.WhichOneof("value") == field
            found[key] = getattr(value, field) if held else _EMPTY[field]
    if "aoe_mode" not in found and is_known("aoe_mode") and os.environ.get("AOE_MODE"):
        found["aoe_mode"] = os.environ["AOE_MODE"].encode()
    return found


def check(options):
    """Raise what the adapter would for `options` of `read`."""
    for key, value in options.items():
        _check_value(key, KNOWN[key], value, options)
    _check_precision(options)
    _check_dump(options)
    _check_others(options)


def _check_value(key, rule, value, options):
    if rule.get("with") and not options.get(rule["with"]):
        return
    text = _text(value)
    allowed = None if field_of(key) == "b" else rule.get("values")
    if allowed and switches.is_today():
        allowed = allowed + rule.get("today_also", [])
    wrong = allowed is not None and text not in allowed
    wrong = wrong or ("from" in rule and value < rule["from"])
    wrong = wrong or ("to" in rule and value > rule["to"])
    wrong = wrong or (rule.get("form") == "existing_directory" and not _is_usable(text))
    if wrong:
        _fail(_verdict(rule.get("wrong", {})), key, value)


def _verdict(wrong):
    generation = switches.generation()
    return wrong.get(generation, wrong.get("2021") if generation == "2022" else None)


def _text(value):
    return str(value, "utf-8") if isinstance(value, bytes) else value


def _fail(kind, key, value):
    text = f"{key}={value}"
    if kind == "ABORT":
        raise Abort(text)
    if kind == "INTERNAL":
        raise tf.errors.InternalError(None, None, text)
    if kind == "INVALID":
        raise tf.errors.InvalidArgumentError(None, None, text)


def _is_usable(path):
    return path != "" and Path(path).is_dir() and os.access(path, os.R_OK | os.W_OK)


def _check_precision(options):
    if "precision_mode" in options and "precision_mode_v2" in options:
        _fail("INTERNAL", "precision_mode, precision_mode_v2", "both")
    mode = _text(options.get("precision_mode", b""))
    mixed = mode.startswith("allow_mix_precision")
    mixed = mixed or options.get("precision_mode_v2", b"") == b"mixed_float16"
    if "modify_mixlist" in options and not mixed and switches.is_today():
        _fail("INTERNAL", "modify_mixlist", mode)


def _check_dump(options):
    dump, debug = options.get("enable_dump"), options.get("enable_dump_debug")
    severe = "INTERNAL" if switches.is_today() else "ABORT"
    if (dump or debug) and not _is_usable(_text(options.get("dump_path", b""))):
        _fail(severe, "dump_path", options.get("dump_path"))
    if dump and "dump_step" in options and not _is_step_list(_text(options["dump_step"])):
        _fail(severe, "dump_step", options["dump_step"])
    if dump and debug:  # the compiler's word, not the adapter's
        _fail("INTERNAL", "enable_dump, enable_dump_debug", "both")


def _is_step_list(text):
    items = text.split("|")
    pairs = [re.match(r"(\d+)(?:-(\d+))?\Z", item) for item in items]
    if len(items) > 100 or not all(pairs):
        return False
    return all(p.group(2) is None or int(p.group(1)) < int(p.group(2)) for p in pairs)


def _check_others(options):
    if "optypelist_for_implmode" in options and not options.get("op_select_implmode"):
        _fail("ABORT", "optypelist_for_implmode", "without op_select_implmode")
    if options.get("variable_placement") == b"Host" and not options.get("mix_compile_mode"):
        _fail("ABORT", "variable_placement", "Host")
    if options.get("mix_compile_mode") and options.get("iterations_per_loop", 1) != 1:
        _fail("ABORT", "mix_compile_mode", options["iterations_per_loop"])
    if options.get("profiling_mode") and not options.get("profiling_options"):
        _fail(None if switches.is_today() else "ABORT", "profiling_options", "")
    if options.get("aoe_mode") and "work_path" in options:
        path = _text(options["work_path"])
        if not _is_usable(path):
            _fail("ABORT", "work_path", path)
