"""Make .venv/tf1 or .venv/tf2 for the Python that runs this file; print its folder.

python3 scripts/setup_env.py [--host | --no-host]

--host: over the host's own packages, whose TensorFlow and npu_bridge are never touched. What an
Ascend 910 host needs, where the vendor installed them. An environment made so stays so until
--no-host. Done already: returns at once.
"""
# Any Python 3 must be able to read this file and get a message: no syntax newer than 3.5.

import contextlib
import email
import fcntl
import glob
import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUPPORTED = "3.7 (TensorFlow 1.15.0) or 3.10 to 3.13 (TensorFlow 2)"
READY = ".lenet-exp-ready"


def fail(problem, remedy):
    sys.exit("lenet-exp: {}\n  try: {}".format(problem, remedy))


def stack_for(version):
    """Return "tf1" or "tf2"; end with a message for a Python that no stack supports."""
    if version[:2] == (3, 7):
        return "tf1"
    if (3, 10) <= version[:2] <= (3, 13):
        return "tf2"
    found = "Python {}.{} ({}) is not supported; supported are {}".format(
        version[0], version[1], sys.executable, SUPPORTED
    )
    return fail(found, "make run PYTHON=python3.11")


def fingerprint(stack, host):
    """Return what an environment was made from: another one is made anew.

    The same whether the Python is the one it was made with or its own, as after `source activate`.
    """
    digest = hashlib.sha256(repr((sys.version, sys.base_prefix, ROOT)).encode())
    for name in ("pyproject.toml", os.path.join("constraints", stack + ".txt")):
        with open(os.path.join(ROOT, name), "rb") as stream:
            digest.update(stream.read())
    return ("host " if host else "own ") + digest.hexdigest()


def make_environment(folder, host):
    try:
        import ensurepip
        import venv  # noqa: F401
    except ImportError:
        fail(
            "{} has no venv module".format(sys.executable),
            "apt-get install python{}.{}-venv, or another Python: make run PYTHON=...".format(
                *sys.version_info[:2]
            ),
        )
    assert ensurepip
    if host and os.path.realpath(sys.prefix) == os.path.realpath(folder):
        fail("{} is the environment to be made anew, not the host".format(folder), "deactivate")
    options = ["--system-site-packages"] if host else []
    run([base_python(), "-m", "venv", "--clear"] + options + [folder])
    if host and sys.prefix != sys.base_prefix:
        share_virtual_environment(folder)


def base_python():
    """Return the Python that no --clear takes away: our own may be of the very environment."""
    named = "python{}.{}".format(*sys.version_info[:2])
    candidates = [
        getattr(sys, "_base_executable", ""),  # not on 3.7
        os.path.join(sys.base_prefix, "bin", named),
        os.path.realpath(sys.executable),
    ]
    return next(path for path in candidates if path and os.path.exists(path))


def share_virtual_environment(folder):
    """Let `folder` see the environment this Python belongs to: venv looks at the base only."""
    with open(os.path.join(packages_of(python_of(folder)), "_host.pth"), "w") as stream:
        stream.write(packages_of(sys.executable) + "\n")


def packages_of(python):
    return output([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])


def output(command):
    return subprocess.check_output(command).decode().strip()


def python_of(folder):
    return os.path.join(folder, "bin", "python")


def run(command):
    done = subprocess.call(command, stdout=sys.stderr)
    if done:
        fail("{} failed".format(" ".join(command[:4])), "see the lines above")


def pip_install(folder, *arguments):
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    run([python_of(folder), "-m", "pip", "install"] + quiet + list(arguments))


def requirements_of(folder):
    """Return what lenet-exp needs besides TensorFlow, as pip reads it."""
    (metadata,) = glob.glob(
        os.path.join(packages_of(python_of(folder)), "lenet_exp-*.dist-info", "METADATA")
    )
    with open(metadata) as stream:
        needed = email.message_from_file(stream).get_all("Requires-Dist")
    # pip itself reads the markers; only `extra` has no meaning outside a package.
    return [
        line.replace('extra == "dev"', 'python_version >= "3"')
        for line in needed
        if not line.startswith("tensorflow")
    ]


def install(folder, stack, host):
    constraints = os.path.join(ROOT, "constraints", stack + ".txt")
    if not host:
        pip_install(folder, "-c", constraints, "-e", ROOT + "[dev]")
        return
    pip_install(folder, "--upgrade", "pip")  # Python 3.7's own can't build an editable install
    pip_install(folder, "--no-deps", "-e", ROOT)
    listed = output([python_of(folder), "-m", "pip", "list", "--format=freeze"])
    present = {plain_name(line) for line in listed.splitlines()}
    kept = os.path.join(folder, "constraints.txt")
    with open(constraints) as given, open(kept, "w") as stream:
        for line in given:
            if plain_name(line) not in present:  # what the host has stays as the host has it
                stream.write(line)
    pip_install(folder, "-c", kept, *requirements_of(folder))


def plain_name(line):
    return line.partition("=")[0].strip().lower().replace("_", "-")


def read(path):
    with open(path) as stream:
        return stream.read()


@contextlib.contextmanager
def alone(folder):
    """Wait until no other process makes this environment; keep others waiting meanwhile."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("lenet-exp: waiting for another process to set up\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wanted_host(folder, arguments):
    """Return what the environment was made from, "" where it was not, and whether over a host's."""
    stamp = os.path.join(folder, READY)
    made = read(stamp) if os.path.exists(stamp) else ""
    keeps = made.startswith("host") and "--no-host" not in arguments
    return made, "--host" in arguments or keeps


def make_anew(folder, stack, host):
    sys.stderr.write(
        "lenet-exp: setting up .venv/{} with Python {}.{} (once; takes minutes)\n".format(
            stack, *sys.version_info[:2]
        )
    )
    make_environment(folder, host)
    install(folder, stack, host)
    with open(os.path.join(folder, READY), "w") as stream:
        stream.write(fingerprint(stack, host))


def main(arguments):
    stack = stack_for(sys.version_info)
    folder = os.path.join(ROOT, ".venv", stack)
    made, host = wanted_host(folder, arguments)
    if made != fingerprint(stack, host):
        with alone(folder):
            made, host = wanted_host(folder, arguments)  # another process may have made it
            if made != fingerprint(stack, host):
                make_anew(folder, stack, host)
    print(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
