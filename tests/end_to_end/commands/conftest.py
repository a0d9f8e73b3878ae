"""explain, as a person calls it, within this process."""

from __future__ import annotations

import pytest

from lenet_exp.explain import main


@pytest.fixture
def explain(capsys):
    """Call the command; it ends well and says nothing on stderr unless told otherwise."""

    def run(*words, code=0, quiet=True):
        returned, done = main(words), capsys.readouterr()
        assert returned == code, done.err
        assert not quiet or done.err == ""
        return done.out if quiet else done

    return run
