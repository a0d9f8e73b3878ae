"""Which operators the words of only= and without= let through."""

from __future__ import annotations

import pytest

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.reporting.filters import Facts, read_words, scopes_of, seen

pytestmark = pytest.mark.stackless

# name, chip's and TensorFlow's type, types, list, rule, section, and what else is so
ROWS = """
    net/conv/Conv2D        Conv2D      Conv2D     h   white white forward  cast changed
    net/conv/Sigmoid       Sigmoid     Sigmoid    h   gray  gray  forward  changed
    net/fc/MatMul          MatMulV2    MatMul     hf  white white forward  cast changed
    loss                   ReduceMeanD Mean       f   black black forward  cast
    loss/Mul               Mul         Mul        f   gray  gray  backward
    grad/Mul               Mul         Mul        h   gray  gray  backward changed
    train/counter/AddV2    AddV2       AddV2      l   gray  ai_cpu update  warning
    train/update/ApplyAdam ApplyAdamD  ApplyAdam  f   black refused update warning
"""
LETTERS = {"h": "float16", "f": "float32", "l": "int64"}


def facts():
    rows = [line.split() for line in ROWS.strip().splitlines()]
    scopes = scopes_of([row[0] for row in rows])
    made = {}
    for name, ge_type, tf_type, types, colour, rule, section, *flags in rows:
        parts = ("net/conv/BiasAdd",) if ge_type == "Conv2D" else ()
        dtypes = frozenset(LETTERS[letter] for letter in types)
        made[name] = Facts(
            (name, *parts), scopes[name], (ge_type, tf_type), dtypes, colour, rule, section,
            *(flag in flags for flag in ("cast", "changed", "warning")),
        )  # fmt: skip
    return made


FACTS = facts()
CONV, SIGMOID, MATMUL, LOSS, LOSS_MUL, GRAD_MUL, COUNTER, ADAM = FACTS


def shown(only="", without=""):
    words = [tuple(text.split(",")) if text else () for text in (only, without)]
    view, chosen = seen([(each,) for each in FACTS.values()], *words)
    return [name for name, keep in zip(FACTS, chosen) if keep], view


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("type:Mul", [LOSS_MUL, GRAD_MUL]),
        ("type:mul", [LOSS_MUL, GRAD_MUL]),
        ("type:MatMul", [MATMUL]),  # TensorFlow's name of MatMulV2
        ("type:Apply*", [ADAM]),
        ("op:Mul", [LOSS_MUL, GRAD_MUL]),
        ("scope:net", [CONV, SIGMOID, MATMUL]),
        ("scope:net/conv/", [CONV, SIGMOID]),
        ("scope:net/*", [CONV, SIGMOID, MATMUL]),
        ("scope:ne", None),
        ("scope:loss", [LOSS, LOSS_MUL]),
        ("name:BiasAdd", [CONV]),  # fused with it
        ("name:*/Mul", [LOSS_MUL, GRAD_MUL]),
        ("name:conv", [CONV, SIGMOID]),
        ("name:Mul*", None),
        ("list:white", [CONV, MATMUL]),
        ("colour:black", [LOSS, ADAM]),
        ("rule:ai_cpu", [COUNTER]),
        ("dtype:int64", [COUNTER]),
        ("section:backward", [LOSS_MUL, GRAD_MUL]),
    ],
)
def test_a_word_names_its_kind(only, names):
    if names is None:
        with pytest.raises(PrecisionError):
            shown(only)
    else:
        assert shown(only)[0] == names


@pytest.mark.parametrize(
    ("only", "as_if"),
    [
        ("Mul", "type:Mul"),
        ("apply*", None),
        ("Apply*", "type:Apply*"),
        ("net/conv", "scope:net/conv"),
        ("net", "scope:net"),
        ("loss", "scope:loss"),
        ("net/fc/MatMul:0", "name:net/fc/MatMul"),
        ("BiasAdd", "name:BiasAdd"),
        ("*/fc/*", "name:*/fc/*"),
        ("float16", "dtype:float16"),
        ("black", "list:black"),
        ("refused", "rule:refused"),
        ("ai_cpu", "rule:ai_cpu"),
        ("update", "section:update"),
        ("casts", "cast"),
        ("warned", "warning"),
    ],
)
def test_a_plain_word_is_known_by_what_it_is(only, as_if):
    if as_if is None:
        with pytest.raises(PrecisionError):
            shown(only)
    else:
        assert shown(only)[0] == shown(as_if)[0] != []


@pytest.mark.parametrize(
    ("only", "without", "names"),
    [
        ("Mul,MatMul", "", [MATMUL, LOSS_MUL, GRAD_MUL]),  # of one kind: or
        ("Mul,float16", "", [GRAD_MUL]),  # of two kinds: and
        ("Mul,MatMul,float16,cast", "", [MATMUL]),
        ("refused,ai_cpu", "", [COUNTER, ADAM]),
        ("warning,refused", "", [ADAM]),
        ("", "float16", [LOSS, LOSS_MUL, COUNTER, ADAM]),
        ("", "float16,float32", [COUNTER]),
        ("", "Mul,net,update", [LOSS]),  # without any of them
        ("net", "cast", [SIGMOID]),
        ("changed", "net", [GRAD_MUL]),
    ],
)
def test_words_of_one_kind_are_alternatives_and_kinds_add_up(only, without, names):
    found, view = shown(only, without)
    assert found == names
    assert (view.operators, view.note) == (8, "")


def test_a_pair_of_plans_fits_with_either_side():
    other = FACTS[LOSS]._replace(dtypes=frozenset({"float16"}))
    rows = [(FACTS[LOSS], other), (FACTS[ADAM], FACTS[ADAM])]
    assert seen(rows, ("float16",), ())[1] == [True, False]
    assert seen(rows, (), ("float16",))[1] == [False, True]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("type:Mull", ["only=type:Mull: there is no such type", "try: only=type:Mul"]),
        ("ApplyAdm", ["no type, scope or name", "try: only=ApplyAdam"]),
        ("scope:net/cnv", ["no such scope", "try: only=scope:net/conv"]),
        ("name:Conv3D", ["no such name", "try: only=name:net/conv/Conv2D"]),
        ("list:blak", ["no such list", "try: only=list:black"]),
        ("rule:forcd", ["try: only=rule:forced"]),
        ("dtype:fp16", ["no such dtype", "try: only=dtype:float16"]),
        ("flot16", ["try: only=float16"]),
        ("lst:black", ["no such kind; there are type, scope, name", "try: only=list:black"]),
        ("cast:no", ["no such kind"]),
        ("type:", ["it has no value; type:VALUE", "try: only= without type:"]),
        ("qqq", ["try: only= without qqq"]),
    ],
)
def test_what_means_nothing_is_told_with_the_nearest_word(only, told):
    with pytest.raises(PrecisionError) as caught:
        shown(only)
    for part in told:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("only", "without", "note"),
    [
        ("rule:forced", "", "no operator has the rule forced; there is gray, white, ai_cpu, black"),
        ("bool", "", "no operator has the dtype bool; there is float16, float32, int64"),
        (
            "black,float16", "",
            "no operator is all of that at once; each alone: black 2, float16 4 of 8",
        ),
        ("Mul", "backward", "without= leaves out all 2 operators that there would be"),
    ],
)  # fmt: skip
def test_why_nothing_is_left_is_told(only, without, note):
    found, view = shown(only, without)
    assert found == []
    assert note in view.note


@pytest.mark.parametrize(
    ("flag", "note"),
    [
        ("cast", "no operator gets a Cast"),
        ("changed", "no operator is changed"),
        ("warning", "no operator has a warning"),
    ],
)
def test_a_flag_that_no_operator_has_is_told(flag, note):
    view, chosen = seen([(FACTS[LOSS_MUL],)], (flag,), ())
    assert (chosen, view.note) == ([False], note)


def test_what_a_phase_does_not_know_is_not_asked_of_it():
    early = Facts(("a",), "", ("Mul",), frozenset({"float32"}))
    assert seen([(early,)], ("Mul", "float32"), ())[1] == [True]
    with pytest.raises(PrecisionError, match="no operator has a list after this phase"):
        seen([(early,)], ("black",), ())


def test_a_name_that_is_also_a_scope_is_in_its_own():
    found = scopes_of(["a/b/c", "a/b", "d", "a/bc"])
    assert found == {"a/b/c": "a/b", "a/b": "a/b", "d": "", "a/bc": "a"}
    rows = [(Facts((name,), scope, ("Mul",), frozenset()),) for name, scope in found.items()]
    for word, expected in (
        ("scope:.", "d"),
        ("scope:a/.", "a/bc"),
        ("scope:a/b", "a/b/c a/b"),
        ("a", "a/b/c a/b a/bc"),
    ):
        kept = [name for name, keep in zip(found, seen(rows, (word,), ())[1]) if keep]
        assert kept == expected.split()


def test_without_words_all_is_shown():
    found, view = shown()
    assert (found, view.narrows, str(view)) == (list(FACTS), False, "")
    assert str(shown("Mul,float16", "update")[1]) == "only=Mul,float16 without=update"
    assert read_words("only", ()) == ()
