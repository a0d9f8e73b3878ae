"""What `page_model` gives, made by hand: for pages that need no graph."""

from __future__ import annotations

from lenet_exp.precision.reporting.page_model import KINDS, heats

HOSTILE = (
    "</script><script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">/onclick=',
    "{{ 7 * 7 }}/{% raw %}/<!--<script>",
    "\u2028/%2F%/a\\u003cb&lt;/__proto__",
    "constructor",
)


def side(kind="float16", feeds=None, cast=False, **changes):
    """Return an operator of one plan; `feeds` is the place of the operator in front."""
    given = {"from": feeds, "tensor": "x:0", "dtype": "float16", "origin": "float32"}
    if cast:
        given.update(cast="float32", how="")
    made = {
        "kind": kind, "types": "h>h", "type": "Relu", "tf_type": "Relu", "list": "gray",
        "rule": "gray", "engine": "ai_core", "unit": "vector", "reason": "gray: as its input",
        "parts": [], "flops": None, "moved_bytes": 32, "casts": int(cast), "inputs": [given],
        "outputs": [["float16", "float32"]],
    }  # fmt: skip
    return {**made, **changes}


def operator(name, *sides, changed=False, heat=None):
    return {
        "name": name, "section": "forward", "scope": name.rpartition("/")[0],
        "changed": changed, "heat": heat, "sides": list(sides),
    }  # fmt: skip


def model(operators, plans=("allow_mix_precision",), hot=False):
    kinds = {kind: {"letter": letter, "words": words} for kind, (letter, words) in KINDS.items()}
    figures = {"operators in float16": f"1 of {len(operators)}", "casts put in": "1"}
    return {
        "plans": [{"title": name, "figures": figures, "warnings": []} for name in plans],
        "kinds": kinds,
        "heats": heats() if hot else {},
        "operators": operators,
    }


def hostile():
    """Return two plans of a graph whose names are nobody's friends."""
    names = [*HOSTILE, "/".join("a" * 3000)]
    sides = [side(feeds=max(0, at - 1), reason=name, type=name) for at, name in enumerate(names)]
    return model([operator(name, one, None) for name, one in zip(names, sides)], HOSTILE[:2])


def two_plans():
    """Return two plans of four operators, of which one differs, one is refused."""
    measured = {"damage": 0.25, "lost": 0.01, "overflows": 12, "first": True}
    cold = {"damage": 0.0, "lost": 0.0, "overflows": 0, "first": False}
    single, refused = side("float32", 1, list="black", types="f>f"), side("refused", 2)
    rows = [
        operator("net/conv/Conv2D", side(cast=True, list="white"), side(list="white"), heat=cold),
        operator("net/conv/Relu", side(feeds=0), side(feeds=0), heat=cold),
        operator("net/loss/Exp", single, side(feeds=1, list="black"), changed=True, heat=measured),
        operator("Print", refused, refused, heat=cold),
    ]
    return model(rows, ("allow_mix_precision", "force_fp16"), hot=True)


def large(count=5000):
    """Return one plan of so many operators, ten in a scope, a hundred scopes in another."""
    names = [f"part{at // 1000}/layer{at // 10}/op{at}" for at in range(count)]
    return model([operator(name, side(feeds=max(0, at - 1))) for at, name in enumerate(names)])
