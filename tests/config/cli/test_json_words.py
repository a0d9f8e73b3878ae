"""JSON of npu_bridge as a shell hands it over."""

from __future__ import annotations

import json
import shlex

import pytest

from lenet_exp import explain
from lenet_exp.config.chip import machine
from lenet_exp.config.cli.command_line import check_command_line, settings_to_explain
from lenet_exp.config.cli.json_words import as_hydra_reads
from lenet_exp.errors import ConfigError

PROFILE = {"output": "/tmp/a b,c", "task_trace": "on", "fp_point": "", "bp_point": "x/y:0"}
# As people quote it in a shell, and what the adapter is to be sent.
LINES = [
    (f"hardware.profiling_options='{json.dumps(PROFILE)}'", PROFILE),
    (f"'hardware.profiling_options={json.dumps(PROFILE, indent=1)}'", PROFILE),
    ('"hardware.profiling_options={\\"output\\":\\"/tmp/p\\"}"', {"output": "/tmp/p"}),
    ("'hardware.profiling_options={output:/tmp/p,l2:\"on\"}'", {"output": "/tmp/p", "l2": "on"}),
    (
        """hardware.profiling_options='{"output":"/tmp/p","task_time":"l0","dvpp_freq":50}'""",
        {"output": "/tmp/p", "task_time": "l0", "dvpp_freq": 50},
    ),
]


@pytest.mark.parametrize(("line", "sent"), LINES)
def test_a_profile_is_taken_by_explain_runs_and_sweeps(line, sent, monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    words = ["hardware=ascend910", "hardware.profiling_mode=true", *shlex.split(line)]
    assert json.loads(settings_to_explain(words).hardware.profiling_options) == sent
    check_command_line(words)
    jobs = check_command_line(["-m", "seed=1,2", *words])
    assert len(jobs) == 2
    for job in jobs.values():
        assert dict(job.hardware.profiling_options) == sent


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ('hardware.extra={"hcom_parallel":true,"x":1}', "hardware.extra={hcom_parallel:true,x:1}"),
        ('a={"b":["c",{"d":null}]}', 'a={b:["c",{d:null}]}'),
        ('a={"b":"\\\\"}', 'a={b:"\\\\"}'),  # one backslash
        ('a={"b":"\\\\\\""}', 'a={b:"\\\\\\""}'),  # and one before a quote
        ('a={"b":1', 'a={"b":1'),
        ('a={"b c":1}', 'a={"b c":1}'),
        ("a={b:1}", "a={b:1}"),
        ("a=b", "a=b"),
        ("-m", "-m"),
    ],
)
def test_only_an_object_of_json_is_changed(word, read):
    assert as_hydra_reads([word]) == [read]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auto_tune_mode", "RL,GA"),
        ("optypelist_for_implmode", "Pooling,LRN"),
        ("enable_scope_fusion_passes", "A,B"),
    ],
)
def test_a_value_with_commas_is_refused_with_the_quotes_that_work(key, value, monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    beside = ["hardware=ascend910", "hardware.op_select_implmode=high_precision"]
    for read in (settings_to_explain, check_command_line):
        with pytest.raises(ConfigError) as caught:
            read([*beside, f"hardware.{key}={value}"])
        quoted = shlex.split(caught.value.args[3])[-1]
        read([*beside, quoted])
    assert getattr(settings_to_explain([*beside, quoted]).hardware, key) == value
    (job,) = check_command_line(["-m", *beside, quoted]).values()
    assert job.hardware[key] == value


def test_explain_shows_the_session_of_a_quoted_value(capsys):
    words = [
        "hardware=ascend910",
        'hardware.auto_tune_mode="RL,GA"',
        "hardware.profiling_mode=true",
    ]
    profile = 'hardware.profiling_options={"output":"/tmp/p"}'
    assert explain.main(["session=true", *words, profile]) == 0
    printed = capsys.readouterr().out
    assert 's: "RL,GA"' in printed
    assert '\\"output\\": \\"/tmp/p\\"' in printed
