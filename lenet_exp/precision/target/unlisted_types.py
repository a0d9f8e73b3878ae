"""GE types that a mixlist may name and no plan has: what each of them is instead.

Sources: precision-modes.md 3; the compiler's own types are those of its graph_utils and types.cc,
the fused ones those that the vendor's passes of 2021 to 2026 make.
"""

from __future__ import annotations

import difflib
import re
from typing import List

from lenet_exp.precision.target.operator_library import OperatorLibrary

_OF_THE_COMPILER = (
    "AnnData", "AtomicAddrClean", "Case", "Const", "Constant", "Data", "DynamicAtomicAddrClean",
    "EndGraph", "EndOfSequence", "Exit", "FileConstant", "For", "FrameworkOp", "GetNext", "If",
    "LabelGoto", "LabelGotoEx", "LabelSet", "LabelSwitch", "LabelSwitchByIndex", "LoopCond",
    "MemSet", "MemcpyAddrAsync", "MemcpyAsync", "ModelExit", "NetOutput", "NoOp",
    "PartitionedCall", "PlaceHolder", "QueueData", "ReadVariableOp", "Recv", "RecvMem", "RefData",
    "RefExit", "Send", "SendMem", "StatefulPartitionedCall", "StatelessIf", "StatelessWhile",
    "StreamActive", "StreamMerge", "StreamSwitch", "StreamSwitchN", "Variable", "VariableV2",
    "VarHandleOp", "While",
)  # fmt: skip
_OF_SEVERAL_DEVICES = "Hcom"  # HcomAllReduce, HcomBroadcast
_MADE_BY_PASSES = (
    "BNInferenceD", "ConfusionMulGrad", "L2Normalize", "LambNextMV", "LambNextMVWithDecay",
    "LambNextRight", "LambUpdateWithLr", "LambUpdateWithLrV2", "LayerNormXBackpropV3",
    "ReduceMeanWithCount", "SoftmaxGradExt", "SoftmaxV2WithDropOutDoMaskV3D", "TransDataRNN",
)  # fmt: skip
_FORM = re.compile(r"(V\d+)?D?$")


def why_unlisted(name: str, library: OperatorLibrary) -> str:
    """Return why an entry for this name, which the library's table lacks, changes no plan."""
    if name in _OF_THE_COMPILER or name.startswith(_OF_SEVERAL_DEVICES):
        return "is a node of the compiler's own, without types to choose, so its entry does nothing"
    if name in _MADE_BY_PASSES:
        return "is made by a fusion that a plan does not make, so its entry changes no plan"
    if name in library.forms:
        chips = ", ".join(library.forms[name])
        return f"is TensorFlow's name, so its entry does nothing; names are the chip's: {chips}"
    if name in library.ai_cpu_only:
        return "runs on the AI CPU in the types of the graph, so its entry does nothing"
    problem = "is no type of the operator library, so its entry does nothing"
    alike = _alike(name, library)
    return f"{problem}; names are the chip's: {', '.join(alike) or 'MatMulV2'}"


def _alike(name: str, library: OperatorLibrary) -> List[str]:
    forms = [known for known in library.operators if _FORM.sub("", known) == _FORM.sub("", name)]
    return forms or difflib.get_close_matches(name, library.operators, n=1, cutoff=0.8)
