"""Make .venv/tf1 or .venv/tf2 for the Python that runs this file; print its folder.

python3 scripts/setup_env.py [--host]

--host: over the host's own packages, whose TensorFlow and npu_bridge are never touched. What an
Ascend 910 host needs, where the vendor installed them. Done already: returns at once.
"""
# Any Python 3 must be able to read this file and get a message: no syntax newer than 3.5.

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
    """Return what an environment was made from: another one is made anew."""
    digest = hashlib.sha256(repr((sys.version, sys.executable, host, ROOT)).encode())
    for name in ("pyproject.toml", os.path.join("constraints", stack + ".txt")):
        with open(os.path.join(ROOT, name), "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()


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
    options = ["--system-site-packages"] if host else []
    run([sys.executable, "-m", "venv", "--clear"] + options + [folder])
    if host and sys.prefix != sys.base_prefix:
        share_virtual_environment(folder)


def share_virtual_environment(folder):
    """Let `folder` see the environment this Python belongs to: venv looks at the base only."""
    script = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    ours = subprocess.check_output([sys.executable, "-c", script]).decode().strip()
    theirs = subprocess.check_output([python_of(folder), "-c", script]).decode().strip()
    with open(os.path.join(theirs, "_host.pth"), "w") as stream:
        stream.write(ours + "\n")


def python_of(folder):
    return os.path.join(folder, "bin", "python")


def run(command):
    done = subprocess.call(command, stdout=sys.stderr)
    if done:
        fail("{} failed".format(" ".join(command[:4])), "see the lines above")


def pip_install(folder, *arguments):
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    run([python_of(folder), "-m", "pip", "install"] + quiet + list(arguments))


HOST_REQUIREMENTS = """
import pkg_resources as p
host = sorted(d.project_name.lower() for d in p.WorkingSet() if d.project_name != "lenet-exp")
wanted = [str(r) for r in p.get_distribution("lenet-exp").requires(extras=["dev"])
          if not r.project_name.startswith("tensorflow")]
print("\\n".join(host)); print("--"); print("\\n".join(wanted))
"""


def install(folder, stack, host):
    constraints = os.path.join(ROOT, "constraints", stack + ".txt")
    if not host:
        pip_install(folder, "-c", constraints, "-e", ROOT + "[dev]")
        return
    pip_install(folder, "--no-deps", "-e", ROOT)
    script = [python_of(folder), "-W", "ignore", "-c", HOST_REQUIREMENTS]
    found = subprocess.check_output(script).decode().split("\n--\n")
    present = {name.replace("_", "-") for name in found[0].split()}
    kept = os.path.join(folder, "constraints.txt")
    with open(constraints) as given, open(kept, "w") as stream:
        for line in given:
            name = line.partition("=")[0].strip().lower().replace("_", "-")
            if name not in present:  # what the host has stays as the host has it
                stream.write(line)
    pip_install(folder, "-c", kept, *found[1].split("\n")[:-1])


def read(path):
    with open(path) as stream:
        return stream.read()


def main(arguments):
    host = "--host" in arguments
    stack = stack_for(sys.version_info)
    folder = os.path.join(ROOT, ".venv", stack)
    stamp = os.path.join(folder, READY)
    wanted = fingerprint(stack, host)
    if not (os.path.exists(stamp) and read(stamp) == wanted):
        sys.stderr.write(
            "lenet-exp: setting up .venv/{} with Python {}.{} (once; takes minutes)\n".format(
                stack, *sys.version_info[:2]
            )
        )
        make_environment(folder, host)
        install(folder, stack, host)
        with open(stamp, "w") as stream:
            stream.write(wanted)
    print(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
