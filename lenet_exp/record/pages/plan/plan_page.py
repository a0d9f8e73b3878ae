"""A plan's values -> its page, one file that needs no other one and no network."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Mapping

from markupsafe import Markup

from lenet_exp.record.pages import page

_HERE = Path(__file__).parent
# In this order they are one program.
_SCRIPTS = ("tree", "elements", "outline", "drawing", "panel", "main")


def render(model: Mapping[str, Any]) -> bytes:
    """Return the page of what `precision.reporting.page_model` gives.

    Every text of a graph is data: in the page as JSON without a sign that HTML knows, drawn as
    text, and the browser is told to run nothing but this page's own program.
    """
    parts = [(_HERE / f"{name}.js").read_text("utf-8") for name in _SCRIPTS]
    script = "(() => {\n" + "\n".join(parts) + "})();"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return page.render(
        _HERE / "plan.html",
        headline=headline(model),
        plans=[plan["title"] for plan in model["plans"]],
        kinds=model["kinds"],
        heats=model["heats"],
        model=Markup(_as_data(model)),  # noqa: S704 - no sign of HTML is left in it
        script=Markup(script),  # noqa: S704 - our own
        digest=digest,
    )


def headline(model: Mapping[str, Any]) -> str:
    """Return in one sentence what a plan does, or how two differ."""
    plans, operators = model["plans"], model["operators"]
    if len(plans) > 1:
        one, other = (plan["title"] for plan in plans)
        count = sum(each["changed"] for each in operators)
        return f"{one} and {other}: {count} of {len(operators)} operators differ"
    said = plans[0]["figures"]
    half, casts = said["operators in float16"], said["casts put in"]
    return f"{plans[0]['title']}: {half} operators have float16, {casts} casts"


def _as_data(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
