"""What a plan costs, counted once for all reports of it."""

from __future__ import annotations

import pytest

from lenet_exp.precision.reporting import records


@pytest.fixture(scope="module", autouse=True)
def counted_once():
    """Keep what the costs and sections of a plan's graph are: most tests ask one plan often."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cost_of", "sections"):
            patch.setattr(records, name, _kept(getattr(records, name)))
        yield


def _kept(make):
    made = {}

    def kept(given):
        if id(given) not in made:
            made[id(given)] = given, make(given)  # with what is given, so that its id stays its own
        return made[id(given)][1]

    return kept
