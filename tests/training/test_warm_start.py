"""Which variables start from a checkpoint."""

from __future__ import annotations

import pytest

from lenet_exp.errors import ConfigError, DataError
from lenet_exp.training.warm_start import choose

pytestmark = pytest.mark.stackless

NETWORK = {"fc_1/weight": (784, 120), "fc_1/bias": (120,), "fc_10/bias": (3,), "fc_3/bias": (10,)}
SAVED = {
    **NETWORK,
    "fc_1/weight/Adam": (784, 120),
    "cond/beta1_power": (),
    "loss_scale": (),
    "good_steps": (),
}


@pytest.mark.parametrize(
    ("exclude", "names"),
    [
        ([], ["fc_1/weight", "fc_1/bias", "fc_10/bias", "fc_3/bias"]),
        (["fc_3"], ["fc_1/weight", "fc_1/bias", "fc_10/bias"]),
        (["fc_1"], ["fc_10/bias", "fc_3/bias"]),
        (["fc_1/bias"], ["fc_1/weight", "fc_10/bias", "fc_3/bias"]),
        (["fc_3/", "fc_10"], ["fc_1/weight", "fc_1/bias"]),
    ],
)
def test_all_of_the_network_but_whole_scopes(exclude, names):
    found = choose("x", SAVED, NETWORK, exclude)
    assert found.names == names
    assert {*found.afresh} == {*NETWORK} - {*names}


@pytest.mark.parametrize(
    ("changed", "exclude", "error", "told"),
    [
        ({}, ["fc"], ConfigError, "scopes of the network: fc_1, fc_10, fc_3"),
        ({}, ["loss_scale"], ConfigError, "exclude=loss_scale"),
        ({}, ["fc_1", "fc_10", "fc_3"], ConfigError, "nothing is left"),
        ({"fc_3/bias": (4,)}, [], DataError, "holds fc_3/bias as [4], the network as [10]"),
        ({"fc_3/bias": (4,)}, ["fc_1"], DataError, "'exclude=[fc_1,fc_3]'"),
        ({"fc_1/bias": None}, [], DataError, "holds no fc_1/bias"),
    ],
)
def test_what_does_not_fit_is_told_with_what_to_exclude(changed, exclude, error, told):
    saved = {name: shape for name, shape in {**SAVED, **changed}.items() if shape is not None}
    with pytest.raises(error) as caught:
        choose("x", saved, NETWORK, exclude)
    assert told in str(caught.value)
