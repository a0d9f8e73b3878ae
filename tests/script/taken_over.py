"""The sessions of a test's own process, taken over for as long as a test lasts."""

import contextlib

from lenet_exp import tf_compat
from lenet_exp.script.sessions import Observer, Takeover


class Heard(Observer):
    """Keeps all it hears of."""

    def __init__(self):
        self.runs, self.calls = [], []

    def prepared(self, prepared):
        self.runs.append(prepared)

    def called(self, call):
        self.calls.append(call)


@contextlib.contextmanager
def taken_over(mode=None, observer=None, **options):
    """Yield what is heard of sessions that compute under a mode, None: as they say themselves."""
    tf_compat.load()
    from tensorflow.python.client import session

    heard = observer or Heard()
    made = Takeover({"mode": mode} if mode else {}, heard, **options)
    installed = getattr(session.BaseSession, "_lenet_exp_takeover", None)
    if installed is None:
        made.install(session)
        installed = made
    do_run = installed._do_run
    vars(installed).update(vars(made), _do_run=do_run)
    try:
        yield heard
    finally:
        installed.every_session = False
