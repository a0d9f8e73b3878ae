"""A session on the chip, in processes that find its double."""

from __future__ import annotations

import pytest

from tests.hardware import double

pytestmark = double.ONLY_TF1


def test_a_loop_that_the_device_would_not_find_is_refused():
    """Its name must be IterationOp exactly, and a second one gets another."""
    script = """
import json
from lenet_exp import tf_compat
from lenet_exp.errors import HardwareError
from lenet_exp.hardware import ascend910
ascend910.adapter()
tf = tf_compat.load()
with tf.Graph().as_default() as graph:
    step = tf.no_op()
    sent = {"use_off_line": True, "iterations_per_loop": 5}
    with ascend910.open_session(graph, sent, 1) as session:
        assert ascend910.loop(session, step, 1) is step
        assert ascend910.loop(session, step, 5).name == "IterationOp"
        try:
            ascend910.loop(session, step, 5)
        except HardwareError as error:
            print(json.dumps(str(error)))
"""
    assert "its loop is called IterationOp_1" in double.run(script)


def test_one_process_keeps_one_precision():
    """The device would go on with the first one without a word."""
    script = """
import json
from lenet_exp import tf_compat
from lenet_exp.errors import HardwareError
from lenet_exp.hardware import ascend910
ascend910.adapter()
sent = {"use_off_line": True, "precision_mode": "force_fp16"}
graph = tf_compat.load().Graph()
ascend910.open_session(graph, sent, 1).close()
ascend910.open_session(graph, sent, 1).close()
try:
    ascend910.open_session(graph, {**sent, "precision_mode": "allow_mix_precision"}, 1)
except HardwareError as error:
    print(json.dumps(str(error)))
"""
    assert "another value of precision_mode" in double.run(script)


@pytest.mark.parametrize(
    ("generation", "name", "sent", "warnings"),
    [
        (
            "2021",
            "of February 2021",
            None,
            ["jit_compile (since 2022-06)", "new_key", "soc_config"],
        ),
        ("2022", "of 2022-10 or later", True, ["new_key"]),
        ("today", "of 2024-01 or later", "true", ["new_key"]),
    ],
)
def test_an_adapter_is_sent_the_fields_it_reads_and_the_rest_is_told(
    generation, name, sent, warnings
):
    script = """
import json
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.hardware import ascend910, chip_config
adapter = ascend910.adapter()
words = ["hardware.jit_compile=true", "hardware.extra={new_key:1,soc_config:Ascend910A}"]
settings = settings_to_explain(["hardware=ascend910", *words])
sent, warnings = chip_config.fitted(chip_config.parameters(settings, 0), adapter)
sent.pop("new_key")
config = chip_config.session_config(sent, 1)
from npu_bridge.double import rules
(entry,) = config.graph_options.rewrite_options.custom_optimizers
read = rules.read(entry.parameter_map).get("jit_compile")
print(json.dumps([adapter.name, read.decode() if isinstance(read, bytes) else read, warnings]))
"""
    found = double.run(script, generation=generation)
    assert found[0] == f"this npu_bridge ({name})"
    assert found[1] == sent
    assert len(found[2]) == len(warnings)
    for warning, told in zip(found[2], warnings):
        assert warning.startswith(f"this npu_bridge ({name})")
        assert told in warning


def test_auto_is_no_jit_compile_of_an_adapter_that_takes_a_bool():
    script = """
import json
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.errors import ConfigError
from lenet_exp.hardware import ascend910, chip_config
settings = settings_to_explain(["hardware=ascend910", "hardware.jit_compile=auto"])
try:
    chip_config.fitted(chip_config.parameters(settings, 0), ascend910.adapter())
except ConfigError as error:
    print(json.dumps(str(error)))
"""
    told = double.run(script, generation="2022")
    assert "hardware.jit_compile=auto is not possible" in told
    assert "true | false: this npu_bridge (of 2022-10 or later)" in told
