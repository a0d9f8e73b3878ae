"""Stands for the module that loads _tf_adapter.so."""

from npu_bridge.double import switches

if switches.is_broken("library"):
    print("libge_runner.so: cannot open shared object file: No such file or directory")
    raise ImportError("cannot import name 'npu_bridge_handle' from 'npu_bridge.helper'")

npu_bridge_handle = object()
version = "v1.15.0"


class _Operators:
    """The names that tell the generations apart; their work is done in double/status.py."""

    def __init__(self, names):
        for name in names:
            setattr(self, name, None)


def get_gen_ops():
    names = ["npu_alloc_float_status", "npu_get_float_status", "npu_clear_float_status"]
    today = ["npu_get_float_status_v2", "npu_clear_float_status_v2"]
    return _Operators(names + (today if switches.is_since("2022-10") else []))
