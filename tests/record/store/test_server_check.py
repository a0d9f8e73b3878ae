"""A server that is wrong is told in one line, soon, and without the password."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
import warnings

import pytest

from lenet_exp.errors import StoreError
from lenet_exp.record.store import server_check

pytestmark = pytest.mark.stackless

PROXIES = [f"{scheme}{end}" for scheme in ("http", "https", "HTTP", "HTTPS")
           for end in ("_proxy", "_PROXY")]  # fmt: skip


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Nothing of this machine's own: no proxy, user or certificate; little patience."""
    for name in (*PROXIES, "no_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
                 *(f"MLFLOW_TRACKING_{end}" for end in ("USERNAME", "PASSWORD", "TOKEN")),
                 "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(server_check, "_PATIENCE", 1.0)


@contextlib.contextmanager
def answering(code, kind="application/json", certificate=None):
    """Yield the port of a server that answers everything so, and what it was sent."""
    sent = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            sent.append(self.headers.get("Authorization"))
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *args: None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port, sent
    server.shutdown()
    server.server_close()


def told(uri):
    """Return what is said of a server, in a line; that it is said soon is checked."""
    begun = time.monotonic()
    with pytest.raises(StoreError) as raised:
        server_check.check_answers(uri)
    assert time.monotonic() - begun < 10
    shown, problem, remedy = raised.value.args
    assert "SECRET" not in str(raised.value)
    assert "\n" not in shown + problem
    assert remedy.startswith("python -m lenet_exp.run tracking.uri=")
    return problem


# what it answers; as what; what is said
ANSWERS = [
    (401, "text/html", "refuses this user (401); who it is say MLFLOW_TRACKING_USERNAME"),
    (403, "text/html", "refuses this user (403)"),
    (407, "text/html", "the proxy refuses this user (407)"),
    (404, "text/html", "no MLflow server: it answers 404, text/html"),
    (200, "text/html; charset=utf-8", "no MLflow server: it answers 200"),
    (502, "text/html", "answers with the error 502"),
]
WITH_PASSWORD = ["me:SECRET@127.0.0.1:{port}", "127.0.0.1:{port}/?token=SECRET"]


@pytest.mark.parametrize(("code", "kind", "said"), ANSWERS)
def test_what_a_wrong_server_answers_is_told(code, kind, said):
    with answering(code, kind) as (port, _):
        assert said in told(f"http://127.0.0.1:{port}")
        for address in WITH_PASSWORD:
            assert said in told(f"http://{address.format(port=port)}")


@pytest.mark.parametrize("code", [200, 404])
def test_an_mlflow_server_passes_with_the_user_of_the_environment(code, monkeypatch):
    with answering(code) as (port, sent):
        server_check.check_answers(f"http://127.0.0.1:{port}/")
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mine")
        server_check.check_answers(f"http://127.0.0.1:{port}")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "x")
        server_check.check_answers(f"http://127.0.0.1:{port}")
    assert sent == [None, "Bearer mine", "Basic bWU6eA=="]


def test_a_port_that_is_closed():
    assert "doesn't answer: Connection refused" in told("http://me:SECRET@127.0.0.1:9")


def test_a_host_that_is_none():
    assert "the server doesn't answer" in told("http://me:SECRET@no-such-host.invalid:5000")


def test_a_port_that_is_none():
    assert "doesn't answer" in told("http://127.0.0.1:99999")


def test_a_server_that_hangs():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        port = listening.getsockname()[1]
        assert "within 0 seconds" in told(f"http://me:SECRET@127.0.0.1:{port}")


def test_a_name_that_is_looked_up_for_ever(monkeypatch):
    def slow(*args, **more):
        time.sleep(4)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert "doesn't answer within 1 seconds" in told("http://slow:5000")


def test_a_proxy_that_is_not_there(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:SECRET@127.0.0.1:9")
    said = told("http://mlflow.example:5000")
    assert said.startswith("can't be used (the proxy that HTTP_PROXY or HTTPS_PROXY names")
    assert "Connection refused" in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that nobody vouches for, and its key, in a file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path.with_suffix(".key"), "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + path.with_suffix(".key").read_text())
    return path


def test_a_certificate_that_is_not_trusted(certificate, monkeypatch):
    with answering(200, certificate=certificate) as (port, _):
        uri = f"https://me:SECRET@127.0.0.1:{port}"
        assert "its certificate is not accepted: certificate verify failed" in told(uri)
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        server_check.check_answers(f"https://127.0.0.1:{port}")
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
        with warnings.catch_warnings():  # urllib3's, of what was asked for
            warnings.simplefilter("ignore")
            server_check.check_answers(f"https://127.0.0.1:{port}")


def test_tls_with_what_has_none():
    with answering(200) as (port, _):
        assert "certificate is not accepted" in told(f"https://127.0.0.1:{port}")
