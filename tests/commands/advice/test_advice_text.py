"""What an advice says: never more than a terminal shows at once, the main things in any case."""

from __future__ import annotations

import itertools
import json
import math
from types import SimpleNamespace

import pytest

from lenet_exp.commands.advice import text as advice_text
from lenet_exp.commands.advice.search import Advice, Tried
from lenet_exp.commands.advice.text import MOST_LINES, as_data, text
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.config.schema.modes import PRECISION_MODES
from lenet_exp.precision.diagnosis.exponents import Site
from lenet_exp.precision.diagnosis.front import Point
from lenet_exp.precision.diagnosis.keep_list import KeepList
from lenet_exp.precision.diagnosis.measures import Error
from lenet_exp.precision.diagnosis.window import Window

LINE = f"train it: python -m lenet_exp.run {'precision=force_fp16 ' * 9}"
LONG = "tower/scope_of_a_network/layer_{}/" + "and_one_more/" * 8 + "MatMul"
REASON = " of the step: in float16 its epsilon, 1e-08, and squares of small gradients are 0," * 3


def kept(count=0, holds=True, cosine=0.9, minimal=True, name="layer_{}/MatMul"):
    names = tuple(name.format(number) for number in range(count))
    error = Error(cosine, 0.1, 0.1, 1, 0, 0, 1.0)
    return KeepList(names, None, error, cosine, holds, minimal, 0, names)


def point(mode, made, number=1, ai_cpu=()):
    return Point(mode, made, 1 - made.gradient.cosine, 1 / number, 0.5, number, 1, (), ai_cpu)


def failing(mode, number, name, ai_cpu=()):
    """Return a mode that is wrong alone, and not with a keep list; both are on the front."""
    worst = SimpleNamespace(name=name.format(0), ge_type="ApplyAdamD", outputs=("float16",))
    found = SimpleNamespace(by_damage=[SimpleNamespace(damage=0.7, operator=worst)])
    alone = point(mode, kept(0, holds=False, cosine=0.5 + number / 100), number, ai_cpu)
    good = point(mode, kept(40, cosine=0.99 + number / 1000, name=name), 10 * number, ai_cpu)
    return Tried(mode, alone, good, found)


def windows(name, ranks, upper):
    low, high = Site(name.format(1), "Mul", "x", False), Site(name.format(2), "Mul", "y", True)
    return tuple(Window(2.0**6, low, upper / each, high, each) for each in ranks)


@pytest.fixture(autouse=True)
def _epsilon_is_blamed(monkeypatch):
    monkeypatch.setattr(advice_text, "of_epsilon", lambda options, found: REASON)


def shown(lines, width):
    """Return how many lines of the terminal these take; the command is one to be copied."""
    return sum(max(1, -(-len(line) // width)) for line in lines[:-1]) + 1


@pytest.mark.parametrize(
    ("modes", "name", "ranks", "upper", "width"),
    itertools.product(
        range(1, 6), ["layer_{}/MatMul", LONG], [[1], [1, 8]], [2.0**18, 2.0**3], [80, 100]
    ),
)
def test_it_fits_a_terminal(modes, name, ranks, upper, width):
    names = PRECISION_MODES[:modes]
    tried = tuple(failing(mode, number, name) for number, mode in enumerate(names, 1))
    refused = {mode: (name.format(0),) * 4 for mode in PRECISION_MODES[modes:]}
    found = Advice(tried, refused, tried[0].kept, windows(name, ranks, upper))
    lines = text(AdviseOptions.read([]), found, LINE, width).split("\n")
    assert shown(lines, width) <= MOST_LINES
    assert lines[-1] == LINE
    assert sum(line.startswith("* ") and "40 operators" in line for line in lines) == 1
    assert any(line.startswith("stay float32") for line in lines)
    assert any("recommended, in the middle" in line or "no scale" in line for line in lines)
    if sum(" alone: " in line for line in lines) < modes:
        assert any("format=json has all" in line for line in lines)


def test_why_the_recommended_mode_is_not_enough_alone_is_told_before_what_is_no_choice():
    best = failing("force_fp16", 1, LONG)
    others = [
        Tried(mode, *[point(mode, kept(cosine=0.4), 1000)] * 2, SimpleNamespace(by_damage=[]))
        for mode in ("force_fp32", "allow_mix_precision", "allow_fp32_to_fp16")
    ]
    refused = {"must_keep_origin_dtype": ("Conv2D",)}
    found = Advice((best, *others), refused, best.kept, windows("a{}", [1, 8], 2.0**18))
    lines = text(AdviseOptions.read([]), found, LINE, 80).split("\n")
    assert any(line.startswith("force_fp16 alone: ") for line in lines)
    assert not all(any(each.mode in line for line in lines) for each in others)
    assert any("format=json has all" in line for line in lines)


def test_a_share_of_no_known_flop_is_a_dash():
    tried = failing("force_fp16", 1, LONG)
    tried = tried._replace(kept=tried.kept._replace(cube=None))
    found = Advice((tried,), {}, None, ())
    lines = text(AdviseOptions.read([]), found, LINE, 80).split("\n")
    heads = next(line for line in lines if "cube" in line)
    (row,) = [line for line in lines if "40 operators" in line]
    assert row[: heads.index("cube") + len("cube")].split()[-1] == "-"
    points = json.loads(as_data(AdviseOptions.read([]), found, LINE))["points"]
    assert points[1]["cube_float16"] is None


@pytest.mark.parametrize("width", [80, 100])
def test_a_row_with_what_is_on_the_ai_cpu_counts_as_it_is_shown(width):
    cpu = tuple(f"OperatorOfTheCpu{number}" for number in range(9))
    numbered = enumerate(PRECISION_MODES, 1)
    tried = tuple(failing(mode, number, LONG, cpu) for number, mode in numbered)
    found = Advice(tried, {}, tried[0].kept, windows(LONG, [1, 8], 2.0**18))
    assert shown(text(AdviseOptions.read([]), found, LINE, width).split("\n"), width) <= MOST_LINES


def test_nothing_is_left_out_where_there_is_room():
    tried = (failing(PRECISION_MODES[0], 1, "layer_{}/MatMul"),)
    found = Advice(tried, {"force_fp32": ("it: none",)}, tried[0].kept, windows("a{}", [1], 256.0))
    said = text(AdviseOptions.read([]), found, LINE, 100)
    assert "format=json has all" not in said
    for each in ("below, a1 becomes 0", " alone: ApplyAdamD", "  force_fp32: the chip refuses it"):
        assert each in said


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (kept(), "  -"),
        (kept(1), "  1 operator"),
        (kept(68, holds=False, minimal=False), "  68, not enough"),
        (kept(68, minimal=False), "  68, budget ended"),
        (kept(0, holds=False, minimal=False), "  -, budget ended"),
    ],
)
def test_how_many_stay_is_said(made, says):
    tried = Tried("force_fp16", point("force_fp16", made), point("force_fp16", made), None)
    found = Advice((tried,), {}, None, ())
    words = ["target=accuracy>=0.9"]
    lines = text(AdviseOptions.read(words), found._replace(tried=(tried,)), "", 80).split("\n")
    assert lines[3].endswith(says)
    assert len(lines[3]) <= 80
    assert lines[-1] == "no training got as far as target=: more of budget=, or other modes="


def test_json_has_no_infinity_and_no_nan():
    tried = (failing("force_fp16", 1, "layer_{}/MatMul"),)
    odd = point("force_fp16", kept(cosine=math.nan))
    found = Advice((tried[0]._replace(plain=odd),), {}, tried[0].kept,
                   (Window(2.0**-100, None, math.inf, None),))  # fmt: skip

    def refuse(constant):
        raise AssertionError(constant)

    whole = json.loads(as_data(AdviseOptions.read([]), found, ""), parse_constant=refuse)
    assert whole["loss_scale"][0]["upper"] is None
    assert whole["points"][0]["gradient_cosine"] is None
    assert [each["recommended"] for each in whole["points"]] == [False, True]
