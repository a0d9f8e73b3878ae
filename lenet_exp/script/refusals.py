"""What of a command line can't be, beyond its words: refused before the script begins."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Dict, Optional

from lenet_exp.config.cli.script_options import NO_STORE, ScriptOptions
from lenet_exp.config.passwords import without_password
from lenet_exp.errors import ConfigError
from lenet_exp.precision.planning.dtype_overrides import read_custom_dtypes
from lenet_exp.precision.target.op_lists import read_changes
from lenet_exp.record.store import server_check, store_check
from lenet_exp.record.writable import obstacle
from lenet_exp.script import asked
from lenet_exp.script.record import Kept, file_of_module


def check_files(options: ScriptOptions) -> None:
    """Raise for a file that can't be read.

    Raises:
        PrecisionError: a mixlist or a customize_dtypes is not of the vendor's form.
        ConfigError: the typed mode does not read it.
    """
    typed = options.typed()
    if "mode" in typed:
        asked.chosen(asked.Asked(), typed)
    if options.modify_mixlist is not None:
        read_changes(options.modify_mixlist)
    if options.customize_dtypes is not None:
        read_custom_dtypes(options.customize_dtypes)


def check_folders(options: ScriptOptions, kept: Kept) -> None:
    """Raise ConfigError for a folder of one run that can't be written."""
    record = options.record
    if record is None:
        guessed = copy.copy(kept)  # where a module is is known for certain when it runs
        guessed.file = kept.file or file_of_module(kept.script)
        record = guessed.folder
    folders: Dict[str, Optional[Path]] = {"capture": options.capture, "record": record}
    for key, folder in folders.items():
        why = None if folder is None else obstacle(folder)
        if why is not None:
            allowed = f"a folder that can be made ({why})"
            remedy = options.command(key, str(Path.home() / "script-1"), options.script())
            raise ConfigError(key, folder, allowed, remedy)


def check_store(options: ScriptOptions) -> None:
    """Raise for a typed store that can't be used, as far as that is known without MLflow.

    Raises:
        ConfigError: its file or folder can't be written.
        StoreError: its server does not answer.
    """
    uri = options.uri
    if uri is None or uri == NO_STORE:
        return
    if store_check.is_server(uri):
        server_check.check_answers(uri, ScriptOptions.VERB)
        return
    file = store_check.sqlite_path(uri)
    place = file or store_check.folder_path(uri)
    why = None if place is None else obstacle(place, is_folder=file is None)
    if why is not None:
        allowed = f"a store that can be made and written, or {NO_STORE} ({why})"
        remedy = store_check.another_store(uri, ScriptOptions.VERB)
        raise ConfigError("tracking.uri", without_password(uri), allowed, remedy)
