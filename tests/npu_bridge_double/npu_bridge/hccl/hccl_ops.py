"""Collectives of one device: identities. The vendor's needs CANN's own package."""

from hccl.manage import api


def allreduce(tensor, reduction, fusion=1, fusion_id=-1, group="hccl_world_group"):
    return tensor


def broadcast(tensor, root_rank, fusion=2, fusion_id=0, group="hccl_world_group"):
    return tensor
