"""What a plan is made of: the values that `assign` returns and an emulator reads."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple

from lenet_exp.precision.ir.names import Port, Tensor
from lenet_exp.precision.target.modes import Colour, Generation, Mode, TextEnum


class Rule(TextEnum):
    """The rule that decided an operator's types."""

    WHITE = "white"
    BLACK = "black"
    GRAY = "gray"
    FP16_FIRST = "fp16_first"
    KEEP = "keep"
    REDUCED = "reduced"
    FORCED = "forced"
    CUBE = "cube"
    AI_CPU = "ai_cpu"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Engine(TextEnum):
    """Where an operator runs; NONE for null operators, the compiler's own, and unknown ones."""

    AI_CORE = "ai_core"
    AI_CPU = "ai_cpu"
    HOST = "host"
    REFUSED = "refused"
    NONE = "none"


class Operator(NamedTuple):
    """One operator of the chip's graph, decided.

    `name` is a node of `Plan.graph_def`; of a fused group the Conv2D, MatMul or update, and
    `parts` names all its nodes. `inputs` and `outputs` are dtype names, `origin_inputs` and
    `origin_outputs` what the graph itself says. `ports[i]` is where input i enters the GraphDef
    and `results[i]` the tensor that output i is there; both are None for tensors that only the
    chip has (the mask of ReluV2, Adam's second output). `casts` are the indexes of the inputs
    that get a Cast. `sources` are the tensors behind the inputs, Identity and variable reads looked
    through; one that only the chip has is named by the operator that makes it, `name:output`. An
    operator of a function's body is named `owner/function/node`, and its
    ports and results are those of the function's own nodes.
    """

    name: str
    tf_type: str
    ge_type: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    casts: Tuple[int, ...]
    colour: Colour
    rule: Rule
    reason: str
    engine: Engine
    unit: str
    parts: Tuple[str, ...]
    ports: Tuple[Optional[Port], ...]
    results: Tuple[Optional[Tensor], ...]
    origin_inputs: Tuple[str, ...]
    origin_outputs: Tuple[str, ...]
    sources: Tuple[Tensor, ...] = ()


class CastEdge(NamedTuple):
    """A Cast put on the edge from `producer` to input `slot` of the operator `consumer`.

    `producer` is the tensor in front, Identity and variable reads looked through; `port` where
    the edge enters the GraphDef (None inside a fused group), `others` where else: at other parts
    of a fused one. `on_host`: the producer is a constant, so that the compiler computes the Cast
    and no flag is set. `removed`: a later pass merges it with its inverse, so that nothing is
    rounded here; `reads` is then the tensor in front of both, None if only a Reshape or a Relu
    between them keeps it from being read.
    """

    producer: Tensor
    consumer: str
    slot: int
    port: Optional[Port]
    source: str
    target: str
    on_host: bool
    removed: bool = False
    reads: Optional[Tensor] = None
    others: Tuple[Port, ...] = ()


class RemovedCast(NamedTuple):
    """A Cast operator of the graph itself that a later pass merges with its inverse (6.8).

    `name` must not round. Where the inverse in front of it has other consumers too, `reads`,
    the tensor in front of both, is what its own consumers get.
    """

    name: str
    reads: Optional[Tensor]


class PlannedFunction(NamedTuple):
    """A function that `call` calls, pruned and folded as the plan's graph is.

    The names of its `nodes` begin with its `label`, `owner/function`; `arguments` and `results`
    are those, `_Arg` and `_Retval`, that stand for what the call hands in and gets back. An
    argument that nothing needs is no node.
    """

    call: str
    label: str
    nodes: Tuple[Any, ...]
    arguments: Tuple[str, ...]
    results: Tuple[str, ...]


class Plan(NamedTuple):
    """What one precision mode does to one graph.

    `operators` in the order of their decision; `casts` as put in after selection (6.8).
    `removed_casts` are Cast operators of the graph itself that go with their inverse.
    `graph_def` is the folded and pruned graph the rows speak of; TensorFlow can run it (fused
    groups are still their parts, Identity nodes are there) but for `Npu*` operators it was given;
    without the shapes and places written in the given one, which needn't fit.
    `fetches` are the nodes that it is the plan of: those asked for, or those chosen.
    `functions` are those that its calls call, and those that they call.
    """

    mode: Mode
    generation: Generation
    operators: Tuple[Operator, ...]
    casts: Tuple[CastEdge, ...]
    removed_casts: Tuple[RemovedCast, ...]
    warnings: Tuple[str, ...]
    graph_def: Any
    fetches: Tuple[str, ...] = ()
    functions: Tuple[PlannedFunction, ...] = ()
