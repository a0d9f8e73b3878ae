"""Stands for the SWIG module."""

from npu_bridge.double import switches

if switches.is_broken("tf_adapter"):
    raise ImportError("cannot import name 'tf_adapter' from 'npu_bridge'")


def GetDeviceSatMode():  # noqa: N802 - the vendor's name
    return 0


def NpuClose():  # noqa: N802 - the vendor's name
    pass
