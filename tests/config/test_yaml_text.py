"""YAML that would take all memory or time is told before it is loaded."""

from __future__ import annotations

import itertools

import pytest
import yaml

from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.yaml_text import line_of, problem_of
from lenet_exp.errors import ConfigError, DataError

pytestmark = pytest.mark.stackless

LEVELS = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MERGES = "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 60))
BOMBS = [
    (f"a0: &a0 [x]\n{LEVELS}", "aliases that stand for more than 100000 values"),
    (f"a0: &a0 {{x: 1}}\n{MERGES}", "aliases that stand for more than"),
    (f"a: &a {'x' * 90_000}\nb: [{','.join(['*a'] * 900)}]\n", "aliases that stand for more"),
    ("a: &a [*a]\n", "an alias inside what it stands for"),
    ("a: " + "[" * 1500, "nested too deep"),
    (f"a: {'x' * 600_000}\n", "has 600004 characters"),
    (f"a: {'${b}' * 1_001}\n", "more than 1000 references"),
]


@pytest.mark.parametrize(("file", "text", "told"), [
    *(pytest.param("experiment/x.yaml", *row, id=row[1]) for row in BOMBS),
    pytest.param("precision/x.yaml", *BOMBS[0], id="of another group"),
])  # fmt: skip
def test_a_person_s_file_is_refused_that_would_take_all_memory(file, text, told, tmp_path):
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError) as caught:
        check_command_line(["--config-dir", str(tmp_path), f"{file.partition('/')[0]}=x"])
    assert caught.value.args[0] == str(tmp_path / file)
    assert told in caught.value.args[1]
    assert "\n" not in caught.value.args[1]


@pytest.mark.parametrize("text", ["", "a: &a 1\nb: [*a, *a]\n", "a: &a {x: 1}\nb: {<<: *a}\n"])
def test_what_is_small_is_taken(text):
    assert problem_of(text) == ""


def test_what_is_no_yaml_is_left_to_the_loader():
    with pytest.raises(yaml.YAMLError):
        problem_of("a: [")


@pytest.mark.parametrize(
    ("path", "line"),
    [(["a"], 1), (["b"], 2), (["b", "c"], 3), (["b", "d"], None), (["a", "x"], None), ([""], None)],
)
def test_a_key_has_a_line(path, line):
    assert line_of("a: 1\nb:\n  c: 2\n", path) == line


GLOBAL = "# @package _global_\n"
# The files, what is typed, the file and line that are told, what is told of the key.
PLACES = [
    ({"experiment/x": f"{GLOBAL}seed: 7\nnokey: 3\n"}, "experiment=x", "experiment/x", 3,
     "nokey=3"),
    ({"experiment/x": f"{GLOBAL}seed: seven\n"}, "experiment=x", "experiment/x", 2, "seed=seven"),
    ({"experiment/x": f"{GLOBAL}seed: ${{nope}}\n"}, "experiment=x", "experiment/x", 2, "seed"),
    ({"experiment/x": f"{GLOBAL}schedule:\n  batch_sze: 3\n"}, "experiment=x", "experiment/x", 3,
     "schedule.batch_sze=3"),
    ({"optimizer/x": "name: sgd\nlearning_rate: 0\n"}, "optimizer=x", "optimizer/x", 2,
     "optimizer.learning_rate=0"),
    ({"optimizer/x": "# @package optimizer\nname: sgd\nlearning_rate: 1\nfoo: 3\n"},
     "optimizer=x", "optimizer/x", 4, "optimizer.foo=3"),
    ({"experiment/x": f"{GLOBAL}defaults:\n  - override /optimizer: y\n", "optimizer/y":
      "name: sgd\nlearning_rate: 1\nfoo: 3\n"}, "experiment=x", "optimizer/y", 3,
     "optimizer.foo=3"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "typed", "file", "line", "key", "sweeps"), [
    *((*row, False) for row in PLACES),
    (*PLACES[0], True),
    *(pytest.param(*row, True, marks=pytest.mark.full) for row in PLACES[1:]),
])  # fmt: skip
def test_a_key_that_was_not_typed_is_told_with_its_file_and_line(
    tmp_path, files, typed, file, line, key, sweeps
):
    for name, text in files.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    sweep = ["-m", "threads=1,2"] if sweeps else []
    with pytest.raises(ConfigError) as caught:
        check_command_line([*sweep[:1], "--config-dir", str(tmp_path), typed, *sweep[1:]])
    assert caught.value.args[0] == f"{key} (line {line} of {tmp_path / file}.yaml)"


def test_a_key_that_was_typed_is_told_without_a_file(tmp_path):
    with pytest.raises(ConfigError) as caught:
        check_command_line(["seed=x"])
    assert caught.value.args[:2] == ("seed", "x")


OTHERS = ("optimizer", "loss_scale", "hydra/launcher")
ODD = ("nothere", "f" * 300, "f/" * 3000 + "f", "../x", '"a\\0b"', "~x")


@pytest.mark.parametrize(("group", "option"), [
    *(("precision", option) for option in ODD),
    *((group, "nothere") for group in OTHERS),
    *(pytest.param(*row, marks=pytest.mark.full) for row in itertools.product(OTHERS, ODD[1:])),
])  # fmt: skip
def test_an_option_that_a_preset_names_and_no_file_is_is_told(group, option, tmp_path):
    (tmp_path / "experiment").mkdir()
    text = f"{GLOBAL}defaults:\n  - override /{group}: {option}\n"
    (tmp_path / "experiment" / "x.yaml").write_text(text)
    with pytest.raises((ConfigError, DataError)):
        check_command_line([f"--config-dir={tmp_path}", "experiment=x"])
