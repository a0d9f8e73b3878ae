"""Graphs from files: a MetaGraph, a GraphDef or a SavedModel, binary or text.

Messages are only parsed, never imported, so that operators which this TensorFlow doesn't know
(`Npu*`, of a graph written on a chip) do no harm.
"""

from __future__ import annotations

import re
import stat
import warnings
from pathlib import Path
from typing import Any, NamedTuple, Optional, Tuple, Union

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir import wire_format
from lenet_exp.precision.ir.names import node_of

_ALLOWED = "a MetaGraph (model.ckpt.meta), a GraphDef or frozen graph (.pb, .pbtxt), a SavedModel"
_MOST_BYTES = 2**31 - 1  # protobuf's own limit
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_./>\\-]*")
_OP = re.compile(r"[A-Za-z_][A-Za-z0-9_>]*")
_NO_COMMENT = re.compile(rb"^[ \t\r\f\v]*([^#\s])", re.MULTILINE)
_NODE = re.compile(rb"\bnode(?:_def)?\s{0,9}:?\s{0,9}[{<]")
_OPERATOR = re.compile(rb"\bop\s{0,9}:")
_LARGE_TEXT = 2**20  # bytes; of less all is read in a second
_QUOTED_OR_COMMENT = re.compile(rb"""\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*""")
_FIELD = re.compile(rb"([a-z_]{1,40})\s{0,40}[:{<]")


class LoadedGraph(NamedTuple):
    """A GraphDef, and what the file says a run fetches of it: nothing, if it says nothing."""

    graph_def: Any
    fetches: Tuple[str, ...]


def load_graph(path: Union[str, Path]) -> LoadedGraph:
    """Return the graph in a file.

    `fetches` are, of a MetaGraph, what its collections `train_op` and `losses` name; without
    `train_op`, the outputs of its signatures.

    Raises:
        GraphError: there is no such file, it can't be read, or it holds no graph.
    """
    content = _content(Path(path))
    tf = tf_compat.load()
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415 - after `load`

    kinds = (tf.MetaGraphDef, tf.GraphDef, saved_model_pb2.SavedModel)
    if any(wire_format.is_bomb(content, kind.DESCRIPTOR) for kind in kinds):
        raise GraphError(path, "it has far more parts than a graph of its size", _ALLOWED)
    # Reading text takes seconds a megabyte, so only what begins as such a message is read.
    first = _first_field(content)
    as_text = [(_text, kind) for kind in kinds if first in kind.DESCRIPTOR.fields_by_name]
    for parsed, kind in [*((_binary, kind) for kind in kinds), *as_text]:
        message = kind()
        meta = _meta(message) if parsed(message, content) else None
        if meta is not None and _is_graph(meta.graph_def):
            return LoadedGraph(meta.graph_def, _fetches(meta))
    raise GraphError(path, "it holds no TensorFlow graph", _ALLOWED)


def _content(path: Path) -> bytes:
    if path.is_dir():
        inside = [path / "saved_model.pb", path / "saved_model.pbtxt"]
        kept = next((file for file in inside if file.exists()), None)
        if kept is None:
            raise GraphError(path, "it is a folder", f"the file in it: {_ALLOWED}")
        path = kept
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # reading a pipe or a device may never end
            raise GraphError(path, "it is no regular file", _ALLOWED)
        if about.st_size > _MOST_BYTES:
            problem = f"it has {about.st_size} bytes, and no graph file has more than {_MOST_BYTES}"
            raise GraphError(path, problem, _ALLOWED)
        with path.open("rb") as stream:
            return stream.read(about.st_size)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GraphError(path, f"it can't be read ({reason})", _ALLOWED) from error


def _binary(message: Any, content: bytes) -> bool:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - comes with TensorFlow

    # Protobuf's versions differ: one only warns of what it could not read to the end.
    refused = (DecodeError, UnicodeDecodeError, RuntimeError, RuntimeWarning, SystemError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            message.ParseFromString(content)
    except refused:
        return False
    return True


def _text(message: Any, content: bytes) -> bool:
    from google.protobuf import text_format  # noqa: PLC0415 - comes with TensorFlow

    if content.count(b"{") + content.count(b"<") > wire_format.most(content):
        return False
    if len(content) > _LARGE_TEXT and not (_has_operators(content) and _is_closed(content)):
        return False
    try:
        text_format.Parse(content.decode(), message, allow_unknown_extension=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _has_operators(content: bytes) -> bool:
    """Return whether a text names operators for its nodes: to read 49 MB takes half a minute.

    What has a wrong field late is read so far all the same.
    """
    nodes, operators = (sum(1 for _ in form.finditer(content)) for form in (_NODE, _OPERATOR))
    return operators > nodes // 2  # some text in the graph may look like a node


def _is_closed(content: bytes) -> bool:
    """Return whether each brace has its other one, outside texts and comments."""
    bare = _QUOTED_OR_COMMENT.sub(b"", content)
    return all(bare.count(pair[:1]) == bare.count(pair[1:]) for pair in (b"{}", b"[]"))


def _first_field(content: bytes) -> str:
    """Return the name of the field that a text begins with, behind blanks and comments, or ""."""
    text = content.lstrip()
    begin = _NO_COMMENT.search(text)
    found = _FIELD.match(text, begin.start(1)) if begin else None
    return found.group(1).decode() if found else ""


def _meta(message: Any) -> Optional[Any]:
    """Return whatever was parsed as a MetaGraphDef; of a SavedModel its first."""
    if hasattr(message, "graph_def"):
        return message
    if hasattr(message, "meta_graphs"):
        return message.meta_graphs[0] if message.meta_graphs else None
    meta = tf_compat.load().MetaGraphDef()
    meta.graph_def.CopyFrom(message)
    return meta


def _is_graph(graph_def: Any) -> bool:
    """Return whether this is a graph, and not other bytes that happened to parse."""
    functions = {function.signature.name: function for function in graph_def.library.function}
    inner = (node.name for function in functions.values() for node in function.node_def)
    return (
        bool(graph_def.node)
        and all(
            _NAME.fullmatch(node.name) and (_OP.fullmatch(node.op) or node.op in functions)
            for node in graph_def.node
        )
        and all(name.isprintable() for name in (*functions, *inner))  # they are shown, too
    )


def _fetches(meta: Any) -> Tuple[str, ...]:
    train, losses = (meta.collection_def[key].node_list.value for key in ("train_op", "losses"))
    found = [*train, *losses] if train else []
    if not found:
        signatures = (meta.signature_def[key] for key in sorted(meta.signature_def))
        found = [info.name for signature in signatures for info in signature.outputs.values()]
    names = {node.name for node in meta.graph_def.node}
    return tuple(name for name in found if node_of(name) in names)
