"""The names of modes and generations, which the configuration has too."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli import graph_options
from lenet_exp.config.schema.run import PRECISION_MODES
from lenet_exp.errors import PrecisionError
from lenet_exp.precision.target.modes import Generation, Mode, read_generation, read_mode


def test_the_configuration_has_the_same_names():
    assert set(PRECISION_MODES) == {mode.value for mode in Mode}
    assert tuple(each.value for each in Generation) == graph_options._GENERATIONS


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("force_fp16", Mode.FORCE_FP16),
        ("fp16", Mode.FORCE_FP16),
        ("mixed_float16", Mode.ALLOW_MIX_PRECISION),
        ("origin", Mode.MUST_KEEP),
    ],
)
def test_a_mode_has_a_name_in_either_key(name, mode):
    assert read_mode(name) is mode


def test_other_names_are_refused_with_what_is_allowed():
    with pytest.raises(
        PrecisionError, match="allow_mix_precision, allow_mix_precision_fp16, mixed"
    ):
        read_mode("mix")
    with pytest.raises(PrecisionError, match="today, 2021"):
        read_generation("2022")
