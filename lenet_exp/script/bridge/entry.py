"""The entry of a session's configuration that makes it the chip's."""

from __future__ import annotations

import os
from typing import Any, List

import tensorflow.compat.v1 as tf
from tensorflow.python.client import session as sessions

from lenet_exp import tf_compat
from lenet_exp.script.bridge import collectives, hooks, loops, operators
from lenet_exp.script.bridge.refusal import NotOnCpuError

_NAME = "NpuOptimizer"
_OFF, _NO_JIT = 2, -1

_PASSES = """function_optimization constant_folding shape_optimization arithmetic_optimization
    loop_optimization dependency_optimization layout_optimizer"""
experimental_options = dict.fromkeys(_PASSES.split(), True)


def npu_config_proto(config_proto: Any = None) -> Any:
    """Return a session's configuration with the entry: the given one, changed, or a new one."""
    config = config_proto if isinstance(config_proto, tf.ConfigProto) else tf.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    if _NAME not in [entry.name for entry in rewrite.custom_optimizers]:
        rewrite.custom_optimizers.add().name = _NAME
    config.allow_soft_placement, config.log_device_placement = True, False
    rewrite.remapping = _OFF
    npu_graph_options(config.graph_options)
    return config


def npu_graph_options(graph_options: Any = None) -> Any:
    """Return options of a graph without just-in-time compilation."""
    made = tf.GraphOptions() if graph_options is None else graph_options
    npu_optimizer_options(made.optimizer_options)
    return made


def npu_optimizer_options(optimizer_options: Any = None) -> Any:
    """Return options of TensorFlow's optimizer without just-in-time compilation."""
    made = tf.OptimizerOptions() if optimizer_options is None else optimizer_options
    made.global_jit_level = _NO_JIT
    return made


def npu_run_config_init(run_config: Any = None) -> Any:
    """Return an Estimator's configuration whose sessions are the chip's."""
    config = run_config if isinstance(run_config, tf.estimator.RunConfig) else None
    config = config or tf.estimator.RunConfig()
    config._session_config = npu_config_proto(config.session_config)  # noqa: SLF001 - no public way
    return config


def set_keras_session_npu_config(config: Any = None) -> Any:
    """Return a session of the chip, which is Keras' from here on."""
    keras = _keras()
    session = tf.Session(config=npu_config_proto(config))
    keras.set_session(session)
    return session


def npu_clear_session(config: Any = None) -> None:
    """Give Keras a new graph and session of the chip."""
    _keras().clear_session()
    set_keras_session_npu_config(config)


def _keras() -> Any:
    if tf_compat.stack_of_this_python() != "tf1":
        name = "a session of Keras' (TensorFlow 2's Keras has none)"
        raise NotOnCpuError(name, ["npu_config_proto", "tf.Session"])
    return tf.keras.backend


def init_resource(config: Any = None) -> Any:
    """Return a session, and what ends the chip: both have nothing to do."""
    loops.global_dict_init()
    end = operators.shutdown_system()
    return sessions.Session(config=npu_config_proto(config)), end


def shutdown_resource(sess: Any, npu_shutdown: Any) -> None:
    """Do nothing."""


def close_session(sess: Any) -> None:
    """Close it."""
    sess.close()


def npu_hooks_append(hooks_list: Any = ()) -> List[Any]:
    """Return a list of hooks with the vendor's at its end."""
    made = hooks_list if isinstance(hooks_list, list) else []
    rank = int(os.getenv("RANK_ID", "0") or 0)
    made.append(hooks.NPUBroadcastGlobalVariablesHook(0, rank))
    return made


def npu_callbacks_append(callbacks_list: Any = ()) -> List[Any]:
    """Return a list of Keras' callbacks."""
    return callbacks_list if isinstance(callbacks_list, list) else []


get_npu_rank_id = get_npu_local_rank_id = collectives.get_rank_id
get_npu_rank_size = get_npu_local_rank_size = collectives.get_rank_size
