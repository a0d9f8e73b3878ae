"""The vendor's modules by name, made when a script imports them.

What is there is listed by the module it is in; a name may be in several, as the vendor has it in
both generations. Source of the names: hicann/tensorflow, tf_adapter/python/npu_bridge.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any, Dict, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.script.bridge.refusal import refused

_OURS = "lenet_exp.script.bridge"
_NPU = "npu_bridge.estimator.npu"
# The vendor's module -> our modules whose names it has.
_MODULES: Dict[str, Tuple[str, ...]] = {
    "npu_bridge": (),
    "npu_bridge.estimator": (),
    _NPU: (),
    "npu_bridge.hccl": (),
    "npu_bridge.helper": (),
    "npu_bridge.npu_cpu": (),
    "npu_bridge.tbe": (),
    "npu_bridge.profiler": (),
    "npu_bridge.npu_init": ("entry", "optimizers", "loss_scale", "configs", "hooks", "estimators",
                            "collectives"),
    "npu_bridge.estimator.npu_ops": ("operators",),
    "npu_bridge.estimator.npu_unary_ops": ("operators",),
    "npu_bridge.estimator.npu_aicore_ops": ("operators",),
    f"{_NPU}.npu_optimizer": ("optimizers",),
    f"{_NPU}.npu_loss_scale_optimizer": ("loss_scale",),
    f"{_NPU}.npu_loss_scale_manager": ("loss_scale",),
    f"{_NPU}.npu_config": ("configs", "estimators"),
    f"{_NPU}.npu_estimator": ("estimators", "configs"),
    f"{_NPU}.npu_hook": ("hooks",),
    f"{_NPU}.npu_scope": ("scopes",),
    f"{_NPU}.npu_common": ("collectives",),
    f"{_NPU}.npu_plugin": ("plugin",),
    f"{_NPU}.npu_dynamic_rnn": ("recurrent",),
    f"{_NPU}.npu_rnn": ("recurrent",),
    f"{_NPU}.npu_convert_dropout": (),
    f"{_NPU}.npu_callbacks": ("plugin",),
    f"{_NPU}.npu_strategy": ("plugin",),
    f"{_NPU}.keras_to_npu": ("estimators",),
    f"{_NPU}.util": ("loops",),
    "npu_bridge.hccl.hccl_ops": ("collectives",),
    "npu_bridge.helper.helper": ("plugin",),
    "npu_bridge.profiler.profiler": ("plugin",),
    "npu_bridge.npu_cpu.npu_cpu_ops": ("operators",),
    "npu_bridge.tbe.npu_cube_ops": (),
    "npu_bridge.tbe.npu_vector_ops": (),
    "hccl": (),
    "hccl.manage": (),
    "hccl.split": (),
    "hccl.manage.api": ("collectives",),
    "hccl.split.api": ("collectives",),
}  # fmt: skip
# Names that the vendor has and we lack: importing them is fine, using them is refused.
_LACKING: Dict[str, str] = {
    "npu_bridge.npu_init": "NPUBroadcastGlobalVariablesCallback TellMeStepOrLossHook",
    f"{_NPU}.npu_hook": "NPULogOutfeedSessionHook NPUInfeedOutfeedSessionHook",
    "npu_bridge.estimator.npu_ops": """LARS LARSV2 outfeed_dequeue_op outfeed_enqueue_op
        stop_outfeed_dequeue_op basic_lstm_cell adam_apply_one_assign scatter_elements
        adam_apply_one_with_decay_assign k_means_centroids npu_onnx_graph_op""",
    "npu_bridge.estimator.npu_aicore_ops": "lru_cache_v2 nonzero nonzerowithvalue",
    "npu_bridge.npu_cpu.npu_cpu_ops": """embeddingrankid embedding_local_index randomchoicewithmask
        dense_image_warp host_feature_mapping""",
    "npu_bridge.tbe.npu_cube_ops": "deformable_conv2d",
    "npu_bridge.tbe.npu_vector_ops": "lamb_apply_optimizer_assign lamb_apply_weight_assign PReLU",
}
_OF_ESTIMATORS = ("NPUEstimator", "NPUEstimatorSpec", "NPURunConfig", "model_to_npu_estimator")
# What the star import of npu_init gives besides, other modules and TensorFlow's own.
_BESIDES = {
    "npu_ops": "npu_bridge.estimator.npu_ops", "npu_scope": f"{_NPU}.npu_scope",
    "util": f"{_NPU}.util", "npu_plugin": f"{_NPU}.npu_plugin", "npu_rnn": f"{_NPU}.npu_rnn",
    "npu_strategy": f"{_NPU}.npu_strategy", "keras_to_npu": f"{_NPU}.keras_to_npu",
    "hccl_ops": "npu_bridge.hccl.hccl_ops", "profiler": "npu_bridge.profiler.profiler",
    "npu_cpu_ops": "npu_bridge.npu_cpu.npu_cpu_ops", "os": "os",
    "config_pb2": "tensorflow.core.protobuf.config_pb2",
    "rewriter_config_pb2": "tensorflow.core.protobuf.rewriter_config_pb2",
    "session": "tensorflow.python.client.session",
    "session_run_hook": "tensorflow.python.training.session_run_hook",
}  # fmt: skip


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the vendor's modules."""

    def find_spec(self, name: str, path: Optional[Sequence[Any]], target: Any = None) -> Any:
        """Return the spec of a module of the vendor's; None for any other."""
        if name not in _MODULES:
            return None
        inside = any(other.startswith(f"{name}.") for other in _MODULES)
        return importlib.machinery.ModuleSpec(name, self, is_package=inside)

    def create_module(self, spec: Any) -> None:
        """Have Python make an empty one."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill a module with its names."""
        name = module.__name__
        for ours in _MODULES[name]:
            module.__dict__.update(_names(ours))
        if name == "npu_bridge.npu_init":
            module.__dict__.update(_besides())
            _take_every_session()
        there = sorted(key for key in module.__dict__ if not key.startswith("_"))
        for lacking in _LACKING.get(name, "").split():
            module.__dict__[lacking] = refused(f"{name}.{lacking}", there)
        if name == "npu_bridge":
            module.__dict__["__version__"] = module.__dict__["version"] = "v1.15.0"


def _names(ours: str) -> Dict[str, Any]:
    """Return the public names of one of our modules: what it makes itself."""
    import tensorflow.compat.v1 as tf  # noqa: PLC0415 - when a script asks for it

    if ours == "estimators" and not hasattr(tf, "estimator"):
        return {name: refused(f"{name} (TensorFlow 2 has no Estimators)", ["tf.Session"])
                for name in _OF_ESTIMATORS}  # fmt: skip
    module = importlib.import_module(f"{_OURS}.{ours}")
    found = {}
    for name, value in vars(module).items():
        imported = isinstance(value, types.ModuleType) or name in ("Any", "annotations")
        typing_name = getattr(value, "__module__", "") == "typing"
        if not name.startswith("_") and not imported and not typing_name:
            found[name] = value
    return found


def _besides() -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for name, module in _BESIDES.items():
        found[name] = importlib.import_module(module)
    tf1 = tf_compat.stack_of_this_python() == "tf1"
    # Of today's adapter for TensorFlow 2 `import tensorflow` has become `tensorflow.compat.v1`:
    # hicann/tensorflow, tf_adapter_2.x/compat_v1/upgrade_tf1_compat_tf2.py, REPLACE_RULES.
    found["tf"] = importlib.import_module("tensorflow" if tf1 else "tensorflow.compat.v1")
    found["RewriterConfig"] = found["rewriter_config_pb2"].RewriterConfig
    found["npu_unary_ops"] = importlib.import_module(f"{_OURS}.operators").npu_unary_ops
    if tf1:  # TensorFlow 2's Keras has no sessions
        found["backend"] = found["tf"].keras.backend
    return found


def _take_every_session() -> None:
    """Have sessions that say nothing of the chip be the chip's, as today's adapter does."""
    from tensorflow.python.client import session  # noqa: PLC0415 - when a script asks for it

    takeover = getattr(session.BaseSession, "_lenet_exp_takeover", None)
    if takeover is not None:
        takeover.every_session = True


def install() -> None:
    """Have this process find the vendor's modules here, `npu_bridge` itself being one."""
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    sys.modules.pop("npu_bridge", None)
    importlib.import_module("npu_bridge")
