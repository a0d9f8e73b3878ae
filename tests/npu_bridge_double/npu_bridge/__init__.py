"""A CPU double of the vendor's adapter, for tests; its rules are the contract's."""

from npu_bridge.double import device
from npu_bridge.helper import helper

device.install()

if helper.switches.is_today():
    from npu_bridge.hccl import hccl_ops
