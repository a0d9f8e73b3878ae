"""The vendor's Estimator and Keras' session, in sessions of the chip. TensorFlow 2 has neither."""

import numpy as np
import pytest
from taken_over import taken_over
from test_bridge import bridge  # noqa: F401 - a fixture

from lenet_exp import tf_compat

tf_compat.configure(hide_gpus=True, deterministic=True)
ROWS = np.random.RandomState(0).standard_normal((8, 5)).astype(np.float32)
needs_tf1 = pytest.mark.skipif(
    tf_compat.stack_of_this_python() != "tf1", reason="TensorFlow 2 has no such sessions"
)


def _model(features, labels, mode, params):
    tf = tf_compat.load()
    w = tf.get_variable("w", initializer=np.ones((5, 1), np.float32) / 3)
    loss = tf.reduce_mean(tf.square(tf.matmul(features, w)))
    step = tf.train.get_global_step()
    train = tf.train.GradientDescentOptimizer(params["rate"]).minimize(loss, step)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train)


def _data():
    return tf_compat.load().data.Dataset.from_tensors(ROWS).repeat()


@needs_tf1
@pytest.mark.parametrize("loops", [1, 2])
def test_an_estimator_trains_under_its_own_mode(loops, tmp_path):
    from npu_bridge.npu_init import NPUEstimator, NPURunConfig

    config = NPURunConfig(loops, precision_mode="force_fp16", save_checkpoints_steps=4)
    made = NPUEstimator(_model, str(tmp_path), config, {"rate": 0.1})
    with taken_over() as heard:
        made.train(_data, max_steps=4)
    training = [call for call in heard.calls if call.prepared.trains]
    assert len(training) == 4
    assert all(call.prepared.run is not None for call in training)
    w = made.get_variable_value("w")
    assert (w == w.astype(np.float16)).all()
    assert made.get_variable_value("global_step") == 4


@needs_tf1
def test_keras_computes_in_the_chip_s_session():
    from npu_bridge.npu_init import npu_config_proto, set_keras_session_npu_config

    tf = tf_compat.load()
    with taken_over("force_fp16") as heard, tf.Graph().as_default():
        session = set_keras_session_npu_config(npu_config_proto())
        layer = tf.keras.layers.Dense(1, input_shape=(5,))
        model = tf.keras.Sequential([layer])
        model.compile(tf.keras.optimizers.SGD(0.1), "mse")
        loss = model.train_on_batch(ROWS, np.ones((8, 1)))
        session.close()
    assert float(loss) == float(np.float16(loss))
    assert any(call.prepared.trains and call.prepared.run for call in heard.calls)
