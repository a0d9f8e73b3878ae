"""What of a run a prediction's session is sent."""

from __future__ import annotations

import pytest

from lenet_exp.commands import predict
from lenet_exp.config.chip import machine
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.hardware import chip_config

pytestmark = pytest.mark.stackless
KEPT = ["precision.keep_dtype=[fc_2]"]


@pytest.fixture
def files(tmp_path):
    named = {key: tmp_path / key for key in ("modify_mixlist", "fusion_switch_file")}
    for path in named.values():
        path.write_text("{}")
    return {key: str(path) for key, path in named.items()}


@pytest.mark.parametrize("hardware", ["auto", "ascend910"])
def test_a_chip_is_sent_what_changed_the_mode_of_the_run(files, hardware, monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    of_chip = [f"hardware.{key}={path}" for key, path in files.items()]
    trained = settings_to_explain(["hardware=ascend910", "hardware.device=5", *of_chip])
    asked = settings_to_explain([f"hardware={hardware}"])
    settings, unsent = predict._of_session(asked, trained)
    sent = chip_config.parameters(settings, 0, trains=False)
    assert {key: sent[key] for key in files} == files
    assert (settings.hardware.name, settings.hardware.device, unsent) == (hardware, "auto", [])


def test_a_chip_is_not_sent_what_only_a_cpu_s_graph_has(files, monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    mixlist = f"precision.modify_mixlist={files['modify_mixlist']}"
    trained = settings_to_explain(["hardware=cpu", mixlist, *KEPT])
    settings, unsent = predict._of_session(settings_to_explain(["hardware=ascend910"]), trained)
    assert settings.precision.modify_mixlist == files["modify_mixlist"]
    assert settings.precision.keep_dtype == ()
    assert unsent == ["the run's keep_dtype does not count on a chip"]


def test_a_cpu_has_all_that_decides_types_in_its_graph():
    trained, asked = settings_to_explain(["hardware=cpu", *KEPT]), settings_to_explain([])
    assert predict._of_session(asked, trained) == (trained_here(asked, trained), [])


def trained_here(asked, trained):
    return asked.__class__(**{**vars(asked), "precision": trained.precision})
