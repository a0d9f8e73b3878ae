"""What TensorFlow's and the chip's operators are to the compiler: one table for all phases."""

from __future__ import annotations

import functools
from typing import Any, FrozenSet

from lenet_exp import tf_compat


def _types(names: str) -> FrozenSet[str]:
    return frozenset(names.split())


# TensorFlow's types. Removed before selection. Source: precision-modes.md 1 and 3.3.
PASS_THROUGH = _types("Identity RefIdentity ReadVariableOp StopGradient PreventGradient Snapshot")
READS = _types("Identity ReadVariableOp")  # of a variable
VARIABLES = _types("Variable VariableV2 TemporaryVariable VarHandleOp AutoReloadVariable")
# Rows of a variable's value, by its handle.
VARIABLE_GATHERS = _types("ResourceGather ResourceGatherNd")
SHAPES_OF_HANDLES = _types("VariableShape")  # take a handle, and read nothing behind it
CONSTANTS = _types("Const")
# What the compiler calls Data: the type of the graph is kept (3.3).
DATA = _types("""Placeholder PlaceholderV2 PlaceholderWithDefault
    IteratorGetNext IteratorV2 OneShotIterator Iterator""")
ORDER_ONLY = _types("NoOp ControlTrigger")
SWITCHES = _types("Switch RefSwitch SwitchN _SwitchN")
MERGES = _types("Merge RefMerge")
BACK_EDGES = _types("NextIteration RefNextIteration")
ENTERS = _types("Enter RefEnter")
EXITS = _types("Exit RefExit")
LOOP_CONDITIONS = _types("LoopCond")
CONTROL_FLOW = SWITCHES | MERGES | BACK_EDGES | ENTERS | EXITS | LOOP_CONDITIONS
CONDITIONAL_CALLS = _types("If StatelessIf")
LOOPS = _types("While StatelessWhile")
CALLS = CONDITIONAL_CALLS | LOOPS | _types("PartitionedCall StatefulPartitionedCall")
TAKEN_APART = _types("Case StatelessCase Einsum")  # into what they call, or products
# The borders of a function's graph, as `called_functions` writes them.
FUNCTION_ENDS = _types("_Arg _Retval")
NO_OPERATOR = PASS_THROUGH | VARIABLES | CONSTANTS | DATA | ORDER_ONLY | FUNCTION_ENDS
EFFECT_FREE = (
    VARIABLES
    | DATA
    | _types("""ReadVariableOp VarIsInitializedOp IsVariableInitialized
    _Arg RefIdentity RefSwitch RefMerge RefEnter RefExit RefNextIteration RefSelect""")
)
# What `tf.gradients` and initialisers leave without a consumer.
LEFT_OVER = _types("ZerosLike VarIsInitializedOp IsVariableInitialized")
OF_SHAPES = _types("Shape ShapeN Size Rank")
NEVER_FOLDED = CONTROL_FLOW | CALLS | DATA  # data is what a run feeds, with a default or not
# Constants that can't be large unless what they are made of is. Of these one output has at most as
# many values as all inputs together,
JOINS_AND_PARTS = _types("""Abs All Any ArgMax ArgMin BroadcastArgs BroadcastGradientArgs Cast Ceil
    Concat ConcatOffset ConcatV2 Cumprod Cumsum Exp ExpandDims Floor Identity InvertPermutation
    ListDiff Log LogicalNot Max Mean Min Neg OnesLike Pack Prod Reciprocal Relu Reshape Reverse
    ReverseV2 Round Rsqrt Sigmoid Sign Slice Snapshot Split SplitV Sqrt Square Squeeze StopGradient
    StridedSlice Sum Tanh Transpose Unique Unpack Where ZerosLike""")
# and of these as many as a product of both sides.
PAIRWISE = _types("""Add AddV2 Div Equal FloorDiv FloorMod Gather GatherNd GatherV2 Greater
    GreaterEqual Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul NotEqual Pow RealDiv
    Select SelectV2 SquaredDifference Sub TruncateDiv TruncateMod""")
# These give whole numbers of whole numbers: of all inputs, of all if their type is an integer, of
# the first, and of those at some places.
WHOLE_OF_ALL = MERGES | _types("""Add AddN AddV2 AssignAdd AssignSub Concat ConcatV2 Maximum
    Minimum Pack Sub""")
WHOLE_OF_INTEGERS = _types("Cumprod FloorDiv Mul Pow Prod Square TruncateDiv")
WHOLE_OF_FIRST = CONTROL_FLOW | _types("""Abs BroadcastTo Cast Ceil Cumsum ExpandDims Floor Gather
    GatherNd GatherV2 Max Min Neg Pad Reshape ReverseV2 Rint Round Slice Squeeze StridedSlice Sum
    Tile Transpose Unpack""")
WHOLE_OF_SOME = {"Fill": (1,), "Select": (1, 2), "SelectV2": (1, 2), "Split": (1,), "SplitV": (0,)}
# Stays as it is though a D form exists (3.3).
WITHOUT_D_FORM = _types("GatherV2")

# The chip's types. What fusions look for (7).
CONVOLUTIONS = _types("Conv2D DepthwiseConv2D Conv3D")
MATMULS = _types("MatMul MatMulV2")
BIAS_ADDS = _types("BiasAdd")
MOMENTUMS = _types("ApplyMomentum ApplyMomentumD")
# A Cast moves across these, which only change a shape (6.8).
LAYOUTS = _types("Reshape Squeeze ExpandDims")
# Of TensorFlow's types: what adds up, so that its inputs may cancel.
ADDING = _types("Add AddN AddV2 BiasAdd BiasAddGrad Mean SegmentSum Sub Sum UnsortedSegmentSum")
# Move or choose values: nothing to round where what comes in is float16. Not the largest of some,
# which is infinite if there are none.
EXACT = _types("""Abs Assign BroadcastTo BroadcastToD Concat ConcatD ConcatV2 ConcatV2D
    DepthToSpace Fill FillD Gather GatherNd GatherV2 GatherV2D MaxPool Maximum Minimum Neg OneHot
    OneHotD OnesLike Pack Pad PadD Relu ReluGrad ReluGradV2 ReluV2 ReverseV2 ReverseV2D Select
    SelectV2 Sign Slice SliceD SpaceToDepth Split SplitD SplitV SplitVD StridedSlice StridedSliceD
    Tile TileD Transpose TransposeD Unpack ZerosLike""")
# Made of several operators by a fusion, and computed one after the other: each rounds (8.2).
STEPWISE = _types("AdamApplyOne AdamApplyOneWithDecay ClipByNormNoDivSum FusedMulAddN")
PLAIN_WRITES = _types("Assign AssignVariableOp")  # what they write was rounded before
# Of what begins and ends a training rather than of its steps.
STARTING = PLAIN_WRITES | _types("""MergeV2Checkpoints Restore RestoreSlice RestoreV2 Save
    SaveSlices SaveV2""")


def stand_in(node: Any) -> str:
    """Return the GE type a stand-in of a vendor's operator was marked with, or ""."""
    if "_ge_type" not in node.attr:
        return ""
    name = str(node.attr["_ge_type"].s.decode(errors="replace"))
    return name if name.isprintable() else ascii(name)


def transparent(node: Any) -> bool:
    """Return whether the compiler removes this node and joins its ends.

    So it does with a Cast that casts nothing: Grappler's arithmetic optimizer, `CastRemovePass`
    of the graph engine and `CastRemoveFusionPass` of the operator library. Source:
    precision-modes.md 1 and 3.3; hicann/ge, compiler/graph/passes/format_optimize/
    cast_remove_pass.cc, `IsRedundantCastNode`.
    """
    return (node.op in PASS_THROUGH or _casts_nothing(node)) and not stand_in(node)


def _casts_nothing(node: Any) -> bool:
    if node.op != "Cast" or not ("SrcT" in node.attr and "DstT" in node.attr):
        return False
    return bool(node.attr["SrcT"].type == node.attr["DstT"].type)


def invisible(node: Any) -> bool:
    """Return whether this node is no operator: a source, an order, or removed."""
    return (node.op in NO_OPERATOR and not stand_in(node)) or transparent(node)


def updates(node: Any) -> bool:
    """Return whether a node changes a variable that it also reads: a training step's work."""
    name = str(node.op)
    name = name[len("Resource") :] if name.startswith("Resource") else name
    return name.startswith(("Apply", "SparseApply", "Scatter", "AssignAdd", "AssignSub"))


def writes(node: Any) -> bool:
    """Return whether a node does something besides its outputs: it can't be pruned.

    Writers of ref and resource variables, the float status operators, and every other stateful
    operator but reads, sources and random numbers.
    """
    return _writes(stand_in(node) or node.op, node.op)


@functools.lru_cache(maxsize=None)
def _writes(vendor: str, op_type: str) -> bool:
    if vendor.lower().startswith("npu") and "floatstatus" in vendor.lower():
        return True
    if op_type in EFFECT_FREE:
        return False
    definition = tf_compat.op_def(op_type)
    if definition is None:
        return False
    if any(arg.is_ref for arg in definition.input_arg):
        return True
    seeded = {"seed", "seed2"} <= {attr.name for attr in definition.attr}
    return bool(definition.is_stateful) and not (seeded and "Dataset" not in op_type)
