"""What each precision mode of the Ascend 910 does to every operator of a graph."""

from lenet_exp.precision.assign import assign
from lenet_exp.precision.plan import Plan

__all__ = ["Plan", "assign"]
