"""Check a whole command line before anything heavy is imported.

This pass exists to refuse it in our words, with exit code 2, and, in a sweep, before the first job
starts. What it has composed of a sweep is what the launcher runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shlex
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, NoReturn, Optional, Sequence, Tuple

from hydra import compose
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lenet_exp.config import CONF, launchers, references
from lenet_exp.config.chip import machine
from lenet_exp.config.chip.checks import check_jobs
from lenet_exp.config.cli import listed_jobs, suggest, sweep_line
from lenet_exp.config.cli.config_loader import hydra_session, without_hydra
from lenet_exp.config.cli.json_words import argument, as_hydra_reads
from lenet_exp.config.cli.personal_files import check_made, located
from lenet_exp.config.cli.sweep_line import overrides_parser, typed_value
from lenet_exp.config.compose import resolve, resolve_sweep
from lenet_exp.config.schema.modes import OTHER_NAMES
from lenet_exp.config.schema.run import Settings, all_keys, groups, takes_text, what_works
from lenet_exp.errors import ConfigError, LenetExpError, UsageError

# What Hydra raises for what was typed, or is in a person's files: its own errors, and Python's
# and YAML's from inside it.
_NOT_COMPOSED = (
    HydraException, OmegaConfBaseException, ValueError, TypeError, AttributeError, LookupError,
    AssertionError, RecursionError, YAMLError,
)  # fmt: skip
Check = Callable[[Sequence[Settings], bool], None]
_CHIP = "hardware=ascend910"
_NOT_OURS = ("--config-name", "--config-path", "--experimental-rerun")  # the main job is one


def check_command_line(
    argv: Sequence[str],
    follow: Callable[[List[List[str]]], Iterable[List[str]]] = iter,
    check: Check = lambda jobs, sweeps: None,
) -> sweep_line.JobConfigs:
    """Refuse a command line that can't run; return the jobs of a sweep, none where there is none.

    Args:
        argv: the arguments, flags first.
        follow: yields each job that it is given, and shows how far that is.
        check: raises for settings of jobs that are to be run and can't, given whether they are
            those of a sweep; what it needs is heavier.

    Raises:
        ConfigError: with the key, the value, what is allowed and what to type instead.
    """
    with _on_this_machine():
        return _check(_parse(as_hydra_reads(argv)), follow, check)


def _check(
    args: argparse.Namespace,
    follow: Callable[[List[List[str]]], Iterable[List[str]]],
    check: Check,
) -> sweep_line.JobConfigs:
    only_asks = args.help or args.hydra_help or args.info is not None
    if args.shell_completion or (only_asks and not args.overrides):
        return {}
    with hydra_session("run"):
        words = listed_jobs.as_hydra_sweeps(args.overrides, _parse_override)
        overrides = [_parse_override(word) for word in words]
        for override in overrides:
            _check_key(override, args.multirun)
        listed = list(map(_parse_override, listed_jobs.words_to_check(overrides)))
        for override in listed:
            _check_key(override)
        personal = args.config_dir and Path(args.config_dir).resolve()
        searched = [f"hydra.searchpath=[file://{personal}]"] if personal else []
        line, jobs = _line(overrides, args, searched)
        composed, settings = [], []
        for job in follow(jobs):
            with _commas(line), _composing(overrides):
                cfg = compose("config", searched + job, return_hydra_config=True)
            with _commas(line), located(cfg, [*line.overrides, *listed]):
                if searched or any("${" in word for word in job):
                    references.follow_of_hydra(cfg)
                check_made(cfg)
                launchers.check(cfg)
                settings.append(_settings(cfg))
            composed.append(cfg)
        if line.sweeps and settings:
            sweep_line.check_compatible(line, settings)
        check_jobs(settings)
        if not only_asks and args.cfg is None:
            check(settings, line.sweeps)
        return {tuple(job): cfg for job, cfg in zip(jobs, composed) if line.sweeps and not searched}


def settings_to_explain(
    arguments: Sequence[str],
    program: str = suggest.PROGRAM,
    own: Sequence[str] = (),
    check: Optional[Callable[[Settings], None]] = None,
) -> Settings:
    """Return the settings of plain key=value arguments.

    `check`: raises ConfigError where they are not what is to be done with them.

    Raises:
        ConfigError: as `check_command_line`, with remedies of `program`, whose `own` keys are
            named before those of a run.
    """
    words = as_hydra_reads(arguments)
    try:
        with hydra_session("explain"):
            overrides = [_parse_override(word) for word in words]
            for override in overrides:
                _check_key(override)
                if override.is_sweep_override():
                    key, values = override.key_or_group, typed_value(override)
                    first = f"{key}={values.partition(',')[0]}"
                    good = suggest.whole_value(key, values) or first
                    raise suggest.not_possible(key, values, "one value", good)
            with _composing(overrides):
                composed = compose("config", words, return_hydra_config=True)
            settings = _settings(composed, to_run=False)
            if check is not None:
                check(settings)
            return settings
    except ConfigError as error:  # its remedy is for a run, and works here too
        key, value, allowed, remedy = error.args
        if own and allowed.startswith(suggest.ONE_OF_ALL):
            allowed = ", ".join([f"one of {own[0]}", *own[1:], allowed[len("one of ") :]])
        raise ConfigError(key, value, allowed, remedy.replace(suggest.PROGRAM, program)) from error


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        flags = [flag for flag in argv if flag.startswith("-") and flag in message]
        flag = flags[0] if flags else message
        plain = flag.lstrip("-").replace("-", "_").partition("=")
        meant = [key for key in all_keys() if key.split(".")[-1] == plain[0]]
        after = [word for word, before in zip(argv[1:], argv) if before == flag and "=" not in word]
        value = plain[2] or (after or ["..."])[0]
        good = shlex.quote(f"{meant[0]}={value}") if len(meant) == 1 else "--help"
        allowed = "key=value without dashes; flags are -m, --cfg job, --help, --config-dir DIR"
        raise suggest.not_possible(flag, None, allowed, good)

    parser.error = refuse  # type: ignore[method-assign]
    args = parser.parse_args(list(argv))
    for flag in _NOT_OURS:
        if getattr(args, flag[2:].replace("-", "_")) is not None:
            allowed = "conf/config.yaml alone; options of your own beside it: --config-dir DIR"
            raise suggest.not_possible(flag, None, allowed)
    _check_flags(args)
    return args


def _check_flags(args: argparse.Namespace) -> None:
    allowed = "one of -m, --run, --cfg, --info; --resolve with --cfg"
    if args.resolve and args.cfg is None:
        raise suggest.not_possible("--resolve", None, allowed, "--cfg job --resolve")
    given = {"--cfg": args.cfg, "--info": args.info, "-m": args.multirun, "--run": args.run}
    chosen = [flag for flag, value in given.items() if value not in (None, False)]
    if len(chosen) > 1:
        raise suggest.not_possible(chosen[1], None, f"not beside {chosen[0]}; {allowed}")
    folder = Path(args.config_dir or ".")
    if not folder.is_dir():
        there = [path.name for path in folder.absolute().parent.glob("*") if path.is_dir()]
        meant = suggest.close_to(folder.name, there)
        good = f"--config-dir={shlex.quote(str(folder.with_name(meant)))}" if meant else ""
        raise suggest.not_possible("--config-dir", args.config_dir, "a folder that exists", good)
    for name, mode in OTHER_NAMES.items() if args.config_dir else ():
        if (folder / "precision" / f"{name}.yaml").is_file():
            allowed = f"a folder without precision/{name}.yaml, another name of precision={mode}"
            raise suggest.not_possible(
                "--config-dir", args.config_dir, allowed, f"precision={mode}"
            )


def _parse_override(word: str) -> Override:
    parser = overrides_parser()
    try:
        return parser.parse_overrides([word])[0]
    except HydraException as error:
        allowed = "key=value; quote a value with special characters: 'data.path=\"a b,c\"'"
        raise ConfigError(word, None, allowed, _meant_by(word)) from error


def _meant_by(word: str) -> str:
    """Return a line to type instead of a word that is no key=value in Hydra's grammar."""
    key, _, value = word.partition("=")
    if value and takes_text(key, value):
        return f"{suggest.PROGRAM} {argument(key, value)}"
    if key in all_keys():
        return suggest.command(key, what_works(key)[1], all_keys()[key])
    if key in (*groups(), *suggest.PRESETS):
        return suggest.command(key)
    options = {p.stem: p.parent.name for p in CONF.glob("*/*.yaml") if p.parent.name != "hydra"}
    return f"{suggest.PROGRAM} {f'{options[word]}={word}' if word in options else '--help'}"


def _check_key(override: Override, sweeps: bool = False) -> None:
    key, shown = override.key_or_group, typed_value(override)
    if key.startswith(("hydra.", "hydra/")) or key == listed_jobs.KEY:
        return
    chosen = (*groups(), *suggest.PRESETS)
    if key not in all_keys() and key not in chosen:
        raise suggest.unknown_key(key, None if override.is_delete() else _whole(override, sweeps))
    if override.is_delete():
        raise suggest.removed_key(key)
    if override.is_add():
        allowed = "the key without +, it exists already"
        raise suggest.not_possible(f"+{key}", shown, allowed, shlex.quote(f"{key}={shown}"))
    value = override.value()
    if key in chosen and (value is None or type(value) in (bool, int, float, list)):
        raise ConfigError(key, shown, "the name of an option", suggest.command(key))
    group, _, leaf = key.partition(".")
    if isinstance(value, dict) and "name" in value:
        allowed = f"keys of the option that is chosen by {group}=OPTION; name is none of them"
        raise suggest.not_possible(key, shown, allowed, argument(group, value["name"]))
    if leaf == "name":
        allowed = f"an option of the group, chosen by {group}=OPTION"
        raise suggest.not_possible(key, shown, allowed, shlex.quote(f"{group}={shown}"))


def _whole(override: Override, sweeps: bool) -> object:
    """Return what was typed for one key: each of several values in a sweep, JSON of a mapping."""
    value = override.value()
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    several = sweeps and override.is_choice_sweep()
    return tuple(override.sweep_string_iterator()) if several else typed_value(override)


def _line(
    overrides: Sequence[Override], args: argparse.Namespace, searched: Sequence[str]
) -> Tuple[sweep_line.Line, List[List[str]]]:
    """Return the line and its jobs; no jobs where only another sweeper knows them."""
    with _composing(overrides):
        line = sweep_line.read(overrides, args, searched)
    try:
        jobs = sweep_line.jobs(line)
    except _NOT_COMPOSED as error:
        raise _refused(str(error), "a sweep of values: key=a,b or 'key=range(0,3)'") from error
    if jobs is None:
        with _composing(overrides):  # at least what is not swept over has to be there
            cfg = compose(
                "config",
                [*searched, *sweep_line.not_swept(line.overrides)],
                return_hydra_config=True,
            )
        check_made(cfg)
        with located(cfg, line.overrides):
            launchers.check(cfg)
    if jobs == []:
        raise _no_job(line)
    return line, jobs or []


def _no_job(line: sweep_line.Line) -> ConfigError:
    swept = [one for one in line.overrides if one.is_discrete_sweep()]
    empty = next(one for one in swept if not list(one.sweep_string_iterator()))
    key, values = empty.key_or_group, typed_value(empty)
    good = f"{key}=range(0,3)" if values.startswith("range") else f"{key}=glob(*)"
    return suggest.not_possible(key, values, "values; these are none", f"-m {shlex.quote(good)}")


@contextlib.contextmanager
def _commas(line: sweep_line.Line) -> Iterator[None]:
    """Say how a comma, or ${, is typed where what it made of a text is refused."""
    try:
        yield
    except ConfigError as error:
        key, _, allowed, remedy = error.args
        for override in line.overrides:
            whole = override.key_or_group == key and sweep_line.quoted(override)
            if whole:
                allowed += "; a value with ${ or a comma in quotes"
                others = [word for word in shlex.split(remedy) if not word.startswith(f"{key}=")]
                good = f"{' '.join(map(shlex.quote, others))} {whole}"
                raise ConfigError(key, typed_value(override), allowed, good) from error
        raise


@contextlib.contextmanager
def _on_this_machine() -> Iterator[None]:
    """Have no remedy lead to a chip where none can be driven."""
    try:
        yield
    except ConfigError as error:
        missing = machine.missing_for_chip()
        key, value, allowed, remedy = error.args
        if missing is None or _CHIP not in remedy.split():
            raise
        allowed += f"; this machine can't have {_CHIP}: {missing}"
        ours = key.replace("hardware.", "precision.")
        same = ours in all_keys() and value != "null"
        good = f"hardware=cpu {argument(ours, value)}" if same else "hardware=cpu"
        raise suggest.not_possible(key, value, allowed, good) from error


@contextlib.contextmanager
def _composing(overrides: Sequence[Override]) -> Iterator[None]:
    """Raise in our words what Hydra can't compose of these overrides."""
    try:
        with references.bounded():
            yield
    except MissingConfigException as error:
        raise _unknown_option(error) from error
    except _NOT_COMPOSED as error:
        raise _not_composed(error, overrides) from error


def _settings(cfg: DictConfig, to_run: bool = True) -> Settings:
    of_run = without_hydra(cfg)
    resolve_sweep(of_run)
    return resolve(of_run, to_run)


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    group = group.strip("/")
    options = error.options or []
    meant = suggest.close_to(option, options)
    if group == "precision" and not meant:
        meant = OTHER_NAMES.get(suggest.close_to(option, OTHER_NAMES) or "")
    good = f"{suggest.PROGRAM} {group}={meant}" if meant else suggest.command(group)
    allowed = " | ".join(options) or "an option that exists"
    if group == "precision":
        allowed, good = suggest.of_no_mode(option, allowed, good)
    return ConfigError(group, option, allowed, good)


def _not_composed(error: Exception, overrides: Sequence[Override]) -> LenetExpError:
    refused = re.search(r"Could not override '([^']+)'", str(error))
    if refused:
        key = refused.group(1)
        value = next((typed_value(o) for o in overrides if o.key_or_group == key), None)
        if key in all_keys():
            return suggest.unknown_key(key, value)
        allowed = "a key or group that exists; Hydra's own: --cfg hydra"
        return suggest.not_possible(key, value, allowed, "--help")
    for override in overrides:
        key, typed = override.key_or_group, str(override.input_line)
        if key in all_keys() and f"override {typed}" in str(error):
            allowed, good = what_works(key)
            remedy = suggest.command(key, good, all_keys()[key])
            return ConfigError(key, typed_value(override), allowed, remedy)
    return _refused(str(error), "a combination that Hydra can compose")


def _refused(message: str, allowed: str) -> UsageError:
    text = " ".join(line.strip() for line in message.splitlines() if line.strip())
    return UsageError("the command line", text[:300], allowed, f"{suggest.PROGRAM} --help")
