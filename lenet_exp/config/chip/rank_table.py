"""What the variables of several devices say in files and in JSON.

Sources: hicann/ge, compiler/engines/hccl_engine/hcom_graph_adaptor/ge_plugin/common/
hcom_base_funs.cc, CheckFilePath and HcomLoadRanktableFile; hicann/tensorflow,
tf_adapter/util/ge_plugin.cc, GePlugin::Init (in Ascend/tensorflow of 2021 the same).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

_ENDING = ".json"


def is_loaded(path: str) -> bool:
    """Return whether the vendor's loader takes a rank table, at once.

    It wants the first ".json" of the path at its end, and waits half an hour for a status.
    """
    if path.find(_ENDING) + len(_ENDING) != len(path):
        return False
    table = _read(path)
    return isinstance(table, dict) and table.get("status") == "completed"


def devices(path: str) -> int:
    """Return how many devices a rank table names, of any version; 0 where it can't be read."""
    return sum(1 for _ in _devices(_read(path)))


def task_is_trained(tf_config: str) -> bool:
    """Return whether the adapter opens a device for the task that TF_CONFIG names.

    For a parameter server (ps) it opens none; a task that is no mapping ends its process.
    """
    try:
        config = json.loads(tf_config)
    except (ValueError, RecursionError):
        return True  # a warning, and no more
    task = config.get("task") if isinstance(config, dict) else None
    return task is None or (isinstance(task, dict) and task.get("type") != "ps")


def _read(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _devices(part: Any) -> Iterator[Any]:
    if isinstance(part, dict) and "device_id" in part:
        yield part
    elif isinstance(part, (dict, list)):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _devices(each)
