"""The record of a script: a folder with a journal, and its run in MLflow."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from lenet_exp import tf_compat
from lenet_exp.config.cli.script_options import NO_STORE
from lenet_exp.config.passwords import without_password
from lenet_exp.config.tracking import environment_uri, experiment_name
from lenet_exp.errors import LenetExpError, wrap_os_error
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.store import processes, store_check
from lenet_exp.record.store.journal import Journal, merged
from lenet_exp.script.asked import Asked
from lenet_exp.script.history import History

REPORT = "report.txt"


class Kept:
    """What was run, and where its record goes."""

    def __init__(
        self,
        script: str,
        file: Optional[Path],
        arguments: Sequence[str],
        folder: Optional[Path],
        uri: Optional[str],
        experiment: str,
    ) -> None:
        """`script`: as typed; `file`: None for a module; `folder`: None for a new one."""
        self.script, self.arguments = script, tuple(arguments)
        # Meant from here; None where it is neither typed nor may be shown.
        self.uri = uri if uri == NO_STORE else store_check.absolute(uri or environment_uri())
        self.experiment = experiment_name(experiment)
        self.file, self._here = file, Path.cwd()
        self.tags: Dict[str, str] = {}  # of a sweep
        self._new = time.strftime(f"outputs/script-%Y-%m-%d_%H-%M-%S-{os.getpid()}")
        self._typed = None if folder is None else folder.absolute()

    def find_module(self) -> None:
        """Learn where the module is that was typed, once it runs: looking imports its package."""
        if self.file is None:
            self.file = _file_of(self.script)

    @property
    def place(self) -> Path:
        """The folder that outputs/ and a store without a name are in.

        Where the person is; in the script's own folder nothing is written but what the script
        writes.
        """
        here, file = self._here, self.file
        inside = file is not None and (file.parent == here or file.parent in here.parents)
        if file is None or not inside:
            return here
        above = file.parent.parent
        return above if os.access(str(above), os.W_OK) else Path.home()

    @property
    def folder(self) -> Path:
        """The folder of the record."""
        return self.place / self._new if self._typed is None else self._typed


def _file_of(module: str) -> Optional[Path]:
    """Return the file of a module that is running, or whose package is being imported."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name not in (module, f"{module}.__main__"):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None


def file_of_module(name: str) -> Optional[Path]:
    """Return the file that `python -m NAME` runs from here; nothing is imported for it."""
    inside = Path(*name.split("."))
    places = [Path.cwd(), *map(Path, sys.path[1:])]
    files = (one for at in places for one in (at / inside / "__main__.py", at / f"{inside}.py"))
    return next(filter(Path.is_file, files), None)


class ScriptRecord:
    """Takes what happens; written as it comes, told to the store at the end."""

    def __init__(self, kept: Kept) -> None:
        """Nothing is written before the first session of the chip."""
        self._kept = kept
        self._journal: Optional[Journal] = None
        self._obstacle = ""  # what keeps it from being opened

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._kept.folder)
        return self._journal

    def settings(self, asked: Asked) -> None:
        """Record what was run and under which mode."""
        kept = self._kept
        kept.find_module()
        values: Dict[str, object] = {
            "script": kept.script,
            "arguments": shown(kept.arguments),
            "precision": asked.mode,
            "precision.where": asked.where,
            "precision.keep_dtype": ",".join(asked.keep_dtype) or None,
            **{f"precision.{name}": value for name, value in asked.options().items()},
            **_git_state(kept.file),
        }
        name = f"{Path(kept.script).stem}-{asked.mode}"
        tags = {
            "stack": tf_compat.stack_of_this_python(),
            "hardware": "cpu",
            "precision": asked.mode,
            "script": kept.script,
            "mlflow.runName": name,
            "folder": str(kept.folder),
            "experiment": kept.experiment,
            "place": str(kept.place),
            **({} if kept.uri in (None, NO_STORE) else {"uri": without_password(str(kept.uri))}),
            processes.TAG: processes.this_process(),
            **kept.tags,
        }
        try:
            journal = self._opened()
            journal.append("params", values)
            journal.append("tags", tags)
            journal.append("status", {"status": "RUNNING"})
        except (LenetExpError, OSError) as error:
            what, reason = wrap_os_error(error).args[:2]
            self._obstacle = f"{what}: {reason}"

    def let_go(self) -> None:
        """Leave it to the script's own process, in a fork of it that may live longer."""
        if self._journal is not None:
            self._journal.close()

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record a step."""
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.append("metrics", values, step)

    def end(
        self,
        status: str,
        tags: Mapping[str, str],
        files: Mapping[str, str],
        history: History,
        said: Sequence[str],
    ) -> List[str]:
        """Write everything and tell the store; return what to say of where it is."""
        if self._journal is None:
            if self._kept.tags and "error" in tags and not self._obstacle:  # a sweep says it
                with contextlib.suppress(LenetExpError, OSError):
                    self._opened().append("tags", {"error": tags["error"]})
            return [f"not recorded: {self._obstacle}"] if self._obstacle else []
        journal, folder = self._journal, self._kept.folder
        try:
            journal.append("tags", tags)
            self._write(journal, files, history, said)
            journal.append("status", {"status": status})
            journal.sync()
            told = "" if self._kept.uri == NO_STORE else f", in {self._tell(journal)}"
            return [f"recorded: {_shown(folder)}{told}"]
        except (LenetExpError, OSError) as error:
            what, reason = wrap_os_error(error).args[:2]
            return [
                f"the store lacks this run ({what}: {reason}); all is in {_shown(folder)}",
                f"python -m lenet_exp.upload run={shlex.quote(str(folder))}",
            ]
        finally:
            journal.close()

    def _write(
        self, journal: Journal, files: Mapping[str, str], history: History, said: Sequence[str]
    ) -> None:
        content = {name: text.encode() for name, text in files.items()}
        content[REPORT] = "".join(f"{text}\n" for text in said).encode(errors="backslashreplace")
        file = self._kept.file
        if file is not None:
            with contextlib.suppress(OSError):  # the script may have removed it
                content[f"script/{file.name}"] = file.read_bytes()
        for name, data in content.items():
            write_bytes(self._kept.folder / name, data)
            journal.append("artifact", {"path": name})
        if history.steps:
            last = {"sec_per_step": history.sec_per_step(), **_last(history)}
            journal.append("metrics", last, history.steps + 1)

    def _tell(self, journal: Journal) -> str:
        """Tell the store all; return where that is."""
        from lenet_exp.record.store import sync  # noqa: PLC0415 - MLflow
        from lenet_exp.record.store.mlflow_store import Store  # noqa: PLC0415 - MLflow

        before = Path.cwd() if _has_folder() else self._kept.place
        os.chdir(str(self._kept.place))
        try:
            store = Store(self._kept.uri, self._kept.experiment)
            tags = merged(journal.entries, "tags")
            run = sync.open_run(store, journal, tags["mlflow.runName"], tags)
            sync.complete(run, journal)
            where = without_password(store.uri)
            return f"{where} as run {run.run_id} of experiment {self._kept.experiment}"
        finally:
            os.chdir(str(before))


def shown(arguments: Sequence[str]) -> str:
    """Return a script's arguments as a shell takes them, and without the password of any URI."""
    return without_password(" ".join(map(shlex.quote, arguments)))


def _last(history: History) -> Dict[str, float]:
    overflowed = sum(count > 0 for count in history.overflowed)
    values = {"steps": float(history.steps), "overflowed_steps": float(overflowed)}
    if history.losses:
        values["loss"] = history.losses[max(history.losses)]
    return values


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _git_state(file: Optional[Path]) -> Dict[str, Any]:
    """Return the commit of the script's file, and whether it is as committed."""
    if file is None:
        return {}
    command = ["git", "-C", str(file.parent)]
    found = []
    for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", file.name]):
        try:
            made = subprocess.run(  # noqa: S603 - git, of the machine
                [*command, *words],
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return {}
        if made.returncode:
            return {}
        found.append(made.stdout.decode(errors="replace").strip())
    return {"git_commit": found[0], "git_changed": str(bool(found[1])).lower()}
