"""Forks a process for each script of `double.run`: TensorFlow is imported once, the double in each.

npu_bridge itself is never imported here: it changes the process that does.
"""

import os
import runpy
import socket
import sys
import traceback

import lenet_exp.hardware.chip_config
import lenet_exp.training.loss_scale  # noqa: F401 - what the scripts import that is not the double
from lenet_exp import tf_compat
from lenet_exp.sweep.executors import fork_server


def run(asked):
    """Run what was asked for as an interpreter does; return the exit code."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.path[:1] = [asked["environment"]["PYTHONPATH"]]
    sys.argv = [asked["script"], *asked["words"]]
    try:
        if asked["is_file"]:
            runpy.run_path(asked["script"], run_name="__main__")
        else:
            exec(asked["script"], {"__name__": "__main__"})
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    tf_compat.load()
    fork_server.freeze()
    request = fork_server.serve(socket.socket(fileno=int(sys.argv[-1])))
    if request is not None:
        code = run(request)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
