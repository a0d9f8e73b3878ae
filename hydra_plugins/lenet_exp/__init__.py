"""Names our launchers to Hydra, which looks for launchers in this namespace only."""

from __future__ import annotations

from lenet_exp.sweep.launcher import SweepLauncher
from lenet_exp.sweep.places.local import Local


class LocalLauncher(SweepLauncher):
    """Hydra's `hydra/launcher=local`."""

    def __init__(self, n_jobs: int, warm: bool) -> None:
        super().__init__(Local(n_jobs, warm))
