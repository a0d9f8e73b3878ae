"""python -m lenet_exp.sweep.probe: what a node lacks of what jobs need, a line each.

Started by a sweep only, as a job is; the order is what the launching process has of each.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator

from lenet_exp import __version__, tf_compat
from lenet_exp.config.passwords import without_password
from lenet_exp.data import files
from lenet_exp.record.run import conditions
from lenet_exp.record.store import store_check
from lenet_exp.record.writable import obstacle
from lenet_exp.sweep.executors.ordered import OURS

_LIBRARIES = ("tensorflow", "mlflow", "hydra", "matplotlib")
_PATIENCE = 10.0  # seconds for a server to answer


def main() -> int:
    """Say what is missing here; return 1 if anything is."""
    order = json.loads(sys.stdin.buffer.readline() or "{}")
    found = list(lacks(order)) if order else []
    for line in found:
        print(f"{OURS}{line}", file=sys.stderr)
    return 1 if found or not order else 0


def lacks(order: Dict[str, Any]) -> Iterator[str]:
    """Yield a line for each thing that is missing, or is another than the launching process's."""
    stack = tf_compat.stack_of_this_python()
    if stack != order["stack"]:
        version = ".".join(map(str, sys.version_info[:2]))
        yield f"{sys.executable} is Python {version}, {stack}; this sweep has {order['stack']}"
    elif (__version__, conditions.code_sha256()) != (order["version"], order["code_sha256"]):
        yield f"lenet_exp {__version__} in {Path(__file__).parents[1]} is other code than here"
    for name in _LIBRARIES:
        if importlib.util.find_spec(name) is None:
            yield f"{sys.executable} has no {name}"
    mark = Path(order["mark"])
    why = obstacle(mark.parent)
    if not mark.is_file() or mark.read_text() != order["token"]:
        yield f"{mark.parent} is not the same folder there: it must be on a shared file system"
    elif why is not None:
        yield f"{mark.parent} can't be written there ({why})"
    yield from _of_store(order["store"])
    for path in order["data"]:
        yield from _of_data(path)


def _of_store(shown: str) -> Iterator[str]:
    """Yield what is wrong with a store, whose password only the environment here has."""
    own = store_check.chosen_uri(None) or ""
    uri = own if without_password(own) == shown else shown
    if "***" in uri:
        yield f"MLFLOW_TRACKING_URI is not {shown} there: one with a password is set on the nodes"
        return
    if store_check.is_server(uri):
        request = urllib.request.Request(f"{uri.rstrip('/')}/health")  # noqa: S310 - http or https
        try:
            urllib.request.urlopen(request, timeout=_PATIENCE).close()  # noqa: S310
        except urllib.error.HTTPError:
            return  # it answers
        except (OSError, ValueError) as error:
            yield f"{without_password(uri)} is not reached from there ({error})"
        return
    path = store_check.sqlite_path(uri)
    place = path or store_check.folder_path(uri)
    if place is None:
        return  # another machine's database: the job says
    if not place.exists():
        yield f"the store {place} is not there: it must be on a shared file system, or a server"
        return
    why = obstacle(place, is_folder=path is None)
    if why is not None:
        yield f"the store {place} can't be written there ({why})"


def _of_data(path: str) -> Iterator[str]:
    if path:
        if not Path(path).expanduser().exists():
            yield f"data.path={path} is not there: it must be on a shared file system"
        return
    cache = files.cache_folder()
    gone = [one.name for one in files.FILES if not (cache / one.name).is_file()]
    if gone:
        yield f"MNIST is not in {cache} there: python -m lenet_exp.fetch_mnist, or LENET_EXP_DATA"


if __name__ == "__main__":
    sys.exit(main())
