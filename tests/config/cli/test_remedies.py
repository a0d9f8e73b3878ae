"""A remedy is a line that works as it stands, or leads to one: it never leads back."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config.chip import machine
from lenet_exp.config.cli.blanks import check_equals_signs
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.json_words import argument, as_hydra_reads
from lenet_exp.config.cli.mend import CommandLine, flags_first
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.errors import LenetExpError
from tests.config.chip.wrong_options import ROWS, placed
from tests.config.cli.test_command_line import WRONG
from tests.config.cli.test_command_lines import MENDED

pytestmark = pytest.mark.stackless

_MOST = 5  # mistakes in one line
_CHIP = "hardware=ascend910"
_PROFILE = f"{_CHIP} hardware.profiling_mode=true"
# typed; on which machine; the line that works in the end
CHIP, NO_CHIP, ANY = "a chip", "no chip", "any machine"
ENDS = [
    (f"{_CHIP} 'hardware.extra={{hcom_parallel:1,other:true}}'", CHIP,
     f"{_CHIP} 'hardware.extra={{hcom_parallel:true,other:true}}'"),
    (f"{_CHIP} 'hardware.extra={{min_group_size:true,other:a}}'", CHIP,
     f"{_CHIP} 'hardware.extra={{other:a}}'"),
    (f"{_CHIP} 'hardware.extra={{min_group_size:true}}'", CHIP, f"{_CHIP} hardware.extra=null"),
    (f"{_CHIP} 'hardware.extra={{jit_compile:true,other:a}}'", CHIP,
     f"{_CHIP} 'hardware.extra={{other:a}}' hardware.jit_compile=true"),
    (f"{_CHIP} 'hardware.extra={{dump_mode:x}}'", CHIP,
     (f"{_CHIP} hardware.extra=null hardware.dump_mode=input hardware.enable_dump=true"
     " hardware.dump_path=DIR")),
    (f"{_CHIP} 'hardware.extra={{x:1.5,y:[1,a]}}'", CHIP,
     f"{_CHIP} 'hardware.extra={{x:\"1.5\",y:\"[1, \\\"a\\\"]\"}}'"),
    (f"{_CHIP} 'hardware.extra={{soc_config:1}}'", CHIP,
     f"{_CHIP} 'hardware.extra={{soc_config:\"1\"}}'"),
    ("hardware.foo=a,b", CHIP, f"{_CHIP} 'hardware.extra={{foo:\"a,b\"}}'"),
    ("-m hardware.foo=1,2", CHIP, f"-m {_CHIP} 'hardware.extra={{foo:1}},{{foo:2}}'"),
    ("'hardware.foo={\"a\":\"b\"}'", CHIP,
     f"{_CHIP} 'hardware.extra={{foo:\"{{\\\"a\\\": \\\"b\\\"}}\"}}'"),
    (f"{_CHIP} 'hardware.extra={{a:1}}' hardware.foo=2", CHIP,
     f"{_CHIP} 'hardware.extra={{a:1,foo:2}}'"),
    (f"{_PROFILE} 'hardware.profiling_options={{\"task_trace\":\"l1\",\"nope\":1}}'", CHIP,
     f"{_PROFILE} 'hardware.profiling_options={{task_trace:l1,output:DIR}}'"),
    (f"{_PROFILE} 'hardware.profiling_options={{output:.,training_trace:on,aicpu:x}}'", CHIP,
     (f"{_PROFILE} 'hardware.profiling_options="
     "{output:.,training_trace:on,aicpu:on,fp_point:\"\",bp_point:\"\"}'")),
    (f"{_PROFILE} 'hardware.profiling_options={{output:/proc/x,aicpu:on}}'", CHIP,
     f"{_PROFILE} 'hardware.profiling_options={{aicpu:on,output:DIR}}'"),
    (f"{_CHIP} hardware.auto_tune_mode=RL,GA", CHIP,
     f"{_CHIP} 'hardware.auto_tune_mode=\"RL,GA\"'"),
    ("-m hardware.auto_tune_mode=RL,GA", CHIP,
     f"-m {_CHIP} 'hardware.auto_tune_mode=\"RL,GA\"'"),
    (f"{_CHIP} hardware.optypelist_for_implmode='\"A,B\"'", CHIP,
     (f"{_CHIP} 'hardware.optypelist_for_implmode=\"A,B\"'"
     " hardware.op_select_implmode=high_precision")),
    (f"{_CHIP} hardware.device=1 precision.trace_overflow=true", CHIP,
     "hardware=cpu precision.trace_overflow=true"),
    ("-m hardware=ascend910 hardware.auto_tune_mode=RL,GA seed=0,1", NO_CHIP,
     "-m hardware=cpu seed=0,1"),
    ("hardware.device=1 seed=3", NO_CHIP, "hardware=cpu seed=3"),
    ("hardware=cpu hardware.device=1 seed=3", NO_CHIP, "hardware=cpu seed=3"),
    (f"{_CHIP} hardware.device=1 hardware.op_wait_timeout=5", NO_CHIP, "hardware=cpu"),
    (f"precision=force_fp16 hardware.modify_mixlist={__file__}", NO_CHIP,
     f"precision=allow_mix_precision hardware=cpu precision.modify_mixlist={__file__}"),
    ("-m loss_scale=none,dynamic loss_scale.value=128 seed=3", ANY,
     "-m loss_scale=none,dynamic seed=3"),
    ("init_from=/no/such 'exclude=[fc_3]' seed=3", ANY, "init_from=null 'exclude=[]' seed=3"),
    ("'exclude=[fc_3]' seed=3", ANY, "'exclude=[]' seed=3"),
    ("\"seed=a'b\" threads=2", ANY, "seed=0 threads=2"),
    ("\"tracking.experiment=a[b'c$d\" seed=3", ANY,
     "'tracking.experiment=\"a[b'\"'\"'c$d\"' seed=3"),
    ("'precision.keep_dtype={a:b}'", ANY, "'precision.keep_dtype=[fc_3]'"),
    ("precision seed=3", ANY, "precision=allow_mix_precision seed=3"),
    ("precision = force_fp16 seed=3", ANY, "precision=force_fp16 seed=3"),
    ("seed=3 precision= force_fp16", ANY, "seed=3 precision=force_fp16"),
    ("precision =force_fp16 seed=3", ANY, "precision=force_fp16 seed=3"),
    ("'precision = force_fp16' seed=3", ANY, "precision=force_fp16 seed=3"),
    ("precision force_fp16 seed=3", ANY, "precision=force_fp16 seed=3"),
    ("-m seed = 0,1 threads=2", ANY, "-m seed=0,1 threads=2"),
    ("--batch-size = 3 seed=4", ANY, "schedule.batch_size=3 seed=4"),
    ("seed= threads=2", ANY, "seed=0 threads=2"),
]  # fmt: skip


@pytest.fixture
def on(monkeypatch, tmp_path):
    """A function that makes this a machine with a chip, or without; folders may be made here."""
    monkeypatch.chdir(tmp_path)

    def set_to(chip):
        missing = None if chip == CHIP else "nothing to drive a chip with"
        monkeypatch.setattr(machine, "missing_for_chip", lambda: missing)

    return set_to


def remedy_of(words):
    """Return the words that a person is told to type instead of these, None if they work."""
    words = flags_first(as_hydra_reads(words))
    try:
        check_equals_signs(PROGRAM, words)
        check_command_line(words)
    except LenetExpError as error:
        remedy = CommandLine(PROGRAM, words).mended(error).args[-1].split("\n")[0]
        start, *others = remedy.split(PROGRAM)
        assert (start, len(others)) == ("", 1), remedy
        return shlex.split(others[0])
    return None


def followed(words):
    """Return the line that works which the remedies lead to."""
    lines = [words]
    while len(lines) <= _MOST:
        instead = remedy_of(lines[-1])
        if instead is None:
            return lines[-1]
        assert instead not in lines, lines
        lines.append(instead)
    raise AssertionError(lines)


@pytest.mark.parametrize(("typed", "chip", "ends"), ENDS, ids=[row[0] for row in ENDS])
def test_what_was_typed_is_kept_where_it_can_be(typed, chip, ends, on):
    on(chip)
    assert followed(shlex.split(typed)) == shlex.split(ends)


OF_ANY = [*(row[0] for row in WRONG), *(row[0] for row in MENDED)]
NOT_HERE = ("hydra", "--config-dir", "range(0,9", "range(0,6")  # no such folders; minutes


HERE = [typed for typed in OF_ANY if not any(word in typed for word in NOT_HERE)]


@pytest.mark.parametrize("typed", [
    pytest.param(typed, marks=pytest.mark.full if number % 6 else ())
    for number, typed in enumerate(HERE)
])  # fmt: skip
def test_a_remedy_of_any_line_leads_to_one_that_works(typed, on):
    on(NO_CHIP)
    followed(shlex.split(typed))


@pytest.mark.full
@pytest.mark.parametrize("words", [pytest.param(row[1], id=row[0]) for row in ROWS])
def test_a_remedy_of_an_option_of_the_chip_leads_to_one_that_works(words, on, places):
    on(CHIP)
    words = [_CHIP, *(placed(word, places) for word in words)]
    followed(words)
    on(NO_CHIP)
    assert "hardware=cpu" in followed(words)


@pytest.mark.parametrize("name", ["a,b{c}=$x'q", "a b", '"', "x\\", "${y}", "(z)", "#", "~", "é"])
def test_a_folder_of_any_name_is_reached_by_the_line_that_is_offered(name, on, tmp_path):
    on(NO_CHIP)
    (tmp_path / name).mkdir()
    path = str(tmp_path / name)
    check_command_line(shlex.split(argument("data.path", path)))
    ends = followed([f"data.path={path}"])
    assert ends in ([f"data.path={path}"], shlex.split(argument("data.path", path)))
