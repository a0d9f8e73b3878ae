"""Where the YAML of the configuration is."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent.parent
# In a wheel conf/ lies inside the package, in a checkout beside it.
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"
