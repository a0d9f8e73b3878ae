"""The files for Model Explorer, held against the form that its own sources declare."""

from __future__ import annotations

import json

import pytest

from lenet_exp.precision.reporting import model_explorer, records
from lenet_exp.precision.reporting.heat import LARGEST, Heat
from lenet_exp.precision.reporting.page_model import Side
from tests.precision import lenet_graph
from tests.precision.small import FORCE, MIX, floats, plan_of

NUMBER = (int, float)
# What google-ai-edge/model-explorer declares, 0.1.34 of its package: graph_builder.py,
# node_data_builder.py, and of its browser's side input_graph.ts and edge_overlays.ts. A field is
# its type; a list holds what is named; what is not in NEEDED may be left out.
FORM = {
    "GraphCollection": {"label": str, "graphs": ["Graph"], "graphSorting": str},
    "Graph": {"id": str, "nodes": ["GraphNode"], "groupNodeAttributes": dict,
              "tasksData": "TasksData"},
    "GraphNode": {
        "id": str, "label": str, "namespace": str, "subgraphIds": [str], "attrs": ["KeyValue"],
        "incomingEdges": ["IncomingEdge"], "inputsMetadata": ["MetadataItem"],
        "outputsMetadata": ["MetadataItem"], "style": "GraphNodeStyle",
    },
    "KeyValue": {"key": str, "value": str},
    "IncomingEdge": {"sourceNodeId": str, "sourceNodeOutputId": str, "targetNodeInputId": str},
    "MetadataItem": {"id": str, "attrs": ["KeyValue"]},
    "GraphNodeStyle": {"backgroundColor": str, "borderColor": str, "hoveredBorderColor": str},
    "TasksData": {"edgeOverlaysDataListLeftPane": ["EdgeOverlaysData"],
                  "edgeOverlaysDataListRightPane": ["EdgeOverlaysData"]},
    "EdgeOverlaysData": {"type": str, "name": str, "graphName": str, "overlays": ["EdgeOverlay"]},
    "EdgeOverlay": {"name": str, "edges": ["Edge"], "edgeColor": str, "edgeWidth": NUMBER},
    "Edge": {"sourceNodeId": str, "targetNodeId": str, "label": str},
    "GraphNodeData": {"name": str, "results": {"NodeDataResult"}, "thresholds": ["ThresholdItem"],
                      "gradient": ["GradientItem"]},
    "NodeDataResult": {"value": NUMBER, "bgColor": str, "textColor": str},
    "ThresholdItem": {"value": NUMBER, "bgColor": str, "textColor": str},
    "GradientItem": {"stop": NUMBER, "bgColor": str, "textColor": str},
}  # fmt: skip
NEEDED = {
    "GraphCollection": {"label", "graphs"}, "Graph": {"id", "nodes"},
    "GraphNode": {"id", "label", "namespace"}, "KeyValue": {"key", "value"},
    "IncomingEdge": {"sourceNodeId"}, "MetadataItem": {"id"},
    "EdgeOverlaysData": {"type", "name", "overlays"}, "EdgeOverlay": {"name", "edges", "edgeColor"},
    "Edge": {"sourceNodeId", "targetNodeId"}, "GraphNodeData": {"results"},
    "NodeDataResult": {"value"}, "ThresholdItem": {"value", "bgColor"}, "GradientItem": {"stop"},
}  # fmt: skip


def strange(value, form, where=""):
    """Return where a value has not the form that is declared."""
    if isinstance(form, list):
        return [f for at, one in enumerate(value) for f in strange(one, form[0], f"{where}[{at}]")]
    if isinstance(form, set):
        return [f for key, one in value.items() for f in strange(one, *form, f"{where}[{key}]")]
    if not isinstance(form, str):
        return [] if isinstance(value, form) else [f"{where}: {value!r}"]
    declared = FORM[form]
    found = [f"{where}: no {key}" for key in NEEDED.get(form, set()) - value.keys()]
    found += [f"{where}: {key} is not declared" for key in value.keys() - declared.keys()]
    known = declared.keys() & value.keys()
    return found + [
        f for key in known for f in strange(value[key], declared[key], f"{where}.{key}")
    ]


def made(sides, measured=None):
    return {name: json.loads(text) for name, text in model_explorer.files(sides, measured).items()}


def side_of(plan):
    return Side(plan, records.report(plan))


@pytest.fixture(scope="module")
def sides():
    return [side_of(lenet_graph.plan_of("none", mode)) for mode in (MIX, FORCE)]


def test_the_graphs_have_the_form_that_is_declared(sides):
    whole = made(sides)[""]
    assert strange(whole, "GraphCollection") == []
    names = [graph["id"] for graph in whole["graphs"]]
    assert names == [f"{mode}, CANN of today (8.1)" for mode in (MIX, FORCE)]
    for graph, side in zip(whole["graphs"], sides):
        ids = [node["id"] for node in graph["nodes"]]
        assert len({*ids}) == len(ids)
        assert {row.name for row in side.plan.operators} <= {*ids}
        ends = [
            edge["sourceNodeId"]
            for node in graph["nodes"]
            for edge in node.get("incomingEdges", [])
        ]
        assert {*ends} <= {*ids}
        (casts,) = graph["tasksData"]["edgeOverlaysDataListLeftPane"]
        drawn = [edge for overlay in casts["overlays"] for edge in overlay["edges"]]
        assert len(drawn) == sum(len(row.casts) for row in side.plan.operators)
        assert {edge[end] for edge in drawn for end in ("sourceNodeId", "targetNodeId")} <= {*ids}


def test_a_node_says_what_it_is_and_why(sides):
    nodes = {node["id"]: node for node in made(sides)[""]["graphs"][0]["nodes"]}
    node = nodes["conv1/Conv2D"]
    assert (node["label"], node["namespace"]) == ("Conv2D", "conv1")
    attributes = {each["key"]: each["value"] for each in node["attrs"]}
    assert attributes["reason"].startswith("white: ")
    assert attributes["casts"].startswith("0: float32 to float16")
    assert nodes["images"]["label"] == "Placeholder"  # in front of a Cast
    assert node["incomingEdges"][0]["sourceNodeId"] == "images"
    assert nodes["conv1/Sigmoid"]["incomingEdges"][0]["sourceNodeId"] == "conv1/Conv2D"
    colours = {nodes[name]["style"]["backgroundColor"] for name in ("conv1/Conv2D", "images")}
    assert len(colours) == 2


def test_each_quantity_is_a_file(sides):
    measured = {"conv1/Conv2D": Heat(float("inf"), 0.25, 3), "conv1/Sigmoid": Heat(0.5, 0.0, 2)}
    found = made(sides[:1], measured)
    assert [*found] == ["", "damage", "lost", "overflows", "first_overflow"]
    values = {}
    for quantity in [*found][1:]:
        ((graph, data),) = found[quantity].items()
        assert graph == found[""]["graphs"][0]["id"]
        assert strange(data, "GraphNodeData") == []
        values[quantity] = [data["results"][name]["value"] for name in measured]
    assert values == {"damage": [LARGEST, 0.5], "lost": [0.25, 0.0], "overflows": [3, 2],
                      "first_overflow": [1, 0]}  # fmt: skip


def test_the_package_itself_reads_them(sides):
    builder = pytest.importorskip("model_explorer.graph_builder")
    dacite = pytest.importorskip("dacite")
    whole = json.loads(model_explorer.files(sides, None)[""])
    read = dacite.from_dict(builder.GraphCollection, whole)
    assert [len(graph.nodes) for graph in read.graphs] == [len(g["nodes"]) for g in whole["graphs"]]


def test_what_leaves_a_table_leaves_the_graph_and_is_still_where_edges_begin():
    def build(tf):
        return tf.nn.relu(tf.sigmoid(floats(tf, "x"), name="a/first"), name="b/second")

    plan = plan_of(build)
    shown = Side(plan, records.report(plan, ["b"]))
    nodes = {node["id"]: node for node in made([shown])[""]["graphs"][0]["nodes"]}
    assert [*nodes] == ["b/second", "a/first"]
    assert "attrs" not in nodes["a/first"]
