"""What an adapter makes of the options of the chip, and a machine that lacks one."""

from __future__ import annotations

import pytest

from lenet_exp.config.chip import machine, options
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.identity import config_hash
from lenet_exp.hardware import chip_config
from tests.config.chip.wrong_options import DEBUG, DUMP, MIX, ROWS, placed
from tests.hardware import double


@double.ONLY_TF1
@pytest.mark.parametrize("generation", ["2021", "today"])
def test_the_adapter_would_have_ignored_refused_or_died_of_it(generation, places):
    asked = [row for row in ROWS if row[3] and None not in row[3].values()]
    maps = [
        {k: (f, placed(v, places) if f == "s" else v) for k, (f, v) in row[3].items()}
        for row in asked
    ]
    found = double.run(double.ROOT / "verdicts.py", given=maps, generation=generation)
    wanted = [row[4 if generation == "2021" else 5] for row in asked]
    shown = [(row[0], "OK" if want == "-" else want) for row, want in zip(asked, wanted)]
    assert [(row[0], verdict) for row, verdict in zip(asked, found)] == shown


GOOD = [
    ("hardware.dump_step=0|5|10-20", *DUMP, "hardware.dump_mode=all", "hardware.dump_data=stats"),
    ("hardware.dump_debug_mode=all", *DEBUG),
    (
        "hardware.profiling_mode=true",
        'hardware.profiling_options={output:{made},training_trace:"on",fp_point:"",bp_point:""}',
    ),
    (MIX, "hardware.modify_mixlist={json}", "hardware.customize_dtypes={json}"),
    (MIX, "hardware.precision_mode_v2=mixed_float16"),
    ("precision=force_fp32", "hardware.precision_mode_v2=cube_fp16in_fp32out"),
    ("hardware.aoe_mode=2", "hardware.work_path={made}", "hardware.aoe_config_file={json}"),
    (
        "hardware.op_select_implmode=high_precision",
        'hardware.optypelist_for_implmode="Pooling,LRN"',
    ),
    ("hardware.mix_compile_mode=true", "hardware.variable_placement=Host"),
    ("hardware.jit_compile=true", "hardware.external_weight=true", "hardware.op_wait_timeout=60"),
    ("hardware.graph_memory_max_size=1024", "hardware.static_memory_policy=4"),
    ("hardware.op_compiler_cache_mode=force", "hardware.op_compiler_cache_dir={made}/new"),
    ("hardware.graph_compiler_cache_dir={made}", "hardware.iterations_per_loop=20"),
    (
        "hardware.extra={hcom_parallel:true,stream_max_parallel_num:x,local_rank_id:0}",
        "hardware.device=3",
    ),
    ("hardware.enable_exception_dump=1", "hardware.buffer_optimize=off_optimize"),
    ("deterministic=true", "hardware.op_debug_level=4", "hardware.debug_dir={made}"),
]


@double.ONLY_TF1
@pytest.mark.parametrize("generation", ["2021", "today"])
def test_a_right_option_reaches_the_adapter_as_it_was_meant(generation, places):
    maps = []
    for words in GOOD:
        placed_words = [placed(word, places) for word in words]
        settings = settings_to_explain(["hardware=ascend910", *placed_words])
        machine.check_files(settings.hardware)
        sent = chip_config.parameters(settings, 0)
        if generation == "2021":
            sent.pop("precision_mode_v2", None)  # it is refused there
        fitted, _ = chip_config.fitted(sent, chip_config.adapter_of(generation))
        maps.append({k: (options.field_for(v), v) for k, v in fitted.items()})
    found = double.run(double.ROOT / "verdicts.py", given=maps, generation=generation)
    assert dict(zip(GOOD, found)) == dict.fromkeys(GOOD, "OK")


@double.ONLY_TF1
def test_auto_on_a_chip_is_another_job_than_auto_on_a_cpu(monkeypatch):
    settings = settings_to_explain([])
    on_cpu = config_hash(settings, "d", "tf1")
    monkeypatch.syspath_prepend(str(double.ROOT))
    assert config_hash(settings, "d", "tf1") != on_cpu
    chosen = settings_to_explain(["hardware=ascend910"])
    moved = settings_to_explain(["hardware=ascend910", "hardware.device=3"])
    assert config_hash(moved, "d", "tf1") == config_hash(chosen, "d", "tf1")


def test_what_a_machine_lacks_is_said(monkeypatch, stack, tmp_path):
    """The words of a run that was told to take the chip."""
    if stack == "tf2":
        wanted = "npu_bridge needs Python 3.7 with TensorFlow 1.15, and this is Python 3."
        assert machine.missing_for_chip().startswith(wanted)
        return
    assert "Python finds no npu_bridge" in machine.missing_for_chip()
    (tmp_path / "npu_bridge.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "Python finds no hccl" in machine.missing_for_chip()
    monkeypatch.syspath_prepend(str(double.ROOT))
    assert machine.missing_for_chip() is None
