"""Does a tracking server answer: asked first, so that a wrong address costs seconds."""

from __future__ import annotations

import os
import re
import threading
from typing import List

from lenet_exp.config.passwords import without_password
from lenet_exp.errors import StoreError
from lenet_exp.record.store import store_check

_PATIENCE = 8.0  # seconds for an answer, a name and a handshake included
_ASKED = "api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
_USER = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


def check_answers(uri: str, command: str = "run") -> None:
    """Refuse a server that doesn't answer as MLflow's does; `command` could do without it.

    Raises:
        StoreError: with what is wrong: host, port, proxy, certificate or user.
    """
    found: List[str] = []
    asked = threading.Thread(target=lambda: found.append(_problem(uri)), daemon=True)
    asked.start()
    asked.join(_PATIENCE + 1)  # looking up a name knows no time-out
    problem = found[0] if found else f"the server doesn't answer within {_PATIENCE:.0f} seconds"
    if problem:
        shown, said = without_password(uri), without_password(problem)
        remedy = store_check.another_store(uri, command)
        raise StoreError(shown, f"can't be used ({said})", remedy)


def _problem(uri: str) -> str:
    """Return what is wrong with a server, in words; "" where nothing is."""
    import requests  # noqa: PLC0415 - MLflow's own; not for a store of files

    user, password = (
        os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD")
    )
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    try:
        answer = requests.get(
            f"{uri.rstrip('/')}/{_ASKED}",
            timeout=(_PATIENCE / 2, _PATIENCE / 2),
            auth=(user, password or "") if user else None,
            headers={"Authorization": f"Bearer {token}"} if token and not user else {},
            verify=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or not insecure,
        )
    except requests.exceptions.ProxyError as error:
        return f"the proxy that HTTP_PROXY or HTTPS_PROXY names doesn't answer{_cause(error)}"
    except requests.exceptions.SSLError as error:
        return f"its certificate is not accepted{_cause(error)}; {_CERTIFICATES}"
    except requests.exceptions.Timeout:
        return f"the server doesn't answer within {_PATIENCE / 2:.0f} seconds"
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        return f"the server doesn't answer{_cause(error)}"
    return _problem_of(answer.status_code, answer.headers.get("content-type", ""))


_CERTIFICATES = "REQUESTS_CA_BUNDLE=FILE has those that are"


def _problem_of(code: int, kind: str) -> str:
    if code in (401, 403):
        return f"it refuses this user ({code}); who it is say {_USER}"
    if code == 407:
        return "the proxy refuses this user (407)"
    if code >= 500:
        return f"it answers with the error {code}"
    is_mlflow = code in (200, 404) and "json" in kind
    return "" if is_mlflow else f"it is no MLflow server: it answers {code}, {kind or 'no content'}"


def _cause(error: Exception) -> str:
    """Return the innermost reason of an error of requests, with a colon; "" where it names none."""
    named = r"\[Errno -?[0-9]+\] ([^'\")\]]+)|\[SSL: \w+\] ([^('\"]+)"
    found = re.findall(named, str(error))
    return f": {''.join(found[-1]).strip()}" if found else ""


def reason(error: Exception) -> str:
    """Return in a line why a store can't be used; requests uses many where nobody answers."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    if not re.search("Max retries exceeded|HTTPS?ConnectionPool", first):
        return first
    causes = re.findall(r"\[Errno -?[0-9]+\] ([^'\")\]]+)|(timed out)", first)
    return ": ".join(["the server doesn't answer", *("".join(cause) for cause in causes[-1:])])
