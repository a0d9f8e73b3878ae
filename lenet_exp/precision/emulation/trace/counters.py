"""Counters inside an emulated graph: what each rounding to float16 did to its values.

Nothing here changes a number: the counters read what is about to be rounded, and the rounding
waits for them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.context import Lookup, source
from lenet_exp.precision.ir.builder import Handle, Nodes, set_attribute
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import MERGES, PASS_THROUGH, SWITCHES
from lenet_exp.precision.plan import Plan

CAST = "Cast"
_TO_FLOAT16 = "/float16"  # ends the names of Casts that the plan puts in
# A magnitude is counted in a column if it is larger. The last column counts NaN.
_LEAST = np.float32(2.0**-25)  # what is not larger becomes 0
_NORMAL = np.nextafter(np.float32(1023.5 * 2.0**-24), np.float32(0))  # half-way goes to 2^-14
_OVERFLOW = np.nextafter(np.float32(rounding.OVERFLOW), np.float32(0))
_NEAR = 0.01  # a constant that moves by less is no loss worth a line
NEVER = 2**62  # no iteration
COLUMNS = ("values", "nonzero", "kept", "normal", "overflows", "infinite", "nan")


class Site(NamedTuple):
    """A place that is counted: the output of an operator, one of its steps, or a Cast.

    `operator` is a node of the plan, of a Cast the tensor that is cast; `part` the step inside
    the operator, "" where its result is rounded; `dtype` what the values are on the chip;
    `gradient_of` the variable whose gradient they are, as its update takes it, else "".
    """

    operator: str
    part: str
    ge_type: str
    dtype: str
    gradient_of: str = ""


class Constant(NamedTuple):
    """A constant that the compiler converts, and one of its values that float16 does not hold."""

    name: str
    value: float
    becomes: float


class Traces(NamedTuple):
    """The counters of an emulated graph, and what they count, in the order of a step.

    The variables `counts` (int64 [sites, columns of COLUMNS]) and `largest` (float32 [sites], the
    largest magnitude before rounding, NaN left out) grow from the operation `reset` on; so does
    `iterations` (int64 [sites]), the iteration in which something first overflowed, of what is in
    while loops (see `Nodes.iteration`) and `NEVER` of all else. None if nothing is in a loop.
    """

    counts: str
    largest: str
    reset: str
    sites: Tuple[Site, ...]
    constants: Tuple[Constant, ...]
    iterations: Optional[str] = None


class Tracer:
    """Appends the counters of one graph."""

    def __init__(self, nodes: Nodes, lookup: Lookup, flush: bool, scope: str) -> None:
        """Append to `nodes`; `flush`: subnormal values become 0, too. `scope` begins all names."""
        self._nodes, self._flush, self._scope = nodes, flush, scope
        self._plan, self._graph, self._rows = lookup.plan, lookup.nodes, lookup.rows
        least = _NORMAL if flush else _LEAST
        limits = [-1, 0, least, _NORMAL, _OVERFLOW, np.finfo(np.float32).max]
        self._limits = nodes.constant(np.array(limits, np.float32)[:, None])
        self._sites: Dict[str, Site] = {}
        self._iterations: Optional[Handle] = None
        self._counts, self._largest = (
            nodes.add("VariableV2", [], "", final=f"{scope}/{what}", dtype=dtype)
            for what, dtype in (("counts", nodes.tf.int64), ("largest", nodes.tf.float32))
        )

    def rounding(self, nodes: Nodes, tensor: str, name: str) -> str:
        """Append the counting of float32 `tensor`, which is rounded under `name`, to `nodes`.

        Returns the node that the rounding has to wait for.
        """
        return self._count(nodes, tensor, name, self._site(name))

    def _site(self, name: str) -> Site:
        if name.endswith(_TO_FLOAT16) and name not in self._graph:
            return Site(name[: -len(_TO_FLOAT16)], "", CAST, "float16")
        owner, part = name, ""
        while owner not in self._rows and "/" in owner:
            owner, _, last = owner.rpartition("/")
            part = f"{last}/{part}".rstrip("/")
        if owner not in self._rows:
            return Site(name, "", "", "float16")
        row = self._rows[owner]
        inner = len(row.parts) > 1 and owner != row.parts[-1] and owner == row.name
        return Site(row.name, "sum" if inner else part, row.ge_type, "float16")

    def _count(self, nodes: Nodes, tensor: str, key: str, site: Site) -> str:
        tf = nodes.tf
        while key in self._sites:  # what an operator rounds several times under one name
            key += "_again"
        index = nodes.constant(len(self._sites), np.int32)
        self._sites[key] = site
        name = f"{self._scope}/{key}"
        flat = nodes.reshape(tensor, [1, -1], f"{name}/flat")
        size = nodes.float_op("Abs", [flat], f"{name}/size")
        nan = nodes.float_op("IsNan", [flat], f"{name}/nan")
        above = nodes.float_op("Greater", [size, nodes.entered(self._limits)], f"{name}/above")
        kinds = {"T": tf.bool, "N": 2, "Tidx": tf.int32}
        axis = nodes.constant(0, np.int32)
        both = nodes.add("ConcatV2", [above, nan, axis], f"{name}/columns", **kinds)
        ones = nodes.cast(both, "bool", "int32", f"{name}/ones")  # float32 counts to 2^24
        along = nodes.constant(np.array([1], np.int32), np.int32)
        kinds = {"T": tf.int32, "Tidx": tf.int32, "keep_dims": False}
        sums = nodes.add("Sum", [ones, along], f"{name}/sums", **kinds)
        added = nodes.cast(sums, "int32", "int64", f"{name}/added")
        number = rounding.without_nan(nodes, size, nan, name, "no_nan")
        axes = nodes.constant(np.array([0, 1], np.int32), np.int32)
        most = nodes.float_op("Max", [number, axes], f"{name}/most", Tidx=tf.int32, keep_dims=False)
        update = partial(_scatter, nodes, index)
        done: List[str] = [update("ScatterAdd", self._counts, added, tf.int64, f"{name}/count")]
        done += self._iteration(nodes, added, name, update)
        return update("ScatterMax", self._largest, most, tf.float32, f"{name}/largest", done)

    def _iteration(self, nodes: Nodes, added: str, name: str, update: Any) -> List[str]:
        """Append the keeping of the first iteration in which what is `added` is too much."""
        iteration, tf = nodes.iteration(), nodes.tf
        if iteration is None:
            return []
        if self._iterations is None:
            variable = f"{self._scope}/iterations"
            self._iterations = self._nodes.add("VariableV2", [], "", final=variable, dtype=tf.int64)
        beyond = [each in ("overflows", "nan") for each in COLUMNS]
        kinds, int64 = {"T": tf.int64}, np.int64
        inputs = [added, nodes.constant(np.array(beyond, int64), int64)]
        values = nodes.add("Mul", inputs, f"{name}/beyond", **kinds)
        inputs = [values, nodes.constant(np.array([0], np.int32), np.int32)]
        kinds.update(Tidx=tf.int32, keep_dims=False)
        total = nodes.add("Sum", inputs, f"{name}/all_beyond", **kinds)
        inputs = [total, nodes.constant(0, int64)]
        some = nodes.add("Greater", inputs, f"{name}/some_beyond", T=tf.int64)
        inputs = [some, iteration, nodes.constant(NEVER, int64)]
        first = nodes.add("Select", inputs, f"{name}/iteration", T=tf.int64)
        return [update("ScatterMin", self._iterations, first, tf.int64, f"{name}/first")]

    def _gradient(self, text: str, variable: str) -> None:
        """Mark the gradient of a variable, and count it if no rounding has."""
        origin = source(self._graph, text, PASS_THROUGH | SWITCHES | MERGES)
        producer, _, slot = origin.partition(":")
        casts = [each.replace(":", "_") + _TO_FLOAT16 for each in (text, origin)]
        row = self._rows.get(producer)
        half = row is not None and row.outputs[int(slot or 0) : int(slot or 0) + 1] == ("float16",)
        rounded = [producer, f"{producer}/output_{slot or 0}"] if half else []
        for key in (*casts, *rounded):
            if key in self._sites:
                self._sites[key] = self._sites[key]._replace(gradient_of=variable)
                return
        kind = row.ge_type if row is not None else ""
        dtype = "float16" if half else "float32"
        users = [n for n in self._nodes.made if origin in n.input]
        site = Site(producer, "", kind, dtype, variable)
        count = self._count(self._nodes, origin, f"{variable}/gradient", site)
        for user in users:
            user.input.append(f"^{count}")

    def _name_casts(self) -> None:
        """Call what is cast by its producer, as the chip's graph has it."""
        graph = self._graph
        texts = {text.replace(":", "_"): text for node in graph.values() for text in node.input}
        for key, site in self._sites.items():
            if site.ge_type == CAST and site.operator in texts:
                origin = source(graph, texts[site.operator], PASS_THROUGH)
                self._sites[key] = site._replace(operator=origin)

    def end(self, frames: Mapping[str, Sequence[str]]) -> Traces:
        """Count the gradients that no rounding has counted; return what was made.

        `frames`: the while loops that each node is in. A gradient inside one is not counted.
        """
        for name, row in self._rows.items():
            node = self._graph.get(name)
            index = None if node is None or frames[name] else _gradient_input(node)
            if node is not None and index is not None and name == row.parts[-1]:
                variable = source(self._graph, node.input[0])
                self._gradient(node.input[index], node_of(variable))
        self._name_casts()
        nodes, tf = self._nodes, self._nodes.tf
        count = len(self._sites)
        resets = []
        variables: List[Tuple[Handle, np.ndarray]] = [
            (self._counts, np.zeros((count, len(COLUMNS)), np.int64)),
            (self._largest, np.zeros(count, np.float32)),
        ]
        if self._iterations is not None:
            variables.append((self._iterations, np.full(count, NEVER, np.int64)))
        for variable, value in variables:
            kind = value.dtype
            set_attribute(variable.node, "shape", tf.TensorShape(value.shape))
            inputs = [variable, nodes.constant(value, kind)]
            resets.append(nodes.add("Assign", inputs, f"{variable}/reset", T=tf.as_dtype(kind)))
        reset = f"{self._scope}/reset"
        nodes.add("NoOp", [], reset, resets, final=reset)
        return Traces(
            f"{self._counts}:0",
            f"{self._largest}:0",
            reset,
            tuple(self._sites.values()),
            _lost_constants(self._plan, self._flush),
            self._iterations and f"{self._iterations}:0",
        )


def _scatter(
    nodes: Nodes,
    index: str,
    op: str,
    variable: Handle,
    value: str,
    dtype: Any,
    name: str,
    control: Sequence[str] = (),
) -> Handle:
    inputs, kinds = [nodes.entered(variable, is_ref=True), index, value], {"T": dtype}
    kinds["Tindices"] = nodes.tf.int32
    return nodes.add(op, inputs, name, control, use_locking=True, **kinds)


def _lost_constants(plan: Plan, flush: bool) -> Tuple[Constant, ...]:
    """Return what float16 holds as 0, as 65504, or not nearly, of what the compiler converts."""
    tf, found = tf_compat.load(), {}
    nodes = {node.name: node for node in plan.graph_def.node}
    for edge in plan.casts:
        # What a fusion made, OneHotD's 0 and 1, is no node of the graph; float16 holds them.
        node = nodes.get(edge.producer.node)
        if node is not None and edge.on_host and edge.target == "float16" and not edge.removed:
            values = tf.make_ndarray(node.attr["value"].tensor).astype(np.float32).ravel()
            held = rounding.round_array(values, flush)
            lost = np.flatnonzero(np.abs(held - values) > _NEAR * np.abs(values))
            if lost.size:
                pair = float(values[lost[0]]), float(held[lost[0]])
                found[edge.producer.node] = Constant(edge.producer.node, *pair)
    return tuple(found.values())


def _gradient_input(node: Any) -> Optional[int]:
    definition = tf_compat.op_def(node.op)
    names: List[str] = [] if definition is None else [arg.name for arg in definition.input_arg]
    found = [names.index(name) for name in ("grad", "delta") if name in names]
    return found[0] if found and names[0] == "var" else None
