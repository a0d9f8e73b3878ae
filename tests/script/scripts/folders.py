"""A script with a folder of its own to write to; it fails where its loss is no float16."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from npu_bridge.npu_init import *
from tensorflow.compat import v1 as tf

assert sys.argv[1].startswith("--out_dir"), sys.argv
assert sys.stdin.read() == ""
place = Path(sys.argv[1].partition("=")[2])
place.mkdir(exist_ok=True)
(place / "found.txt").write_text(" ".join(sorted(path.name for path in place.iterdir())))
tf.disable_v2_behavior()
x = tf.placeholder(tf.float32, [8, 4])
w = tf.get_variable("w", initializer=np.ones((4, 3), np.float32) / 3)
loss = tf.reduce_mean(tf.square(tf.matmul(x, w)), name="loss")
train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
with tf.Session(config=npu_config_proto()) as session:
    session.run(tf.global_variables_initializer())
    for _ in range(3):
        value, _ = session.run([loss, train], {x: np.ones((8, 4))})
if "wait" in sys.argv:
    if os.fork():
        Path("waits").write_text(str(os.getpid()))
    time.sleep(600)
if "kill" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
if value != np.float16(value):
    raise ValueError("the loss is\nnot rounded")
