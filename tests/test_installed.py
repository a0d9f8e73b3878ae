"""Installed into an empty environment, far from the checkout."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from lenet_exp import __version__
from tests.checkout import copied

pytestmark = pytest.mark.full
PATIENCE = 600  # seconds for what takes a few on an idle machine


def run(*command, cwd, **environment):
    """Run a command that has to succeed; return what it prints."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [*map(str, command)],
        cwd=str(cwd),
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Return lenet-exp of an environment that has our wheel, and this one's other packages."""
    folder = tmp_path_factory.mktemp("installed")
    copy = copied(folder / "checkout")
    run("sh", "scripts/dist.sh", sys.prefix, cwd=copy)
    (wheel,) = (copy / "dist").glob("*.whl")
    run(sys.executable, "-m", "venv", "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, cwd=folder)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    # It adds the folder, but not what the .pth files in there add: no editable install.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    for module in ("lenet_exp", "hydra_plugins.lenet_exp"):
        script = f"import {module} as found; print(found.__file__)"
        assert site in Path(run(python, "-c", script, cwd=folder).strip()).parents
    return python.parent / "lenet-exp"


def test_it_says_its_version(program, tmp_path):
    for words in (["--version"], ["run", "--version"]):
        assert run(program, *words, cwd=tmp_path).startswith(f"lenet-exp {__version__} (TensorF")


def test_it_explains(program, tmp_path):
    said = run(program, "explain", "precision=force_fp16", "format=csv", cwd=tmp_path)
    assert "MatMulV2" in said


def test_it_trains(program, tmp_path, mnist_folder):
    said = run(program, "run", "schedule=smoke", cwd=tmp_path)
    assert "accuracy" in said
    (folder,) = (tmp_path / "outputs").iterdir()
    assert (folder / "precision.csv").exists()


def test_it_sweeps_with_its_own_launcher(program, tmp_path, mnist_folder):
    said = run(program, "run", "-m", "seed=0,1", "dry_run=true", cwd=tmp_path)
    assert "2 jobs (2 to run)" in said


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("lenet-exp expl", "lenet-exp explain"),
        ("lenet-exp run precision=mus", "lenet-exp run precision=must_keep_origin_dtype"),
        ("lenet-exp explain phase=eli", "lenet-exp explain phase=eliminate_casts"),
    ],
)
def test_tab_completes_at_the_prompt_of_bash(program, tmp_path, typed, becomes):
    outer, inner = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "-i"],
        cwd=str(tmp_path),
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "dumb"},
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    try:
        os.write(outer, b'eval "$(lenet-exp -sc install=bash)"; echo is_$((40 + 2))\n')
        read_until(outer, "is_42")
        os.write(outer, f"{typed}\t".encode())
        read_until(outer, becomes)
    finally:
        shell.kill()
        shell.wait()
        os.close(outer)


def read_until(terminal, text):
    """Read what a terminal shows until `text` is there."""
    shown, deadline = "", time.monotonic() + PATIENCE
    os.set_blocking(terminal, False)
    while text not in shown:
        assert time.monotonic() < deadline, shown
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.05)
