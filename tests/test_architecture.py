"""docs/architecture.md names what exists, and what may import what as it is checked."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.stackless

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PHASES = ROOT / "lenet_exp" / "precision" / "planning"
TOP = (
    "lenet_exp",
    "conf",
    "tests",
    "docs",
    "scripts",
    "benchmarks",
    "hydra_plugins",
    "constraints",
)


def paths_of(text):
    """Return what looks like a path of the repository; `VERB` stands for any name."""
    named = re.findall(r"`([a-zA-Z_./]+)`", text)
    return sorted({one for one in named if one.split("/")[0] in TOP and "/" in one})


@pytest.mark.parametrize("path", paths_of(PAGE))
def test_every_path_that_the_page_names_exists(path):
    assert (ROOT / path.replace("VERB", "export")).exists()


def test_every_module_of_the_phases_exists():
    rows = re.findall(r"^\| \w+ \| ((?:`\w+\.py`(?:, )?)+) \|", PAGE, re.MULTILINE)
    modules = re.findall(r"`(\w+\.py)`", " ".join(rows))
    assert len(modules) > 6
    assert [name for name in modules if not (PHASES / name).exists()] == []


def test_every_folder_of_the_package_is_named():
    folders = {
        str(path.parent.relative_to(ROOT)) for path in (ROOT / "lenet_exp").rglob("__init__.py")
    }
    shown = {name.rstrip("/") for name in paths_of(PAGE)}
    lost = {one for one in folders if not any(name.startswith(one) for name in shown)}
    assert lost <= {"lenet_exp/inference", "lenet_exp/modelzoo"}


def test_the_layers_are_those_that_lint_checks():
    project = (ROOT / "pyproject.toml").read_text()
    checked = re.search(r'containers = \["lenet_exp"\].*?layers = \[(.*?)\n\]', project, re.DOTALL)
    layers = re.findall(r'"(.+?)"', checked.group(1))
    assert "```\n" + "\n".join(layers) + "\n```" in PAGE
