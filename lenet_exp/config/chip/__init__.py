"""What npu_bridge can be asked for, and what speaks against it."""
