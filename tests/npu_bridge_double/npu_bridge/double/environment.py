"""What the adapter reads in the environment of its process.

Typed from the vendor's GePlugin::Init, GetEnvDeviceID and util.get_ranksize, as rules.py is.
"""

import json
import os
import re
from pathlib import Path

import tensorflow as tf

from npu_bridge.double import rules, switches


class Waits(BaseException):
    """A collective that waits for processes which nobody started."""


def device():
    """Return the environment's device: what every generation opens when it starts."""
    for name in ("ASCEND_DEVICE_ID", "DEVICE_ID"):
        text = os.environ.get(name, "")
        if text and not re.match(r"\d+\Z", text):
            raise rules.Abort(name)
        if text:
            return int(text)
    return 0


def queue_device(options):
    """Return where the host's queue of batches ends; until Nov 2023 no option was asked."""
    if switches.is_since("2023-11"):
        return options.get("session_device_id", device())
    return device()


def check_rank_table():
    """Raise where a rank table is read and can't be."""
    table = os.environ.get("RANK_TABLE_FILE")
    replaced = switches.is_today() and (not table or "CM_WORKER_SIZE" in os.environ)
    if table is None or replaced:
        return
    names = {"RANK_ID", "POD_NAME"} & set(os.environ)
    if not Path(table).is_file() or not (names or switches.is_today()):
        raise rules.Abort("RANK_TABLE_FILE")
    if names:
        load_rank_table(table)


def load_rank_table(path):
    """Raise where the vendor's loader can't read a table, or its devices are several."""
    try:
        content = json.loads(Path(path).read_text())
        status = content["status"]
    except (ValueError, LookupError):
        raise rules.Abort("RANK_TABLE_FILE") from None
    if path.find(".json") + len(".json") != len(path):
        raise rules.Abort("RANK_TABLE_FILE")
    servers = content["server_list"]
    if status != "completed" or sum(len(server["device"]) for server in servers) > 1:
        raise Waits("the table, or the devices in it")


def check_task():
    """Raise where TF_CONFIG keeps the adapter from starting."""
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    except ValueError:
        return  # a warning
    task = config.get("task") or {}
    if not isinstance(task, dict):
        raise rules.Abort("TF_CONFIG")  # an exception of its JSON library that nothing catches
    if task.get("type") == "ps":
        raise tf.errors.InternalError(None, None, "GE is not initialized: a ps")


def rank_size():
    """Return what the Python package takes for the number of processes."""
    if switches.is_since("2023-04") and "CM_WORKER_SIZE" in os.environ:
        if "RANK_SIZE" in os.environ:
            raise ValueError("RANK_SIZE and CM_WORKER_SIZE cannot be configured at the same time")
        return int(os.environ["CM_WORKER_SIZE"])
    return int(os.environ.get("RANK_SIZE", "1"))


def reduce_gradients():
    """Do what a distributed optimizer does to the gradients of a process that is alone."""
    size = rank_size()
    if size > 1 and not os.environ.get("JOB_ID"):
        raise AttributeError("'NoneType' object has no attribute 'size'")
    if size > 1:
        raise Waits(f"{size} processes")
