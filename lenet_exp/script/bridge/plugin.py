"""What starts, ends and profiles the chip: nothing of it is needed on a CPU."""

from __future__ import annotations

from typing import Any

from lenet_exp.script.bridge.refusal import refused


def npu_resource_init(*_: Any, **__: Any) -> None:
    """Do nothing."""


def npu_resource_shutdown() -> None:
    """Do nothing."""


def npu_close() -> None:
    """Do nothing."""


def set_device_sat_mode(mode: int) -> None:
    """Do nothing: the 910 saturates, whatever is set."""


def is_inf_nan_enabled() -> bool:
    """Return False: the 910 saturates."""
    return False


class Profiler:
    """Profiles nothing."""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def get_gen_ops() -> Any:
    """Return the generated operators: there are none on a CPU."""
    raise refused("helper.get_gen_ops", ["npu_ops", "npu_unary_ops"])()


NPUStrategy = refused("NPUStrategy", ["one device without a strategy"])
NPUBroadcastGlobalVariablesCallback = refused(
    "NPUBroadcastGlobalVariablesCallback", ["RANK_SIZE=1"]
)
