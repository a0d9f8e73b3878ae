"""What each precision mode of the Ascend 910 does to every operator of a graph.

graph, fetches = load_graph(path)
plan = assign(graph, "allow_mix_precision", fetches=fetches)   # planning: phase by phase
report(plan), verdict(plan)                                    # what it says, for a reader
emulate(graph, plan)                                           # a graph that computes so
emulated_session(graph, "force_fp16", fetches)                 # both, and a session to run them in
"""

from lenet_exp.precision.emulation.emulate import Emulated, emulate
from lenet_exp.precision.emulation.session import emulated_session
from lenet_exp.precision.ir.load import load_graph
from lenet_exp.precision.plan import Plan
from lenet_exp.precision.planning.pipeline import assign
from lenet_exp.precision.reporting.records import report
from lenet_exp.precision.reporting.verdict import verdict

__all__ = [
    "Emulated",
    "Plan",
    "assign",
    "emulate",
    "emulated_session",
    "load_graph",
    "report",
    "verdict",
]
