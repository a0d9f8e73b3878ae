"""Passwords in the URIs that a person types: never shown, never recorded."""

from __future__ import annotations

import logging
import re

# user:password@, whatever the password holds. Only of a server digits and a slash are a port, and a
# path that has an @: a database's are a password.
_IN_ADDRESS = re.compile(
    r"((?:https?://[^/:\s]*(?=:(?!\d+/))|(?<!http)(?<!https)://[^/:\s]*)):\S*@", re.IGNORECASE
)
_WORDS = r"passw|passphrase|pwd|secret|token"
_IN_QUERY = re.compile(rf"(?<=[?&])(\w*(?:{_WORDS})\w*)=[^&\s\"']+", re.IGNORECASE)
_NAME = re.compile(rf"{_WORDS}|key$", re.IGNORECASE)


def is_secret(variable: str) -> bool:
    """Return whether a variable of the environment holds a password, by its name."""
    return _NAME.search(variable) is not None


def without_password(text: str) -> str:
    """Return `text` with the password of any URI in it hidden."""
    return _IN_QUERY.sub(r"\1=***", _IN_ADDRESS.sub(r"\1:***@", text))


class Formatter(logging.Formatter):
    """Writes a log without passwords, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines, of a record."""
        return without_password(super().format(record))
