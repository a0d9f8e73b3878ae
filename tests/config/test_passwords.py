"""Passwords are shown and recorded nowhere, and what is none is left as it is."""

from __future__ import annotations

import pytest

from lenet_exp.config.passwords import is_secret, without_password
from lenet_exp.record.run import conditions
from lenet_exp.script.record import shown
from lenet_exp.sweep.launcher import _command

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("http://u:secret@h:5000", "http://u:***@h:5000"),
        ("https://u:se/cr@et@h", "https://u:***@h"),
        ("mysql://u:123/secret@h/db", "mysql://u:***@h/db"),
        ("postgresql+psycopg2://u:5432/x@h/db", "postgresql+psycopg2://u:***@h/db"),
        ("tracking.uri=mysql://u:1/x@h/db", "tracking.uri=mysql://u:***@h/db"),
        ("MYSQL://u:1/x@h", "MYSQL://u:***@h"),
        ("http://h:5000/a@b", "http://h:5000/a@b"),
        ("HTTPS://h:5000/a@b", "HTTPS://h:5000/a@b"),
        ("http://u@h:5000", "http://u@h:5000"),
        ("mysql://u@h:3306/db", "mysql://u@h:3306/db"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("http://h/?token=secret&a=1", "http://h/?token=***&a=1"),
        ("http://h/?my_passphrase=secret", "http://h/?my_passphrase=***"),
        ("export A=http://u:secret@h B=mysql://u:1/s@h", "export A=http://u:***@h"),
    ],
)
def test_of_an_address_the_password_alone_is_hidden(text, seen):
    assert without_password(text).startswith(seen)
    assert "secret" not in without_password(text)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("MLFLOW_TRACKING_PASSWORD", True),
        ("MLFLOW_CRYPTO_KEK_PASSPHRASE", True),
        ("LENET_EXP_KEY", True),
        ("MLFLOW_TRACKING_TOKEN", True),
        ("MLFLOW_TRACKING_URI", False),
        ("TF_XLA_FLAGS", False),
    ],
)
def test_a_variable_of_a_password_is_known_by_its_name(name, secret):
    assert is_secret(name) is secret


WORD = "x=http://u:secret@h"


@pytest.mark.parametrize(
    "kept",
    [
        lambda: _command([WORD], "mine", "lenet-exp"),
        lambda: shown(["--to", WORD]),
        lambda: conditions._command(["job.py", WORD]),
    ],
)
def test_a_command_that_is_recorded_shows_none(kept):
    assert "http://u:***@h" in str(kept())
    assert "secret" not in str(kept())
