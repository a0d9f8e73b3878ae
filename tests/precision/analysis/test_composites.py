"""Updates and normalisations by hand: which are told, and what is none."""

from __future__ import annotations

import pytest

from tests.precision.small import FORCE, MIX, halves, plan_of

SQUARES = {
    "Square": lambda tf, x: tf.square(x, name="squared"),
    "Mul": lambda tf, x: tf.multiply(x, x, name="squared"),
    "Pow": lambda tf, x: tf.pow(x, 2.0, name="squared"),
}
ROOTS = {
    "Rsqrt": lambda tf, x, y: x * tf.rsqrt(y, name="root"),
    "Sqrt": lambda tf, x, y: x / (tf.sqrt(y, name="root") + 1e-6),
    "Reciprocal": lambda tf, x, y: x * tf.reciprocal(tf.sqrt(y, name="root")),
    "Pow": lambda tf, x, y: x / tf.pow(y, 0.5, name="root"),
    "Pow of -.5": lambda tf, x, y: x * (tf.pow(y, -0.5, name="root") * tf.get_variable("g", [8])),
}


def told(build, mode=MIX):
    return [text for text in plan_of(build, mode).warnings if "single operators" in text]


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("root", ROOTS)
def test_a_normalisation_however_it_squares_and_takes_the_root(square, root):
    def build(tf):
        x = halves(tf)
        return ROOTS[root](tf, x, tf.reduce_mean(SQUARES[square](tf, x), 1, keepdims=True) + 1e-6)

    (warning,) = told(build)
    assert warning.startswith("the normalisation that ends in root is written with single ")
    assert "squares in float16 (squared): " in warning


@pytest.mark.parametrize(
    "make",
    [
        lambda tf, root: root,
        lambda tf, root: root * 128.0,
        lambda tf, root: root / tf.placeholder(tf.float32, [], "count"),
        lambda tf, root: tf.gradients(root, tf.trainable_variables()),
    ],
)
@pytest.mark.parametrize("root", [lambda tf, x: tf.sqrt(x), lambda tf, x: tf.pow(x, 0.5)])
def test_a_loss_that_is_a_root_is_no_normalisation(make, root):
    def build(tf):
        return make(tf, root(tf, tf.reduce_mean(tf.square(halves(tf) - 1.0))))

    assert told(build) == told(build, FORCE) == []


def parts_of(tf, name, square, after):
    w, v = (tf.get_variable(name + each, [8, 8]) for each in ("", "_v"))
    gradient = tf.gradients(tf.reduce_sum(tf.matmul(tf.ones([4, 8]) * after, w)), w)[0]
    new_v = 0.9 * v + 0.1 * square(tf, gradient)
    return w, v, gradient, new_v


def plain(tf, w, v, gradient, new_v):
    return [tf.assign(w, w - gradient / (tf.sqrt(new_v) + 1e-6) * 0.1), tf.assign(v, new_v)]


def of_what_was_assigned(tf, w, v, gradient, new_v):
    return [tf.assign(w, w - 0.1 * gradient * tf.rsqrt(tf.assign(v, new_v)))]


def by_subtraction(tf, w, v, gradient, new_v):
    return [tf.assign_sub(w, 0.1 * gradient / tf.pow(new_v, 0.5)), tf.assign(v, new_v)]


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("update", [plain, of_what_was_assigned, by_subtraction])
@pytest.mark.parametrize("names", [("w",), ("w", "b")])
def test_an_update_is_told_by_its_parameter_alone(square, update, names):
    def build(tf):
        after = tf.placeholder(tf.float32, [], "after")
        return [
            each
            for name in names
            for each in update(tf, *parts_of(tf, name, SQUARES[square], after))
        ]

    (warning,) = told(build)
    several = len(names) > 1
    begin = "the updates of w, b are written" if several else "the update of w is written"
    assert warning.startswith(begin)
    assert f"and square{'' if several else 's'} in float16 (squared" in warning


@pytest.mark.parametrize(
    ("mode", "generation", "remedy"),
    [
        (MIX, "today", "keep_dtype, or their types on the black list, keeps them in float32"),
        (MIX, "2021", "keep_dtype keeps them in float32"),
        (FORCE, "today", "keep_dtype keeps them in float32"),
    ],
)
def test_the_remedy_is_one_that_the_mode_takes(mode, generation, remedy):
    def build(tf):
        x = halves(tf)
        return ROOTS["Sqrt"](tf, x, tf.reduce_mean(tf.square(x), 1, keepdims=True))

    warnings = plan_of(build, mode, generation=generation).warnings
    (warning,) = [text for text in warnings if "single operators" in text]
    assert warning.endswith(f"; {remedy}")


def test_an_average_and_powers_of_a_constant_are_no_updates_with_squares():
    def build(tf):
        power, mean = (tf.get_variable(name, []) for name in ("power", "mean"))
        loss = tf.reduce_sum(halves(tf))
        return [tf.assign(power, power * 0.9), tf.assign(mean, 0.9 * mean + 0.1 * loss)]

    assert told(build, FORCE) == []
