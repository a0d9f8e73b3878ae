"""Every way to get an option of the chip wrong, typed from the contract, sections 3 and 8.

A row: name, what a person types, words of our error, what the adapter would be sent, and what it
would do then in 2021 and today: ABORT, EXC, IGN (without a word), or "-" where no check is known.
"""

from __future__ import annotations

MIX = "precision=allow_mix_precision"
FORCE = "precision=force_fp16"
DUMP = ("hardware.enable_dump=true", "hardware.dump_path={made}")
DEBUG = ("hardware.enable_dump_debug=true", "hardware.dump_path={made}")
_DUMP = {"enable_dump": ("b", True), "dump_path": ("s", "{made}")}
_DEBUG = {"enable_dump_debug": ("b", True), "dump_path": ("s", "{made}")}


def _one(name, key, typed, told, sent, older, today, beside=(), more=None):  # noqa: PLR0917
    words = (*beside, f"hardware.{key}={typed}")
    return name, words, (f"hardware.{key}", told), {**(more or {}), key: sent}, older, today


_ONE_OF_DUMP = [
    ("0|", "at the end", "ABORT"),
    ("|0", "at the start", "ABORT"),
    ("5-3", "backwards", "ABORT"),
    ("5-5", "of one", "ABORT"),
    ("0 | 5", "with blanks", "ABORT"),
    ("", "empty", "ABORT"),
    ("a", "no number", "ABORT"),
    ("1-", "open", "ABORT"),
    ("-1", "negative", "ABORT"),
    ("|".join(str(number) for number in range(101)), "101 items", "ABORT"),
]
STEPS = [
    _one(
        f"dump_step {name}", "dump_step", f'"{text}"', "at most 100 items",
        ("s", text), older, "EXC", DUMP, _DUMP,
    )
    for text, name, older in _ONE_OF_DUMP
]  # fmt: skip

TYPES = [
    _one("a number as bool", "mix_compile_mode", "1", "true | false", ("i", 1), "IGN", "IGN"),
    _one("text as bool", "enable_dump", '"true"', "true | false", ("s", "true"), "IGN", "IGN"),
    _one("bool as number", "enable_small_channel", "true", "0 | 1", ("b", True), "IGN", "IGN"),
    _one("text as number", "op_wait_timeout", "a", "whole number", ("s", "a"), "IGN", "IGN"),
    _one("bool as text", "op_select_implmode", "true", "high_", ("b", True), "ABORT", "ABORT"),
    _one("float as number", "op_wait_timeout", "1.5", "whole number", None, "-", "-"),
    _one("text as loop", "iterations_per_loop", "a", "whole number", ("s", "a"), "ABORT", "ABORT"),
    _one("jit_compile as bool", "extra", "{jit_compile:true}", "its own key", None, "-", "-"),
]
VALUES = [
    _one("v2 bfloat16", "precision_mode_v2", "mixed_bfloat16", "no bfloat16",
         ("s", "mixed_bfloat16"), "IGN", "EXC", (MIX,)),
    _one("v2 of no 910", "precision_mode_v2", "mixed_hif8", "fp16 | origin",
         None, "-", "-"),
    _one("implmode", "op_select_implmode", "fast", "high_precision", ("s", "fast"),
         "ABORT", "ABORT"),
    _one("buffer", "buffer_optimize", "l1", "l2_optimize", ("s", "l1"), "ABORT", "ABORT"),
    _one("jit", "jit_compile", "yes", "true | false | auto", ("s", "yes"), "IGN", "EXC"),
    _one("placement", "variable_placement", "host", "Device | Host", ("s", "host"), "IGN", "ABORT"),
    _one("cache mode", "op_compiler_cache_mode", "on", "enable | force", ("s", "on"), "-", "-"),
    _one("dump mode", "dump_mode", "both", "input | output", ("s", "both"), "ABORT", "ABORT",
         DUMP, _DUMP),
    _one("dump debug mode", "dump_debug_mode", "x", "aicore_overflow", ("s", "x"),
         "ABORT", "ABORT", DEBUG, _DEBUG),
    _one("dump data", "dump_data", "histogram", "tensor | stats", ("s", "histogram"),
         "IGN", "EXC", DUMP, _DUMP),
    _one("aoe mode", "aoe_mode", "3", "1 | 2 | 4", ("s", "3"), "IGN", "EXC"),
    _one("tune mode", "auto_tune_mode", "SA", "RL", ("s", "SA"), "-", "-"),
]  # fmt: skip
RANGES = [
    _one("no loop", "iterations_per_loop", "0", "1 or more", ("i", 0), "ABORT", "ABORT"),
    _one("negative loop", "iterations_per_loop", "-1", "1 or more", ("i", -1), "ABORT", "ABORT"),
    _one("small channel 2", "enable_small_channel", "2", "0 | 1", ("i", 2), "-", "-"),
    _one("compile stat 3", "export_compile_stat", "3", "0 | 1 | 2", ("i", 3), "IGN", "EXC"),
    _one("exception dump 3", "enable_exception_dump", "3", "0 | 1 | 2", ("i", 3), "-", "EXC"),
    _one("debug level 5", "op_debug_level", "5", "0 | 1 | 2 | 3 | 4", ("i", 5), "-", "-"),
    _one("clean policy 2", "atomic_clean_policy", "2", "0 | 1", ("i", 2), "IGN", "-"),
    _one("memory policy 1", "static_memory_policy", "1", "0 | 2 | 3 | 4", ("i", 1), "IGN", "-"),
    _one("fusion size", "input_fusion_size", "33554433", "to 33554432", ("i", 33554433),
         "IGN", "-"),
    _one("wait 0", "op_wait_timeout", "0", "1 or more", ("i", 0), "IGN", "-"),
    _one("sync -2", "stream_sync_timeout", "-2", "-1 or more", ("i", -2), "IGN", "-"),
    _one("memory size", "graph_memory_max_size", "16G", "bytes", ("s", "16G"), "-", "-"),
    ("device -1", ("hardware.device=-1",), ("hardware.device=-1", "auto"),
     {"session_device_id": ("i", -1)}, "ABORT", "ABORT"),
    ("device x", ("hardware.device=x",), ("hardware.device=x", "auto"), {}, "-", "-"),
    ("devices twice", ("hardware.devices=[1,1]",), ("each once",), {}, "-", "-"),
    ("no devices", ("hardware.devices=[]",), ("hardware.devices",), {}, "-", "-"),
    ("devices of text", ("hardware.devices=[a]",), ("hardware.devices",), {}, "-", "-"),
]  # fmt: skip
PAIRS = [
    ("both dumps", (*DUMP, "hardware.enable_dump_debug=true"), ("enable_dump", "not with"),
     {**_DUMP, **_DEBUG}, "EXC", "EXC"),
    ("dump without path", ("hardware.enable_dump=true",), ("enable_dump", "dump_path=DIR"),
     {"enable_dump": ("b", True)}, "ABORT", "EXC"),
    ("overflow detection without path", ("hardware.enable_dump_debug=true",), ("dump_path",),
     {"enable_dump_debug": ("b", True)}, "ABORT", "EXC"),
    ("path without dump", ("hardware.dump_path={made}",), ("only with",), {}, "-", "-"),
    ("steps without dump", ("hardware.dump_step=5",),
     ("only with hardware.enable_dump", "hardware.dump_step=5 hardware.enable_dump=true"), {},
     "-", "-"),
    ("mode without dump", ("hardware.dump_mode=all",), ("only with",), {}, "-", "-"),
    ("mode without detection", (*DUMP, "hardware.dump_debug_mode=all"), ("enable_dump_debug",), {},
     "-", "-"),
    ("dump switched off", ("hardware.enable_dump=false", "hardware.dump_mode=all"),
     ("only with",), {}, "-", "-"),
    ("v2 of another mode", (FORCE, "hardware.precision_mode_v2=origin"),
     ("precision_mode_v2", "must_keep_origin_dtype"),
     {"precision_mode": ("s", "force_fp16"), "precision_mode_v2": ("s", "origin")}, "IGN", "EXC"),
    ("mixlist without a mixed mode", (FORCE, "hardware.modify_mixlist={json}"),
     ("modify_mixlist", "allow_mix_precision"),
     {"precision_mode": ("s", "force_fp16"), "modify_mixlist": ("s", "{json}")}, "IGN", "EXC"),
    ("types without implmode", ("hardware.optypelist_for_implmode=Pooling",),
     ("op_select_implmode",), {"optypelist_for_implmode": ("s", "Pooling")}, "ABORT", "ABORT"),
    ("Host alone", ("hardware.variable_placement=Host",), ("mix_compile_mode",),
     {"variable_placement": ("s", "Host")}, "IGN", "ABORT"),
    ("loop and mixed compiling", ("hardware.mix_compile_mode=true",
     "hardware.iterations_per_loop=10"), ("iterations_per_loop=1",),
     {"mix_compile_mode": ("b", True), "iterations_per_loop": ("i", 10)}, "ABORT", "ABORT"),
    ("profiling without options", ("hardware.profiling_mode=true",), ("profiling_options",),
     {"profiling_mode": ("b", True)}, "ABORT", "-"),
    ("options without profiling", ("hardware.profiling_options={output:{made}}",),
     ("profiling_mode",), {}, "-", "-"),
    ("work_path without tuning", ("hardware.work_path={made}",), ("aoe_mode",), {}, "-", "-"),
    ("steps no multiple", ("hardware.iterations_per_loop=7",), ("steps_per_epoch=1000",), {},
     "-", "-"),
    ("checkpoints no multiple", ("hardware.iterations_per_loop=10",
     "schedule.checkpoint_every=505"), ("checkpoint_every=505", "iterations_per_loop=5"), {},
     "-", "-"),
]  # fmt: skip
_PROFILE = "hardware.profiling_mode=true", "hardware.profiling_options="
PROFILING = [
    (f"profiling {name}", (_PROFILE[0], _PROFILE[1] + options), ("hardware.profiling_options",),
     {}, "-", "-")
    for name, options in [
        ("to nowhere", '{task_trace:"on"}'),
        ("of an unknown kind", '{output:{made},l3:"on"}'),
        ("neither on nor off", '{output:{made},task_trace:"yes"}'),
        ("as true", "{output:{made},task_trace:true}"),
        ("without points", '{output:{made},training_trace:"on",fp_point:""}'),
        ("into a file", "{output:{json}}"),
        ("as a list", "[1]"),
    ]
]  # fmt: skip
FILES = [
    ("dump into a file", ("hardware.enable_dump=true", "hardware.dump_path={json}"),
     ("dump_path", "no directory"),
     {"enable_dump": ("b", True), "dump_path": ("s", "{json}")}, "ABORT", "EXC"),
    ("dump below a file", ("hardware.enable_dump=true", "hardware.dump_path={json}/x"),
     ("dump_path", "can't be made"),
     {"enable_dump": ("b", True), "dump_path": ("s", "{json}/x")}, "ABORT", "EXC"),
    ("dump where none can be made", ("hardware.enable_dump=true", "hardware.dump_path=/proc/x"),
     ("hardware.dump_path", "can't be made in /proc"),
     {"enable_dump": ("b", True), "dump_path": ("s", "/proc/x")}, "ABORT", "EXC"),
    ("dump where none can be written", ("hardware.enable_dump=true", "hardware.dump_path=/proc"),
     ("hardware.dump_path", "may not be read and written"), {}, "-", "-"),
    ("profile where none can be made", ("hardware.profiling_mode=true",
     "hardware.profiling_options={output:/proc/x}"),
     ("hardware.profiling_options", "can't be made in /proc"), {}, "-", "-"),
    ("dump to nobody's home", ("hardware.enable_dump=true", 'hardware.dump_path="~no-such-user/x"'),
     ("hardware.dump_path", "home directory"), {}, "-", "-"),
    ("debug file no text", ("hardware.op_debug_config={bytes}",), ("can't decode",), {}, "-", "-"),
    ("no graph cache", ("hardware.graph_compiler_cache_dir={missing}",),
     ("graph_compiler_cache_dir", "does not exist"),
     {"graph_compiler_cache_dir": ("s", "{missing}")}, "IGN", "EXC"),
    ("no work path", ("hardware.aoe_mode=2", "hardware.work_path={missing}"),
     ("work_path", "does not exist"),
     {"aoe_mode": ("s", "2"), "work_path": ("s", "{missing}")}, "IGN", "ABORT"),
    ("operator cache in a file", ("hardware.op_compiler_cache_dir={json}",), ("no directory",), {},
     "-", "-"),
    ("debug files in a file", ("hardware.debug_dir={json}",), ("no directory",), {}, "-", "-"),
    ("no mixlist", (MIX, "hardware.modify_mixlist={missing}"), ("no such file",), {}, "-", "-"),
    ("mixlist no JSON", (MIX, "hardware.modify_mixlist={text}"), ("no JSON",), {}, "-", "-"),
    ("mixlist of something", (MIX, "hardware.modify_mixlist={odd}"), ("something else",), {},
     "-", "-"),
    ("no fusion file", ("hardware.fusion_switch_file={missing}",), ("no such file",), {},
     "-", "-"),
    ("fusion file no JSON", ("hardware.fusion_switch_file={text}",), ("no JSON",), {}, "-", "-"),
    ("fusion file of something", ("hardware.fusion_switch_file={odd}",),
     ("something else", 'the key "white-list"'), {}, "-", "-"),
    ("no dtypes", (MIX, "hardware.customize_dtypes={missing}"), ("no such file",), {}, "-", "-"),
    ("no implementations", ("hardware.op_precision_mode={missing}",), ("no such file",), {},
     "-", "-"),
    ("debug file of both", ("hardware.op_debug_config={both}",), ("has both",), {}, "-", "-"),
    ("no aoe file", ("hardware.aoe_mode=2", "hardware.aoe_config_file={missing}"),
     ("no such file",), {}, "-", "-"),
]  # fmt: skip
_SENT = {
    "graph_run_mode:0": ({"graph_run_mode": ("i", 0)}, "0 is inference", "OK", "OK"),
    "graph_run_mode:2": ({"graph_run_mode": ("i", 2)}, "0 is inference", "ABORT", "ABORT"),
    "use_off_line:false": ({"use_off_line": ("b", False)}, "sets it", "OK", "OK"),
    "session_device_id:1": ({}, "hardware.device", "-", "-"),
    "precision_mode:fp16": ({"precision_mode": ("s", "fp16")}, "precision", "-", "EXC"),
    "job:worker": ({"job": ("s", "worker")}, "without a word", "OK", "OK"),
    "task_index:1": ({}, "without a word", "-", "-"),
    "dynamic_input:true": ({}, "dynamic shapes", "-", "-"),
    "dynamic_graph_execute_mode:lazy_recompile": ({}, "LeNet's never change", "-", "-"),
    'dynamic_inputs_shape_range:"getnext:[64,784]"': ({}, "LeNet's never change", "-", "-"),
    "compile_dynamic_mode:true": ({}, "stops the loop", "-", "-"),
    "min_group_size:true": (
        {"min_group_size": ("b", True)}, "no npu_bridge since 2020", "IGN", "IGN",
    ),
    "soc_config:1": ({"soc_config": ("i", 1)}, "text", "IGN", "IGN"),
    "task_index:a": ({"task_index": ("s", "a")}, "without a word", "IGN", "IGN"),
    'input_shape:"a"': ({}, "dynamic shapes", "-", "-"),
    'mstune_mode:"1"': ({"mstune_mode": ("s", "1")}, "ignored on one device", "OK", "IGN"),
    "dump_mode:all": ({}, "its own key", "-", "-"),
    "local_rank_id:8": ({"local_rank_id": ("i", 8)}, "from 0 to 7", "ABORT", "ABORT"),
    "variable_use_1g_huge_page:3": (
        {"variable_use_1g_huge_page": ("i", 3)}, "0 | 1 | 2", "IGN", "EXC",
    ),
    "hccl_timeout:a": ({}, "a whole number", "-", "-"),
    "hcom_parallel:1": ({"hcom_parallel": ("i", 1)}, "true | false", "IGN", "IGN"),
    "hccl_timeout:-99999999999": ({}, "of 32 bits", "-", "-"),
    "anything:99999999999999999999": ({}, "of 64 bits", "-", "-"),
    "anything:-9223372036854775809": ({}, "of 64 bits", "-", "-"),
    'anything:"a\udcff"': ({}, "text in UTF-8", "-", "-"),
    "anything:1.5": ({}, "or text", "-", "-"),
    "anything:[1]": ({}, "or text", "-", "-"),
}  # fmt: skip
EXTRA = [
    (f"extra {text}", (f"hardware.extra={{{text}}}",), ("hardware.extra.", told), sent, old, today)
    for text, (sent, told, old, today) in _SENT.items()
] + [
    ("extra no mapping", ("hardware.extra=1",), ("hardware.extra",), {}, "-", "-"),
    ("extra by dots", ("hardware.extra.x=1",), ("hardware.extra={x:1}",), {}, "-", "-"),
    *(
        (f"no key of its own: {word}", (f"hardware.{word}",), told, {}, "-", "-")
        for word, told in (
            ("hcom_parallel=true", ("of several devices", "'hardware.extra={hcom_parallel:true}'")),
            ("graph_run_mode=1", ("a training", "'hardware.extra={graph_run_mode:1}'")),
            ("some_new_option=1", ("hardware.extra", "'hardware.extra={some_new_option:1}'")),
            ("dynamic_input=true", ("LeNet's never change",)),
            ("min_group_size=1", ("no npu_bridge since 2020",)),
        )
    ),
    ("the program's", ("hardware.use_off_line=false",), ("hardware=ascend910",), {}, "-", "-"),
    ("no such option", ("hardware.dump_steps=1",), ("dump_step",), {}, "-", "-"),
]
SCALES = [
    (f"scale {words[-1]}", words, told, {}, "-", "-")
    for words, told in [
        (("loss_scale=fixed", "loss_scale.value=0.5"), ("loss_scale.value", "from 1")),
        (("loss_scale=fixed", "loss_scale.value=1e39"), ("loss_scale.value",)),
        (("loss_scale=dynamic", "loss_scale.init_loss_scale=0.5"), ("init_loss_scale",)),
        (("loss_scale=dynamic", "loss_scale.incr_every_n_steps=0"), ("incr_every_n_steps",)),
        (("loss_scale=dynamic", "loss_scale.decr_every_n_nan_or_inf=0"), ("decr_every",)),
        (("loss_scale=dynamic", "loss_scale.incr_ratio=1"), ("incr_ratio",)),
        (("loss_scale=dynamic", "loss_scale.decr_ratio=1"), ("decr_ratio",)),
        (("loss_scale=dynamic", "loss_scale.decr_ratio=0"), ("decr_ratio",)),
    ]
]
ROWS = [*TYPES, *VALUES, *RANGES, *PAIRS, *STEPS, *PROFILING, *FILES, *EXTRA, *SCALES]


def placed(text, places):
    for name, path in places.items():
        text = text.replace(f"{{{name}}}", path)
    return text
