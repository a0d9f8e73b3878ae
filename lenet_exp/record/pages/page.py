"""A template and values -> a page. Imported where a page is made: jinja2 takes its time."""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from lenet_exp.record.pages import operators

_HERE = Path(__file__).parent


def render(template: Path, **values: Any) -> bytes:
    """Return the page of a template, which finds style.css and parts.html beside this module."""
    return load(template).render(**values).encode()


@functools.lru_cache(maxsize=None)
def load(template: Path) -> Template:
    """Return a template, ready to be filled in."""
    environment = Environment(
        loader=FileSystemLoader([str(template.parent), str(_HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        base64=lambda content: base64.b64encode(content).decode(),
        typeset=typeset,
        kind=operators.kind,
    )
    return environment.get_template(template.name)


def typeset(text: str) -> str:
    """Return text with the signs that a terminal may lack."""
    return text.replace("+-", "\u00b1")
