"""Seeded changes of bytes and of text: what hostile, cut and half-written files look like.

A kind of file has its own `test_*.py` beside this module: a few small originals, and for every
mutant of them either a result or a refusal in words.
"""

from __future__ import annotations

import random
import re
from typing import Callable, Iterator, Sequence

_NUMBER = re.compile(rb"-?\d+")
_BOUNDS = (
    *(b"-1", b"0", b"1e999", b"nan", b"2147483647", b"2147483648", b"-9223372036854775808"),
    *(b"4000000000", b"99999999999999999999", b"0x7f", b"1" * 5000),
)
_BINARY = (b"\x00" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x80" * 9 + b"\x01")
_TEXT = (
    b"",
    b"{",
    b"}",
    b"[" * 2000,
    b'"',
    b"\\",
    b"\r\n",
    b"\t",
    b"#",
    b"//",
    b"\xef\xbb\xbf",
    b"\xc3",
)

Change = Callable[[random.Random, bytes, bytes], bytes]


def mutants(seed: str, originals: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Yield `count` mutants, the same for the same arguments, on every Python.

    Each is one of the originals, in turn, after one to four changes.
    """
    rng = random.Random(seed)
    for index in range(count):
        made = originals[index % len(originals)]
        for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
            made = rng.choice(CHANGES)(rng, made, rng.choice(originals))
        yield made


def _span(rng: random.Random, content: bytes, longest: int = 64) -> slice:
    begin = rng.randrange(len(content) + 1)
    return slice(begin, min(len(content), begin + rng.randrange(1, longest + 1)))


def _replaced(content: bytes, span: slice, by: bytes) -> bytes:
    return content[: span.start] + by + content[span.stop :]


def flip(rng: random.Random, content: bytes, _other: bytes) -> bytes:
    """Flip one bit in up to eight bytes."""
    made = bytearray(content)
    for _ in range(rng.randrange(1, 9) if made else 0):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def cut(rng: random.Random, content: bytes, _other: bytes) -> bytes:
    """Cut the end, the beginning, or a piece out of the middle."""
    begin, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:end], content[begin:], content[:begin] + content[end:]))


def repeat(rng: random.Random, content: bytes, _other: bytes) -> bytes:
    """Say a piece several times."""
    span = _span(rng, content)
    return _replaced(content, span, content[span] * rng.choice((2, 3, 100)))


def insert(rng: random.Random, content: bytes, _other: bytes) -> bytes:
    """Put random bytes, extreme bytes or a word that ends something into it."""
    noise = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 17)))
    begin = rng.randrange(len(content) + 1)
    return _replaced(content, slice(begin, begin), rng.choice((noise, *_BINARY, *_TEXT)))


def overwrite(rng: random.Random, content: bytes, _other: bytes) -> bytes:
    """Write extreme bytes over a piece of the same length."""
    span, by = _span(rng, content, 8), rng.choice(_BINARY)
    return _replaced(content, span, by[: span.stop - span.start])


def splice(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Go on, from some place, as another original does, or take a piece of it in."""
    begin = rng.randrange(len(content) + 1)
    if rng.random() < 0.5:
        return content[:begin] + other[rng.randrange(len(other) + 1) :]
    return _replaced(content, slice(begin, begin), other[_span(rng, other)])


def big_number(rng: random.Random, content: bytes, _other: bytes) -> bytes:
    """Write a number at or beyond a border where the text has one, else any eight bytes."""
    found = [match.span() for match in _NUMBER.finditer(content)]
    if not found:
        return overwrite(rng, content, content)
    return _replaced(content, slice(*rng.choice(found)), rng.choice(_BOUNDS))


CHANGES: Sequence[Change] = (flip, cut, repeat, insert, overwrite, splice, big_number)
