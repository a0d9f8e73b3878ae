"""The names of precision modes, as a person may type them.

Light, unlike lenet_exp.precision, which has the same names in its target/modes.py.
"""

from __future__ import annotations

import re
from typing import Dict, List, Sequence

RECOMMENDED = "allow_mix_precision"
PRECISION_MODES = (
    "allow_fp32_to_fp16",
    "force_fp16",
    "force_fp32",
    "must_keep_origin_dtype",
    RECOMMENDED,
)
# The vendor's second key, precision_mode_v2, has these.
V2_NAMES: Dict[str, str] = {
    "fp16": "force_fp16",
    "origin": "must_keep_origin_dtype",
    "cube_fp16in_fp32out": "force_fp32",
    "mixed_float16": RECOMMENDED,
}
OTHER_NAMES: Dict[str, str] = {**V2_NAMES, "allow_mix_precision_fp16": RECOMMENDED}
ALSO = f"; by other names {' | '.join(OTHER_NAMES)}"  # where the modes are listed
_KEYS = ("precision", "precision.mode", "reference", "diff", "modes")  # those that name a mode
# Not in a pattern of names, in the name of a person's own option or in a path, nor where it is the
# vendor's own key that is named.
_OTHER_NAME = re.compile(rf"(?<!_v2=)(?<![\w*?./-])(?:{'|'.join(OTHER_NAMES)})(?![\w*?./-])")


def by_one_name(text: str) -> str:
    """Return a text with every other name of a mode replaced by the mode's own.

    The text is a name, several as Hydra takes them, or settings that hold one: `fp16,origin`,
    `choice(fp16,origin)`, `precision=fp16,optimizer=sgd`.
    """
    return _OTHER_NAME.sub(lambda found: OTHER_NAMES[found.group()], text)


def with_one_name(words: Sequence[str]) -> List[str]:
    """Return the words of a command line, each mode by its own name.

    So `precision=fp16` and `precision=force_fp16` are one job, and one word in every record.
    """
    return [_with_one_name(word) for word in words]


def _with_one_name(word: str) -> str:
    key, equals, value = word.partition("=")
    return f"{key}={by_one_name(value)}" if equals and key.lstrip("+") in _KEYS else word
