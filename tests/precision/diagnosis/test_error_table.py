"""What diagnose writes is JSON for every reader, and is read back as it was meant."""

from __future__ import annotations

import json
import math

import pytest

from lenet_exp.precision.diagnosis.error_file import read_errors
from lenet_exp.precision.diagnosis.error_table import csv_of, json_of
from lenet_exp.precision.diagnosis.errors import Diagnosis, OperatorError
from lenet_exp.precision.diagnosis.measures import Error
from tests.precision.small import FORCE, floats, plan_of

RIGHT, RUINED = Error(1.0, 0.0, 0.0, 8, 0, 2, 1.0), Error(0.0, math.inf, math.inf, 8, 8, 0, 1.0)


def diagnosis(own, inherited):
    """Return a Diagnosis in which one operator has this error."""
    plan = plan_of(lambda tf: tf.exp(floats(tf, "x"), name="y"), FORCE)
    row = plan.operators[0]
    return row.name, Diagnosis(plan, (OperatorError(row, "forward", own, own, inherited),), (),
                               RIGHT, ())  # fmt: skip


@pytest.mark.parametrize("write", [csv_of, json_of])
@pytest.mark.parametrize(
    ("own", "inherited", "damage"),
    [(RIGHT, 0.0, 0.0), (RUINED, 0.0, math.inf), (RUINED, 1.0, 0.0), (RUINED, math.inf, 0.0)],
)
def test_what_is_infinite_is_read_back(tmp_path, write, own, inherited, damage):
    name, found = diagnosis(own, inherited)
    (tmp_path / "errors").write_text(write(found))
    read = read_errors(tmp_path / "errors").operators[name]
    assert (read.damage, read.lost, read.overflows) == (damage, own.flushed / 8, own.overflows)


def test_json_has_no_infinity_and_no_nan():
    def refuse(constant):
        raise AssertionError(constant)

    _, found = diagnosis(RUINED, 1.0)
    read = json.loads(json_of(found), parse_constant=refuse)
    assert read["operators"][0]["total_distance"] is None
