"""What a test chooses, by environment variables that child processes inherit.

NPU_BRIDGE_DOUBLE_GENERATION   2021 | 2022 | today
NPU_BRIDGE_DOUBLE_BROKEN       library | hccl | tf_adapter: what can't be imported
NPU_BRIDGE_DOUBLE_OVERFLOWS    status reads that find an overflow, from 0: "4,6,7"
NPU_BRIDGE_DOUBLE_FAILS        the device fails in the training call of this number, from 0
NPU_BRIDGE_DOUBLE_LOOPS        "no": a device that makes one step a call whatever it is told
NPU_BRIDGE_DOUBLE_RECORD       a file; a line of JSON is added for each session that closes
"""

import os

GENERATIONS = {"2021": "2021-02", "2022": "2022-10", "today": "2026-07"}


def generation():
    return os.environ.get("NPU_BRIDGE_DOUBLE_GENERATION", "today")


def is_today():
    return generation() == "today"


def date():
    return GENERATIONS[generation()]


def is_since(month):
    return date() >= month


def is_broken(part):
    return os.environ.get("NPU_BRIDGE_DOUBLE_BROKEN") == part


def overflows():
    text = os.environ.get("NPU_BRIDGE_DOUBLE_OVERFLOWS", "")
    return {int(word) for word in text.split(",") if word}


def fails_at(call):
    return os.environ.get("NPU_BRIDGE_DOUBLE_FAILS") == str(call)


def loops():
    return os.environ.get("NPU_BRIDGE_DOUBLE_LOOPS") != "no"


def record_file():
    return os.environ.get("NPU_BRIDGE_DOUBLE_RECORD")
