"""What doctor finds on machines that lack one thing."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from lenet_exp.commands import doctor
from lenet_exp.config.chip import machine
from lenet_exp.hardware import presence

ROOT = Path(__file__).resolve().parents[3]

# The least of an npu_bridge that fails, or shows its age, as the vendor's does
# (npu-bridge-contract.md, 1).
LOADS = "npu_bridge_handle = object()\ndef get_gen_ops(): return Ops\nclass Ops: {ops}\n"
FAILS = "print('libge_runner.so: cannot open shared object file')\n"
PACKAGE = {
    "npu_bridge/__init__.py": "from npu_bridge.helper.helper import npu_bridge_handle\n",
    "npu_bridge/helper/__init__.py": "",
    "npu_bridge/npu_init.py": "from npu_bridge import tf_adapter\nimport hccl\n{init}\n",
    "npu_bridge/tf_adapter.py": "",
    "npu_bridge/estimator/__init__.py": "",
    "npu_bridge/estimator/npu/__init__.py": "",
    "npu_bridge/estimator/npu/npu_config.py":
        "class NPURunConfig:\n    def __init__(self, {config}): pass\n",
    "npu_bridge/estimator/npu/npu_loss_scale_manager.py":
        "class FixedLossScaleManager: {manager}\n",
    "hccl/__init__.py": "",
}  # fmt: skip
TODAY = {
    "ops": "npu_get_float_status_v2 = 0",
    "init": "npu_config_proto = decorator_tf_session = 0",
    "config": "deterministic=0",
    "manager": "get_enable_overflow_check = 0",
}
OLD = {"ops": "pass", "init": "", "config": "model_dir=None", "manager": "pass"}


def host(folder, parts, without=(), library=LOADS):
    """Write a vendor's packages into a folder."""
    texts = {**PACKAGE, "npu_bridge/helper/helper.py": library}
    for name, text in texts.items():
        if not name.startswith(tuple(without) or ("-",)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text.format(**parts) if "{" in text else text)
    return folder


@pytest.fixture
def vendor(tmp_path, monkeypatch):
    """Return what puts a vendor's packages where Python finds them."""

    def put(*arguments, **options):
        folder = host(tmp_path / "vendor", *arguments, **options)
        monkeypatch.setenv("PYTHONPATH", str(folder))  # for the processes that are asked
        monkeypatch.syspath_prepend(str(folder))  # for what is only looked for
        return folder

    return put


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (TODAY, "of April 2023 or later (precision names checked"),
        ({**TODAY, "config": "model_dir=None"}, "of October 2022 or later (float status V2"),
        ({**OLD, "init": "npu_config_proto = 0"}, "of April 2021 or later (npu_config_proto)"),
        (OLD, "of February 2021 (none of the later features)"),
    ],
)
def test_an_adapter_s_age_is_told_by_its_features(vendor, parts, told):
    vendor(parts)
    found = presence.adapter()
    assert found.loads, found
    assert told in found.description


@pytest.mark.parametrize(
    ("options", "told", "remedy"),
    [
        ({"without": ["hccl"]}, "finds no hccl", "PYTHONPATH"),
        ({"without": ["npu_bridge/tf_adapter"]}, "tf_adapter is missing", "tfplugin"),
        ({"library": FAILS}, "does not load: libge_runner.so: cannot open", "LD_LIBRARY_PATH"),
        ({"library": "import os; os.abort()"}, "exit code -6", "set_env.sh"),
    ],
)
def test_an_adapter_that_does_not_load_is_told_with_the_remedy(vendor, options, told, remedy):
    vendor(OLD, **options)
    found = presence.adapter()
    assert not found.loads
    assert told in found.description
    assert remedy in found.remedy


def found_in(*looks):
    """Return the findings of some looks, what -> (level, told, remedy)."""
    return {found.what: found[:1] + found[2:] for look in looks for found in look()}


def test_npu_bridge_without_a_chip_or_with_another_python_is_told(vendor, monkeypatch):
    vendor(TODAY)
    monkeypatch.setattr(presence, "devices", list)
    found = found_in(doctor._chip)
    if sys.version_info[:2] == (3, 7):
        assert found["npu_bridge"][0] == doctor.OK
        assert found["devices"][0] == doctor.MISSING
        assert "driver" in found["devices"][2]
    else:
        level, told, remedy = found["npu_bridge"]
        assert level == doctor.MISSING
        assert "needs Python 3.7 with TensorFlow 1.15" in told
        assert remedy == "make setup HOST=1 PYTHON=python3.7"


def test_a_chip_without_npu_bridge_is_told(tmp_path, monkeypatch):
    for number in (1, 0, 10):
        (tmp_path / f"davinci{number}").write_text("")
    (tmp_path / "davinci_manager").write_text("")
    assert presence.devices(tmp_path) == [0, 1, 10]
    monkeypatch.setattr(presence, "devices", lambda: [0])
    level, told, remedy = found_in(doctor._chip)["npu_bridge"]
    assert (level, told) == (doctor.MISSING, "a chip is here, and Python finds no npu_bridge")
    assert "PYTHONPATH" in remedy


@pytest.mark.parametrize(
    ("loads", "lacks", "level", "told"),
    [
        (True, None, doctor.OK, "auto takes the chip"),
        (False, None, doctor.MISSING, "auto takes npu_bridge, and fails"),
        (False, "Python finds no hccl", doctor.MISSING, "auto takes the CPU"),
    ],
)
def test_what_auto_comes_to_is_told_as_the_adapter_is(
    monkeypatch, tmp_path, loads, lacks, level, told
):
    """Not that it is there, where it does not load."""
    adapter = presence.InstalledAdapter(loads, "x.so")
    monkeypatch.setattr(doctor, "_VERSION", (3, 7, 5))
    monkeypatch.setattr(machine, "missing_for_chip", lambda: lacks)
    for name, value in (("found", tmp_path / "x"), ("adapter", adapter), ("devices", [0])):
        monkeypatch.setattr(presence, name, lambda value=value: value)
    found = found_in(doctor._chip)
    assert found["npu_bridge"][0] == level
    assert told in found["hardware"][1]
    assert "hardware=cpu stays on the CPU" in found["hardware"][1]


def ask(folder, python=sys.executable, **environment):
    done = subprocess.run(
        [str(python), "-m", "lenet_exp.doctor"],
        cwd=str(folder),
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_where_nothing_is_missing_it_says_what_there_is(tmp_path, mnist_folder, stack):
    code, told = ask(tmp_path)
    assert code == 0, told
    assert f"stack {stack}" in told
    assert "four verified files" in told
    assert told.endswith("nothing missing: python -m lenet_exp.run\n")
    assert list(tmp_path.iterdir()) == []  # nothing was made


def test_an_environment_that_hides_the_host_s_packages_is_told(tmp_path):
    """A bare environment, on a machine whose own Python has npu_bridge and no MNIST, and whose
    folder has the other stack's store."""
    maker = venv.EnvBuilder(symlinks=True, with_pip=False)
    for name in ("host", "ours"):
        maker.create(str(tmp_path / name))
    (site,) = (tmp_path / "host").glob("lib/python*/site-packages")
    host(site, OLD)
    work = tmp_path / "work"
    (work / "mlruns" / "0").mkdir(parents=True)
    (work / "mlruns" / "0" / "meta.yaml").write_text("")
    (work / "mlflow.db").write_text("")
    code, told = ask(
        work,
        tmp_path / "ours" / "bin" / "python",
        PATH=f"{tmp_path / 'host' / 'bin'}:/usr/bin:/bin",
        LENET_EXP_DATA=str(tmp_path / "no-data"),
    )
    lines = told.splitlines()
    missing = [line.split()[1] for line in lines if line.startswith("missing")]
    assert (code, missing[:2]) == (1, ["TensorFlow", "MLflow"])
    assert "No module named 'tensorflow'" in told
    assert f"this environment hides the npu_bridge of {tmp_path / 'host' / 'bin'}" in told
    assert "try: make setup HOST=1 PYTHON=" in told
    assert "try: python -m lenet_exp.fetch_mnist" in told
    if sys.version_info >= (3, 8):
        assert "is a file store of MLflow 1" in told
    assert lines[-1] == f"{len(missing)} missing"


def test_a_store_of_another_mlflow_is_told(tmp_path, stack, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if stack == "tf1":
        (tmp_path / "mlflow.db").write_text("")
    else:
        (tmp_path / "mlruns" / "0").mkdir(parents=True)
        (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("")
    level, told, remedy = found_in(doctor._store)["MLflow store"]
    assert level == doctor.MISSING
    assert ("MLflow 3" if stack == "tf1" else "MLflow 1") in told
    assert "tracking.uri=" in remedy


def test_a_database_that_is_none_is_told(tmp_path, monkeypatch):
    (tmp_path / "own.db").write_text("no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'own.db'}")
    level, told, _ = found_in(doctor._store)["MLflow store"]
    assert level == doctor.MISSING
    assert "is no usable database" in told


def test_a_folder_that_can_not_be_written_is_told(tmp_path, monkeypatch):
    # As root, whom only a read-only file system stops.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    level, told, _ = found_in(doctor._folders)["permission"]
    assert (level, told) == (doctor.MISSING, f"{tmp_path} can't be written")


@pytest.mark.parametrize(
    ("version", "stack"),
    [((3, 6, 9), None), ((3, 7, 5), "tf1"), ((3, 8, 1), None), ((3, 13, 0), "tf2"),
     ((3, 14, 0), None)],
)  # fmt: skip
def test_a_python_has_a_stack_or_none(version, stack):
    assert doctor.stack_of(version) == stack


def test_it_takes_no_argument():
    done = subprocess.run(
        [sys.executable, "-m", "lenet_exp.doctor", "all=true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "no argument" in done.stderr
