"""Is a chip here, and what is its adapter: looked up in processes of their own.

The import of npu_bridge may abort, prints the loader's words, and changes every session that is
made after it (npu-bridge-contract.md, 1).
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple

_SECONDS = 120
_SET_ENV = "source CANN's set_env.sh (/usr/local/Ascend/ascend-toolkit/set_env.sh)"

# Probed by features: the adapter's own version is the same for all. Newest first: since, how.
_FEATURES = {
    "precision names checked, deterministic": ("April 2023", "'deterministic' in parameters"),
    "float status V2": ("October 2022", "hasattr(gen_ops, 'npu_get_float_status_v2')"),
    "sessions patched": ("July 2022", "hasattr(npu_init, 'decorator_tf_session')"),
    "enable_overflow_check": ("July 2021", "hasattr(manager, 'get_enable_overflow_check')"),
    "npu_config_proto": ("April 2021", "hasattr(npu_init, 'npu_config_proto')"),
}
_PROBE = f"""
import inspect, json
from npu_bridge import npu_init
from npu_bridge.helper import helper
from npu_bridge.estimator.npu import npu_config
from npu_bridge.estimator.npu.npu_loss_scale_manager import FixedLossScaleManager as manager
parameters = inspect.signature(npu_config.NPURunConfig.__init__).parameters
gen_ops = helper.get_gen_ops()
found = [{", ".join(how for _, how in _FEATURES.values())}]
print("FEATURES " + json.dumps(found))
"""
# What its import says -> what is missing, and the remedy.
_CAUSES: Tuple[Tuple[str, str, str], ...] = (
    ("No module named 'hccl", "it finds no hccl, CANN's own package",
     f"CANN's Python folder on PYTHONPATH: {_SET_ENV}"),
    ("cannot import name 'tf_adapter", "its module tf_adapter is missing",
     "install CANN's tfplugin again, whole"),
    ("npu_bridge_handle", "its library does not load",
     f"the driver's and CANN's libraries on LD_LIBRARY_PATH: {_SET_ENV}"),
    ("No module named 'tensorflow", "TensorFlow is missing", "make setup HOST=1"),
)  # fmt: skip


class InstalledAdapter(NamedTuple):
    """An npu_bridge: whether it loads, what it is, and the remedy if it doesn't."""

    loads: bool
    description: str
    remedy: str = ""


def found(name: str = "npu_bridge") -> Optional[Path]:
    """Return where Python would import `name` from, or None; imports nothing."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = [spec.origin, *(spec.submodule_search_locations or ())]
    return Path(next(place for place in places if place))


def adapter() -> InstalledAdapter:
    """Import npu_bridge in another process, and say what came of it."""
    code, out, err = _ask(sys.executable, _PROBE)
    features = re.search("^FEATURES (.*)$", out, re.MULTILINE)
    if code == 0 and features:
        known = list(itertools.compress(_FEATURES, json.loads(features.group(1))))
        age = f"of {_FEATURES[known[0]][0]} or later" if known else "of February 2021"
        return InstalledAdapter(True, f"{age} ({'; '.join(known) or 'none of the later features'})")
    last = (err.strip() or out.strip() or f"exit code {code}").splitlines()[-1]
    said = [line.strip() for line in out.splitlines() if line.strip()]
    for text, missing, remedy in _CAUSES:
        if text in err:
            return InstalledAdapter(False, ": ".join([missing, *(said[-1:] or [last])]), remedy)
    return InstalledAdapter(False, f"it can't be imported: {last}", _SET_ENV)


def _ask(python: str, script: str) -> Tuple[int, str, str]:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and our own words
            [python, "-c", script],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)
    return done.returncode, done.stdout, done.stderr


def found_by(python: str) -> Optional[str]:
    """Return where another Python would import npu_bridge from, or None."""
    script = (
        "import importlib.util as u; spec = u.find_spec('npu_bridge'); "
        "print('AT', spec.origin if spec else '')"
    )
    at = re.search("^AT (.+)$", _ask(python, script)[1], re.MULTILINE)
    return at.group(1) if at else None


def version_of(module: str) -> Tuple[Optional[str], str]:
    """Return the version of a package as another process imports it, or None and the reason."""
    code, out, err = _ask(sys.executable, f"import {module}; print('V', {module}.__version__)")
    version = re.search("^V (.+)$", out, re.MULTILINE)
    if code == 0 and version:
        return version.group(1), ""
    return None, (err.strip() or f"exit code {code}").splitlines()[-1]


def devices(folder: Any = "/dev") -> List[int]:
    """Return the numbers of the chips that the driver shows."""
    names = (re.fullmatch(r"davinci(\d+)", path.name) for path in Path(folder).glob("davinci*"))
    return sorted(int(name.group(1)) for name in names if name)
