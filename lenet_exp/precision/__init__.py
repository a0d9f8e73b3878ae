"""What each precision mode of the Ascend 910 does to every operator of a graph."""

from lenet_exp.precision.emulation.emulate import Emulated, emulate
from lenet_exp.precision.plan import Plan
from lenet_exp.precision.planning.pipeline import assign

__all__ = ["Emulated", "Plan", "assign", "emulate"]
