"""Which files of a person's folder are a data set: names and places only, nothing is read.

Known are MNIST's own four files and those that are named like them (Fashion-MNIST, KMNIST, QMNIST,
EMNIST), raw, gzipped or as KMNIST's npz; keras' mnist.npz; folders as Kaggle and torchvision lay
them out.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from lenet_exp.data.files import FILES
from lenet_exp.errors import DataError

_NAME = re.compile(
    r"(?P<name>.*?)[-_.]?(?P<part>train|t10k|test)[-_](?P<kind>images|imgs|labels)"
    r"([-.]idx\d-(ubyte|int))?(\.npz)?(\.gz)?"
)
_DEEPEST = 2  # folders inside: torchvision's DIR/MNIST/raw
_MOST_FOLDERS = 1000
_NPZ = "mnist.npz"
REMEDY = (
    'data.path=FILE.npz of numpy.savez("FILE.npz", x_train=..., y_train=..., x_test=..., '
    "y_test=...), or data.path=null (the verified MNIST)"
)
# What else a folder of images holds: what is in a file's name -> what that is.
_OTHERS = {
    ".npz": "an npz of another name, which data.path= may name itself",
    ".csv": "a CSV table",
    ".parquet": "a Parquet table",
    ".arrow": "an Arrow table",
    ".tfrecord": "TFRecords (TensorFlow Datasets)",
    ".pt": "a pickle of PyTorch",
    ".pkl": "a pickle",
    ".mat": "a MATLAB file",
    ".zip": "a zip archive, which has to be unpacked",
    ".tar": "a tar archive, which has to be unpacked",
    ".tgz": "a tar archive, which has to be unpacked",
    ".png": "single pictures",
    ".jpg": "single pictures",
}


class Role(NamedTuple):
    """What a file is of its set: `part` train or test, `kind` images or labels."""

    part: str
    kind: str


ROLES = tuple(Role(part, kind) for part in ("train", "test") for kind in ("images", "labels"))


class FileSet(NamedTuple):
    """The files of one data set in `folder`, by their roles, or `npz`, which has all of it.

    `name` is what comes before train or test in the names of its files: "" for MNIST's.
    """

    folder: Path
    name: str
    files: Dict[Role, Path]
    npz: Optional[Path] = None

    @property
    def is_whole(self) -> bool:
        """Whether all four are there."""
        return self.npz is not None or len(self.files) == len(ROLES)

    def path(self, role: Role) -> Path:
        """Return the file that has a role."""
        return self.npz or self.files[role]


def find(path: Path) -> FileSet:
    """Return the data set that a path means: a folder, an npz, or one file of the four.

    Of folders inside one another the outermost that holds a whole set counts, down to two levels.

    Raises:
        DataError: there is none, one of its files is missing, or there are several.
        OSError: a folder can't be listed.
    """
    if not path.is_dir():
        return _of_file(path)
    found: List[FileSet] = []
    for here in _by_level(path):
        whole = [one for one in here if one.is_whole]
        if len(whole) > 1:
            raise _several(path, whole)
        if whole:
            return whole[0]
        found += here
    raise _incomplete(found[0]) if found else _nothing(path)


def is_without_data(folder: Path) -> bool:
    """Return whether a folder holds no set, and no part of one but of MNIST's own four files.

    Raises:
        OSError: it can't be listed.
    """
    found = [one for here in _by_level(folder) for one in here] if folder.is_dir() else []
    return not any(one.is_whole or one.name for one in found)


def is_hidden(name: str) -> bool:
    """Return whether a file of this name is none of a person's own, as macOS' `._x.png`."""
    return name.startswith(".")


def find_test_images(folder: Path) -> Optional[Path]:
    """Return the test images of a folder; None where it holds none or those of several sets."""
    role = Role("test", "images")
    for here in _by_level(folder):
        found = [one.path(role) for one in here if one.npz or role in one.files]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _by_level(folder: Path) -> Iterator[List[FileSet]]:
    """Yield the sets of a folder, then those of the folders inside, and inside these."""
    level = [folder]
    for _ in range(_DEEPEST + 1):
        yield [one for here in level for one in _sets(here)]
        level = list(itertools.islice(_inside(level), _MOST_FOLDERS))


def labels_beside(images: Path) -> Optional[Path]:
    """Return the labels that belong to a file of images, None if they are not there."""
    parsed = _parsed(images.name)
    if parsed is None:
        return None
    name, role = parsed
    found = (one for one in _sets(_folder_of(images)) if one.name == name)
    return next((one.files.get(Role(role.part, "labels")) for one in found), None)


def _folder_of(path: Path) -> Path:
    """Return the folder of a file's set: not that which is named like the file itself."""
    return path.parent.parent if _is_around(path) else path.parent


def _is_around(path: Path) -> bool:
    return _parsed(path.parent.name) == _parsed(path.name)


def _of_file(path: Path) -> FileSet:
    if not path.exists():
        raise DataError(path, "is not there", REMEDY)
    if path.suffix == ".npz" and _parsed(path.name) is None:
        return FileSet(path.parent, path.stem, {}, path)
    parsed = _parsed(path.name)
    if parsed is None:
        named = "*train-images-idx3-ubyte, *t10k-labels-idx1-ubyte.gz, *test-imgs.npz, ..."
        raise DataError(path, f"is no npz and not named like one of MNIST's ({named})", REMEDY)
    found = [one for one in _sets(_folder_of(path)) if one.name == parsed[0] and one.files]
    if not found:
        raise DataError(path, "is no file that can be read", REMEDY)
    if not found[0].is_whole:
        raise _incomplete(found[0])
    return found[0]


def _parsed(name: str) -> Optional[Tuple[str, Role]]:
    """Return of which set, and what of it, a file of this name is; None if of none."""
    match = _NAME.fullmatch(name.lower())
    if match is None:
        return None
    part = "train" if match["part"] == "train" else "test"
    return match["name"], Role(part, "labels" if match["kind"] == "labels" else "images")


def _sets(folder: Path) -> List[FileSet]:
    """Return the sets of a folder, whole or not; mnist.npz only where nothing else is there."""
    found: Dict[str, FileSet] = {}
    for path in sorted(_named_so(folder), key=_rank):
        name, role = _parsed(path.name) or ("", ROLES[0])
        files = found.setdefault(name, FileSet(folder, name, {})).files
        files.setdefault(role, path)
    npz = folder / _NPZ
    if not found and npz.is_file():
        return [FileSet(folder, npz.stem, {}, npz)]
    return list(found.values())


def _named_so(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that are named so, and those in folders named like them."""
    for path in _shown(folder):
        parsed = _parsed(path.name)
        if parsed is None:
            continue
        if path.is_dir():
            inside = (file for file in _shown(path) if _parsed(file.name) == parsed)
            yield from (file for file in inside if file.is_file())
        elif path.is_file():
            yield path


def _rank(path: Path) -> Tuple[bool, bool, str]:
    """Order files of one role: raw before packed, MNIST's own spelling before a dotted one."""
    return path.suffix == ".gz", _is_around(path), path.name


def _inside(folders: List[Path]) -> Iterator[Path]:
    for folder in folders:
        with contextlib.suppress(OSError):  # not ours to enter
            yield from (path for path in sorted(_shown(folder)) if path.is_dir())


def _shown(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not is_hidden(path.name))


def _several(path: Path, whole: List[FileSet]) -> DataError:
    folders = [one.folder for one in whole]
    names = [one.folder if folders.count(one.folder) == 1 else one.path(ROLES[0]) for one in whole]
    shown = ", ".join(str(name.relative_to(path)) for name in names)
    remedy = " or ".join(f"data.path={name}" for name in names[:2])
    return DataError(path, f"holds {len(whole)} data sets: {shown}", remedy)


def _incomplete(found: FileSet) -> DataError:
    absent = next(role for role in ROLES if role not in found.files)
    official = FILES[ROLES.index(absent)].name
    name = f"{found.name}-{absent.part}-{absent.kind}" if found.name else official
    path = found.folder / name
    problem = "is missing"
    if path.is_dir():
        problem = "is a folder without the file of that name (Is a directory)"
    elif path.exists():
        problem = "is no regular file"
    beside = next(iter(found.files.values()))
    return DataError(
        path, f"{problem}; {beside.name} is there", f"add it (.gz will do), or {REMEDY}"
    )


def _nothing(folder: Path) -> DataError:
    problem = "holds none of the four MNIST files, raw or .gz, nor mnist.npz"
    for path in itertools.chain(_shown(folder), *map(_shown, _inside([folder]))):
        kind = next((what for end, what in _OTHERS.items() if end in path.name.lower()), None)
        if kind is not None:
            return DataError(folder, f"{problem}, but {kind}: {path.name}", REMEDY)
    return DataError(folder, problem, REMEDY)
