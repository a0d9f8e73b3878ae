"""Where a run will write: all of it is looked at before anything is made.

Otherwise a person in a folder that isn't theirs is refused one place after the other.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.schema.run import Settings
from lenet_exp.data import files
from lenet_exp.errors import PlaceError
from lenet_exp.record.store import store_check
from lenet_exp.record.writable import obstacle

_DIR_KEYS = ("hydra.run.dir", "hydra.sweep.dir")
_DATA = "LENET_EXP_DATA"
_OWN_FILES = ("--config-dir", "-cd")  # they may say where a run is made


class Place(NamedTuple):
    """A file or folder that will be made or written to.

    `key` is what a person chose it by: a setting or a variable, "" where it is MLflow's or ours,
    below the current folder.
    """

    path: Path
    key: str = ""
    is_folder: bool = True


def check(settings: Settings, words: Sequence[str], sweeps: bool, stack: str) -> None:
    """Refuse a command line, `words`, whose run or sweep can't write all that it will.

    Raises:
        PlaceError: it names every such place, and one command that needs none of them.
        FetchError: there is no home folder for the data.
    """
    refused = _refused(_places(settings, words, sweeps, stack))
    if refused:
        raise _error(refused, _remedy(list(refused), words, sweeps))


def check_recorded(settings: Settings, folder: Path, command: str, stack: str) -> None:
    """Refuse to repeat a recorded run, or to go on with it, where not all can be written.

    Args:
        settings: of the run.
        folder: what will hold its files.
        command: what was typed.
        stack: "tf1" or "tf2".

    Raises:
        PlaceError: it names every such place.
        FetchError: there is no home folder for the data.
    """
    found = [Place(folder), *_of_store(settings.tracking.uri, stack), *_of_data(settings)]
    refused = _refused(place._replace(path=place.path.absolute()) for place in found)
    if not refused:
        return
    remedy = f"room and permission there, then {command}"
    if {place.key for place in refused} == {_DATA}:
        remedy = _with_data(command)
    raise _error(refused, remedy)


def _refused(found: Iterable[Place]) -> Dict[Place, str]:
    """Return the places that can't be written, each with the reason."""
    reasons = ((place, obstacle(place.path, place.is_folder)) for place in found)
    return {place: why for place, why in reasons if why is not None}


def _error(refused: Mapping[Place, str], remedy: str) -> PlaceError:
    reasons = list(dict.fromkeys(refused.values()))
    named = [", ".join(str(p.path) for p, why in refused.items() if why == one) for one in reasons]
    said = [f"{paths} can't be written ({why})" for paths, why in zip(named[1:], reasons[1:])]
    problem = "; ".join([f"can't be written ({reasons[0]})", *said])
    return PlaceError(named[0], problem, remedy)


def _places(settings: Settings, words: Sequence[str], sweeps: bool, stack: str) -> Iterator[Place]:
    key = _DIR_KEYS[sweeps]
    typed = [word.partition("=")[2].strip("\"'") for word in words if word.startswith(f"{key}=")]
    own = any(word.startswith(_OWN_FILES) for word in words)
    if typed and "$" not in typed[-1]:  # else it is Hydra's to say what that is
        yield Place(Path(typed[-1]), key)
    elif not typed and not own:
        yield Place(Path("multirun" if sweeps else "outputs"))
    if sweeps:
        yield Place(Path("outputs"))  # the comparison
    yield from _of_store(settings.tracking.uri, stack)
    yield from _of_data(settings)


def _of_store(setting: Optional[str], stack: str) -> Iterator[Place]:
    """Yield what a store on this machine writes to; a server's is not known from here."""
    uri = store_check.chosen_uri(setting)
    path, folder = store_check.sqlite_path(uri or ""), store_check.folder_path(uri or "")
    if uri is None and stack == "tf1":
        yield Place(Path("mlruns"))
    elif uri is None or path is not None:
        database = path or Path("mlflow.db")
        yield Place(database, "tracking.uri" if path else "", is_folder=False)
        if not database.exists():  # MLflow will keep its artifacts there
            yield Place(Path("mlruns"))
    elif folder is not None:
        yield Place(folder, "tracking.uri")


def _of_data(settings: Settings) -> Iterator[Place]:
    if settings.data.path is None and not _is_fetched(files.cache_folder()):
        yield Place(files.cache_folder(), _DATA)


def _is_fetched(cache: Path) -> bool:
    """Return whether all four files are there, by their sizes: they are verified later."""
    paths = {one: cache / one.name for one in files.FILES}
    return all(path.is_file() and path.stat().st_size == one.bytes for one, path in paths.items())


def _remedy(refused: Sequence[Place], words: Sequence[str], sweeps: bool) -> str:
    """Return one line that writes nothing to any of the places that are refused."""
    there = _elsewhere()
    keys = {place.key for place in refused}
    values = {
        "tracking.uri": f"sqlite:///{there / 'mlflow.db'}",
        _DIR_KEYS[sweeps]: there / ("multirun/mine" if sweeps else "outputs/mine"),
    }
    new = {key: f"{key}={value}" for key, value in values.items() if key in keys}
    kept: List[str] = [word for word in words if word.partition("=")[0] not in new]
    command = " ".join([PROGRAM, *map(shlex.quote, [*kept, *new.values()])])
    if _DATA in keys:
        command = _with_data(command)
    folder = shlex.quote(str(there))
    return f"mkdir -p {folder} && cd {folder} && {command}" if "" in keys else command


def _with_data(command: str) -> str:
    return f"{_DATA}={shlex.quote(str(_elsewhere() / 'mnist'))} {command}"


def _elsewhere() -> Path:
    """Return a folder that can be made: in the person's home, else among temporary files."""
    home = Path(os.path.expanduser("~"), "lenet-exp")  # noqa: PTH111 - this one doesn't raise
    own = Path(tempfile.gettempdir(), f"lenet-exp-{os.getuid()}")
    return home if home.is_absolute() and obstacle(home) is None else own
