"""Slurm's programs, where no Slurm is."""

from __future__ import annotations

import json
import os
import sys

import pytest


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Stand-ins of Slurm's programs that tell how they were called, and end as they are told."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in ("srun", "sbatch", "squeue", "scancel"):
        script = path / name
        script.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            f"kept = {{'argv': sys.argv[1:], 'environment': dict(os.environ)}}\n"
            f"kept['input'] = sys.stdin.readline() if '{name}' == 'srun' else ''\n"
            f"json.dump(kept, open(os.path.join({str(tmp_path)!r}, '{name}.json'), 'w'))\n"
            f"told = os.environ.get('TOLD_{name}', '')\n"
            "print(told)\n"
            f"sys.exit(int(os.environ.get('CODE_{name}', '0')))\n"
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")
    return lambda name: json.loads((tmp_path / f"{name}.json").read_text())
