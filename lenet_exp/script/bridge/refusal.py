"""What the vendor's package has and this one lacks: refused by name, where it is called."""

from __future__ import annotations

from typing import Any, NoReturn, Sequence

from lenet_exp.errors import LenetExpError


class NotOnCpuError(LenetExpError, NotImplementedError):
    """A name of npu_bridge that is not there on a CPU."""

    def __str__(self) -> str:
        name, there = self.args
        return f"{name} of npu_bridge is not there on a CPU.\n  there are: {', '.join(there)}"


def refused(name: str, there: Sequence[str]) -> Any:
    """Return what raises NotOnCpuError when it is called, or made an object of."""

    class Refused:
        """Stands for the name, so that it can be imported."""

        def __new__(cls, *_: Any, **__: Any) -> NoReturn:
            raise NotOnCpuError(name, there)

    Refused.__name__ = Refused.__qualname__ = name
    return Refused
