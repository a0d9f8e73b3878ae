"""npu_bridge for a CPU: its names, made of plain TensorFlow, for the script of this process."""
