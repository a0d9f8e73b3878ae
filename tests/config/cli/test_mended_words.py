"""A word of explain that means nothing: the remedy is the whole line, with it mended or without."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.errors import WordError

pytestmark = pytest.mark.stackless

BATCH, SHAPES, ONLY = ("batch",), ("shapes",), ("only",)
LINES = [
    # typed, of which keys, the word, the good one, the line
    ("only=fc3", ONLY, "fc3", "fc_3", "only=fc_3"),
    ("precision=fp16 only=Mul,fc3,black summary=true", ONLY, "fc3", "fc_3",
     "precision=fp16 only=Mul,fc_3,black summary=true"),
    ("'only=[Mul, fc3]'", ONLY, "fc3", "fc_3", "only=Mul,fc_3"),
    ("only=fc3,fc_3", ONLY, "fc3", "fc_3", "only=fc_3"),
    ("only=qqq,Mul without=qqq", ONLY, "qqq", None, "only=Mul without=qqq"),
    ("only=qqq summary=true", ONLY, "qqq", None, "summary=true"),
    ("only=bias without=qqq", ("without",), "qqq", "name:*b*", "only=bias 'without=name:*b*'"),
    ("graph=x.pb batch=4", BATCH, None, None, "graph=x.pb"),
    ("graph=x.pb shapes=a:8x4,foo:8 batch=4", SHAPES, "foo", None,
     "graph=x.pb shapes=a:8x4 batch=4"),
    ("graph=x.pb 'shapes={a: [4, 32], b: []}'", SHAPES, "a", "a:8x32",
     "graph=x.pb 'shapes=a:8x32,b:[]'"),
    ("graph=x.pb shapes=foo:8", SHAPES, "foo", None, "graph=x.pb"),
    ("graph=x.pb shapes=a:8 batch=4 summary=true", BATCH + SHAPES, None, None,
     "graph=x.pb summary=true"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "keys", "word", "good", "line"), LINES)
def test_the_line_is_kept_but_for_the_word(typed, keys, word, good, line):
    error = WordError("only=x", "means nothing", "another", keys, word, good)
    mended = CommandLine(ExplainOptions.program(), shlex.split(typed)).mended(error)
    assert str(mended) == f"only=x: means nothing\n  try: python -m lenet_exp.explain {line}"
    ExplainOptions.read(shlex.split(line))


UNREADABLE = [
    ("type:", ""),
    ("it's", "only=it's"),  # only a graph could tell
    ('{"a":1}', ""),
    ("lst:blak", "only=list:black"),
    ("rule:forcd", "only=rule:forced"),
    ("colour:qqq", "only=list:white"),
    ("list:", "only=list:white"),
]


@pytest.mark.parametrize(("word", "good"), UNREADABLE)
def test_what_no_graph_could_have_is_mended_before_one_is_read(word, good):
    words = ["precision=force_fp16", f"only={word}"]
    try:
        ExplainOptions.read(words)
    except WordError as error:
        mended = CommandLine(ExplainOptions.program(), words).mended(error)
        assert str(mended).endswith(f"force_fp16 {good}".rstrip())
    else:
        assert words[-1] == good
