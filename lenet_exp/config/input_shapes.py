"""Shapes of a graph's inputs, as they are typed."""

from __future__ import annotations

import re
from typing import Dict, Tuple

_DIMS = r"[0-9]+(?:x[0-9]+)*|\[[0-9,\s]*\]"  # 32x28x28x1 or [32, 28, 28, 1]
_NAME = r"[^\s,:{}\[\]\"']+(?::[0-9]+)?"
_SHAPE = re.compile(rf"[\"']?({_NAME})[\"']?\s*:\s*({_DIMS})\s*(?:,\s*|$)")


class InputShapes(Dict[str, Tuple[int, ...]]):
    """Dimensions by input: "x:32x28x28x1,y:32", or "{x: [32, 28, 28, 1], y: [32]}"."""

    def __init__(self, text: str) -> None:
        """Read a text; raises ValueError where it is no such text."""
        braces = text[:1] == "{" and text[-1:] == "}"
        rest = text[1:-1].strip() if braces else text
        super().__init__()
        while rest:
            found = _SHAPE.match(rest)
            if found is None or found.group(1) in self:
                raise ValueError(text)
            self[found.group(1)] = tuple(map(int, re.findall("[0-9]+", found.group(2))))
            rest = rest[found.end() :]

    def __str__(self) -> str:
        return ",".join(self.words().values())

    def words(self) -> Dict[str, str]:
        """Return each input's name -> its shape as it is typed."""
        return {name: f"{name}:{'x'.join(map(str, d)) or '[]'}" for name, d in self.items()}
