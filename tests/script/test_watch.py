"""What a script's watch makes of what it hears."""

import pytest

from lenet_exp.script.sessions import Prepared
from lenet_exp.script.watch import emulated

FINE = Prepared((), None, None, True)
EMULATED = FINE._replace(run=())
REFUSED = FINE._replace(reason="a graph that can't be planned")


@pytest.mark.stackless
@pytest.mark.parametrize(("runs", "said"), [
    ([], "true"),
    ([FINE], "true"),
    ([EMULATED, FINE], "true"),
    ([REFUSED, FINE], "false"),
    ([EMULATED, REFUSED], "partly"),
])  # fmt: skip
def test_the_tag_says_what_was_emulated(runs, said):
    assert emulated(runs) == said
