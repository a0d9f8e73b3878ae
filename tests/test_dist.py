"""What is published: the wheel, the sdist, and whose work is in them."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.checkout import ROOT, copied, tracked

pytestmark = pytest.mark.stackless
PROJECT = (ROOT / "pyproject.toml").read_text()
PACKAGES = ("lenet_exp", "hydra_plugins", "conf")
NOT_PUBLISHED = ("tests/", ".ci/", "multirun/", ".gitignore")
MADE = ("PKG-INFO", "lenet_exp.egg-info/")  # by setuptools; and setup.cfg is changed


def listed(name):
    """Return the words of each list of that name in pyproject.toml."""
    blocks = re.findall(rf"^{name} = \[(.*?)\]$", PROJECT, re.MULTILINE | re.DOTALL)
    return re.findall(r"""["'](.+?)["'],?$""", "\n".join(blocks), re.MULTILINE)


def published():
    """Return the files of the package as the wheel has them, by their place in the checkout."""
    files = [name for name in tracked() if name.startswith(tuple(f"{one}/" for one in PACKAGES))]
    return {f"lenet_exp/{name}" if name.startswith("conf/") else name: name for name in files}


def test_every_dependency_stands_in_the_notices():
    rows = (ROOT / "THIRD_PARTY_NOTICES.md").read_text().replace(",", " ")
    noticed = {
        word for row in re.findall(r"^\| (.+?) \|", rows, re.MULTILINE) for word in row.split()
    }
    named = [*listed("dependencies"), *listed("dev"), *listed("peers")]
    named += re.findall(r'requires = \["(.+?)"\]', PROJECT)
    needed = {re.match(r"[\w-]+", word).group() for word in named}
    assert {"tensorflow", "tqdm", "pytest", "jax", "setuptools"} <= needed
    assert sorted(needed - noticed) == []


def test_every_folder_of_the_package_is_named_for_the_wheel():
    folders = {str(Path(name).parent).replace("/", ".") for name in published()}
    assert sorted(folders - set(listed("packages"))) == []


def test_every_kind_of_file_of_the_package_is_named_for_the_wheel():
    (kinds,) = re.findall(r'^"\*" = \[(.*)\]$', PROJECT, re.MULTILINE)
    assert {Path(name).suffix for name in published()} == {".py", *re.findall(r'"\*(.+?)"', kinds)}


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Build both in a copy of the checkout in which somebody has worked; return their folder."""
    copy = copied(tmp_path_factory.mktemp("dist") / "checkout")
    worked = ["outputs/a/run.log", "mlruns/0/meta.yaml", "mlflow.db", "scripts/output/loss.txt"]
    worked += ["build/lib/lenet_exp/old.py", "scripts/__pycache__/x.pyc"]
    for name in worked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    return built(copy)


def built(source):
    """Build both in a folder of the project's files; return where they are."""
    done = subprocess.run(
        ["sh", "scripts/dist.sh", sys.prefix],
        cwd=str(source),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (source / "build").exists()
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist):
    return zipfile.ZipFile(str(next(dist.glob("lenet_exp-*.whl"))))


@pytest.mark.full
def test_the_wheel_is_the_package_and_its_licence(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == set(published())
    for name, ours in published().items():
        assert wheel.read(name) == (ROOT / ours).read_bytes()
    notices = {Path(name).name for name in wheel.namelist() if ".dist-info/" in name}
    assert {"LICENSE", "THIRD_PARTY_NOTICES.md"} <= notices
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["License"] == "Apache-2.0"


@pytest.mark.full
def test_the_sdist_is_the_checkout_without_its_tests(dist):
    with tarfile.open(str(next(dist.glob("*.tar.gz")))) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    packed = {name for name in names if not name.startswith(MADE)}
    assert packed == {name for name in tracked() if not name.startswith(NOT_PUBLISHED)}


@pytest.mark.full
def test_the_sdist_makes_the_same_wheel_again(dist, tmp_path):
    with tarfile.open(str(next(dist.glob("*.tar.gz")))) as archive:
        archive.extractall(str(tmp_path))
    (source,) = tmp_path.iterdir()
    again, before = (next(folder.glob("*.whl")) for folder in (built(source), dist))
    assert again.read_bytes() == before.read_bytes()


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder with the wheel's files, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")
    wheel.extractall(str(folder))
    return folder


@pytest.mark.full
def test_the_wheel_alone_composes_and_refuses(site, tmp_path):
    command = [sys.executable, "-m", "lenet_exp", "run"]
    shown, wrong = (
        subprocess.run(
            [*command, *words],
            cwd=str(tmp_path),
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        for words in (["--cfg", "job"], ["precision=nope"])
    )
    assert "steps_per_epoch: 1000" in shown.stdout
    assert (wrong.returncode, "force_fp16" in wrong.stderr) == (2, True)


def dry_sweep(python_path, cwd):
    """List the jobs of a sweep by a Python that knows of no editable install."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    return subprocess.run(
        [sys.executable, "-S", "-m", "lenet_exp", "run", "-m", "seed=0,1", "dry_run=true"],
        cwd=str(cwd),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, python_path), packages])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.full
def test_hydra_finds_our_launcher_in_a_wheel(site, tmp_path, mnist_folder):
    check_finds_launcher(dry_sweep([site], tmp_path))


@pytest.mark.slow
def test_hydra_finds_our_launcher_in_a_checkout(tmp_path, mnist_folder):
    check_finds_launcher(dry_sweep([], copied(tmp_path / "checkout")))


def check_finds_launcher(done):
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 jobs (2 to run)" in done.stdout
