"""The words of explain."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.diagnosis_options import AdviseOptions, DiagnoseOptions
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.config.input_shapes import InputShapes
from lenet_exp.errors import ConfigError, PrecisionError

pytestmark = pytest.mark.stackless


def test_defaults_are_lenet_s_training_step_as_a_run_has_it():
    asked = ExplainOptions.read([])
    assert asked.settings.precision.mode == "allow_mix_precision"
    assert asked == ExplainOptions(asked.settings)


@pytest.mark.parametrize(
    ("options", "own"),
    [(ExplainOptions, "graph"), (DiagnoseOptions, "operators"), (AdviseOptions, "ranks")],
)
def test_a_key_that_is_none_is_answered_with_the_verb_s_own_keys_first(options, own):
    with pytest.raises(ConfigError) as raised:
        options.read(["foo=1"])
    named = raised.value.args[2].split(", ")
    assert named.index(own) < named.index("precision") < named.index("seed")


def test_modes_and_hardware_that_can_not_be_trained_here_can_be_explained():
    asked = ExplainOptions.read(
        ["precision=force_fp16", "hardware=ascend910", "hardware.cann=2021"]
    )
    assert (asked.settings.precision.mode, asked.settings.hardware.cann) == ("force_fp16", "2021")


@pytest.mark.parametrize(
    ("words", "against"),
    [
        (["diff=force_fp16"], ("force_fp16", "today")),
        (["diff=2021"], ("allow_mix_precision", "2021")),
        (["diff=today", "hardware.cann=2021"], ("allow_mix_precision", "today")),
        (["diff=force_fp16", "hardware.cann=2021"], ("force_fp16", "2021")),
    ],
)
def test_a_difference_is_against_a_mode_or_the_other_generation(words, against):
    assert ExplainOptions.read(words).against == against


@pytest.mark.parametrize("text", ["[a,b/c:0]", "a,b/c:0", "[a, b/c:0]", "[a,b/c:0,]"])
def test_fetches_are_a_list(text):
    assert ExplainOptions.read(["graph=x.pb", f"fetches={text}"]).fetches == ("a", "b/c:0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type:Mul,list:black", ("type:Mul", "list:black")),
        ("[float16, name:*/b]", ("float16", "name:*/b")),
        ("name:fc_[12]/*", ("name:fc_[12]/*",)),
        ("[name:fc_[12]]", ("name:fc_[12]",)),
    ],
)
def test_filters_are_words(text, words):
    assert ExplainOptions.read([f"only={text}", f"without={text}"]).only == words


@pytest.mark.parametrize("typed", ["lst:black", "list:blak", "list:"])
def test_words_that_no_graph_gives_a_meaning_are_refused_before_one_is_read(typed):
    with pytest.raises(PrecisionError, match="try: without=list:"):
        ExplainOptions.read([f"without={typed}"])


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("x:32x28x28x1", {"x": (32, 28, 28, 1)}),
        ("a/x:8x4,y:8", {"a/x": (8, 4), "y": (8,)}),
        ("next:1:8x4,next:8", {"next:1": (8, 4), "next": (8,)}),
        ("{x: [32, 224, 224, 3], 'y:0': [32]}", {"x": (32, 224, 224, 3), "y:0": (32,)}),
        ("x:[]", {"x": ()}),
    ],
)
def test_shapes_are_typed_with_or_without_quotes(text, shapes):
    read = ExplainOptions.read(["graph=x.pb", f"shapes={text}"]).shapes
    assert read == shapes
    assert InputShapes(str(read)) == shapes


# typed, then what the message must hold
WRONG = [
    ("sumary=true", ["summary is one", "explain summary=true"]),
    ("difff=2021", ["explain diff=2021"]),
    ("summary=yes", ["true | false", "explain summary=true"]),
    ("summary", ["key=value", "explain summary=true"]),
    ("--summary", ["without dashes", "explain summary=true"]),
    ("--diff=2021", ["explain diff=2021"]),
    ("-m", ["without dashes", "explain --help"]),
    ("format=cvs", ["table | csv | json", "explain format=csv"]),
    ("diff=force_fp61", ["force_fp16", "today | 2021", "explain diff=force_fp16"]),
    ("diff=allow_mix_precision", ["another one", "diff=must_keep_origin_dtype"]),
    ("diff=today", ["another one"]),
    ("session=true diff=2021", ["not both", "explain session=true"]),
    ("session=yes", ["true | false", "explain session=true"]),
    ("diff=2021 summary=true", ["not both", "explain diff=2021"]),
    ("phase=lowr", ["prune | fold_constants |", "explain phase=lower"]),
    ("phase=fuse diff=2021", ["without diff=", "explain phase=fuse"]),
    ("phase=fuse summary=true", ["without diff=", "explain phase=fuse"]),
    ("phase=fuse session=true", ["not both", "explain session=true"]),
    ("operator=", ["the name of an operator", "explain operator=layer_1/Conv2D"]),
    ("operator=a diff=2021", ["not both", "explain operator=a"]),
    ("operator=a summary=true", ["not both", "explain operator=a"]),
    ("operator=a only=white", ["not both", "explain operator=a"]),
    ("operator=a phase=fuse", ["not both", "explain operator=a"]),
    ("operator=a session=true", ["not both", "explain session=true"]),
    ("operator=a format=csv", ["table or json", "explain operator=a format=json"]),
    ("fetches=[a]", ["only with graph=FILE"]),
    ("batch=8", ["only with graph=FILE", "schedule.batch_size", "graph=FILE batch=32"]),
    ("shapes=x:8x4", ["only with graph=FILE", "graph=FILE shapes="]),
    ("graph=x batch=0", ["from 1 on", "explain graph=x batch=32"]),
    ("graph=x shapes=8x4", ["INPUT:32x28x28x1", "explain graph=x shapes=INPUT:32x28x28x1"]),
    ("graph=x shapes=a:8,a:9", ["INPUT:32x28x28x1"]),
    ("group=name", ["scope | type", "explain group=scope"]),
    ("group=type:2", ["scope | type", "explain group=type"]),
    ("diff=fp_32", ["fp16 | origin", "explain diff=must_keep_origin_dtype"]),
    ("group=scope:0", ["scope:2 is two names deep", "explain group=scope"]),
    ("group=scope summary=true", ["group= or summary=true, not both", "explain group=scope"]),
    ("group=type phase=fuse", ["not both", "explain group=type"]),
    ("group=type session=true", ["not both", "explain session=true"]),
    ("only=", ["float16 | float32", "type:Mul", "explain only=float16"]),
    ("graph=", ["a file", "explain graph=FILE"]),
    ("graph=~nobody-of-this-name/x.pb", ["graph=~nobody-of-this-name", "explain graph=FILE"]),
    ("graph=x fetches=[]", ["names", "fetches=[NAME]"]),
    ("graph=x inference=true", ["with graph=FILE only", "fetches=[NAME]"]),
    ("graph=x optimizer=sgd", ["optimizer=sgd", "with graph=FILE only", "explain graph=x"]),
    ("graph=x nokey=1", ["nokey=1", "precision"]),
    ("precision=nope", ["allow_mix_precision", "explain precision="]),
    ("precision=force_fp16,allow_fp32_to_fp16", ["one value", "explain precision=force_fp16"]),
    ("hardware.cann=2022", ["today | 2021", "explain hardware.cann=today"]),
    ("hardware.on_refused=ignore", ["warn | error"]),
    ("batch_size=3", ["explain schedule.batch_size=3"]),
    ("schedule.batch_size=0", ["from 1 to 55000", "explain schedule.batch_size=64"]),
    ("+extra=1", ["extra"]),
    ("nokey=1", ["nokey=1", "explain --help"]),
    ("lenet.pb", ["key=value, as graph=lenet.pb", "explain graph=lenet.pb"]),
    ("folder/saved fetches=[x]", ["explain graph=folder/saved"]),
    ("force_fp16", ["explain precision=force_fp16"]),
]


@pytest.mark.parametrize(("typed", "told"), WRONG, ids=[typed for typed, _ in WRONG])
def test_what_is_typed_wrong_is_told_with_a_command_of_explain(typed, told):
    with pytest.raises(ConfigError) as caught:
        ExplainOptions.read(typed.split())
    message = str(caught.value)
    assert "lenet_exp.run" not in message
    for part in told:
        assert part in message


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["format=html"], "to is not possible.\n  allowed: the file that format=html is written"),
        (["to=plan.html"], "to=plan.html is not possible.\n  allowed: only with format=html or"),
        (["format=csv", "diagnosis=x.csv"], "only with format=html or format=model_explorer"),
        (["format=html", "to=.", "diff=2021"], "a file; this is a folder"),
        (["format=html", "to=/dev/null"], "a file; this is none"),
        (["format=html", "graph=x.pb", "to=./x.pb"], "another file than graph=, which is read"),
        (["format=html", "diagnosis=x", "to=x"], "another file than diagnosis=, which is read"),
        (["format=html", "to=x.html", "summary=true"], "not with format=html, which has every"),
        (["format=html", "to=x.html", "group=type"], "not with format=html, which has every"),
        (["format=model_explorer", "to=x", "phase=fuse"], "not with format=model_explorer"),
        (["format=svg", "to=x.svg"], "allowed: table | csv | json | html | model_explorer"),
    ],
)
def test_what_a_page_can_not_be_is_refused_with_a_line_that_works(words, says):
    with pytest.raises(ConfigError) as raised:
        ExplainOptions.read(words)
    assert says in str(raised.value)
    remedy = str(raised.value).partition("try:")[2].split()
    ExplainOptions.read(remedy[3:])
