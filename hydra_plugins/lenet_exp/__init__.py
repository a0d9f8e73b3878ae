"""Names our launchers to Hydra, which looks for launchers in this namespace only."""

from __future__ import annotations

from typing import Any

from lenet_exp.sweep.executors.local import Local
from lenet_exp.sweep.executors.ray import Ray
from lenet_exp.sweep.executors.slurm import Slurm
from lenet_exp.sweep.launcher import SweepLauncher


class LocalLauncher(SweepLauncher):
    """Hydra's `hydra/launcher=local`."""

    def __init__(self, n_jobs: int, retries: int, warm: bool) -> None:
        super().__init__(Local(n_jobs, retries, warm))


class SlurmLauncher(SweepLauncher):
    """Hydra's `hydra/launcher=slurm`."""

    def __init__(self, n_jobs: int, retries: int, **options: Any) -> None:
        super().__init__(Slurm(n_jobs, retries, **options))


class RayLauncher(SweepLauncher):
    """Hydra's `hydra/launcher=ray`."""

    def __init__(self, n_jobs: int, retries: int, **options: Any) -> None:
        super().__init__(Ray(n_jobs, retries, **options))


LAUNCHERS = (LocalLauncher, SlurmLauncher, RayLauncher)
