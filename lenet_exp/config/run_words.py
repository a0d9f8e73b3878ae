"""Settings -> the words of a command line that has them."""

from __future__ import annotations

from typing import List, Sequence

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.json_words import word
from lenet_exp.config.compose import flatten
from lenet_exp.config.schema.run import FAMILIES, Settings

# Where and how a run was kept is no part of it; `resume` takes nothing beside it.
_NOT_SAID = ("tracking", "resume")


def words_of(settings: Settings, without: Sequence[str] = ()) -> List[str]:
    """Return the words that make a run of these settings, only what is not so by itself.

    `without`: groups that are left as they are by themselves.
    """
    left = (*_NOT_SAID, *without)
    found = {
        key: value for key, value in flatten(settings).items() if key.partition(".")[0] not in left
    }
    plain = flatten(settings_to_explain([]))
    options = [
        word(group, found[f"{group}.name"])
        for group in FAMILIES
        if f"{group}.name" in found and found[f"{group}.name"] != plain[f"{group}.name"]
    ]
    beside = flatten(settings_to_explain(options))
    return [
        *options,
        *(
            word(key, value)
            for key, value in found.items()
            if key not in beside or beside[key] != value
        ),
    ]
