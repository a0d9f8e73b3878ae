"""From settings to the ConfigProto of a session on the chip; no chip is needed."""

from __future__ import annotations

import pytest

from lenet_exp import explain
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.schema import modes
from lenet_exp.errors import ConfigError
from lenet_exp.hardware import chip_config

MODES = ["allow_fp32_to_fp16", "force_fp16", "must_keep_origin_dtype", "allow_mix_precision"]
ALWAYS = {
    "use_off_line": ("b", True),
    "session_device_id": ("i", 3),
    "enable_data_pre_proc": ("b", True),
    "op_compiler_cache_mode": ("s", b"enable"),
}


def settings_of(*words):
    return settings_to_explain(["hardware=ascend910", *words])


def config_of(*words, generation="today"):
    """Return the ConfigProto, what it sends as key -> (field, value), and the warnings."""
    asked = chip_config.parameters(settings_of(*words), 3)
    sent, warnings = chip_config.fitted(asked, chip_config.adapter_of(generation))
    config = chip_config.session_config(sent, 0)
    (entry,) = config.graph_options.rewrite_options.custom_optimizers
    assert entry.name == "NpuOptimizer"
    held = {key: value.WhichOneof("value") for key, value in entry.parameter_map.items()}
    return (
        config,
        {k: (field, getattr(entry.parameter_map[k], field)) for k, field in held.items()},
        warnings,
    )


@pytest.mark.parametrize("generation", ["2021", "today"])
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_sends_exactly_what_it_needs(mode, generation):
    config, sent, warnings = config_of(f"precision={mode}", generation=generation)
    mode_and_loop = {"precision_mode": ("s", mode.encode()), "iterations_per_loop": ("i", 10)}
    assert sent == {**ALWAYS, **mode_and_loop}
    assert warnings == []
    rewrite = config.graph_options.rewrite_options
    assert (rewrite.remapping, rewrite.memory_optimization) == (2, 2)
    for left_on in ("constant_folding", "function_optimization", "shape_optimization"):
        assert getattr(rewrite, left_on) == 0
    assert config.allow_soft_placement


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["schedule=full"], 10),
        (["schedule.steps_per_epoch=55"], 5),
        (["schedule.steps_per_epoch=11"], 1),
        (["schedule.checkpoint_every=8"], 8),
        (["hardware.iterations_per_loop=50"], 50),
        (["hardware.iterations_per_loop=1"], 1),
        (["hardware.mix_compile_mode=true"], 1),
    ],
)
def test_a_loop_divides_every_interval(words, steps):
    sent = config_of(*words)[1]
    assert sent.get("iterations_per_loop", ("i", 1)) == ("i", steps)


def test_what_was_set_goes_to_its_own_field():
    sent = config_of(
        "hardware.enable_dump=true", "hardware.dump_path=/tmp", "hardware.dump_step=5",
        "hardware.op_wait_timeout=60", "hardware.jit_compile=true", "deterministic=true",
        "hardware.extra={hcom_parallel:false,new_number:1,new_text:a}",
    )[1]  # fmt: skip
    wanted = {
        "enable_dump": ("b", True), "dump_path": ("s", b"/tmp"), "dump_step": ("s", b"5"),
        "op_wait_timeout": ("i", 60), "jit_compile": ("s", b"true"), "deterministic": ("i", 1),
        "hcom_parallel": ("b", False), "new_number": ("i", 1), "new_text": ("s", b"a"),
    }  # fmt: skip
    assert {key: sent[key] for key in wanted} == wanted


def test_the_older_adapter_is_not_sent_what_it_would_ignore_and_the_person_is_told():
    words = ["hardware.dump_data=stats", "hardware.enable_dump=true", "hardware.dump_path=/tmp"]
    _, sent, warnings = config_of(*words, "deterministic=true", generation="2021")
    assert "enable_dump" in sent
    assert not {"dump_data", "deterministic"} & {*sent}
    assert len(warnings) == 2
    assert "does not know deterministic (since 2023-04)" in warnings[0]
    assert "hardware.dump_data has no effect" in warnings[1]
    assert config_of(*words)[2] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["hardware.precision_mode_v2=fp16", "precision=force_fp16"], "precision=force_fp16"),
        (["precision=force_fp32"], "run hardware=ascend910 precision=allow_fp32_to_fp16"),
        (["precision=cube_fp16in_fp32out"], "precision=force_fp32 is not possible"),
        (["hardware.op_select_implmode=high_precision_for_all"], "high_precision"),
        (["hardware.enable_exception_dump=2"], "0 | 1 with this npu_bridge"),
    ],
)
def test_what_the_older_adapter_can_not_do_is_refused(words, told):
    with pytest.raises(ConfigError) as caught:
        config_of(*words, generation="2021")
    assert told in str(caught.value)
    config_of(*words)


@pytest.mark.parametrize(("second", "mode"), modes.V2_NAMES.items())
def test_the_second_name_of_a_mode_takes_the_place_of_the_first(second, mode):
    sent = config_of(f"hardware.precision_mode_v2={second}", f"precision={mode}")[1]
    assert sent["precision_mode_v2"] == ("s", second.encode())
    assert "precision_mode" not in sent


@pytest.mark.parametrize(("name", "mode"), modes.OTHER_NAMES.items())
def test_the_adapter_is_sent_the_first_name(name, mode):
    assert config_of(f"precision={name}")[1]["precision_mode"] == ("s", mode.encode())


def test_the_fifth_mode_is_sent_to_adapters_that_check_names():
    assert config_of("precision=force_fp32")[1]["precision_mode"] == ("s", b"force_fp32")


def test_explain_prints_the_config_without_a_chip(capsys):
    from google.protobuf import text_format

    from lenet_exp import tf_compat

    words = ["precision=force_fp16", "hardware=ascend910", "hardware.device=3"]
    assert explain.main(["session=true", *words]) == 0
    printed, errors = capsys.readouterr()
    assert text_format.Parse(printed, tf_compat.load().ConfigProto()) == config_of(words[0])[0]
    assert errors == ""


def test_explain_says_that_no_session_has_keep_dtype(capsys):
    assert explain.main(["session=true", "precision.keep_dtype=[fc_3]"]) == 0
    assert "precision.keep_dtype is in no session" in capsys.readouterr().err
