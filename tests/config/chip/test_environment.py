"""The environment of a chip's host: what a run, doctor and the ModelZoo's command say of it."""

from __future__ import annotations

import importlib.util
import json

import pytest

from lenet_exp.commands import doctor
from lenet_exp.config.chip import machine
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.errors import ConfigError
from lenet_exp.modelzoo import __main__ as modelzoo
from tests.hardware import double

TABLE = {"RANK_TABLE_FILE": "{folder}/one.json"}
RANK = {"RANK_ID": "0"}


def _table(count, status="completed"):
    devices = [{"device_id": str(n), "device_ip": "", "rank_id": str(n)} for n in range(count)]
    servers = [{"server_id": "10.0.0.1", "device": devices}]
    return json.dumps({"version": "1.0", "status": status, "server_list": servers})


FILES = {
    "one.json": _table(1),
    "one.txt": _table(1),
    "eight.json": _table(8),
    "starting.json": _table(1, "initializing"),
    "empty.json": "{}",
    "broken.json": "{",
}
# Variables; the one that is refused, None where none is; what the adapter of 2021 and today's do:
# ABORT, EXC, ERROR (of Python), WAIT (for others), OK.
ROWS = [
    ({}, None, "OK", "OK"),
    ({"RANK_SIZE": "1", "RANK_ID": "0", "JOB_ID": "10087"}, None, "OK", "OK"),
    ({"RANK_SIZE": "8"}, "RANK_SIZE", "ERROR", "ERROR"),
    ({"RANK_SIZE": "8", "JOB_ID": "1"}, "RANK_SIZE", "WAIT", "WAIT"),
    ({"RANK_SIZE": ""}, "RANK_SIZE", "ERROR", "ERROR"),
    ({"CM_WORKER_SIZE": "1"}, None, "OK", "OK"),
    ({"CM_WORKER_SIZE": "8"}, "CM_WORKER_SIZE", "OK", "ERROR"),
    ({"CM_WORKER_SIZE": "8", "JOB_ID": "1"}, "CM_WORKER_SIZE", "OK", "WAIT"),
    ({"CM_WORKER_SIZE": ""}, "CM_WORKER_SIZE", "OK", "ERROR"),
    ({"CM_WORKER_SIZE": "1", "RANK_SIZE": "1"}, "CM_WORKER_SIZE", "OK", "ERROR"),
    ({**TABLE, "RANK_ID": "0"}, None, "OK", "OK"),
    ({**TABLE, "POD_NAME": "worker-0"}, None, "OK", "OK"),
    (TABLE, "RANK_TABLE_FILE", "ABORT", "OK"),
    ({"RANK_TABLE_FILE": ""}, "RANK_TABLE_FILE", "ABORT", "OK"),
    ({"RANK_TABLE_FILE": "no.json", "RANK_ID": "0"}, "RANK_TABLE_FILE", "ABORT", "ABORT"),
    ({**TABLE, "RANK_ID": "0", "CM_WORKER_SIZE": "1"}, "RANK_TABLE_FILE", "OK", "OK"),
    ({**TABLE, "RANK_ID": "0", "CM_CHIEF_IP": "10.0.0.1"}, "RANK_TABLE_FILE", "OK", "OK"),
    *(
        ({"RANK_TABLE_FILE": f"{{folder}}/{name}", **RANK, **more}, "RANK_TABLE_FILE", does, does)
        for name, does, more in (
            ("eight.json", "WAIT", {}),
            ("eight.json", "WAIT", {"RANK_SIZE": "1"}),
            ("starting.json", "WAIT", {}),
            ("one.txt", "ABORT", {}),
            ("empty.json", "ABORT", {}),
            ("broken.json", "ABORT", {}),
        )
    ),
    ({"TF_CONFIG": '{{"task": {{"type": "ps", "index": 0}}}}'}, "TF_CONFIG", "EXC", "EXC"),
    ({"TF_CONFIG": '{{"task": ["ps", 0]}}'}, "TF_CONFIG", "ABORT", "ABORT"),
    ({"TF_CONFIG": '{{"task": {{"type": "worker", "index": 0}}}}'}, None, "OK", "OK"),
    ({"TF_CONFIG": '{{"cluster": {{}}}}'}, None, "OK", "OK"),
    ({"TF_CONFIG": "no JSON"}, None, "OK", "OK"),
    ({"ASCEND_DEVICE_ID": "7", "DEVICE_ID": "npu0"}, None, "OK", "OK"),
    ({"ASCEND_DEVICE_ID": "", "DEVICE_ID": "2"}, None, "OK", "OK"),
    ({"ASCEND_DEVICE_ID": "-1"}, "ASCEND_DEVICE_ID", "ABORT", "ABORT"),
    ({"ASCEND_DEVICE_ID": "npu0"}, "ASCEND_DEVICE_ID", "ABORT", "ABORT"),
    ({"DEVICE_ID": "npu0"}, "DEVICE_ID", "ABORT", "ABORT"),
    ({"AOE_MODE": "2"}, None, "OK", "OK"),
    ({"AOE_MODE": "3"}, "AOE_MODE", "OK", "EXC"),
]
READ = {name for environ, *_ in ROWS for name in environ} | {"PROFILING_MODE", "NPU_COLLECT_PATH"}


def placed(environ, folder):
    """Return the variables with the rank tables where they are."""
    for name, content in FILES.items():
        (folder / name).write_text(content)
    return {key: value.format(folder=folder) for key, value in environ.items()}


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A function that gives this process the variables of a host that has a chip."""
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    monkeypatch.setattr(doctor.presence, "found", lambda: tmp_path)

    def set_to(environ):
        for known in READ:
            monkeypatch.delenv(known, raising=False)
        for known, value in placed(environ, tmp_path).items():
            monkeypatch.setenv(known, value)

    return set_to


@pytest.mark.stackless
@pytest.mark.parametrize(("environ", "name"), [row[:2] for row in ROWS])
def test_run_and_doctor_refuse_what_would_hang_or_kill_a_run(environ, name, host):
    host(environ)
    found = [(each.what, each.remedy) for each in doctor._environment() if each.level != "note"]
    assert found == ([(name, f"unset {name}")] if name else [])
    for hardware in ("ascend910", "auto"):
        words = [f"hardware={hardware}"]
        if name is None:
            check_command_line(words)
            continue
        with pytest.raises(ConfigError, match=f"(?s)^{name}=.*unset {name}"):
            check_command_line(words)


@pytest.mark.stackless
def test_the_modelzoo_s_command_refuses_it_too(host, monkeypatch, capsys):
    real = importlib.util.find_spec
    here = {"npu_bridge": real("json")}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: here.get(name) or real(name))
    host({"CM_WORKER_SIZE": "8"})
    assert modelzoo.main(["case=performance", "--data_path=."]) == 2
    assert "CM_WORKER_SIZE=8 is not possible" in capsys.readouterr().err


@double.ONLY_TF1
@pytest.mark.parametrize("generation", ["2021", "today"])
def test_the_adapter_would_have_died_of_it_or_waited(generation, tmp_path, monkeypatch):
    for name in READ:
        monkeypatch.delenv(name, raising=False)
    given = [placed(row[0], tmp_path) for row in ROWS]
    found = double.run(double.ROOT / "environments.py", given=given, generation=generation)
    wanted = [row[2 if generation == "2021" else 3] for row in ROWS]
    assert list(zip(given, found)) == list(zip(given, wanted))


@pytest.mark.stackless
@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("AOE_MODE", "2", "aoe_mode"),
        ("PROFILING_MODE", "true", "profiling_mode"),
        ("NPU_COLLECT_PATH", "/tmp/collected", "enable_exception_dump"),
    ],
)
def test_what_a_variable_turns_on_is_told_unless_an_option_decides(name, value, option, host):
    host({})
    assert list(machine.environment_notices()) == []
    host({name: value})
    (notice,) = machine.environment_notices()
    assert notice.startswith(f"{name}={value} in the environment")
    assert notice.endswith(f"unset {name}")
    assert list(machine.environment_notices({option})) == []
    assert list(machine.environment_notices(known={"deterministic"})) == []
    assert [each.detail for each in doctor._environment()] == [notice]
