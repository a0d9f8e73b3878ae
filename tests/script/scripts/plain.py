"""A session with a variable, a feed and an update; its exit code is its first argument."""

import sys
from pathlib import Path

import numpy as np
from npu_bridge.estimator.npu.npu_optimizer import NPUDistributedOptimizer
from npu_bridge.npu_init import *
from tensorflow.compat import v1 as tf

print(sys.argv, Path.cwd())
tf.disable_v2_behavior()
tf.set_random_seed(1)
x = tf.placeholder(tf.float32, [8, 4])
w = tf.get_variable("w", [4, 3])
loss = tf.reduce_mean(tf.square(tf.matmul(x, w)), name="loss")
train = NPUDistributedOptimizer(tf.train.MomentumOptimizer(0.1, 0.9)).minimize(loss)
config = npu_config_proto()
entry = config.graph_options.rewrite_options.custom_optimizers[0]
entry.parameter_map["precision_mode"].s = b"allow_mix_precision"
with tf.Session(config=config) as session:
    session.run(tf.global_variables_initializer())
    for _ in range(20):
        value, _ = session.run([loss, train], {x: np.ones((8, 4))})
        print(repr(float(value)))
    print("float16:", float(value) == float(np.float16(value)))
sys.exit(int(sys.argv[1]))
