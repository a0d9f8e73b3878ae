"""Drawing batches."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.data.batches import batch_indices, permutation


def test_a_pass_draws_without_replacement():
    steps = 55000 // 64
    drawn = batch_indices(0, 55000, 64, 0, steps)
    assert drawn.shape == (859, 64)
    assert drawn.dtype == np.int32
    assert len(set(drawn.ravel().tolist())) == 859 * 64
    assert (drawn.min() >= 0, drawn.max() < 55000) == (True, True)


def test_the_next_pass_is_another_order_of_the_same_examples():
    first, second = (permutation(0, number, 1000) for number in (0, 1))
    assert not np.array_equal(first, second)
    assert sorted(first) == sorted(second) == list(range(1000))


@pytest.mark.parametrize("cut", [1, 5, 6, 7, 13])
def test_where_a_call_begins_does_not_matter(cut):
    whole = batch_indices(3, 100, 16, 0, 20)  # six batches a pass: four passes
    parts = [batch_indices(3, 100, 16, 0, cut), batch_indices(3, 100, 16, cut, 20 - cut)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_the_seed_changes_the_order_and_nothing_else_does():
    base = batch_indices(0, 55000, 64, 0, 3)
    assert np.array_equal(base, batch_indices(0, 55000, 64, 0, 3))
    assert not np.array_equal(base, batch_indices(1, 55000, 64, 0, 3))


def test_both_stacks_draw_alike():
    # Printed by numpy 1.21.6 on Python 3.7 and by numpy 2.4.6 on Python 3.11.
    drawn = batch_indices(0, 55000, 64, 0, 1)[0, :5].tolist()
    assert drawn == [47388, 53717, 33676, 51883, 20010]
