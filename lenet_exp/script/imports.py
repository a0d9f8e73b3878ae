"""What happens when a script imports TensorFlow or npu_bridge; without it neither is loaded."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from typing import Any, Callable, Dict, Optional, Sequence

_SESSIONS = ("tensorflow.python.client.session", "tensorflow_core.python.client.session")


class AfterImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Calls `found` with TensorFlow's module of sessions as soon as that is loaded."""

    def __init__(self, found: Callable[[Any], None]) -> None:
        """Call `found` once a process."""
        self._found = found
        self._loaders: Dict[str, Any] = {}

    def install(self) -> None:
        """Look at every import from here on."""
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Optional[Sequence[Any]], target: Any = None) -> Any:
        """Return the module's own spec, with this object in the place of its loader."""
        if name not in _SESSIONS or name in self._loaders:
            return None
        self._loaders[name] = None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        self._loaders[name], spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: Any) -> Any:
        """Return what the module's own loader makes."""
        return self._loaders[spec.name].create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Load it, then tell."""
        loader = module.__spec__.loader = self._loaders[module.__name__]
        module.__loader__ = loader
        loader.exec_module(module)
        self._found(module)


def say_if_alone() -> None:
    """Say it where no session is taken over, as in a fresh Python that a script starts itself."""
    if not any(isinstance(one, AfterImport) for one in sys.meta_path):
        text = f"process {os.getpid()}, which the script started, computes in float32"
        print(f"lenet-exp: {text}: nothing of it is emulated", file=sys.stderr, flush=True)
