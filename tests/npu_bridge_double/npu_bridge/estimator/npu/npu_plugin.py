"""The process's device."""


def is_inf_nan_enabled():
    return False
