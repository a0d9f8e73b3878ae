"""The comparison as one HTML page that needs no other file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Sequence

from jinja2 import Environment

from lenet_exp.comparison import table
from lenet_exp.comparison.assembled import ComparisonReport
from lenet_exp.comparison.plots import Picture
from lenet_exp.comparison.rows import BASELINE_ACCURACY

_TEMPLATE = Path(__file__).with_name("page.html")


def html(comparison: ComparisonReport, pictures: Sequence[Picture], shown: int) -> str:
    """Return the page; `shown` configurations are in the pictures."""
    environment = Environment(autoescape=True, trim_blocks=False)
    environment.filters.update(typeset=table.typeset, base64=_base64)
    finished = sum(bool(one.runs) for one in comparison.configurations)
    return environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        comparison=comparison,
        columns=table.ALL,
        baseline=BASELINE_ACCURACY,
        plots=pictures,
        shown=shown,
        hidden=finished - shown,
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
