"""A CPU double of the vendor's adapter, for tests; its rules are the contract's."""

import atexit

from npu_bridge.double import device, switches
from npu_bridge.helper import helper

device.install()

if switches.is_since("2021-04"):
    atexit.register(device.close_queue)

if switches.is_today():
    from npu_bridge.hccl import hccl_ops
