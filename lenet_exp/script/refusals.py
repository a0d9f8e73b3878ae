"""What of a command line can't be, beyond its words: refused before the script begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.errors import ConfigError
from lenet_exp.precision.planning.dtype_overrides import read_custom_dtypes
from lenet_exp.precision.target.op_lists import read_changes
from lenet_exp.record.writable import obstacle
from lenet_exp.script import asked
from lenet_exp.script.record import Kept


def check(options: ScriptOptions, kept: Kept) -> None:
    """Raise for a file that can't be read, and for a folder that can't be written.

    Raises:
        PrecisionError: a mixlist or a customize_dtypes is not of the vendor's form.
        ConfigError: the typed mode does not read it; a folder of what is kept can't be written.
    """
    typed = options.typed()
    if "mode" in typed:
        asked.chosen(asked.Asked(), typed)
    if options.modify_mixlist is not None:
        read_changes(options.modify_mixlist)
    if options.customize_dtypes is not None:
        read_custom_dtypes(options.customize_dtypes)
    folders: Dict[str, Any] = {"capture": options.capture, "record": options.record}
    if options.record is None and kept.file is not None:
        folders["record"] = kept.folder
    for key, folder in folders.items():
        if folder is not None:
            _check_writable(options, key, folder)


def _check_writable(options: ScriptOptions, key: str, folder: Path) -> None:
    why = obstacle(folder)
    if why is not None:
        allowed = f"a folder that can be made ({why})"
        remedy = options.command(key, str(Path.home() / "script-1"), options.script())
        raise ConfigError(key, folder, allowed, remedy)
