"""The classes whose parameters tell which options an adapter knows."""

import inspect

from npu_bridge.double import rules

_DUMP = [key for key in rules.KNOWN if "dump" in key and key != "enable_exception_dump"]
_MEMORY = ["atomic_clean_policy", "static_memory_policy", "memory_optimization_policy"]
_DEFAULTS = {"b": True, "s": "auto"}  # of jit_compile, whose type tells the field
_NOT_RUN_CONFIG = {"use_off_line", *_DUMP, *_MEMORY}


def _takes(keys):
    """Return an __init__ whose parameters are those of `keys` that this generation knows."""

    def init(self, **options):
        self.options = options

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for key in keys:
        if rules.is_known(key) and not rules.KNOWN[key].get("no_parameter"):
            kind = inspect.Parameter.KEYWORD_ONLY
            default = _DEFAULTS[rules.field_of(key)] if key == "jit_compile" else None
            parameters.append(inspect.Parameter(key, kind, default=default))
    init.__signature__ = inspect.Signature(parameters)
    return init


class NPURunConfig:
    __init__ = _takes([key for key in rules.KNOWN if key not in _NOT_RUN_CONFIG])


class DumpConfig:
    __init__ = _takes(_DUMP)


class ProfilingConfig:
    def __init__(self, enable_profiling=False, profiling_options=None):
        pass


if any(rules.is_known(key) for key in _MEMORY):

    class MemoryConfig:
        __init__ = _takes(_MEMORY)
