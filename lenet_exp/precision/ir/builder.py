"""NodeDefs under construction."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Sequence, Set

import numpy as np

from lenet_exp import tf_compat

ITERATIONS = 2**20  # of a loop inside another, at most, to be told apart


class Handle(str):
    """The first output of a node under construction, by its name, with the NodeDef itself."""

    node: Any

    def __new__(cls, node: Any) -> Handle:
        """Return the handle of a NodeDef."""
        made = super().__new__(cls, node.name)
        made.node = node
        return made

    def outputs(self, count: int) -> List[str]:
        """Return the first `count` outputs."""
        return [str(self) if slot == 0 else f"{self}:{slot}" for slot in range(count)]


class Nodes:
    """A list of NodeDefs that grows; tensors are named as in a GraphDef's inputs."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Begin with no nodes; `taken` names are not given to new ones."""
        self.made: List[Any] = []
        self._taken: Set[str] = set(taken)
        self._numbers: Dict[str, int] = {}  # the last one that a name was given
        self._constants: Dict[Any, Handle] = {}
        self.tf = tf_compat.load()
        self.around: Nodes = self  # those that are in no loop
        self._outer: Optional[Nodes] = None  # of those in a loop: the next around it
        self._frame: Dict[str, Any] = {}
        self._condition = ""
        self._entered: Dict[str, Handle] = {}
        self._iteration: Optional[Handle] = None

    def scratch(self) -> Nodes:
        """Return nodes of its own that take their names from the same stock."""
        other = Nodes()
        other._taken, other._numbers = self._taken, self._numbers
        return other

    def inside(self, frame_name: str, parallel_iterations: int, condition: str) -> Nodes:
        """Return nodes in a while loop among these: the same list, and the same stock of names.

        `condition` is the loop's LoopCond.
        """
        loop = Nodes()
        loop.made, loop._taken, loop._numbers = self.made, self._taken, self._numbers
        loop.around, loop._outer = self.around, self
        loop._frame = {
            "frame_name": frame_name.encode(),
            "parallel_iterations": parallel_iterations,
        }
        loop._condition = condition
        return loop

    def entered(self, tensor: Handle, is_ref: bool = False) -> Handle:
        """Return a tensor that is in no loop as these nodes can take it: once for all iterations.

        `is_ref`: it is a variable.
        """
        if self._outer is None:
            return tensor
        if tensor not in self._entered:
            given = self._outer.entered(tensor, is_ref)
            op = "RefEnter" if is_ref else "Enter"
            self._entered[tensor] = self._enter(op, given, f"{tensor}/entered", True)
        return self._entered[tensor]

    def _enter(self, op: str, given: Handle, name: str, is_constant: bool) -> Handle:
        attributes = given.node.attr
        kind = self.tf.as_dtype(attributes["T" if "T" in attributes else "dtype"].type)
        return self.add(op, [given], name, T=kind, is_constant=is_constant, **self._frame)

    def iteration(self) -> Optional[Handle]:
        """Return int64 [], the iteration of the loop that these nodes are in, from 1.

        That of a loop inside another has the other's, times `ITERATIONS`, added. None in no loop.
        """
        if self._outer is None or self._iteration is not None:
            return self._iteration
        kinds, one, name = {"T": self.tf.int64}, self.constant(1, np.int64), "emulation/iteration"
        begin = self._enter("Enter", self._outer.constant(1, np.int64), name, False)
        merge = self.add("Merge", [begin, begin], name, N=2, **kinds)
        switch = self.add("Switch", [merge, self._condition], name, **kinds)
        more = self.add("AddV2", [f"{switch}:1", one], name, **kinds)
        merge.node.input[1] = self.add("NextIteration", [more], name, **kinds)
        self._iteration, outer = merge, self._outer.iteration()
        if outer is not None:
            factor = self.constant(ITERATIONS, np.int64)
            around = self._enter("Enter", outer, name, True)
            whole = self.add("Mul", [around, factor], name, **kinds)
            self._iteration = self.add("AddV2", [whole, merge], name, **kinds)
        return self._iteration

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        name: str,
        control: Sequence[str] = (),
        final: Optional[str] = None,
        **attributes: Any,
    ) -> Handle:
        """Append a node; return its handle.

        Its name is `final`, or a free one that begins with `name`.
        """
        node = self.tf.NodeDef(name=self.free(name) if final is None else final, op=op)
        node.input.extend(inputs)
        node.input.extend(f"^{before}" for before in control)
        for key, value in attributes.items():
            set_attribute(node, key, value)
        self.made.append(node)
        return Handle(node)

    def free(self, name: str) -> str:
        """Return `name`, or it with a number, and take it."""
        found = name
        while found in self._taken:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def constant(self, value: Any, dtype: Any = np.float32) -> Handle:
        """Return a constant; equal scalars are one node."""
        if self._outer is not None:
            return self.entered(self.around.constant(value, dtype))
        array = np.asarray(value, dtype)
        known = self._constants if array.size == 1 else {}
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in known:
            kind = self.tf.as_dtype(array.dtype)
            known[key] = self.add("Const", [], "emulation/constant", dtype=kind, value=array)
        return known[key]

    def float_op(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> Handle:
        """Append a node whose only type attribute is T = float32."""
        return self.add(op, inputs, name, T=self.tf.float32, **attributes)

    def cast(
        self, tensor: str, source: str, target: str, name: str, final: Optional[str] = None
    ) -> Handle:
        """Append a Cast; TensorFlow's rounds to nearest, ties to even."""
        kinds = {"SrcT": self.tf.as_dtype(source), "DstT": self.tf.as_dtype(target)}
        return self.add("Cast", [tensor], name, final=final, **kinds)

    def reshape(
        self,
        tensor: str,
        shape: Sequence[int],
        name: str,
        dtype: Any = None,
        final: Optional[str] = None,
    ) -> Handle:
        """Append a Reshape of a float32 tensor, or of `dtype`."""
        wanted = self.constant(np.array(shape, np.int32).reshape(-1), np.int32)
        kinds = {"T": dtype or self.tf.float32, "Tshape": self.tf.int32}
        return self.add("Reshape", [tensor, wanted], name, final=final, **kinds)


_SCALARS = ((bool, "b"), (int, "i"), (float, "f"), (bytes, "s"))  # a bool is an int, too


def set_attribute(node: Any, key: str, value: Any) -> None:
    """Set an attribute of a NodeDef by the Python type of `value`."""
    tf = tf_compat.load()
    attribute = node.attr[key]
    field = next((field for kind, field in _SCALARS if isinstance(value, kind)), None)
    if field is not None:
        setattr(attribute, field, value)
    elif isinstance(value, np.ndarray):
        attribute.tensor.CopyFrom(tf.make_tensor_proto(value))
    elif isinstance(value, tf.DType):
        attribute.type = value.as_datatype_enum
    elif isinstance(value, tf.TensorShape):
        attribute.shape.CopyFrom(value.as_proto())
    else:  # DTypes
        attribute.list.type.extend(each.as_datatype_enum for each in value)


def data_inputs(inputs: Iterable[str]) -> List[str]:
    """Return those of a node's inputs that are tensors."""
    return [text for text in inputs if not text.startswith("^")]


def control_inputs(inputs: Iterable[str]) -> List[str]:
    """Return the nodes that a node only waits for."""
    return [text[1:] for text in inputs if text.startswith("^")]


def set_inputs(node: Any, inputs: Sequence[str]) -> None:
    """Give a NodeDef other inputs."""
    del node.input[:]
    node.input.extend(inputs)


def copied(node: Any) -> Any:
    """Return a copy of a NodeDef."""
    copy = type(node)()
    copy.CopyFrom(node)
    return copy
