"""A mode that changes nothing prints what TensorFlow alone prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_script_run import SCRIPTS, run

NOTHING = Path(__file__).parent / "nothing"  # an npu_bridge


@pytest.mark.full
@pytest.mark.parametrize("words", [["precision=must_keep_origin_dtype"], ["precision=force_fp16"]])
def test_a_mode_that_changes_nothing_prints_what_tensorflow_prints(words, tmp_path):
    environment = {"PYTHONPATH": str(NOTHING), "TF_CPP_MIN_LOG_LEVEL": "3"}
    plain = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPTS / "plain.py"), "0"],
        cwd=str(tmp_path),
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    made = run(*words, "tracking.uri=none", "--", "0", script="plain.py", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    same = words == ["precision=must_keep_origin_dtype"]
    assert (made.stdout.splitlines()[1:] == plain.splitlines()[1:]) is same
    assert len(plain.splitlines()) == 22
