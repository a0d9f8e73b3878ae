"""Words as a shell hands them over: JSON of npu_bridge, and names that look like numbers."""

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


NAMES = [
    ("sweep=1.10", 'sweep="1.10"'),
    ("sweep=2026_11_28", 'sweep="2026_11_28"'),
    ("tracking.experiment=2026", "tracking.experiment=2026"),
    ("++tracking.experiment=+7", '++tracking.experiment="+7"'),
    ("data.path=2024.10,2024.11", 'data.path="2024.10",2024.11'),
    ("data.path=choice(1.10, b)", 'data.path=choice("1.10", b)'),
    ('init_from="1.10"', 'init_from="1.10"'),
    ("init_from=1e5", 'init_from="1e5"'),
    ("zip(data.path=1.10,b seed=1,2)", 'zip(data.path="1.10",b seed=1,2)'),
    ("jobs={data.path:1.10,seed:1},{seed:2}", 'jobs={data.path:"1.10",seed:1},{seed:2}'),
    ("hydra.run.dir=1.10", 'hydra.run.dir="1.10"'),
    ("hydra.launcher.partition=1.10", 'hydra.launcher.partition="1.10"'),
    *((word, word) for word in (
        "data.path=null", "data.path=${x}1.10", "optimizer.epsilon=1.0e-4", "seed=range(0,3)",
        "hydra.launcher.n_jobs=10", "resume=12e45678", "--config-dir=1.10",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("word", "read"), NAMES)
def test_a_name_that_looks_like_a_number_stays_as_it_was_typed(word, read):
    assert as_hydra_reads([word]) == [read]
    assert as_hydra_reads([read]) == [read]


def test_a_sweep_and_an_experiment_are_called_as_they_were_typed():
    words = ["sweep=2026_11_28", "tracking.experiment=1e5", "seed=0,1"]
    jobs = check_command_line(["-m", *words])
    assert len(jobs) == 2
    for job in jobs.values():
        assert (job.sweep, job.tracking.experiment) == ("2026_11_28", "1e5")
        assert job.hydra.sweep.dir == "multirun/2026_11_28"
    assert settings_to_explain(["tracking.experiment=1.10"]).tracking.experiment == "1.10"


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
