"""Types as letters: "hhh>h" is an operator of three float16 inputs that gives float16."""

from __future__ import annotations

import itertools
from typing import Sequence

from lenet_exp.precision.target.library_file import LETTERS as LIBRARY_LETTERS

_OTHERS = {
    "g": "bfloat16",
    "z": "string",
    "y": "resource",
    "x": "variant",
}  # no letter of the library
LETTERS = {**LIBRARY_LETTERS, **_OTHERS}
_OF_DTYPE = {dtype: letter for letter, dtype in LETTERS.items()}
ANY_OTHER = "?"
_MANY = 5  # equal letters in a row are counted from here on: 10f


def compact(dtypes: Sequence[str]) -> str:
    """Return a letter for each dtype; five and more equal ones are counted: "10f"."""
    letters = [_OF_DTYPE.get(dtype, ANY_OTHER) for dtype in dtypes]
    runs = ("".join(equal) for _, equal in itertools.groupby(letters))
    return "".join(f"{len(run)}{run[0]}" if len(run) >= _MANY else run for run in runs)
