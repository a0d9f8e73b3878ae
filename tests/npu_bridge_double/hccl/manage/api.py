"""CANN's package, for one device."""

import os

if os.environ.get("NPU_BRIDGE_DOUBLE_BROKEN") == "hccl":
    raise ModuleNotFoundError("No module named 'hccl'")


def get_rank_size(group="hccl_world_group"):
    return 1


def get_rank_id(group="hccl_world_group"):
    return 0


def get_local_rank_size(group="hccl_world_group"):
    return 1


def get_local_rank_id(group="hccl_world_group"):
    return 0
