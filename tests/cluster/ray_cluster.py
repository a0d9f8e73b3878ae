"""A Ray cluster of two nodes on loopback, in a process of its own that one can drive.

python -m tests.cluster.ray_cluster    prints the head's address; then takes lines: remove, stop
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE = {"num_cpus": 2, "resources": {"NPU": 8}, "object_store_memory": 80 << 20}


def share_with(more):
    """Return which share of the memory is used once `more` bytes are."""
    found = Path("/proc/meminfo").read_text()
    total, available = (int(re.search(rf"^{key}: +(\d+) kB", found, re.MULTILINE).group(1)) << 10
                        for key in ("MemTotal", "MemAvailable"))  # fmt: skip
    return (total - available + more) / total


class Ray:
    """The process that has a cluster; `launcher`: the words of a sweep that goes there."""

    def __init__(self, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.ray_cluster"],
            cwd=str(ROOT),
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        address = self.process.stdout.readline().strip()
        npu = "hydra.launcher.resources={NPU: 1}"
        self.launcher = ("hydra/launcher=ray", f"hydra.launcher.address={address}", npu)

    def remove_a_node(self):
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "removed\n"

    def stop(self):
        self.process.communicate("stop\n", timeout=60)


def main():
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(**NODE), cluster.add_node(**NODE)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    try:
        for line in sys.stdin:
            if line.strip() == "remove":
                cluster.remove_node(nodes.pop(0), allow_graceful=False)
                nodes.append(cluster.add_node(**NODE))
                print("removed", flush=True)
            if line.strip() == "stop":
                break
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
