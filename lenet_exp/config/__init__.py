"""Command line and YAML -> checked settings. Imports neither TensorFlow nor MLflow."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
# Where the YAML is: in a wheel inside the package, in a checkout beside it.
CONF = (_PACKAGE if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent) / "conf"
