"""The vendor's Estimator: TensorFlow's own, in sessions of the chip. TensorFlow 2 has none."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict

import tensorflow.compat.v1 as tf

from lenet_exp.script.bridge.entry import npu_config_proto
from lenet_exp.script.bridge.hooks import SetIterationsVarHook
from lenet_exp.script.bridge.refusal import NotOnCpuError

# Of NPURunConfig, what a session's entry has, by the field of its value.
_FIELDS = {"iterations_per_loop": "i", "precision_mode": "s", "precision_mode_v2": "s",
           "modify_mixlist": "s", "customize_dtypes": "s", "fusion_switch_file": "s",
           "graph_run_mode": "i", "op_select_implmode": "s", "enable_data_pre_proc": "b",
           "mix_compile_mode": "b"}  # fmt: skip

_OF_TENSORFLOW = (
    "model_dir", "tf_random_seed", "save_summary_steps", "save_checkpoints_steps",
    "save_checkpoints_secs", "session_config", "keep_checkpoint_max",
    "keep_checkpoint_every_n_hours", "log_step_count_steps",
)  # fmt: skip
_IN_ORDER = ("iterations_per_loop", "profiling_config", *_OF_TENSORFLOW, "distribute",
             "enable_data_pre_proc", "precision_mode")  # fmt: skip
_DEFAULTS: Dict[str, Any] = {
    "iterations_per_loop": 1, "tf_random_seed": None, "save_summary_steps": 0,
    "save_checkpoints_secs": None, "save_checkpoints_steps": None, "session_config": None,
    "enable_data_pre_proc": True,
}  # fmt: skip


class NPURunConfig(tf.estimator.RunConfig):  # type: ignore[misc]
    """A RunConfig whose sessions are the chip's; takes every option of the vendor's."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Initialise; those that may be given without a name come in the order of _IN_ORDER."""
        given = {**_DEFAULTS, **dict(zip(_IN_ORDER, args)), **options}
        if given["save_checkpoints_secs"] is None and given["save_checkpoints_steps"] is None:
            given["save_checkpoints_steps"] = 100
        of_session = _with_options(given["session_config"], given)
        known = {name: given[name] for name in _OF_TENSORFLOW if name in given}
        super().__init__(**{**known, "session_config": of_session})
        self.iterations_per_loop = given["iterations_per_loop"]
        self.options = given


def _with_options(config: Any, options: Dict[str, Any]) -> Any:
    made = tf.ConfigProto()
    if config is not None:
        made.CopyFrom(config)
    npu_config_proto(made)
    for entry in made.graph_options.rewrite_options.custom_optimizers:
        for name, field in _FIELDS.items():
            value = options.get(name)
            if value is not None:
                shown = value.encode() if field == "s" and isinstance(value, str) else value
                setattr(entry.parameter_map[name], field, shown)
    return made


class NPUEstimatorSpec(tf.estimator.EstimatorSpec):  # type: ignore[misc]
    """An EstimatorSpec; `host_call` is a function of tensors that runs on the host."""

    def __new__(cls, mode: Any, *args: Any, host_call: Any = None, **options: Any) -> Any:
        """Return one."""
        if host_call is not None:
            raise NotOnCpuError("host_call= of NPUEstimatorSpec", ["NPUEstimatorSpec without it"])
        return super().__new__(cls, mode, *args, **options)


class NPUEstimator(tf.estimator.Estimator):  # type: ignore[misc]
    """An Estimator that makes `iterations_per_loop` steps a run."""

    def __init__(
        self,
        model_fn: Any = None,
        model_dir: Any = None,
        config: Any = None,
        params: Any = None,
        job_start_file: str = "",
        warm_start_from: Any = None,
    ) -> None:
        if not isinstance(config, NPURunConfig):
            raise ValueError("`config` must be provided with type `NPUConfigs`")
        super().__init__(
            model_fn=_looped(model_fn, config),
            model_dir=model_dir or config.model_dir,
            config=config,
            params=params or {},
            warm_start_from=warm_start_from,
        )


def _looped(model_fn: Callable[..., Any], config: NPURunConfig) -> Callable[..., Any]:
    """Return a model function whose training step is made several times a run."""
    known = inspect.signature(model_fn).parameters

    def wrapped(features: Any, labels: Any, mode: Any, params: Any) -> Any:
        given = {"labels": labels, "mode": mode, "params": params, "config": config}
        taken = {name: value for name, value in given.items() if name in known}
        spec = model_fn(features, **taken)
        if mode != tf.estimator.ModeKeys.TRAIN or config.iterations_per_loop == 1:
            return spec
        step = tf.group(spec.train_op, name="IterationOp")
        more = (SetIterationsVarHook(config.iterations_per_loop), *(spec.training_hooks or ()))
        return spec._replace(train_op=step, training_hooks=more)

    return wrapped


def model_to_npu_estimator(
    keras_model: Any = None,
    keras_model_path: Any = None,
    custom_objects: Any = None,
    model_dir: Any = None,
    checkpoint_format: str = "saver",
    config: Any = None,
    job_start_file: str = "",
) -> Any:
    """Return an NPUEstimator of a Keras model."""
    made = tf.keras.estimator.model_to_estimator(
        keras_model=keras_model,
        keras_model_path=keras_model_path,
        custom_objects=custom_objects,
        model_dir=model_dir,
        config=tf.estimator.RunConfig(model_dir=model_dir),
        checkpoint_format=checkpoint_format,
    )
    warm = made._warm_start_settings  # noqa: SLF001 - no public way
    model_fn = made._model_fn  # noqa: SLF001 - no public way
    return NPUEstimator(model_fn, model_dir, config, warm_start_from=warm)
