"""How many messages a protobuf file has, before it is parsed.

An empty message is two bytes in a file and up to two hundred in memory.
"""

from __future__ import annotations

import functools
from typing import Any, List, Mapping, Tuple

_SMALL = 2**23  # bytes: whatever is in it, it is parsed in less than a gigabyte
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NODE = "tensorflow.NodeDef"  # as large as this many other messages
_OF_NODE = 4


def most(content: bytes) -> int:
    """Return how many messages a real file of this size has at most, generously."""
    return 3_000_000 + len(content) // 16


def is_bomb(content: bytes, descriptor: Any) -> bool:
    """Return whether a large file, read as a message of this kind, has far too many parts."""
    if len(content) <= _SMALL:
        return False
    left = 2 * most(content)  # a message is two: its field and itself
    begin, end, kind = 0, len(content), descriptor
    around: List[Tuple[int, int, Any]] = []  # where the messages around this one go on
    while left >= 0:
        if begin == end:
            if not around:
                return False
            begin, end, kind = around.pop()
            continue
        number, begin, behind = _field(content, begin)
        if not begin <= behind <= end:  # no field: the parser will say so
            return False
        inner = _messages(kind).get(number)
        left -= 1
        if inner is not None:
            left -= _OF_NODE if inner.full_name == _NODE else 1
            around.append((behind, end, kind))
            end, kind = behind, inner
        else:
            begin = behind
    return True


def _field(content: bytes, begin: int) -> Tuple[int, int, int]:
    """Return a field's number if it is of bytes, else 0, where its value begins, and its end.

    What is no field ends before it begins.
    """
    tag, begin = _varint(content, begin)
    kind = tag & 7 if tag > 7 else -1  # no field is field 0
    if kind == _BYTES:
        size, begin = _varint(content, begin)
        return tag >> 3, begin, begin + size
    if kind == _VARINT:
        return 0, begin, _varint(content, begin)[1]
    return 0, begin, begin + {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)


def _varint(content: bytes, begin: int) -> Tuple[int, int]:
    """Return a number and where it ends; one that is cut ends with the file."""
    first = content[begin] if begin < len(content) else 0
    if first < 128:
        return first, begin + 1
    value, shift = first & 127, 7
    for index in range(begin + 1, min(begin + 10, len(content))):
        value |= (content[index] & 127) << shift
        shift += 7
        if content[index] < 128:
            return value, index + 1
    return value, len(content)


@functools.lru_cache(maxsize=None)
def _messages(descriptor: Any) -> Mapping[int, Any]:
    """Return the kinds of the fields that are messages, by number."""
    return {f.number: f.message_type for f in descriptor.fields if f.message_type is not None}
