"""What the emulation knows of operators by their types."""

from __future__ import annotations

# GE types that move or choose values: nothing to round where what comes in is float16.
MOVES = frozenset(
    (
        "Assign", "BroadcastTo", "BroadcastToD", "ConcatD", "ConcatV2D", "ConcatV2", "Concat",
        "DepthToSpace", "Fill", "FillD", "Gather", "GatherNd", "GatherV2", "GatherV2D",
        "Maximum", "MaxPool", "Minimum", "Neg", "OneHot", "OneHotD", "Pack", "Pad", "PadD",
        "ReduceMaxD", "ReduceMinD", "ReduceMax", "ReduceMin", "Relu", "ReluV2", "ReverseV2",
        "ReverseV2D", "Select", "SelectV2", "Slice", "SliceD", "SpaceToDepth", "Split", "SplitD",
        "SplitV", "SplitVD", "StridedSlice", "StridedSliceD", "Tile", "TileD", "Transpose",
        "TransposeD", "Unpack", "ZerosLike", "OnesLike", "Abs", "Sign", "ReluGrad", "ReluGradV2",
    )
)  # fmt: skip
CONVOLUTIONS = frozenset(("Conv2D", "DepthwiseConv2D", "Conv3D"))  # GE types

# From here on TensorFlow's.
READS = frozenset(("Identity", "ReadVariableOp"))  # of a variable
ASSIGNS = frozenset(("Assign", "AssignVariableOp"))
SUMS = frozenset(("AddV2", "Sub"))
SELECTIONS = frozenset(("Maximum", "Minimum", "Neg"))  # of values that are there: not rounded

# Data inputs of which every element takes part in a sum or product of the result: what is not
# finite there is not finite here either, whatever the other values are (0 * infinity is NaN).
_ONE, _TWO = frozenset((0,)), frozenset((0, 1))
CARRIED = {
    "Identity": _ONE, "Cast": _ONE, "Reshape": _ONE, "Squeeze": _ONE, "ExpandDims": _ONE,
    "Transpose": _ONE, "Neg": _ONE, "Square": _ONE, "BiasAddGrad": _ONE, "Add": _TWO,
    "AddV2": _TWO, "Sub": _TWO, "Mul": _TWO, "BiasAdd": _TWO, "MatMul": _TWO,
    "Tile": _ONE,
}  # fmt: skip
# What a convolution slides over, one step at a time: of the filter only the middle, which is
# there for any size, meets every element.
SLIDING = {"Conv2D": 0, "Conv2DBackpropInput": 2}
PRODUCTS = frozenset(("Mul", "MatMul", "Conv2D", "Conv2DBackpropInput"))  # of the last two inputs
# What is no constant if any of its inputs is none.
VARYING = frozenset(("Exp", "MaxPool", "Reciprocal", "Relu", "Sigmoid")) | CARRIED.keys()

# float16 operations that XLA computes bit by bit as TensorFlow does. Not Sqrt: it is a power.
COMPILABLE = SELECTIONS | SUMS | {"Exp", "Mul", "RealDiv", "Reciprocal"}
