"""A session in which running a graph is running it under a precision mode."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from lenet_exp import cpu_session, tf_compat
from lenet_exp.errors import GraphError, PrecisionError
from lenet_exp.precision.emulation.emulate import Emulated, emulate
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes
from lenet_exp.precision.ir.graph import reachable
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_traits import CONTROL_FLOW, DATA, PASS_THROUGH, VARIABLES, writes
from lenet_exp.precision.plan import Plan
from lenet_exp.precision.planning.pipeline import assign

_HOLDING = PASS_THROUGH | CONTROL_FLOW  # give on a variable's value as it is


def emulated_session(
    graph: Any,
    mode: str,
    fetches: Sequence[Any],
    *,
    threads: int = 0,
    reference: bool = False,
    **plan_options: Any,
) -> Any:
    """Return a tf.Session in which running `fetches` is running them under a precision mode.

    It runs and is fed by what the given graph has: names, or that graph's own tensors, operations
    and variables. Variables are initialised, saved and restored by what the graph has for it.
    Its `graph` has `plan` too, and what `emulate` returns: `float_status` and `reset` (was run).

    Args:
        graph: a tf.Graph or GraphDef with all that is to be run; not modified.
        mode: as `assign` takes it.
        fetches: what is trained or computed under the mode, such as a train operation and a loss;
            what else computes is refused when it is run.
        threads: 0: every core. TensorFlow keeps to those of the process's first session.
        reference: round, saturate and test everywhere the rules say; slow, with the same bits.
        plan_options: the other keywords of `assign`.

    Raises:
        GraphError: it is no graph, a fetch is not in it, or it can't be emulated.
        PrecisionError: another argument is not possible.
    """
    graph_def, names = _checked(graph, fetches, threads, plan_options)
    cpu_session.fix_threads(threads)  # before planning opens a session
    plan = assign(graph_def, mode, fetches=names, **plan_options)
    made = emulate(graph_def, plan, fetches=names, reference=reference)
    emulated = _graph_class()()
    emulated.source, emulated.plan, emulated.refused = graph, plan, _refused(graph_def, plan, made)
    _, emulated.float_status, emulated.reset, _, _, emulated.twice = made
    with emulated.as_default():
        tf_compat.load().import_graph_def(made.graph_def, name="")
    session = cpu_session.open_session(emulated, threads)
    session.run(made.reset)
    return session


def _checked(
    graph: Any, fetches: Any, threads: Any, plan_options: Mapping[str, Any]
) -> Tuple[Any, List[str]]:
    """Return the GraphDef and the names of the fetches."""
    if not (hasattr(graph, "as_graph_def") or hasattr(graph, "library")):
        problem = f"{type(graph).__name__} is no graph"
        raise GraphError("graph", problem, "a tf.Graph or a GraphDef, as load_graph returns one")
    several = isinstance(fetches, (list, tuple))
    found = fetches if several else [fetches]
    if not found:
        raise GraphError(
            "fetches", "there are none", "what is run under the mode, as [loss, train]"
        )
    for fetch in found:
        owner = getattr(_element(fetch), "graph", graph)
        if owner is not graph and hasattr(graph, "as_graph_def"):
            raise GraphError(f"fetch {_name(fetch)}", "it is of another graph", "one of this graph")
    if type(threads) is not int or threads < 0:
        problem = "it is no number of threads"
        raise PrecisionError(f"threads={threads!r}", problem, "0 (every core), 1, 2 ...")
    for name in plan_options.keys() - inspect.signature(assign).parameters.keys():
        raise TypeError(f"emulated_session() got an unexpected keyword argument {name!r}")
    graph_def = graph.as_graph_def() if hasattr(graph, "as_graph_def") else graph
    return graph_def, [_name(fetch) for fetch in found]


def _refused(graph_def: Any, plan: Plan, made: Emulated) -> Dict[str, str]:
    """Return why each node that is not run by itself isn't."""
    inner = dict.fromkeys(
        made.inner, "it is right only where nothing overflows, unless it is a fetch"
    )
    apart = dict.fromkeys(
        _apart(graph_def, plan), "it is not planned, for it is not among the fetches"
    )
    return {**inner, **apart}


def _apart(graph_def: Any, plan: Plan) -> FrozenSet[str]:
    """Return the nodes that compute, and are in no plan: the emulation has nothing of them.

    What only keeps, restores and initialises variables computes nothing.
    """
    nodes = {node.name: node for node in graph_def.node}
    consumers: Dict[str, List[str]] = {}
    for node in graph_def.node:
        for text in node.input:
            consumers.setdefault(node_of(text), []).append(node.name)

    def taking(name: str) -> List[str]:
        return consumers.get(name, [])

    read = [name for name, node in nodes.items() if node.op in VARIABLES]
    values = reachable(read, lambda name: [n for n in taking(name) if nodes[n].op in _HOLDING])
    taken = [each for name in values for each in taking(name) if _is_float(nodes[each])]
    given = [name for name, node in nodes.items() if node.op in DATA and _gives_numbers(node)]
    begin = [*given, *taken, *(part for row in plan.operators for part in row.parts)]
    planned = {node.name for node in plan.graph_def.node}
    return frozenset(reachable(begin, taking)) - planned - {*given, *values}


def _gives_numbers(node: Any) -> bool:
    """Return whether data are that: neither a file's name nor a handle."""
    return any(dtype.is_floating or dtype.is_integer for dtype in output_dtypes(node))


def _is_float(node: Any) -> bool:
    """Return whether a node makes floating numbers, and not only holds or writes them."""
    known = tf_compat.op_def(node.op) is not None
    makes = known and any(dtype.is_floating for dtype in output_dtypes(node))
    return makes and not writes(node) and node.op not in _HOLDING


def _name(fetch: Any) -> str:
    """Return the name that a tensor, operation or variable has in its graph."""
    name = fetch if isinstance(fetch, str) else getattr(_element(fetch), "name", None)
    if name is None:
        remedy = "a name, a tensor, an operation or a variable of the graph"
        raise GraphError("fetches", f"{type(fetch).__name__} is nothing that a graph has", remedy)
    return str(name)


def _element(value: Any) -> Any:
    """Return what a graph has for a value: of a variable its tensor, as Session.run finds it."""
    of_graph = getattr(value, "_as_graph_element", None)
    return of_graph() if of_graph is not None else value


def _may_be_operation(allow_tensor: bool = True, allow_operation: bool = True) -> bool:
    """Return the last of what tf.Graph.as_graph_element takes: a Session feeds tensors alone."""
    return allow_operation


@functools.lru_cache(maxsize=None)
def _graph_class() -> Any:
    """Return the class of these sessions' graphs; with the first one TensorFlow is loaded."""

    class EmulatedGraph(tf_compat.load().Graph):  # type: ignore[misc]
        """A graph that knows the elements of the one it was made of, by their names."""

        source: Any
        plan: Plan
        refused: Mapping[str, str]
        float_status: str
        reset: str
        twice: FrozenSet[str]

        def as_graph_def(self, *args: Any, **options: Any) -> Any:
            """Return the GraphDef of the graph it was made of, as a Saver writes it."""
            of_graph = hasattr(self.source, "as_graph_def")
            return self.source.as_graph_def(*args, **options) if of_graph else self.source

        def as_graph_element(self, obj: Any, *args: Any, **options: Any) -> Any:
            """Return the element of this graph; as tf.Graph.as_graph_element."""
            element = _element(obj)
            owner = getattr(element, "graph", self)
            of_source = owner is self.source or not hasattr(self.source, "as_graph_def")
            known = obj if owner is self or not of_source else element.name
            found = super().as_graph_element(known, *args, **options)
            name = getattr(found, "op", found).name
            if name in self.twice and not _may_be_operation(*args, **options):  # it is fed
                problem = "what is fed for it is not what all operators behind it take"
                error = GraphError(name, problem, "emulated_session(..., reference=True)")
                raise TypeError(str(error))  # the Session shows an error's first argument alone
            if name in self.refused:
                remedy = f"emulated_session(graph, mode, [..., {found.name!r}])"
                raise GraphError(name, self.refused[name], remedy)
            return found

    return EmulatedGraph
