"""The Makefile and the scripts behind it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.checkout import ROOT, copied

pytestmark = [pytest.mark.stackless, pytest.mark.slow]
TARGETS = ["help", "setup", "run", "sweep", "test", "lint", "dist", "bench", "screenshots", "clean"]


def script(name, *words, **environment):
    interpreter = "sh" if name.endswith(".sh") else sys.executable
    return subprocess.run(
        [interpreter, str(ROOT / "scripts" / name), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_make_help_explains_every_target():
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=str(ROOT), capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  make ([a-z-]+) +\S+ \S+", done.stdout, re.MULTILINE)
    told = re.findall(r"\bmake ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text())
    assert {*TARGETS, *told} <= {*listed}


@pytest.fixture
def copy(tmp_path):
    """The project's files in another folder, where a test may make and remove things."""
    return copied(tmp_path / "copy")


def test_clean_takes_caches_and_no_result_no_store_and_no_environment(copy):
    kept = ["outputs/a/run.log", "multirun/b/0/run.log", "mlruns/0/meta.yaml", "mlflow.db"]
    kept += [".venv/tf2/bin/python", "lenet_exp/run.py"]
    gone = ["build/x", ".pytest_cache/x", "lenet_exp/__pycache__/run.pyc", "lenet_exp.egg-info/x"]
    for name in kept + gone:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    subprocess.run(["make", "clean"], cwd=str(copy), check=True)
    assert [name for name in kept + gone if (copy / name).exists()] == kept


@pytest.mark.full
def test_an_environment_is_made_by_a_python_outside_it(setup_env, tmp_path):
    # Made anew from inside, as after `source activate`; `--clear` takes the running Python away.
    folder = tmp_path / "env"
    setup_env.make_environment(str(folder), host=False)
    script = f"import setup_env; setup_env.make_environment({str(folder)!r}, host=False)"
    inside = [str(folder / "bin" / "python"), "-c", script]
    subprocess.run(inside, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")})
    subprocess.run([*inside[:2], "import pip"], check=True)


def test_two_first_calls_make_one_environment(setup_env, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setup_env, "ROOT", str(tmp_path))
    monkeypatch.setattr(setup_env, "fingerprint", lambda stack, host: "own")
    begun, go_on, made = threading.Event(), threading.Event(), []

    def make(folder, host):
        made.append(folder)
        Path(folder).mkdir()
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(setup_env, "make_environment", make)
    monkeypatch.setattr(setup_env, "install", lambda *_: None)
    calls = [threading.Thread(target=setup_env.main, args=([],)) for _ in range(2)]
    calls[0].start()
    assert begun.wait(60)
    calls[1].start()
    while "waiting for another process" not in capsys.readouterr().err:
        assert calls[1].is_alive()
    go_on.set()
    for call in calls:
        call.join()
    assert len(made) == 1


def set_up(copy, *words, python=sys.executable):
    done = subprocess.run(
        [str(python), "scripts/setup_env.py", *words],
        cwd=str(copy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()), done.stderr


@pytest.mark.full
def test_an_environment_over_the_host_s_packages_uses_them_and_stays_so(copy):
    environment, said = set_up(copy, "--host")
    assert "setting up" in said
    script = "import lenet_exp, tensorflow, mlflow; print(lenet_exp.__file__, tensorflow.__file__)"
    shown = subprocess.run(
        [str(environment / "bin" / "python"), "-W", "ignore", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    ours, host_s = shown.stdout.split()
    assert Path(ours).parent.parent == copy
    assert host_s.startswith(sys.prefix)
    # Neither a plain `make run` nor one from inside the environment makes it anew.
    for python in (sys.executable, environment / "bin" / "python"):
        assert set_up(copy, python=python) == (environment, "")


def fake_python(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path):
    """An environment with no version manager, and a PATH of two folders."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    return first, second, {"HOME": str(tmp_path), "PATH": f"{first}:{second}:/usr/bin:/bin"}


def test_a_shim_that_only_prints_an_error_is_no_python(bare):
    first, second, environment = bare
    environment["PYENV_ROOT"] = str(first)
    fake_python(first, "python3.7", "echo not installed >&2; exit 127")
    assert script("find_python37.sh", **environment).returncode == 1
    good = fake_python(second, "python3.7", "exit 0")
    assert script("find_python37.sh", **environment).stdout == f"{good}\n"


def test_a_version_manager_s_folder_is_searched(bare, tmp_path):
    folder = tmp_path / "versions" / "3.7.16" / "bin"
    folder.mkdir(parents=True)
    good = fake_python(folder, "python3.7", "exit 0")
    found = script("find_python37.sh", **bare[2], PYENV_ROOT=str(tmp_path))
    assert found.stdout == f"{good}\n"


@pytest.mark.parametrize(
    ("version", "stack"), [((3, 7, 16), "tf1"), ((3, 10, 1), "tf2"), ((3, 13, 0), "tf2")]
)
def test_a_python_chooses_its_stack(version, stack, setup_env):
    assert setup_env.stack_for(version) == stack


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 8, 18), (3, 9, 18), (3, 14, 0)])
def test_a_python_that_no_stack_supports_is_told_which_are(version, setup_env):
    with pytest.raises(SystemExit) as caught:
        setup_env.stack_for(version)
    message = str(caught.value)
    assert "Python {}.{}".format(*version) in message
    assert "3.10 to 3.13" in message
    assert "PYTHON=" in message


def test_a_python_without_venv_is_told_the_package(setup_env, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match=r"no venv module(.|\n)*apt-get install python3"):
        setup_env.make_environment(str(tmp_path / "env"), host=False)


@pytest.fixture
def setup_env(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import setup_env as module

    return module


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [([], 0, "fetch_mnist"), (["--help"], 0, "run"), (["nope"], 2, "no verb nope")],
)
def test_the_console_script_lists_its_verbs(words, code, told):
    done = subprocess.run(
        [sys.executable, "-m", "lenet_exp", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert told in done.stdout + done.stderr


def test_the_package_and_both_constraints_agree_on_what_breaks():
    tf1 = (ROOT / "constraints" / "tf1.txt").read_text()
    tf2 = (ROOT / "constraints" / "tf2.txt").read_text()
    assert {"tensorflow==1.15.0", "mlflow==1.30.1", "hydra-core==1.3.6"} <= set(tf1.split())
    assert "tensorflow-cpu==2.21.0" in tf2
    assert "mlflow==3.17.2" in tf2
