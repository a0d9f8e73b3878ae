"""A file of options, or a word, is no program: nothing that it names is called."""

from __future__ import annotations

import itertools
import shlex

import pytest

from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.errors import ConfigError, LenetExpError

pytestmark = pytest.mark.stackless

LOG = "hydra.job_logging"
# words of a command line; the key that is refused
WORDS = [
    ("+hydra.callbacks.x._target_=os.system +hydra.callbacks.x.command=ls",
     "hydra.callbacks.x._target_"),
    ("'+hydra.callbacks={x:{_target_:os.system,command:ls}}'", "hydra.callbacks.x._target_"),
    ("-m hydra.launcher._target_=os.system seed=0,1", "hydra.launcher._target_"),
    ("-m hydra.launcher._target_=hydra_pluginsx.y seed=0,1", "hydra.launcher._target_"),
    ("-m hydra.sweeper._target_=subprocess.Popen seed=0,1", "hydra.sweeper._target_"),
    ("-m hydra/sweeper=basic hydra.sweeper._target_=os.system seed=0,1", "hydra.sweeper._target_"),
    (f"'+{LOG}.handlers.z={{class:os.system}}'", f"{LOG}.handlers.z.class"),
    (f"{LOG}.formatters.plain.class=os.system", f"{LOG}.formatters.plain.class"),
    (f"'+{LOG}.filters={{z:{{_target_:os.system}}}}'", f"{LOG}.filters.z._target_"),
    (f"+{LOG}.handlers.file.stream=ext://os.environ", f"{LOG}.handlers.file.stream"),
    (f"+{LOG}.handlers.file.stream=cfg://handlers", f"{LOG}.handlers.file.stream"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "key"), WORDS)
def test_what_a_word_names_is_not_called(typed, key):
    with pytest.raises(ConfigError) as raised:
        check_command_line(shlex.split(typed))
    assert raised.value.args[0].partition(" ")[0] == key
    assert "no program" in raised.value.args[2]


FILES = {
    "callbacks": "callbacks:\n    x:\n      _target_: os.system\n      command: 'touch {}'\n",
    "launcher": "launcher:\n    _target_: os.system\n",
    "sweeper": "sweeper:\n    _target_: os.system\n",
    "handlers": f"{LOG[6:]}:\n    handlers:\n      file:\n        (): os.system\n"
    "        command: 'touch {}'\n",
    "root": f"{LOG[6:]}:\n    filters:\n      x:\n        (): os.system\n",
    "hydra_logging": "hydra_logging:\n    handlers:\n      console:\n        (): os.system\n",
    "mode": "mode: MULTIRUN\n  callbacks:\n    x:\n      _target_: os.system\n",
}


ASKS = (["--cfg", "job"], ["-m", "seed=0,1"])


@pytest.mark.parametrize(("what", "ask"), [
    *((what, []) for what in FILES),
    *(("callbacks", ask) for ask in ASKS),
    *(pytest.param(what, ask, marks=pytest.mark.full)
      for what, ask in itertools.product(FILES, ASKS) if what != "callbacks"),
])  # fmt: skip
def test_what_a_persons_own_file_names_is_not_called(tmp_path, what, ask):
    (tmp_path / "experiment").mkdir()
    touched = tmp_path / "touched"
    text = f"# @package _global_\nhydra:\n  {FILES[what].replace('{}', str(touched))}"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(LenetExpError) as raised:
        check_command_line([f"--config-dir={tmp_path}", *ask, "experiment=mine"])
    assert "os.system" in str(raised.value)
    assert not touched.exists()


FINE = [
    "hydra.verbose=true",
    f"{LOG}.formatters.plain.class=logging.Formatter",
    f"'+{LOG}.handlers.z={{class:logging.StreamHandler,stream:ext://sys.stderr}}'",
    "-m hydra/launcher=basic seed=0,1",
    "hydra/job_logging=default",
    "hydra/job_logging=none",
]


@pytest.mark.parametrize("typed", FINE)
def test_plugins_and_logs_are_made_as_before(typed):
    check_command_line(shlex.split(typed))
