"""Whole command lines as strangers typed them, and what they are told: to type it again, mended."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from lenet_exp import compare, explain, run, upload
from lenet_exp.config.cli.command_line import check_command_line, settings_to_explain
from lenet_exp.config.cli.mend import CommandLine, flags_first
from lenet_exp.config.cli.suggest import PROGRAM, close_to
from lenet_exp.config.cli.sweep_line import applicable
from lenet_exp.config.tracking import experiment_notices
from lenet_exp.errors import ConfigError, LenetExpError

pytestmark = pytest.mark.stackless
FILE = __file__  # one that can be read

# typed; a word of what is allowed; the arguments to type instead
MENDED = [
    ("precision=float16", "force_fp16", "precision=force_fp16"),
    ("precision=orgin", "force_fp16", "precision=must_keep_origin_dtype"),
    ("precision=mixed_flaot16", "force_fp16", "precision=allow_mix_precision"),
    ("seed=3 precision=cube_fp16in", "force_fp16", "seed=3 precision=force_fp32"),
    ("-m precision=fp16,mixd_float16", "force_fp32", "-m precision=fp16,allow_mix_precision"),
    ("precision=amp", "force_fp16", "precision=allow_mix_precision"),
    ("precision=allow_fp16_to_fp32", "force_fp16", "precision=allow_mix_precision"),
    ("precision=fp32", "force_fp32 is float32 with", "precision=must_keep_origin_dtype"),
    ("seed=3 precision=fp_32", "force_fp32 is", "seed=3 precision=must_keep_origin_dtype"),
    ("precision=FP-16", "by other names fp16 | origin", "precision=force_fp16"),
    ("precision.mode=nope", "by other names fp16 |", "precision.mode=allow_mix_precision"),
    ("precision=bf16", "no bfloat16", "precision=allow_mix_precision"),
    ("-m seed=", "whole number", "-m seed=0"),
    ("-m seed=1,x,2 optimizer=sgd", "whole number", "-m seed=1,0,2 optimizer=sgd"),
    ("optimizer=sgd seed=x threads=2", "whole number", "optimizer=sgd seed=0 threads=2"),
    ("--multirun seed=x", "whole number", "--multirun seed=0"),
    ("schedule={epochs:x} seed=3", "whole", "'schedule={epochs:x}' seed=3 schedule.epochs=5"),
    ("-m seeds=0,1 threads=2", "seed is one", "-m seed=0,1 threads=2"),
    ("tracking.experimnt='a b' seed=3", "is one", "'tracking.experiment=a b' seed=3"),
    ("'data.path=/x/${x}' seed=3", "resolved", "'data.path=\"/x/\\${x}\"' seed=3"),
    ("'data.path=\"/d/\\${x}\"' seed=3", "that exists", "data.path=null seed=3"),
    ("-m hydra/launcher=joblib seed=0,1", "basic | local", "-m hydra/launcher=local seed=0,1"),
    ("-m hydra/sweeper=optuna seed=0,1", "basic", "-m hydra/sweeper=basic seed=0,1"),
    ("hydra/sweeper=ax", "basic", "hydra/sweeper=basic"),
    ("-m hydra/job_logging=nope seed=0,1", "run_log", "-m seed=0,1"),
    ("--config-dir=/nonexist -m seed=0,1", "a folder that exists", "-m seed=0,1"),
    ("--config-dir /nonexist seed=3", "a folder that exists", "seed=3"),
    ("--config-dir=mines experiment=mine", "that exists", "--config-dir=mine experiment=mine"),
    ("--config-name=foo seed=3", "conf/config.yaml alone", "seed=3"),
    ("--config-name foo seed=3", "conf/config.yaml alone", "seed=3"),
    ("--config-path=/tmp seed=3", "conf/config.yaml alone", "seed=3"),
    ("-m --cfg job seed=3", "not beside --cfg", "--cfg job seed=3"),
    ("--resolve seed=3", "--resolve with --cfg", "--cfg job --resolve seed=3"),
    ("--batch-size 3 seed=4", "without dashes", "schedule.batch_size=3 seed=4"),
    ("--batch-size=3 seed=4", "without dashes", "schedule.batch_size=3 seed=4"),
    ("+seed=1 threads=2", "without +", "seed=1 threads=2"),
    ("~seed threads=2", "not none at all", "threads=2"),
    ("loss_scale.value=3 seed=4", "loss_scale=fixed", "loss_scale=fixed loss_scale.value=3 seed=4"),
    (
        "loss_scale=none loss_scale.value=3",
        "loss_scale=fixed",
        "loss_scale=fixed loss_scale.value=3",
    ),
    (
        "-m optimizer=adam,sgd optimizer.momentum=0.5",
        "optimizer=momentum or rmsprop, and no job of this sweep has that",
        "-m optimizer=adam,sgd",
    ),
    (
        "-m hydra/launcher=basic loss_scale=none,fixed loss_scale.value=128",
        "loss_scale=fixed",
        "-m hydra/launcher=basic loss_scale=fixed loss_scale.value=128",
    ),
    (
        f"-m precision=force_fp16,allow_mix_precision precision.modify_mixlist={FILE}",
        "only with allow_mix_precision",
        f"-m precision=allow_mix_precision precision.modify_mixlist={FILE}",
    ),
    ("seed=0,1 threads=2", "several only in a sweep", "-m seed=0,1 threads=2"),
    ("dry_run=true seed=3", "only with -m", "-m dry_run=true seed=3"),
    ("-m data.path=/x/a,b seed=0,1", "a comma in quotes", "-m 'data.path=\"/x/a,b\"' seed=0,1"),
    ("data.path=/x/a,b", "a comma in quotes", "'data.path=\"/x/a,b\"'"),
    ("init_from=/x/a,b", "a comma in quotes", "'init_from=\"/x/a,b\"'"),
    ("-m 'data.path=\"/x/a,b\"'", "a folder or a file that exists", "-m data.path=null"),
    ("-m reference=a,b", "a comma in quotes", "-m 'reference=\"a,b\"'"),
    ("-m 'seed=range(0,0)' threads=2", "these are none", "-m 'seed=range(0,3)' threads=2"),
    ("-m 'precision=glob(zz*)'", "these are none", "-m 'precision=glob(*)'"),
    (
        "-m 'seed=range(0,99999999)' dry_run=true",
        "at most 10000 jobs in one sweep; these are 99999999",
        "-m 'seed=range(0,10000)' dry_run=true",
    ),
    (
        "-m 'seed=range(0,60000,3)' optimizer=adam,sgd",
        "these are 40000",
        "-m 'seed=range(0,15000,3)' optimizer=adam,sgd",
    ),
    ("-m 'seed=interval(0,3)' threads=2", "each of them", "-m seed=0,3 threads=2"),
    (
        "--config-dir mine -m experiment=grid,mine",
        "grid is one",
        "-m --config-dir mine experiment=grid",
    ),
    ("--config-dir mine -m optimizer=wide,sgd", "is one", "-m --config-dir mine optimizer=wide"),
    ("tracking.uri=http://me:secret@host seed=3", "MLFLOW_TRACKING", "tracking.uri=null seed=3"),
]  # fmt: skip
GRID = "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 1,2\n"
FILES = {
    "experiment/mine.yaml": "# @package _global_\nseed: 7\n",
    "experiment/grid.yaml": GRID,
    "optimizer/wide.yaml": f"{GRID}optimizer:\n  name: sgd\n  learning_rate: 0.1\n",
}


@pytest.fixture
def mine(tmp_path):
    """A person's own folder of options."""
    folder = tmp_path / "mine"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def kept_signals():
    """Give back the signals that a command takes."""
    before = [(number, signal.getsignal(number)) for number in (2, 15, 1)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def refusal(words):
    """Return what a person is told who types these words."""
    with pytest.raises(LenetExpError) as caught:
        check_command_line(words)
    assert caught.value.exit_code == 2
    return CommandLine(PROGRAM, words).mended(caught.value)


@pytest.mark.parametrize(("typed", "allowed", "instead"), MENDED, ids=[row[0] for row in MENDED])
def test_a_remedy_is_the_line_that_was_typed_with_one_word_mended(mine, typed, allowed, instead):
    told = refusal(shlex.split(typed))
    assert allowed in told.args[2]
    assert told.args[3] == f"{PROGRAM} {instead}"
    # What nobody has, and what takes minutes.
    if not re.search("/x/|reference|000", instead):
        check_command_line(shlex.split(instead))


def test_the_command_itself_says_the_mended_line(capsys, kept_signals):
    assert run.main(["seed=x", "-m", "threads=2"]) == 2
    assert f"  try:     {PROGRAM} -m seed=0 threads=2\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "typed", "instead"),
    [
        (explain, "format=cvs summary=true", "explain format=csv summary=true"),
        (explain, "summary=true precision=float16", "explain summary=true precision=force_fp16"),
        (compare, "sweep=mine require_accuracy=2", "compare sweep=mine require_accuracy=0.975"),
        (compare, "--sweep=mine require_accuracy=1", "compare sweep=mine require_accuracy=1"),
        (upload, "uri=x run=a", "upload tracking.uri=x run=a"),
    ],
)
def test_the_other_commands_mend_their_lines_too(capsys, kept_signals, verb, typed, instead):
    assert verb.main(typed.split()) == 2
    assert f"  try:     python -m lenet_exp.{instead}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "value", "remedy", "shown"),
    [
        pytest.param("a=1", 1, "export of another", "export of another", id="prose"),
        pytest.param("a=1", 1, "P_other b=2", "P_other b=2", id="another program"),
        pytest.param("a=1", 1, "P it's", "P it's", id="no shell's words"),
        pytest.param("a=1 a=2", 2, "P a=3", "P a=3", id="typed twice"),
        pytest.param("a=[1,2]", "1", "P a=3", "P a=3", id="a list is no choice"),
        pytest.param("a=1,2 b", "1", "P a=3", "P a=3,2 b", id="of a choice one"),
        pytest.param("b a=1 --c d -m", "1", "P -m a=3", "P -m --c b a=3 d", id="flags first"),
    ],
)
def test_a_remedy_is_mended_where_it_is_a_line_of_this_program(words, value, remedy, shown):
    error = ConfigError("a", value, "x", remedy)
    assert CommandLine("P", words.split()).mended(error).args[3] == shown


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        ("seed=1 -m", "-m seed=1"),
        ("seed=1 --config-dir mine -m a=b", "-m --config-dir mine seed=1 a=b"),
        ("seed=1 --cfg job", "--cfg job seed=1"),
        ("seed=1 --info a=b", "--info seed=1 a=b"),
        ("seed=1 --config-dir=mine a=b", "--config-dir=mine seed=1 a=b"),
    ],
)
def test_flags_may_stand_anywhere(words, ordered):
    assert flags_first(words.split()) == ordered.split()


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("force_fp32", "force_fp16"),
        ("allow_fp16_to_fp32", "allow_fp32_to_fp16"),
        ("incr_every_n_nan_or_inf", "decr_every_n_nan_or_inf"),
        ("disable_dump", "enable_dump"),
        ("max_batch", "min_batch"),
    ],
)
def test_a_suggestion_is_never_the_opposite(word, option):
    assert close_to(word, [option]) is None
    assert close_to(f"{option[:-1]}{option[-1] * 2}", [option]) == option


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        (
            "experiment/x.yaml",
            b"# @package _global_\nseed: 7\n a: [\n",
            "line 3, column 3: mapping",
        ),
        ("experiment/x.yaml", b"seed: 7\nseed: 8\n", "line 2, column 1: found duplicate key seed"),
        ("experiment/x.yaml", b"a: \t- b\n", "line 1, column 4: found character"),
        ("experiment/x.yaml", b"a: 'b\n", "found unexpected end of stream"),
        ("experiment/x.yaml", b"\xff\xfe\n", "can't decode byte 0xff"),
        ("experiment/x.yaml", b"a: \x01\n", "special characters are not allowed"),
        ("experiment/x.yaml", b"- a\n- b\n", "holds no keys"),
        ("experiment/x.yaml", b"7\n", "Invalid loaded object type: int"),
        ("experiment/x.yaml", b"defaults: foo\n", "must be a list"),
        ("precision/x.yaml", b"mode: [\n", "line 2, column 1"),
    ],
)
@pytest.mark.parametrize("sweeps", [False, True])
def test_a_broken_file_is_named_with_the_line_and_what_is_wrong(tmp_path, file, text, told, sweeps):
    path = tmp_path / "mine" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    words = ["--config-dir", "mine", f"{path.parent.name}=x", "seed=0,1" if sweeps else "seed=0"]
    error = refusal([*(["-m"] if sweeps else []), *words])
    assert error.args[0] == str(path)
    assert told in error.args[1]


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:SECRET@host",
        "http://me:SEC/RET@host/path",
        "http://me:SEC@RET@host",
        "http://me@company.org:SECRET@host",
        "http://:SECRET@host",
        "postgresql+psycopg2://me:SECRET@host/base",
        "'\"postgresql://host/base?user=me&password=SECRET\"'",
        "'\"mysql://host/base?ssl_PASSWD=SECRET&a=b\"'",
    ],
)
@pytest.mark.parametrize("beside", ["", "seed=x", "nokey=1", "--bogus", "-m seed=0,x"])
def test_a_password_is_never_shown(capsys, kept_signals, uri, beside):
    assert run.main(shlex.split(f"{beside} tracking.uri={uri}")) == 2
    said = "".join(capsys.readouterr())
    assert "not possible" in said
    assert not {"SEC", "RET"} & {said[at : at + 3] for at in range(len(said))}


@pytest.mark.parametrize(
    "uri", ["http://host:5000", "http://host:5000/a", "sqlite:////home/me@here/x.db", "./a:b@c"]
)
def test_what_holds_no_password_is_taken(uri):
    check_command_line([f'tracking.uri="{uri}"'])


VALUE, PRESET = "loss_scale.value=128", "experiment=modelzoo_baseline"
NONE, FIXED, DYNAMIC = (f"loss_scale={name}" for name in ("none", "fixed", "dynamic"))


@pytest.mark.parametrize(
    ("typed", "jobs"),
    [
        (f"loss_scale=none,fixed {VALUE}", [[NONE], [FIXED, VALUE]]),
        (f"{VALUE} loss_scale=none,fixed", [[NONE], [VALUE, FIXED]]),
        (f"loss_scale=none,fixed ++{VALUE}", [[NONE], [FIXED, f"++{VALUE}"]]),
        (
            f"loss_scale=none,fixed,dynamic {VALUE} loss_scale.incr_ratio=4",
            [[NONE], [FIXED, VALUE], [DYNAMIC, "loss_scale.incr_ratio=4"]],
        ),
        (
            f"experiment=modelzoo_baseline loss_scale=none,fixed {VALUE}",
            [[PRESET, NONE], [PRESET, FIXED, VALUE]],
        ),
        (
            "optimizer=adam,momentum optimizer.momentum=0.8,0.9 seed=3",
            [
                ["optimizer=adam", "seed=3"],
                ["optimizer=momentum", "optimizer.momentum=0.8", "seed=3"],
                ["optimizer=momentum", "optimizer.momentum=0.9", "seed=3"],
            ],
        ),
    ],
)
def test_a_key_of_one_swept_option_is_of_the_jobs_with_that_option(typed, jobs):
    composed = check_command_line(["-m", *typed.split()])
    assert [list(words[1:]) for words in composed] == jobs


def test_a_key_of_one_swept_option_counts_beside_a_presets_own_sweep():
    composed = check_command_line(["-m", "experiment=loss_scale_sweep", VALUE])
    assert [words[-1] for words in composed if FIXED in words] == 3 * [VALUE]
    assert sum(VALUE in words for words in composed) == 3
    check_command_line(["--config-dir", ".", "-m", "loss_scale=none,fixed", VALUE, PRESET])


def test_a_key_that_no_swept_option_has_is_left_to_be_refused():
    job = ["loss_scale=none", VALUE]
    assert applicable(job, ["loss_scale=none", "loss_scale=dynamic", VALUE]) == job
    assert applicable(["loss_scale=mine", VALUE]) == ["loss_scale=mine", VALUE]
    assert applicable(["seed=3", NONE, VALUE]) == ["seed=3", NONE]


@pytest.mark.parametrize(
    ("environment", "typed", "experiment", "said"),
    [
        ({}, "", "lenet-exp", []),
        ({"NAME": "mine"}, "", "mine", ["recorded in experiment mine, as MLFLOW_EXPERIMENT_NAME"]),
        ({"NAME": "2026"}, "", "2026", ["recorded in experiment 2026, as"]),
        ({"NAME": ""}, "", "lenet-exp", []),
        ({"NAME": "mine"}, "tracking.experiment=typed", "typed", []),
        (
            {"ID": "7"},
            "",
            "lenet-exp",
            ["experiment lenet-exp: MLFLOW_EXPERIMENT_ID=7 is not foll"],
        ),
        ({"ID": "7", "NAME": "mine"}, "", "mine", ["as MLFLOW_EXPERIMENT_NAME says"]),
    ],
)
def test_the_experiment_of_the_environment_counts_where_none_was_typed(
    monkeypatch, environment, typed, experiment, said
):
    for name, value in environment.items():
        monkeypatch.setenv(f"MLFLOW_EXPERIMENT_{name}", value)
    assert settings_to_explain(typed.split()).tracking.experiment == experiment
    lines = list(experiment_notices(experiment))
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines))


@pytest.mark.parametrize(
    "words", [["run"], ["explain"], ["predict"], ["modelzoo.__main__"], ["__main__", "run"]]
)
def test_a_ctrl_c_while_a_command_is_imported_is_no_traceback(tmp_path, words):
    (tmp_path / "hydra.py").write_text(
        "print('importing', flush=True)\nimport time\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-m", f"lenet_exp.{words[0]}", *words[1:]]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdout.readline() == "importing\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, "lenet-exp: interrupted\n")


@pytest.mark.parametrize("words", [["run"], ["explain"], ["__main__", "run"]])
def test_a_ctrl_c_in_the_first_import_of_ours_is_no_traceback(tmp_path, words):
    (tmp_path / "typing.py").write_text("raise KeyboardInterrupt")  # what errors.py imports
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules.pop('typing', None)\n")
    done = subprocess.run(
        [sys.executable, "-m", f"lenet_exp.{words[0]}", *words[1:]],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "lenet-exp: interrupted\n")


@pytest.mark.parametrize(
    "words", [["-c", "import lenet_exp"], ["-m", "another"], ["another/__main__.py"]]
)
def test_a_program_that_imports_the_package_keeps_its_ctrl_c(tmp_path, words):
    asks = "import lenet_exp, signal\nprint(signal.getsignal(signal.SIGINT).__name__)\n"
    (tmp_path / "another").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "another" / name).write_text(asks)
    if words[0] == "-c":
        words = ["-c", asks]
    done = subprocess.run(
        [sys.executable, *words], cwd=str(tmp_path), capture_output=True, text=True, check=False
    )
    assert {*done.stdout.split()} == {"default_int_handler"}
