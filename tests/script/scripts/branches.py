"""A script that ends as its first argument says: one way after three steps, or none."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from npu_bridge.npu_init import *
from tensorflow.compat import v1 as tf

tf.disable_v2_behavior()
end = sys.argv[1]
x = tf.placeholder(tf.float32, [8, 4])
w = tf.get_variable("w", initializer=np.ones((4, 3), np.float32))
error = tf.reduce_mean(tf.square(tf.matmul(x, w)), name="error")
train = tf.train.GradientDescentOptimizer(0.01).minimize(error)
config = npu_config_proto()
parameters = config.graph_options.rewrite_options.custom_optimizers[0].parameter_map
parameters["precision_mode"].s = b"fp17" if end == "wrong_mode" else b"force_fp16"
if end in ("wrong_list", "refused"):
    parameters["precision_mode"].s = b"allow_mix_precision"
    parameters["modify_mixlist"].s = b"nowhere.json"


def steps(count):
    for _ in range(count):
        print(repr(float(session.run([error, train], {x: np.ones((8, 4))})[0])), flush=True)


if end == "patch":  # a session of the script's own, in the place of TensorFlow's

    class Counted(tf.Session):
        def run(self, *args, **options):
            Counted.runs = getattr(Counted, "runs", 0) + 1
            return super().run(*args, **options)

    tf.Session = Counted

with tf.Session(config=config) as session:
    session.run(tf.global_variables_initializer())
    if end == "thread":
        threading.Thread(target=steps, args=(10**9,)).start()
        other = threading.Thread(target=threading.Event().wait)  # for what nobody tells
        other.start()
        other.join()
    steps(3)
    if end == "patch":
        assert tf.Session.runs == 4, tf.Session.runs
    if end == "folder":
        os.chdir(tempfile.mkdtemp())
        Path.cwd().rmdir()
    if end == "spawn":
        for target in (print, threading.Event().wait):
            child = multiprocessing.get_context("fork").Process(target=target)
            child.start()
            if target is not print:
                child.terminate()
            child.join()
            assert child.exitcode == (0 if target is print else -signal.SIGTERM)
    if end == "replace":
        os.execv(sys.executable, [sys.executable, "-c", ""])
    if end == "abort":
        os.abort()
    if end == "leave":
        os._exit(5)
    if end == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if end == "raise":
        raise ValueError("the script's own")
    while end == "catch":
        with contextlib.suppress(BaseException):
            steps(1)
    steps(10**9 if end in ("forever", "wrong_list") else 0)
