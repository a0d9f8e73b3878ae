"""Collectives of one process, and the numbers of the processes: 0 of 1."""

from __future__ import annotations

import os
from typing import Any, Sequence

import tensorflow.compat.v1 as tf

from lenet_exp.script.bridge.refusal import NotOnCpuError

_SIZES = ("RANK_SIZE", "CM_WORKER_SIZE")


def check_alone() -> None:
    """Raise where this process is to be one of several."""
    for name in _SIZES:
        size = os.environ.get(name, "1") or "1"
        if size.isdigit() and int(size) > 1:
            raise NotOnCpuError(f"training by {size} processes ({name})", [f"{name}=1"])


def _same(tensor: Any) -> Any:
    check_alone()
    if isinstance(tensor, (list, tuple)):
        return [tf.identity(one) for one in tensor]
    return tf.identity(tensor)


def allreduce(tensor: Any, reduction: str, *_: Any, **__: Any) -> Any:
    """Return the tensor."""
    return _same(tensor)


def allgather(tensor: Any, rank_size: int, *_: Any, **__: Any) -> Any:
    """Return the tensor."""
    return _same(tensor)


def broadcast(tensor: Any, root_rank: int, *_: Any, **__: Any) -> Any:
    """Return the tensor, or tensors."""
    return _same(tensor)


def reduce(tensor: Any, reduction: str, root_rank: int, *_: Any, **__: Any) -> Any:
    """Return the tensor."""
    return _same(tensor)


def reduce_scatter(tensor: Any, reduction: str, rank_size: int, *_: Any, **__: Any) -> Any:
    """Return the tensor."""
    return _same(tensor)


def get_rank_size(group: str = "hccl_world_group") -> int:
    """Return 1."""
    return 1


def get_rank_id(group: str = "hccl_world_group") -> int:
    """Return 0."""
    return 0


get_local_rank_size, get_local_rank_id = get_rank_size, get_rank_id


def get_world_rank_from_group_rank(group: str, group_rank_id: int) -> int:
    """Return 0."""
    return 0


def get_group_rank_from_world_rank(world_rank_id: int, group: str) -> int:
    """Return 0."""
    return 0


def create_group(group: str, *_: Any) -> None:
    """Do nothing: any group is this process."""


def destroy_group(group: str) -> None:
    """Do nothing."""


def set_split_strategy_by_idx(indices: Sequence[int], *_: Any) -> None:
    """Do nothing: nothing is reduced."""


def set_split_strategy_by_size(sizes: Sequence[float], *_: Any) -> None:
    """Do nothing: nothing is reduced."""
