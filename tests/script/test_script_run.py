"""Whole scripts in processes of their own: what a person types, and what comes out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"


def run(*words, cwd, script=None, **environment):
    """Return the finished process of `python -m lenet_exp.script`."""
    first = [f"path={SCRIPTS / script}"] if script else []
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "lenet_exp.script", *first, *words],
        cwd=str(cwd),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_a_script_s_session_computes_under_the_mode(tmp_path):
    made = run("precision=force_fp16", "--", "7", script="plain.py", cwd=tmp_path)
    assert made.returncode == 7, made.stderr
    lines = made.stdout.splitlines()
    assert lines[0] == f"['{SCRIPTS / 'plain.py'}', '7'] {tmp_path}"
    assert lines[-1] == "float16: True"
