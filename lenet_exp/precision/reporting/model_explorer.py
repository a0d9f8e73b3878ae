"""Plans as the JSON that Google's Model Explorer opens without an adapter.

Source of the form: google-ai-edge/model-explorer, src/ui/src/components/visualizer/common/
input_graph.ts and edge_overlays.ts, and src/server/package/src/model_explorer/graph_builder.py and
node_data_builder.py beside it.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.precision.ir.names import node_of, slot_of
from lenet_exp.precision.reporting.edges import Edge, edges_of
from lenet_exp.precision.reporting.heat import LARGEST, QUANTITIES, Heat, first_overflows
from lenet_exp.precision.reporting.page_model import Side, how_cast, kind_of
from lenet_exp.precision.reporting.records import Record
from lenet_exp.precision.reporting.tables import title

_BACKGROUND = {
    "float16": "#cfe5f7", "float32": "#f8e0c6", "both": "#e6d9f2", "ai_cpu": "#fff0a0",
    "refused": "#7a1420", "other": "#f4f6f9",
}  # fmt: skip
_BORDER = "#4f5b69"
_CASTS = {"float16": "#0072b2", "float32": "#d55e00"}  # by what a Cast gives
_OTHER_CAST = "#6a51a3"
_ENDS = ((1e-4, "#ffffff"), (1e-3, "#fde3d3"), (1e-2, "#f9b48f"), (1e-1, "#e8743b"),
         (LARGEST, "#a33b00"))  # fmt: skip


def files(sides: Sequence[Side], measured: Optional[Mapping[str, Heat]]) -> Dict[str, bytes]:
    """Return what is in the file of the graphs (""), and in one of each quantity, by its name."""
    graphs = [_graph(side) for side in sides]
    made: Dict[str, Dict[str, Any]] = {"": {"label": "lenet-exp", "graphs": graphs}}
    if measured:
        heat = _node_data(sides[0], measured)
        made.update({name: {_id(sides[0]): data} for name, data in heat.items()})
    return {name: json.dumps(value, allow_nan=False).encode() for name, value in made.items()}


def _id(side: Side) -> str:
    return title(side.report.mode, side.report.generation)


def _graph(side: Side) -> Dict[str, Any]:
    edges, records = edges_of(side.plan), {each.name: each for each in side.report.records}
    nodes = [_node(record, edges[name], _output_indices(side)) for name, record in records.items()]
    outside = {node: None for name in records for node in _outside(edges[name], records)}
    operations = {node.name: node.op for node in side.plan.graph_def.node}
    nodes += [_source(name, operations.get(name, "input")) for name in outside]
    return {
        "id": _id(side),
        "nodes": nodes,
        "tasksData": {"edgeOverlaysDataListLeftPane": [_casts(side, edges, records)]},
    }


def _output_indices(side: Side) -> Dict[Tuple[str, str], int]:
    """Return which output of its operator a tensor is."""
    return {
        (row.name, str(result)): index
        for row in side.plan.operators
        for index, result in enumerate(row.results)
        if result is not None
    }


def _begin(edge: Edge) -> str:
    """Return the node that an edge comes from, "" if none."""
    return edge.producer or node_of(edge.tensor)


def _outside(edges: Sequence[Edge], records: Mapping[str, Record]) -> Iterator[str]:
    """Yield the nodes in front that are no operator shown."""
    for edge in edges:
        if _begin(edge) and _begin(edge) not in records:
            yield _begin(edge)


def _node(
    record: Record, edges: Sequence[Edge], indices: Mapping[Tuple[str, str], int]
) -> Dict[str, Any]:
    row = record.operator
    shown = {key: value for key, value in record.shown().items() if value not in (None, "", ())}
    shown["casts"] = [
        f"{slot}: {edge.cast.source} to {edge.cast.target} {how_cast(edge)}".rstrip()
        for slot, edge in enumerate(edges)
        if edge.cast is not None
    ]
    return {
        "id": row.name,
        "label": row.ge_type,
        "namespace": record.scope,
        "attrs": [{"key": key, "value": _text(value)} for key, value in shown.items() if value],
        "incomingEdges": [
            {
                "sourceNodeId": _begin(edge),
                "sourceNodeOutputId": str(_output(edge, indices)),
                "targetNodeInputId": str(slot),
            }
            for slot, edge in enumerate(edges)
            if _begin(edge)
        ],
        "inputsMetadata": _metadata(row.inputs),
        "outputsMetadata": _metadata(row.outputs),
        "style": {"backgroundColor": _BACKGROUND[kind_of(record)], "borderColor": _BORDER},
    }


def _output(edge: Edge, indices: Mapping[Tuple[str, str], int]) -> int:
    if edge.producer is None:
        return slot_of(edge.tensor)
    return indices.get((edge.producer, edge.tensor), 0)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _metadata(dtypes: Sequence[str]) -> List[Dict[str, Any]]:
    return [
        {"id": str(index), "attrs": [{"key": "dtype", "value": dtype}]}
        for index, dtype in enumerate(dtypes)
    ]


def _source(name: str, operation: str) -> Dict[str, Any]:
    """Return a node for what is no operator of the chip: a variable, a constant, data."""
    style = {"backgroundColor": _BACKGROUND["other"], "borderColor": _BORDER}
    return {"id": name, "label": operation, "namespace": name.rpartition("/")[0], "style": style}


def _casts(
    side: Side, edges: Mapping[str, Tuple[Edge, ...]], records: Mapping[str, Record]
) -> Dict[str, Any]:
    """Return the casts as edges over the graph, a layer for each pair of types."""
    layers: Dict[Tuple[str, str], List[Dict[str, str]]] = {}
    for name in records:
        for edge in edges[name]:
            if edge.cast is not None and _begin(edge):
                types = (edge.cast.source, edge.cast.target)
                label = f"{' to '.join(types)} {how_cast(edge)}".rstrip()
                ends = {"sourceNodeId": _begin(edge), "targetNodeId": name, "label": label}
                layers.setdefault(types, []).append(ends)
    overlays = [
        {
            "name": f"{source} to {target}",
            "edgeColor": _CASTS.get(target, _OTHER_CAST),
            "edges": found,
        }
        for (source, target), found in layers.items()
    ]
    kind = {"name": "Casts", "type": "edge_overlays", "graphName": _id(side)}
    return {**kind, "overlays": overlays}


def _node_data(side: Side, measured: Mapping[str, Heat]) -> Dict[str, Dict[str, Any]]:
    """Return each quantity of the operators that are shown."""
    names = [record.name for record in side.report.records if record.name in measured]
    first = first_overflows(measured, edges_of(side.plan))
    stops = [{"stop": 0, "bgColor": _ENDS[0][1]}, {"stop": 1, "bgColor": _ENDS[-1][1]}]
    ends = [{"value": value, "bgColor": colour} for value, colour in _ENDS]
    found: Dict[str, Dict[str, Any]] = {}
    for quantity, (name, _) in QUANTITIES.items():
        scale = {"thresholds": ends} if quantity == "damage" else {"gradient": stops}
        values = {each: min(getattr(measured[each], quantity), LARGEST) for each in names}
        results = {each: {"value": value} for each, value in values.items()}
        found[quantity] = {"name": name, "results": results, **scale}
    begins = {name: {"value": int(name in first)} for name in names}
    found["first_overflow"] = {"name": "first overflow", "results": begins, "gradient": stops}
    return found
