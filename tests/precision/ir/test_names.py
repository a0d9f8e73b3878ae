"""Names of tensors, and the two ways through a graph."""

from __future__ import annotations

import pytest

from lenet_exp.errors import GraphError
from lenet_exp.precision.ir import names
from lenet_exp.precision.ir.graph import reachable, topological_order


def test_a_name_is_taken_apart_in_one_way():
    assert names.split("^a/b") == ("^", "a/b", "")
    assert names.split("a:1") == ("", "a", ":1")
    assert [names.node_of(text) for text in ("a", "^a", "a:3")] == ["a"] * 3
    assert [names.slot_of(text) for text in ("a", "^a", "a:3")] == [0, 0, 3]
    assert [names.as_input(names.Tensor("a", slot)) for slot in (0, 2)] == ["a", "a:2"]


def test_producers_come_first_else_the_given_order():
    before = {"a": {"d"}, "b": set(), "c": {"b"}, "d": set()}
    assert list(topological_order(before)) == ["b", "c", "d", "a"]
    with pytest.raises(GraphError, match="part of a cycle"):
        list(topological_order({"a": {"b"}, "b": {"a"}, "c": set()}))


def test_what_is_reached_comes_depth_first():
    after = {"a": ["b", "c"], "b": ["d"], "c": ["d", "a"], "d": []}
    assert list(reachable(["a"], after.__getitem__)) == ["a", "b", "d", "c"]
