"""A file of errors that was damaged is refused in words."""

from __future__ import annotations

import json
import math

import pytest

from lenet_exp.errors import DataError
from lenet_exp.precision.diagnosis.error_file import read_errors

pytestmark = pytest.mark.stackless
ROW = {
    "name": "a", "damage": 0.5, "total_values": 4, "total_overflows": 1, "total_flushed": 2,
}  # fmt: skip


def written(folder, **changed):
    path = folder / "errors.json"
    whole = {"mode": "force_fp16", "operators": [{**ROW, **changed}]}
    path.write_text(json.dumps(whole).replace('"1e999"', "1e999"))
    return path


@pytest.mark.parametrize(("damage", "read"), [(0.5, 0.5), (math.nan, 0.0), (math.inf, math.inf)])
def test_what_diagnose_wrote_is_read(tmp_path, damage, read):
    found = read_errors(written(tmp_path, damage=damage))
    assert found.mode == "force_fp16"
    assert found.operators["a"] == (read, 0.5, 1)


@pytest.mark.parametrize("key", ["total_values", "total_overflows", "total_flushed"])
@pytest.mark.parametrize("value", ["1e999", -1, "x", None, []])
def test_a_number_that_can_not_be_is_refused(tmp_path, key, value):
    with pytest.raises(DataError, match="no CSV or JSON of diagnose"):
        read_errors(written(tmp_path, **{key: value}))
