"""A Slurm of one's own on this machine, in a scratch folder: real daemons, pretended nodes.

python -m tests.cluster.slurm FOLDER    starts one, prints what to export, and stops it at Ctrl-C
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "srun", "sbatch", "scancel", "squeue", "scontrol", "munged")
NODES = ("n1", "n2")
_PATH = os.pathsep.join(["/usr/sbin", "/sbin", os.environ.get("PATH", os.defpath)])
_CONF = """
ClusterName=scratch
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,NoShared
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
JobRequeue=1
ReturnToService=2
KillWait=5
InactiveLimit=0
MinJobAge=300
SlurmdTimeout=10
OverTimeLimit=0
GresTypes=npu
DefMemPerCPU=1000
{nodes}
PartitionName=npu Nodes=n1,n2 Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=5 State=UP
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP
"""
_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 Boards=1 "
    "SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=8000 Gres=npu:8"
)


def missing():
    """Return the programs of Slurm that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Slurm:
    """The daemons; two nodes of eight CPUs and eight NPUs each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.environment = {"SLURM_CONF": str(self.conf), "PATH": _PATH}

    def start(self):
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        host, user = socket.gethostname().partition(".")[0], "root"
        ports = _free_ports(1 + len(NODES))
        nodes = [_NODE.format(name=n, host=host, port=p) for n, p in zip(NODES, ports[1:])]
        text = _CONF.format(
            host=host, user=user, folder=self.folder, ports=ports, nodes="\n".join(nodes)
        )
        self.conf.write_text(text)
        gres = [f"NodeName={node} Name=npu Count=8" for node in NODES]
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log"}
        places = [f"--{flag}={self.folder}/munge.{end}" for flag, end in names.items()]
        seed = f"--seed-file={self.folder}/munge.seed"
        self.call("munged", *places, seed, "--num-threads=2", "--force")
        self.call("slurmctld", "-c")
        for node in NODES:
            self.start_node(node)
        self.wait_until_idle()

    def stop_controller(self):
        """End it, and keep what it knows for the next one."""
        _end(self._pid("slurmctld.pid"), signal.SIGTERM, 20)

    def start_node(self, node):
        self.call("slurmd", "-c", "-N", node)

    def wait_until_idle(self, seconds=60):
        until = time.monotonic() + seconds
        while self.call("sinfo", "-h", "-N", "-p", "npu", "-o", "%T").split() != ["idle"] * 2:
            assert time.monotonic() < until, self.call("sinfo", "-N", "-l")
            time.sleep(0.2)

    def kill_node(self, node):
        """Kill a node's daemon, what holds its jobs, and the jobs, as a power cut does."""
        daemon, steps = self._pid(f"slurmd-{node}.pid"), self._steps(node)
        tasks = [pid for pid in _processes() if _parent(pid) in steps]
        for pid in [daemon, *steps, *tasks]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait_until_down(self, node, seconds=60):
        """Wait until Slurm has noticed a node's death, which then costs its jobs."""
        until = time.monotonic() + seconds
        while "down" not in self.call("sinfo", "-h", "-n", node, "-o", "%T"):
            assert time.monotonic() < until, self.call("sinfo", "-N", "-l")
            time.sleep(0.2)

    def _steps(self, node):
        """Return the processes that hold a node's jobs: each has the node's log open."""
        log = f"{self.folder}/slurmd-{node}.log"
        return [pid for pid in _processes() if _name(pid) == "slurmstepd" and log in _files(pid)]

    def call(self, *words):
        """Run a program of Slurm; return what it prints."""
        done = subprocess.run(
            words,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def _pid(self, name):
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / name).read_text())
        return None

    def stop(self):
        """Stop every daemon of this folder, and wait until it is gone."""
        with contextlib.suppress(AssertionError):
            self.call("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")
        names = [*(f"slurmd-{node}.pid" for node in NODES), "slurmctld.pid", "munge.pid"]
        pids = [pid for pid in map(self._pid, names) if pid is not None]
        for pid in pids:
            _end(pid, signal.SIGTERM, 0)
        for pid in pids:
            _end(pid, signal.SIGTERM, 20) or _end(pid, signal.SIGKILL, 5)


def _processes():
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _name(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _parent(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def _files(pid):
    found = []
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(str(link)))
    return found


def _end(pid, number, seconds):
    """Send a signal; return whether the process has ended within the time."""
    until = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        while time.monotonic() < until:
            os.kill(pid, 0)
            time.sleep(0.05)
        return False
    return True


if __name__ == "__main__":
    cluster = Slurm(Path(sys.argv[1]).absolute())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cluster.start()
        print(f"export SLURM_CONF={cluster.conf}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()
