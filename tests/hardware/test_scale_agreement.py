"""The CPU's state machine is the chip's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hardware import double

SCRIPT = Path(__file__).with_name("scale_agreement.py")
# npu-bridge-contract.md, 4: scale, good, bad and global step after each step
SEEN = [
    (16, 1, 0, 1), (16, 2, 0, 2), (32, 0, 0, 3), (32, 1, 0, 4), (32, 0, 1, 4), (32, 1, 1, 5),
    (16, 0, 0, 5), (16, 0, 1, 5), (16, 1, 1, 6), (16, 2, 1, 7), (32, 0, 0, 8), (32, 0, 1, 8),
    (16, 0, 0, 8),
]  # fmt: skip


@double.ONLY_TF1
@pytest.mark.parametrize("generation", ["2021", "today"])
def test_forced_overflows_move_the_scale_as_the_contract_s_vector_says(generation):
    found = double.run(SCRIPT, "vector", generation=generation)
    assert [tuple(row) for row in found["seen"]] == SEEN
    assert found["disagreements"] == 0


@double.ONLY_TF1
@pytest.mark.parametrize(
    ("steps", "scales"), [(600, 30), pytest.param(10000, 100, marks=pytest.mark.full)]
)
def test_both_machines_agree_over_random_steps(steps, scales):
    found = double.run(SCRIPT, str(steps))
    assert found["steps"] == steps
    assert found["disagreements"] == 0
    assert found["scales"] > scales
