"""The names that the vendor's options have: modes, generations, lists."""

from __future__ import annotations

from enum import Enum

from lenet_exp.errors import PrecisionError


class TextEnum(str, Enum):
    """An Enum whose text is its value on every Python."""

    def __str__(self) -> str:
        return str(self.value)


class Mode(TextEnum):
    """The modes of an Ascend 910, by their names of version 1. Source: precision-modes.md 2."""

    ALLOW_MIX_PRECISION = "allow_mix_precision"
    ALLOW_FP32_TO_FP16 = "allow_fp32_to_fp16"
    FORCE_FP16 = "force_fp16"
    MUST_KEEP = "must_keep_origin_dtype"
    FORCE_FP32 = "force_fp32"


# Every mode's other names, of the same key and of precision_mode_v2. Source: hicann/ge,
# fe_context_utils.cc, kPrecisionModeMap.
_ALIASES = {
    Mode.ALLOW_MIX_PRECISION: ("allow_mix_precision_fp16", "mixed_float16"),
    Mode.ALLOW_FP32_TO_FP16: (),
    Mode.FORCE_FP16: ("fp16",),
    Mode.MUST_KEEP: ("origin",),
    Mode.FORCE_FP32: ("cube_fp16in_fp32out",),
}
MODES = {name: mode for mode, others in _ALIASES.items() for name in (mode.value, *others)}


class Generation(TextEnum):
    """The documented generations of library and rules. Source: precision-modes.md 9."""

    TODAY = "today"
    FEBRUARY_2021 = "2021"


class Colour(TextEnum):
    """The list an operator is on."""

    WHITE = "white"
    BLACK = "black"
    GRAY = "gray"
    NONE = "none"


def read_mode(mode: str) -> Mode:
    """Return a mode by its name in either key (2).

    Raises:
        PrecisionError: no mode has this name.
    """
    if str(mode) not in MODES:
        raise PrecisionError(f"precision mode {mode}", "it is not known", ", ".join(MODES))
    return MODES[str(mode)]


def read_generation(generation: str) -> Generation:
    """Return a documented generation.

    Raises:
        PrecisionError: it is none.
    """
    try:
        return Generation(str(generation))
    except ValueError as error:
        allowed = ", ".join(known.value for known in Generation)
        raise PrecisionError(f"generation {generation}", "it is not known", allowed) from error
