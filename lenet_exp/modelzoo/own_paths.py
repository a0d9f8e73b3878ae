"""Files that a command line names by a relative path: the run is made in another folder."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional

from lenet_exp.config.chip.options import OWN
from lenet_exp.config.cli.json_words import as_typed
from lenet_exp.config.schema.run import PRECISION_FILES, Settings
from lenet_exp.config.tracking import environment_uri
from lenet_exp.record.store import store_check

_FORMS = ("file", "json", "mixlist", "switches", "debug_config", "directory", "existing_directory")


def from_here(settings: Settings) -> List[str]:
    """Return arguments by which all that these settings name is what they name in this folder."""
    named: Dict[str, Optional[str]] = {
        "data.path": settings.data.path,
        "init_from": settings.init_from,
        **{f"precision.{key}": getattr(settings.precision, key) for key in PRECISION_FILES},
        **{
            f"hardware.{option.key}": getattr(settings.hardware, option.key, None)
            for option in OWN
            if option.form in _FORMS
        },
    }
    whole = {
        key: str(Path(path).absolute())
        for key, path in named.items()
        if path is not None and not path.startswith(("/", "~"))
    }
    uri = settings.tracking.uri or environment_uri()
    if uri is not None and store_check.absolute(uri) != uri:
        whole["tracking.uri"] = str(store_check.absolute(uri))
    return [f"{key}={as_typed(value)}" for key, value in whole.items()]
