"""Scopes that mark operators: what keeps its types, and what stays on the host."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

import tensorflow.compat.v1 as tf

from lenet_exp.script.step_graph import HOST_ONLY


@contextlib.contextmanager
def _marked(name: str, **value: Any) -> Iterator[None]:
    graph = tf.get_default_graph()
    with graph._attr_scope({name: tf.AttrValue(**value)}):  # noqa: SLF001 - no public way
        yield


def keep_dtype_scope() -> Any:
    """Have operators keep the types of the graph."""
    return _marked("_keep_dtype", i=1)


def without_npu_compile_scope() -> Any:
    """Leave operators to the host."""
    return _marked(HOST_ONLY, b=True)


@contextlib.contextmanager
def _without_effect(*_: Any, **__: Any) -> Iterator[None]:
    """Mark nothing: it is about where and when the chip computes, not in which type."""
    yield


npu_stage_scope = npu_mem_type_scope = npu_weight_prefetch_scope = _without_effect
npu_variable_scope = op_specified_engine_scope = npu_qos_label_scope = _without_effect
subgraph_multi_dims_scope = npu_optimizer_scope = npu_recompute_scope = _without_effect
npu_graph_slice_scope = disable_autofuse = limit_core_num_scope = _without_effect
