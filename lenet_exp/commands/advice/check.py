"""A recommendation -> trained beside float32, as a sweep that compares both."""

from __future__ import annotations

import shlex
from typing import List, Sequence

from lenet_exp.commands.advice.command import sweep_name
from lenet_exp.commands.advice.process import train
from lenet_exp.config.schema.run import Settings

_DECIDED = ("precision", "loss_scale")  # by the advice: each job has its own
_FLOAT32 = "{precision:must_keep_origin_dtype,loss_scale:none}"
_SEEDS = 3  # the fewest whose differences tell something


def check(words: Sequence[str], settings: Settings) -> int:
    """Train both; return the exit code of the sweep. Without words there is nothing to train."""
    if not words:
        return 0
    swept = sweep_words(words, settings.seed)
    print(f"\ncheck: python -m lenet_exp.run -m {' '.join(map(shlex.quote, swept))}", flush=True)
    return train(swept)


def sweep_words(words: Sequence[str], seed: int) -> List[str]:
    """Return the words of a sweep of a recommendation and of float32.

    Its name is that of the words: the same advice goes on with the same sweep.

    Args:
        words: of the run that is recommended.
        seed: the first of three.
    """
    decided = [each for each in words if each.partition("=")[0].partition(".")[0] in _DECIDED]
    common = [each for each in words if each not in decided and not each.startswith("seed=")]
    mine = ",".join(":".join(each.partition("=")[::2]) for each in decided)
    seeds = ",".join(str(seed + number) for number in range(_SEEDS))
    swept = [f"jobs={{{mine}}},{_FLOAT32}", f"seed={seeds}", *common]
    return [*swept, f"sweep={sweep_name(swept)}"]
