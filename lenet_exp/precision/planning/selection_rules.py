"""How a mode narrows an operator's columns, tensor by tensor.

Source: precision-modes.md 4.3 and 5. A rule that fails leaves the columns as they are.
"""

from __future__ import annotations

from typing import Callable, Dict, NamedTuple, Tuple

from lenet_exp.precision.plan import Rule
from lenet_exp.precision.target.modes import Colour, Mode
from lenet_exp.precision.target.operator_library import NodeColumn

HALF, SINGLE = "float16", "float32"


class Producer(NamedTuple):
    """What feeds an input, under a name that a person knows.

    `now` is its type as decided so far; `dtype` what the gray rule follows: the same, or the
    type in front of a Cast of the graph, then named by `through`, that is looked through.
    """

    name: str
    now: str
    dtype: str
    late: bool
    through: str = ""


class Candidates(NamedTuple):
    """What an operator may become: its columns, its types in the graph and what feeds it."""

    columns: Tuple[NodeColumn, ...]
    origin: Tuple[str, ...]  # inputs, then outputs
    producers: Tuple[Producer, ...]  # one an input
    colour: Colour
    null: bool
    kept: bool  # keep_dtype, a Cast, or a complex tensor: rule 5.2 in every mode
    first: bool  # on the float16-first list, and not keep_dtype
    widens: bool  # of the cube, with a kernel whose first input is float16, first output float32


class Choice(NamedTuple):
    """The chosen column, the rule that decided, and the tensors in the order it looked at them."""

    column: NodeColumn
    rule: Rule
    order: Tuple[int, ...]


class _Run:
    """One operator's way through the rules. Method names are those of the reference."""

    def __init__(self, candidates: Candidates, mode: Mode) -> None:
        self.candidates = candidates
        self.mode = mode
        self.origin = candidates.origin
        self.left = list(candidates.columns)
        self.reduced = False

    def exact(self, tensor: int, dtype: str) -> bool:
        matching = [column for column in self.left if column[tensor] == dtype]
        if matching:
            self.left = matching
        return bool(matching)

    def rise(self, tensor: int, dtype: str) -> bool:
        return self.exact(tensor, dtype) or (dtype == HALF and self.exact(tensor, SINGLE))

    def reduce(self, tensor: int, dtype: str) -> bool:
        return dtype == SINGLE and self.exact(tensor, HALF)

    def white(self, tensor: int) -> None:
        if self.origin[tensor] in (HALF, SINGLE):
            self.exact(tensor, HALF)
        else:
            self.rise(tensor, self.origin[tensor])

    def black(self, tensor: int) -> None:
        self.rise(tensor, self.origin[tensor])

    def gray(self, tensor: int) -> None:
        if tensor >= len(self.candidates.producers):
            self.kept(tensor)
            return
        dtype = self.candidates.producers[tensor].dtype
        if not self.rise(tensor, dtype):
            self.reduce(tensor, dtype)

    def kept(self, tensor: int) -> None:
        """Keep the graph's type, float16 for those on the list. Source: 5.2 (must_keep: 5.4)."""
        origin = self.origin[tensor]
        keeps = self.mode is Mode.MUST_KEEP and not (self.candidates.kept or self.candidates.null)
        wanted = HALF if origin == SINGLE and self.candidates.first and not keeps else origin
        if not self.rise(tensor, wanted) and not keeps and self.reduce(tensor, origin):
            self.reduced = True

    def half(self, tensor: int) -> None:
        origin = self.origin[tensor]
        self.rise(tensor, HALF if origin == SINGLE else origin)

    def single(self, tensor: int) -> None:
        """Take float32, float16 for the first input of a cube operator that widens.

        Source: hicann/ge, op_dtype_selection_strategy_force_fp32.cc.
        """
        origin = self.origin[tensor]
        wanted = SINGLE if origin == HALF else origin
        if tensor == 0 and self.candidates.widens and wanted == SINGLE:
            wanted = HALF
        if not self.rise(tensor, wanted) and self.reduce(tensor, wanted):
            self.reduced = True


_RULES: Dict[Rule, Callable[[_Run, int], None]] = {
    Rule.WHITE: _Run.white,
    Rule.BLACK: _Run.black,
    Rule.GRAY: _Run.gray,
    Rule.KEEP: _Run.kept,
    Rule.FP16_FIRST: _Run.kept,
    Rule.FORCED: _Run.half,
    Rule.CUBE: _Run.single,
}


def choose(candidates: Candidates, mode: Mode) -> Choice:
    """Return the column a mode takes; `candidates.columns` is not empty. Source: 4.3 and 5."""
    run, rule = _Run(candidates, mode), _rule(candidates, mode)
    late = [producer.late for producer in candidates.producers]
    early_first = sorted(range(len(late)), key=lambda i: late[i])
    order = (*early_first, *range(len(late), len(candidates.origin)))
    narrow = _RULES[rule]
    if rule is Rule.FORCED and mode is Mode.FORCE_FP32:
        narrow = _Run.single
    for tensor in order:
        forced = run.reduced and mode is Mode.ALLOW_FP32_TO_FP16
        (_Run.half if forced else narrow)(run, tensor)
    return Choice(run.left[0], _named(rule, run), order)


def _named(rule: Rule, run: _Run) -> Rule:
    """Return the rule by what came of it."""
    if rule is Rule.CUBE:  # float32 where a later input came first: its own is a variable's
        return rule if HALF in run.left[0] else Rule.FORCED
    may_reduce = (Rule.KEEP, Rule.FP16_FIRST, Rule.FORCED)
    return Rule.REDUCED if run.reduced and rule in may_reduce else rule


def _rule(candidates: Candidates, mode: Mode) -> Rule:
    if candidates.kept:
        return Rule.KEEP
    follows = candidates.null and mode is not Mode.FORCE_FP16
    if follows or mode is Mode.ALLOW_MIX_PRECISION:
        return Rule(candidates.colour.value)
    if mode is Mode.FORCE_FP32 and candidates.widens:
        return Rule.CUBE
    if mode in (Mode.FORCE_FP16, Mode.FORCE_FP32):
        return Rule.FORCED
    first = mode is Mode.ALLOW_FP32_TO_FP16 and candidates.first
    return Rule.FP16_FIRST if first and SINGLE in candidates.origin else Rule.KEEP
