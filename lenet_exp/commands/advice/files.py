"""A keep list -> the vendor's files, each proved by the plan that it makes."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from lenet_exp.config.schema.run import Settings, precision_files
from lenet_exp.experiment.steps import Step, plan_of
from lenet_exp.precision import Plan
from lenet_exp.precision.diagnosis.front import Point
from lenet_exp.precision.diagnosis.keep_list import checked_file, customize_dtypes, mixlist
from lenet_exp.precision.planning.options import unread
from lenet_exp.precision.target.vendor_files import read_text
from lenet_exp.record.run.run_files import write_bytes

_NAMES = {
    "customize_dtypes": "customize_dtypes.txt",
    "modify_mixlist": "modify_mixlist.json",
    "keep_dtype": "keep_dtype.txt",
}
_HAS_LISTS = "allow_mix_precision"


def written(folder: Path, step: Step, settings: Settings, best: Optional[Point]) -> Dict[str, Path]:
    """Write the files of a keep list; return those that a setting takes, by the setting.

    What is there under their names is set aside, so that nobody takes it for this advice's; it may
    be a person's own.
    """
    made = {} if best is None or not best.kept.names else dict(_files(step, settings, best))
    read = {path.absolute() for path in precision_files(settings).values()}
    new = {key: content.encode() for key, content in made.items()}
    for key, name in _NAMES.items():
        old = (folder / name).absolute()
        if old.is_file() and (key in new or old not in read) and old.read_bytes() != new.get(key):
            _set_aside(old)
    for key, content in new.items():
        write_bytes((folder / _NAMES[key]).absolute(), content)
    return {f"precision.{key}": folder / _NAMES[key] for key in made if key != "keep_dtype"}


def _set_aside(path: Path) -> None:
    """Rename a file by when it was written."""
    written_at = time.localtime(path.stat().st_mtime)
    begin = f"{path.stem}.{time.strftime('%Y-%m-%d_%H-%M-%S', written_at)}"
    names = (f"{begin}{'_' * number}{path.suffix}" for number in itertools.count())
    path.replace(next(one for one in map(path.with_name, names) if not one.exists()))


def _files(step: Step, settings: Settings, best: Point) -> Iterator[Tuple[str, str]]:
    """Yield the option and the content of each file that gives the plan its types."""
    mode, (plan, names) = best.mode, (best.kept.plan, best.kept.names)
    before = {
        key: path
        for key, path in precision_files(settings).items()
        if not unread(key, mode, settings.hardware.cann)
    }

    def planned(key: str) -> Any:
        def made(content: Any) -> Plan:
            return plan_of(step, settings, mode, **{key: content})

        return made

    lines = customize_dtypes(plan, names)  # in front of a person's own: the first one counts
    if "customize_dtypes" in before:
        lines += read_text("customize_dtypes", before["customize_dtypes"], "text")
    if checked_file(planned("customize_dtypes"), lines, plan):
        yield "customize_dtypes", lines
    lists = mixlist(plan, names, before.get("modify_mixlist")) if mode == _HAS_LISTS else None
    if lists is not None and checked_file(planned("modify_mixlist"), lists, plan):
        yield "modify_mixlist", json.dumps(lists)
    yield "keep_dtype", "".join(f"{name}\n" for name in names)
