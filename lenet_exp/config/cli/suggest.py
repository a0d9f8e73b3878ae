"""What to type instead: the remedies in our messages."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from dataclasses import fields
from typing import Iterable, Optional, Sequence, Tuple

from lenet_exp.config.chip import options
from lenet_exp.config.cli.json_words import argument, as_typed, as_value
from lenet_exp.config.schema.modes import ALSO, OTHER_NAMES, RECOMMENDED
from lenet_exp.config.schema.run import SWEEP_KEYS, all_keys, groups
from lenet_exp.errors import ConfigError

PROGRAM = "python -m lenet_exp.run"
PRESETS = ("experiment", "debug")
ONE_OF_ALL = "one of precision, "  # begins what is allowed in place of a key that is none
_CLEARLY = 0.05  # nearer than the next one, as difflib measures
_FLOAT32 = "must_keep_origin_dtype"
_LETTERS = 3  # of a part that stands for the whole
# What others call a mode: the vendor, Keras, PyTorch.
_ELSEWHERE = {
    **OTHER_NAMES,
    **dict.fromkeys(("float16", "half"), "force_fp16"),
    **dict.fromkeys(("fp32", "float32"), _FLOAT32),
    **dict.fromkeys(("mixed_precision", "mixed", "amp"), RECOMMENDED),
}
# Of these, one for the other is the opposite of what was meant, however much alike both look.
_CONTRARY = re.compile("inc|dec|disable|enable|input|output|min|max|16|32|64")
_GOOD_OPTIONS = {
    "precision": RECOMMENDED, "loss_scale": "none", "optimizer": "adam", "hardware": "cpu",
    "data": "mnist", "schedule": "full", "tracking": "mlflow", "experiment": "modelzoo_baseline",
    "debug": "fast", "hydra/launcher": "local", "hydra/sweeper": "basic",
}  # fmt: skip


def command(key: str = "", value: object = None, options: Sequence[str] = ()) -> str:
    """Return a command line that works: key=value, or key with a good option of a group.

    `value` is as a shell takes it.
    """
    arguments = [PROGRAM, "-m"] if key in SWEEP_KEYS else [PROGRAM]
    group = key.partition(".")[0]
    if options and len(options) < len(groups()[group]):
        arguments.append(f"{group}={options[0]}")
    if value is not None:
        arguments.append(f"{key}={value}")
    elif group in _GOOD_OPTIONS:
        arguments.append(f"{group}={_GOOD_OPTIONS[group]}")
    return " ".join(arguments)


def not_possible(key: str, value: object, allowed: str, arguments: str = "") -> ConfigError:
    """Return the error of a key; `arguments` are those of a run to type instead."""
    return ConfigError(key, value, allowed, f"{PROGRAM} {arguments}" if arguments else PROGRAM)


def shown(value: object) -> object:
    """Return a value as it is typed."""
    if isinstance(value, (dict, list, tuple)):
        return as_typed(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else value


def close_to(word: str, options: Iterable[str]) -> Optional[str]:
    """Return the one option that was surely meant, or None."""
    known = list(options)
    elsewhere = _ELSEWHERE.get(_plain(word))
    if elsewhere in known:
        return elsewhere
    around = [option for option in known if word in option]
    return around[0] if len(around) == 1 and len(word) >= _LETTERS else _alike(word, known)


def _alike(word: str, known: Sequence[str]) -> Optional[str]:
    sensible = [option for option in known if not _contrary(word, option)]
    found = difflib.get_close_matches(word, sensible, n=2, cutoff=0.8)
    near = [difflib.SequenceMatcher(None, word, option).ratio() for option in found]
    sure = len(found) == 1 or (len(found) == 2 and near[0] - near[1] > _CLEARLY)
    return found[0] if sure else None


def _contrary(word: str, option: str) -> bool:
    mine, its = _CONTRARY.findall(word), _CONTRARY.findall(option)
    return len(mine) == len(its) and mine != its


def of_no_mode(name: str, allowed: str, good: str) -> Tuple[str, str]:
    """Return what is allowed, and what to type, instead of a name that no mode here has."""
    allowed += ALSO
    if _ELSEWHERE.get(_plain(name)) == _FLOAT32:
        allowed += f"; {_FLOAT32} keeps all float32, force_fp32 is float32 with float16 products"
    if re.search("bf16|bfloat16", name):
        allowed += "; an Ascend 910 has no bfloat16"
    return allowed, good


def _plain(word: str) -> str:
    """Return a type or mode as it is written mostly: fp32 for FP_32."""
    return re.sub("[_-](?=[0-9])", "", word.lower())


def unknown_key(
    dotted: str, value: object, cls: Optional[type] = None, prefix: str = ""
) -> ConfigError:
    """Return the error for a key that nothing has, or not the option that was chosen."""
    dotted_keys = all_keys()
    shown = "..." if value is None else value
    typed = ",".join(value) if isinstance(value, tuple) else shown
    owners = dotted_keys.get(dotted, ())
    group, _, leaf = dotted.partition(".")
    of_chip = group == "hardware" and leaf.partition(".")[0] in (*options.TABLE, "extra")
    if of_chip and not owners:
        return _not_an_own_key(leaf, typed, shown)
    if owners:  # right key, wrong option
        allowed = f"this key only with {group}={' or '.join(owners)}"
        return ConfigError(dotted, typed, allowed, command(dotted, shlex.quote(str(typed)), owners))
    meant = _meant_key(dotted, list(dotted_keys))
    if meant:
        good = command(meant, shlex.quote(str(typed)), dotted_keys.get(meant, ()))
        return ConfigError(dotted, typed, f"no such key; {meant} is one", good)
    if cls is not None and prefix:
        names = ", ".join(prefix + item.name for item in fields(cls))
    elif "." in dotted and group in groups():
        names = ", ".join(key for key in dotted_keys if key.startswith(group + "."))
    else:
        names = ", ".join([*groups(), *(key for key in dotted_keys if "." not in key)])
    if group == "hardware":
        names = "the keys of conf/hardware/ascend910.yaml; in hardware.extra any of npu_bridge"
        return not_possible(dotted, typed, f"one of {names}", _in_extra(leaf, shown))
    return not_possible(dotted, typed, f"one of {names}", "--help")


def _not_an_own_key(leaf: str, typed: object, shown: object) -> ConfigError:
    """Return the error for an option of the chip that can't be set by hardware.OPTION."""
    name, remedy = leaf.rpartition(".")[2], "hardware=ascend910"
    option = options.TABLE.get(name)
    if option is None or option.by == "extra":
        allowed = "only in the mapping hardware.extra" + (f" ({option.help})" if option else "")
        remedy = _in_extra(name, shown)
    else:
        allowed = option.help if option.by == "refused" else f"only by {option.by}"
    return not_possible(f"hardware.{leaf}", typed, allowed, remedy)


def _in_extra(name: str, shown: object) -> str:
    """Return what sets an option of npu_bridge to a typed text, to each of several, or a value."""
    values = shown if isinstance(shown, tuple) else (shown,)
    mappings = ",".join(f"{{{name}:{_text_in_mapping(value)}}}" for value in values)
    return f"hardware=ascend910 {shlex.quote(f'hardware.extra={mappings}')}"


def _text_in_mapping(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    simple = re.fullmatch(r"[\w./+-]+|\"[^\"\\]*\"", text, re.ASCII)
    return text if simple else as_value(text)


def whole_value(dotted: str, text: str) -> Optional[str]:
    """Return the argument whose commas belong to one value of the chip, or None."""
    option = options.TABLE.get(dotted.partition("hardware.")[2])
    if option is None or option.by or option.field != "s" or not option.accepts(text):
        return None
    return f"hardware=ascend910 {argument(dotted, text)}"


def _meant_key(dotted: str, keys: Sequence[str]) -> Optional[str]:
    leaf = dotted.rpartition(".")[2]
    same_leaf = [key for key in keys if key.rpartition(".")[2] == leaf and key != dotted]
    if len(same_leaf) == 1 and leaf not in ("name", "path", "extra"):
        return same_leaf[0]
    group = dotted[: -len(leaf)]
    longer = [key for key in keys if group and key.startswith(group) and leaf in key[len(group) :]]
    if len(longer) == 1 and len(leaf) >= _LETTERS:
        return longer[0]
    return _alike(dotted, keys if "." in dotted else [*keys, *groups(), *PRESETS])


def removed_key(dotted: str) -> ConfigError:
    """Return the error for a key or group that `~` took away."""
    return ConfigError("~" + dotted, None, f"any value of {dotted}, but not none at all", command())
