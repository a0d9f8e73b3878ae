"""Passwords in the URIs that a person types: never shown, never recorded."""

from __future__ import annotations

import logging
import re

# user:password@, whatever the password holds; a port and a path that has an @ are none.
_IN_ADDRESS = re.compile(r"(?<=://)([^/:\s]*):(?!\d+/)\S*@")
_IN_QUERY = re.compile(r"(?<=[?&])(\w*(?:passw|pwd|secret|token)\w*)=[^&\s\"']+", re.IGNORECASE)


def without_password(text: str) -> str:
    """Return `text` with the password of any URI in it hidden."""
    return _IN_QUERY.sub(r"\1=***", _IN_ADDRESS.sub(r"\1:***@", text))


class Formatter(logging.Formatter):
    """Writes a log without passwords, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines, of a record."""
        return without_password(super().format(record))
