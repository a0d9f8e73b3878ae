"""The options of a launcher, wherever they come from."""

from __future__ import annotations

from dataclasses import fields

import pytest
from omegaconf import OmegaConf

from lenet_exp.config import CONF
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.schema.launchers import LAUNCHERS
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize("name", LAUNCHERS)
def test_each_has_the_keys_of_its_file(name):
    kept = OmegaConf.load(str(CONF / "hydra" / "launcher" / f"{name}.yaml"))
    assert {item.name for item in fields(LAUNCHERS[name])} == {*kept} - {"_target_"}


WRONG = [  # launcher, what a preset says, the key, a word of what is allowed
    ("local", "n_jobs: 0", "n_jobs=0", "from 1"),
    pytest.param("local", "n_jobs: null", "n_jobs=null", "from 1", marks=pytest.mark.full),
    ("local", "n_jobs: '2'", "n_jobs='2'", "from 1"),
    pytest.param("local", "n_jobs: true", "n_jobs=true", "from 1", marks=pytest.mark.full),
    ("local", "retries: null", "retries=null", "from 0"),
    ("local", "warm: 1", "warm=1", "true | false"),
    ("slurm", "setup: source x", "setup=source x", "a list of lines"),
    pytest.param("slurm", "setup: [1]", "setup=[1]", "a list of lines", marks=pytest.mark.full),
    ("slurm", "partition: [a]", "partition=[a]", "a partition"),
    pytest.param("slurm", "partition: ''", "partition=", "a partition", marks=pytest.mark.full),
    ("slurm", "cpus_per_task: 1.5", "cpus_per_task=1.5", "from 1"),
    ("slurm", "options: {qos: {a: b}}", "options={qos:{a:b}}", "a mapping"),
    pytest.param("slurm", "launching: long", "launching=long", "a mapping", marks=pytest.mark.full),
    ("slurm", "n_job: 2", "n_job=2", "one of n_jobs"),
    ("ray", "resources: {NPU: one}", "resources={NPU:one}", "above 0"),
    pytest.param(
        "ray",
        "resources: {NPU: .inf}",
        "resources={NPU:Infinity}",
        "above 0",
        marks=pytest.mark.full,
    ),
    ("ray", "cpus: -1", "cpus=-1", "cores"),
    ("ray", "address: null", "address=null", "HOST:PORT"),
]


@pytest.mark.parametrize(("name", "said", "told", "allowed"), WRONG)
def test_what_a_preset_says_is_checked_as_what_is_typed(name, said, told, allowed, tmp_path):
    folder = tmp_path / "experiment"
    folder.mkdir()
    text = f"# @package _global_\nhydra:\n  launcher:\n    {said}\n"
    (folder / "mine.yaml").write_text(text)
    words = ["-m", "--config-dir", str(tmp_path), f"hydra/launcher={name}", "experiment=mine"]
    with pytest.raises(ConfigError) as caught:
        check_command_line(words)
    message = str(caught.value)
    for part in (f"hydra.launcher.{told}", f"line 4 of {folder / 'mine.yaml'}", allowed):
        assert part in message, message


def test_detach_of_a_preset_needs_an_engine(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ndetach: true\n")
    words = ["-m", "--config-dir", str(tmp_path), "experiment=mine", "seed=0,1"]
    with pytest.raises(ConfigError, match="hydra/launcher=slurm or ray"):
        check_command_line(words)
    check_command_line([*words, "hydra/launcher=slurm"])


@pytest.mark.parametrize(
    "said", ["time: '2:00:00'", "time: 30", "mem: 8G", "options: {qos: low, exclusive: true}"]
)
def test_what_is_right_passes(said, tmp_path):
    (tmp_path / "experiment").mkdir()
    text = f"# @package _global_\nhydra:\n  launcher:\n    {said}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    words = ["-m", "--config-dir", str(tmp_path), "hydra/launcher=slurm", "experiment=mine"]
    check_command_line(words)
