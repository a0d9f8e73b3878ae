"""Names our launcher to Hydra, which looks for launchers in this namespace only."""

from __future__ import annotations

from lenet_exp.sweep.launcher import SweepLauncher


class LocalLauncher(SweepLauncher):
    """Hydra's `hydra/launcher=local`."""
