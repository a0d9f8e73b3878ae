"""The ModelZoo's flags, of its Python program and of its shell scripts -> a run's arguments.

npu-bridge-contract.md, 6. Imports neither TensorFlow nor MLflow.
"""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.config.cli import suggest
from lenet_exp.config.cli.blanks import check_equals_signs
from lenet_exp.config.cli.json_words import as_typed
from lenet_exp.config.schema.modes import OTHER_NAMES, PRECISION_MODES
from lenet_exp.errors import ConfigError, UsageError

PROGRAM = "python -m lenet_exp.modelzoo"
TRAINING_EXAMPLES = 55000
_NUMBER = r"\d{1,9}"
_REAL = r"\d*\.?\d+([eE][-+]?\d+)?"
_TRUTH = "True|False|true|false|1|0"


class Flag(NamedTuple):
    """`pattern` is what a value has to match, `allowed` the same in words; `good` is one."""

    pattern: str
    allowed: str
    good: str
    help: str


FLAGS: Dict[str, Flag] = {
    "data_path": Flag(".+", "a folder", "../MNIST", "the four files of MNIST; fetched if missing"),
    "precision_mode": Flag("|".join([*PRECISION_MODES, *OTHER_NAMES]), " | ".join(PRECISION_MODES),
                           "allow_mix_precision", "precision=..."),
    "loss_scale_flag": Flag("0|1", "0 | 1", "1", "1: scale the loss by --loss_scale_value"),
    "loss_scale_value": Flag(_REAL, "0 (dynamic) or a number from 1 on (fixed)", "0",
                             "0 dynamic (2**32, 1000, 2, 0.5), else fixed"),
    "batch_size": Flag(_NUMBER, "a whole number", "64", "images a step"),
    "steps": Flag(_NUMBER, "a whole number", "500", "steps an epoch; 0: all training images"),
    "epochs": Flag(_NUMBER, "a whole number", "5", "epochs"),
    "iteration_per_loop": Flag(_NUMBER, "a whole number", "10", "steps a line of the log, and"
                               " on the chip a session call"),
    "learing_rata": Flag(_REAL, "a number", "0.001", "Adam's learning rate (sic)"),
    "random_remove": Flag(_TRUTH, "True | False", "True", "True: the same bits each time"),
    "ckpt_count": Flag("2", "2, the number that is kept besides the best", "2", "checkpoints kept"),
    "over_dump": Flag(_TRUTH, "True | False", "True", "overflow detection (chip)"),
    "data_dump_flag": Flag(_TRUTH, "True | False | 1 | 0", "True", "dump tensors (chip)"),
    "data_dump_step": Flag(r"\d+(-\d+)?(\|\d+(-\d+)?)*", "steps: 0|5|10", "0|5|10", "which steps"),
    "profiling": Flag(_TRUTH, "True | False", "True", "take a profile (chip)"),
    "autotune": Flag(_TRUTH, "True | False", "True", "tune operators, RL and GA (chip)"),
}  # fmt: skip


class Case(NamedTuple):
    """What a script of the ModelZoo sets; `suffix` ends the name of its case."""

    precision: str
    epochs: int
    steps: int  # an epoch; 0: as many as the training images fill
    loop: int
    suffix: str


CASES = {
    "full": Case("allow_mix_precision", 5, 1000, 10, "acc"),
    "performance": Case("allow_mix_precision", 1, 500, 10, "perf"),
    "lenet": Case("allow_fp32_to_fp16", 1, 0, 1, "acc"),  # LeNet.py by itself
}
_CPU = "hardware=cpu"
_OWN = {"case": "lenet", "output": "output", "project": "."}  # key: what it is by itself
_DATA, _BATCH = "data.path", "schedule.batch_size"
# The keys of a run that a flag sets.
_FLAG_OF = {
    "precision": "precision_mode", "loss_scale.value": "loss_scale_value", _BATCH: "batch_size",
    "schedule.steps_per_epoch": "steps", "schedule.epochs": "epochs",
    "schedule.log_every": "iteration_per_loop",
    "hardware.iterations_per_loop": "iteration_per_loop",
    "hardware.dump_step": "data_dump_step", "optimizer.learning_rate": "learing_rata",
}  # fmt: skip


class CommandLine(NamedTuple):
    """A training as the ModelZoo's command line asks for it.

    `flags` as given, without dashes; `overrides` for python -m lenet_exp.run besides. `output` is
    where the ModelZoo's files go, `project` the folder whose store and outputs/ the run is in.
    """

    case: str
    flags: Dict[str, str]
    overrides: List[str]
    data: Optional[Path]  # the folder of MNIST, fetched if missing; None: `overrides` name one
    output: Path
    project: Path


def read(typed: Sequence[str]) -> CommandLine:
    """Return what the arguments of a command line ask: --flag=value, --flag value, and key=value.

    Raises:
        ConfigError: a flag is unknown, has no value or an impossible one; data is named twice.
    """
    check_equals_signs(PROGRAM, typed)
    flags, others = _split(typed)
    given = dict(argument.partition("=")[::2] for argument in others)
    case, output, project = (given.get(key, start) for key, start in _OWN.items())
    if case not in CASES:
        raise ConfigError("case", case, " | ".join(CASES), f"{PROGRAM} case=full")
    if "resume" in given:
        allowed = "a run goes on by itself, with its own settings, in the folder of its outputs/"
        remedy = f"{suggest.PROGRAM} {shlex.quote('resume=' + given['resume'])}"
        raise ConfigError("resume", given["resume"], allowed, remedy)
    if _DATA in given and "data_path" in flags:
        remedy = f"{PROGRAM} {shlex.quote('--data_path=' + flags['data_path'])}"
        raise ConfigError(_DATA, given[_DATA], "one of it and --data_path", remedy)
    if not {"data_path", _DATA} & {*flags, *given} and case != "lenet":
        example = f"{PROGRAM} case={case} --data_path={FLAGS['data_path'].good}"
        raise UsageError("the flag --data_path", "is missing", "the folder of MNIST", example)
    overrides = [argument for argument in others if argument.partition("=")[0] not in _OWN]
    data = None if _DATA in given else Path(flags.get("data_path", "MNIST")).absolute()
    places = (Path(place).absolute() for place in (output, project))
    return CommandLine(case, flags, overrides, data, *places)


def joined(typed: Sequence[str]) -> List[str]:
    """Return the arguments with each flag and its value as one word, `--flag=value`."""
    words: List[str] = []
    waiting = list(typed)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("-"):
            word = f"--{word.lstrip('-')}"
            if "=" not in word and waiting and not waiting[0].startswith(("--", "=")):
                word = f"{word}={waiting.pop(0)}"
        words.append(word)
    return words


def _split(typed: Sequence[str]) -> Tuple[Dict[str, str], List[str]]:
    flags: Dict[str, str] = {}
    others: List[str] = []
    for argument in joined(typed):
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-"):
            if not equals:
                raise ConfigError(argument, None, "--flag=value or key=value", f"{PROGRAM} --help")
            others.append(argument)
            continue
        if name not in FLAGS:
            meant = suggest.close_to(name, FLAGS)
            remedy = f"{PROGRAM} --{meant}={value or FLAGS[meant].good}" if meant else ""
            allowed = ", ".join(f"--{flag}" for flag in FLAGS)
            raise ConfigError(argument, None, allowed, remedy or f"{PROGRAM} --help")
        flag = FLAGS[name]
        if not re.fullmatch(flag.pattern, value):
            raise ConfigError(f"--{name}", value, flag.allowed, f"{PROGRAM} --{name}={flag.good}")
        flags[name] = value
    return flags, others


def is_true(flags: Dict[str, str], name: str) -> bool:
    """Return whether a switch is on."""
    return flags.get(name, "False") in ("True", "true", "1")


def run_arguments(command: CommandLine, chip: bool) -> List[str]:
    """Return the arguments of python -m lenet_exp.run; `chip` says whether one is there.

    Raises:
        ConfigError: flags that need the chip without one, or that exclude each other.
    """
    flags, case = command.flags, CASES[command.case]
    batch = _batch_size(command)
    steps = int(flags.get("steps", case.steps))
    loop = int(flags.get("iteration_per_loop", case.loop))
    arguments = [
        *([] if command.data is None else [f"{_DATA}={as_typed(str(command.data))}"]),
        f"precision={flags.get('precision_mode', case.precision)}",
        f"schedule.epochs={flags.get('epochs', case.epochs)}",
        f"schedule.steps_per_epoch={steps or math.ceil(TRAINING_EXAMPLES / max(batch, 1))}",
        f"{_BATCH}={batch}",
        f"schedule.log_every={loop}",
        *_loss_scale(flags),
        *([f"optimizer.learning_rate={flags['learing_rata']}"] if "learing_rata" in flags else []),
        *(["deterministic=true"] if is_true(flags, "random_remove") else []),
    ]
    if chip:
        arguments += ["hardware=ascend910", f"hardware.iterations_per_loop={loop}"]
    return [*arguments, *_of_chip(command, chip), *command.overrides]


def _batch_size(command: CommandLine) -> int:
    """Return the images a step, which decide how many steps an epoch has."""
    typed = dict(word.partition("=")[::2] for word in command.overrides).get(_BATCH, "")
    return int(typed if re.fullmatch(_NUMBER, typed) else command.flags.get("batch_size", 64))


def in_its_words(error: ConfigError, command: CommandLine) -> ConfigError:
    """Return what a run refuses, as a refusal of this command line."""
    key, value, allowed, remedy = error.args
    flag = _FLAG_OF.get(key)
    if flag not in command.flags or any(word.startswith(f"{key}=") for word in command.overrides):
        return type(error)(key, value, allowed, remedy.replace(suggest.PROGRAM, PROGRAM))
    good = dict(word.partition("=")[::2] for word in remedy.split()).get(key, FLAGS[flag].good)
    allowed = allowed.replace("null or ", "")
    return ConfigError(f"--{flag}", value, allowed, f"{PROGRAM} --{flag}={good}")


def _loss_scale(flags: Dict[str, str]) -> List[str]:
    value = float(flags.get("loss_scale_value", "nan"))
    if flags.get("loss_scale_flag", "0") == "0":
        if value > 0:
            remedy = f"{PROGRAM} --loss_scale_flag=1 --loss_scale_value={value:g}"
            raise ConfigError("--loss_scale_value", f"{value:g}", "only with a flag of 1", remedy)
        return []
    if math.isnan(value) or 0 < value < 1:
        shown = flags.get("loss_scale_value")
        allowed, remedy = FLAGS["loss_scale_value"].allowed, "--loss_scale_flag=1"
        command = f"{PROGRAM} {remedy} --loss_scale_value=0"
        raise ConfigError("--loss_scale_value" if shown else remedy, shown, allowed, command)
    fixed = ["loss_scale=fixed", f"loss_scale.value={value!r}"]
    return fixed if value else ["loss_scale=dynamic"]


def _of_chip(command: CommandLine, chip: bool) -> List[str]:
    """Return what the switches for the chip's own tools say to the run."""
    flags, out = command.flags, command.output
    if "data_dump_step" in flags and "data_dump_flag" not in flags:
        typed = shlex.quote(f"--data_dump_step={flags['data_dump_step']}")
        remedy = f"{PROGRAM} --data_dump_flag={chip} {typed}"
        raise ConfigError("--data_dump_step", flags["data_dump_step"],
                          "only beside --data_dump_flag", remedy)  # fmt: skip
    steps = flags.get("data_dump_step", "0|5|10")
    profile = (
        f"{{output:{as_typed(str(out / 'profiling'))},training_trace:'on',task_trace:'on',"
        "fp_point:'',bp_point:'',aic_metrics:PipeUtilization}"
    )
    switched = {
        "over_dump": ["enable_dump_debug=true", "dump_debug_mode=all",
                      f"dump_path={as_typed(str(out / 'over_dump'))}"],
        "data_dump_flag": ["enable_dump=true", "dump_mode=all", f"dump_step={as_typed(steps)}",
                           f"dump_path={as_typed(str(out / 'data_dump'))}"],
        "profiling": ["profiling_mode=true", f"profiling_options={profile}"],
        "autotune": ['auto_tune_mode="RL,GA"'],
    }  # fmt: skip
    on = [name for name in switched if is_true(flags, name)]
    if {"over_dump", "data_dump_flag"} <= set(on):
        allowed = "one of --over_dump and --data_dump_flag: they exclude each other on the chip"
        raise ConfigError("--over_dump", "True", allowed, f"{PROGRAM} --over_dump=True")
    if on and not chip:
        why = "where there is no Ascend 910 (npu_bridge was not found)"
        allowed = f"False {'with hardware=cpu' if _CPU in command.overrides else why}"
        raise ConfigError(f"--{on[0]}", flags[on[0]], allowed, f"{PROGRAM} --{on[0]}=False")
    return [f"hardware.{argument}" for name in on for argument in switched[name]]
