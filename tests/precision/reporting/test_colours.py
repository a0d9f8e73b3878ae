"""Colour on a terminal: what is coloured, and where it is not."""

from __future__ import annotations

import io
import re

import pytest

from lenet_exp.precision.reporting import colours, records, tables
from tests.precision import lenet_graph
from tests.precision.small import KEEP, MIX

CYAN, YELLOW, RED, MAGENTA, END = (f"\x1b[{code}m" for code in ("36", "33", "1;31", "35", "0"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {"TERM": "xterm-256color"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),  # as no-color.org has it
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_only_a_terminal_that_nobody_keeps_plain_gets_colour(stream, environ, wanted):
    assert colours.wanted(stream, environ) is wanted


@pytest.mark.parametrize(
    ("text", "painted"),
    [
        ("hhh>h  white", f"{CYAN}hhh{END}>{CYAN}h{END}  white"),
        ("10f>fff", f"{YELLOW}10f{END}>{YELLOW}fff{END}"),
        ("hf>hh", f"{CYAN}h{END}{YELLOW}f{END}>{CYAN}hh{END}"),
        (">f", f">{YELLOW}f{END}"),
        ("iff>f", f"i{YELLOW}ff{END}>{YELLOW}f{END}"),
        ("h float16;", f"{CYAN}h{END} {CYAN}float16{END};"),
        ("fff>f refused", f"{YELLOW}fff{END}>{YELLOW}f{END} {RED}refused{END}"),
        ("on the AI CPU", f"on the {MAGENTA}AI CPU{END}"),
        ("half/refused inputs>outputs a>b x/h>f float161", None),
    ],
)
def test_types_and_refusals_are_painted(text, painted):
    assert colours.painted(text) == (painted or text)


@pytest.mark.parametrize("mode", [MIX, KEEP])
def test_without_its_codes_a_painted_report_is_the_plain_one(mode):
    plain = tables.table(records.report(lenet_graph.plan_of("none", mode)), 100)
    painted = colours.painted(plain)
    assert painted != plain
    assert re.sub("\x1b[[][0-9;]*m", "", painted) == plain
