"""References of settings to one another, `${key}`: followed, but never without an end.

OmegaConf follows a reference anew wherever it stands, so `a: ${b}${b}`, `b: ${c}${c}` and so on
double the time and the memory with each line.
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterable, Iterator, List, Optional

from hydra.core.hydra_config import HydraConfig
from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.run import all_keys, what_works
from lenet_exp.errors import ConfigError

_MOST_FOLLOWED = 500  # references; a run's own settings have twenty
_DEEPEST = 30  # references inside what another one stands for: Python's stack is finite too
_MOST_CHARACTERS = 1_000_000  # of all that they stand for
_AS_TYPED = ("hydra.overrides", "hydra.job.override_dirname")  # words, whose references are others'


class _Budget:
    """What may still be followed, by the key whose value is asked for."""

    def __init__(self) -> None:
        self.asked: List[str] = []
        self.refused = ""
        self._followed = self._characters = 0
        self._sizes: Dict[int, int] = {}

    def spend(self, references: int, value: Any) -> None:
        """Note some references, or what one stands for.

        Raises:
            ValueError: it is more than may be followed.
        """
        self._followed += references
        self._characters += self._size(value)
        too_deep = len(self.asked) > _DEEPEST
        if too_deep or self._followed > _MOST_FOLLOWED or self._characters > _MOST_CHARACTERS:
            self.refused = self.refused or self.asked[0]
        if self.refused:
            raise ValueError("too many references")

    def _size(self, value: Any) -> int:
        """Return how many characters a value has; of what it has inside, nothing is followed."""
        if isinstance(value, (DictConfig, ListConfig)):
            if id(value) not in self._sizes:
                plain = OmegaConf.to_container(value, resolve=False)
                self._sizes[id(value)] = len(str(plain))
            return self._sizes[id(value)]
        return len(str(value))


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Refuse in the block what would follow too many references.

    Raises:
        ConfigError: it names the key whose value it is.
    """
    budget, follow = _Budget(), Container.resolve_parse_tree

    def follow_and_count(
        self: Container, parse_tree: Any, node: Any, memo: Any = None, key: Any = None
    ) -> Any:
        budget.asked.append(node._get_full_key(None))  # noqa: SLF001 - no public one
        try:
            budget.spend(str(node).count("${"), "")
            found = follow(self, parse_tree, node, memo, key)
            budget.spend(0, found)
            return found
        finally:
            budget.asked.pop()

    Container.resolve_parse_tree = follow_and_count  # type: ignore[method-assign] # no hook
    try:
        yield
    except Exception as error:
        if not budget.refused:
            raise
        raise _refusal(budget.refused) from error
    finally:
        Container.resolve_parse_tree = follow  # type: ignore[method-assign]
    if budget.refused:  # where what can't be followed is left out
        raise _refusal(budget.refused)


@contextlib.contextmanager
def resolved(cfg: Optional[DictConfig] = None) -> Iterator[None]:
    """Refuse in the block, as `bounded`, and what can't be resolved at all.

    `cfg`: composed, with Hydra's own part, which `${hydra:...}` refers to.

    Raises:
        ConfigError: it names the key whose value it is.
    """
    held: Any = HydraConfig.instance()
    before = held.cfg
    held.cfg = before if cfg is None else cfg
    try:
        with bounded():
            yield
    except OmegaConfBaseException as error:
        raise unresolved(error) from error
    finally:
        held.cfg = before


def unresolved(error: OmegaConfBaseException) -> ConfigError:
    """Return in our words what OmegaConf says of a reference."""
    key = str(getattr(error, "full_key", None) or "a ${...} reference").partition("[")[0]
    allowed = f"a reference that can be resolved ({str(error).splitlines()[0]})"
    known = key in all_keys()
    good = what_works(key)[1] if known else None
    remedy = suggest.command(key, good, all_keys()[key]) if known else suggest.command()
    return ConfigError(key, None, allowed, remedy)


def follow_of_hydra(cfg: DictConfig) -> None:
    """Follow all references in Hydra's own part of `cfg` but what is known only while a job runs.

    Raises:
        ConfigError: as `resolved`.
    """
    with resolved(cfg):
        _follow(cfg.hydra, "hydra")


def _follow(cfg: Any, inside: str) -> None:
    keys: Iterable[Any] = cfg if isinstance(cfg, DictConfig) else range(len(cfg))
    for key in keys:
        dotted = f"{inside}.{key}"
        if dotted in _AS_TYPED:
            continue
        with contextlib.suppress(MissingMandatoryValue, InterpolationToMissingValueError):
            value = cfg[key]
            if isinstance(value, (DictConfig, ListConfig)):
                _follow(value, dotted)


def _refusal(key: str) -> ConfigError:
    allowed = f"references ${{...}} that lead to at most {_MOST_FOLLOWED} others"
    allowed += f", {_DEEPEST} deep, and to {_MOST_CHARACTERS} characters"
    return ConfigError(key.partition("[")[0], None, allowed, suggest.command())
