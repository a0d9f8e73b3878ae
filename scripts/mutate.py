"""Do the tests notice a wrong line: 60 single-line mutations, each tried in a copy of the checkout.

    python3 scripts/mutate.py [--list] [--only N,N...] [--jobs 2] [--results FILE]

Draws the mutations with a fixed seed from precision, training, record, sweep and config, as many
of each as it has lines. Each is committed in a clone of HEAD, whose own environments start its
child processes too, and is tried by the tests nearest to it first: those of its module, its
folder, its part, then the end-to-end tests; it is caught by the first that fails, or that does
not end. What lives on tf2 is tried on tf1, whose code is its own in places. A mutant whose module
can't be imported is replaced by the next. Equivalent mutants can't be known, and count as lived.
FILE (mutants.json) holds what is known so far: the same command goes on. Number 0 is HEAD itself,
which every test has to pass first (--trust skips it).
"""

import argparse
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import mutations

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("precision", "training", "record", "sweep", "config")


class Copy:
    """A clone of HEAD with environments of its own, for one mutant at a time."""

    stopping = threading.Event()  # Ctrl-C reaches the main thread only

    def __init__(self, folder):
        """Clone, and make environments that have ROOT's packages and the clone's code."""
        self.folder = folder / "checkout"
        self._clock = int(time.time()) - 10**6
        run("git", "clone", "-q", str(ROOT), str(self.folder))
        run("git", "config", "user.name", "mutant", cwd=self.folder)
        run("git", "config", "user.email", "mutant@localhost", cwd=self.folder)
        self._head = run("git", "rev-parse", "HEAD", cwd=self.folder).strip()
        made = [path for path in (ROOT / ".venv/tf2", ROOT / ".venv/tf1") if path.is_dir()]
        self.pythons = [self._environment(path, folder / path.name) for path in made]
        for python in self.pythons:
            used = run(python, "-c", "import lenet_exp; print(lenet_exp.__file__)", cwd="/")
            if not used.startswith(str(self.folder)):
                raise RuntimeError(f"not the copy is run, but {used}")

    def _environment(self, made, folder):
        run(str(made / "bin" / "python"), "-m", "venv", "--without-pip", str(folder))
        (packages,) = folder.glob("lib/python*/site-packages")
        (ours,) = made.glob("lib/python*/site-packages")
        (packages / "packages.pth").write_text(f"{ours}\n")
        for path in ours.glob("__editable__*"):  # where the code is: the copy, not here
            if path.is_file():
                text = path.read_text().replace(str(ROOT), str(self.folder))
                (packages / path.name).write_text(text)
        for path in (made / "bin").glob("lenet-exp"):
            text = path.read_text().replace(str(made), str(folder))
            (folder / "bin" / path.name).write_text(text)
            (folder / "bin" / path.name).chmod(0o755)
        return str(folder / "bin" / "python")

    def apply(self, mutant):
        """Have this mutant, and no other, as the commit that is checked out; None: HEAD."""
        run("git", "reset", "-q", "--hard", self._head, cwd=self.folder)
        if mutant is None:
            return
        path = self.folder / mutant["file"]
        path.write_bytes(mutations.mutated(path.read_bytes(), mutant))
        # Python tells compiled files by size and whole seconds.
        self._clock += 10
        os.utime(str(path), (self._clock, self._clock))
        run("git", "commit", "-q", "-a", "-m", "mutant", cwd=self.folder)

    def imports(self, mutant):
        """Return whether the mutated module can be imported."""
        name = mutant["file"][: -len(".py")].replace("/", ".")
        command = [self.pythons[0], "-W", "ignore", "-c", f"import {name}"]
        try:
            done = subprocess.run(command, cwd="/", capture_output=True, check=False, timeout=120)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def test(self, files, patience):
        """Run test files in order, a stack after the other, up to the first failure.

        Args:
            files: relative to the checkout.
            patience: seconds without an ended test, after which the one at work has failed.

        Returns:
            What failed, None if nothing did, and the output of the last stack that was tried.
        """
        for python in self.pythons:
            failed, text = self._test(python, files, patience)
            if failed:
                stack = Path(python).parent.parent.name
                return f"{failed} ({stack})", text
        return None, text

    def _test(self, python, files, patience):
        command = [python, "-u", "-m", "pytest", "-x", "-v", "--tb=line", "-m", "not full", "-n0"]
        command += ["-p", "no:cacheprovider", *files]
        with tempfile.TemporaryFile("w+") as output:
            child = subprocess.Popen(
                command, cwd=str(self.folder), stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            try:
                hangs = wait(child, output, patience, self.stopping)
            finally:
                end(child)
            output.seek(0)
            text = output.read()
        # 4 is a wrong command line, or a mutant that keeps the conftest from being imported.
        if child.returncode == 5 or (child.returncode == 4 and "conftest" not in text):
            raise RuntimeError(text)
        return failed_test(text, hangs) if hangs or child.returncode else None, text


def run(*command, cwd=None):
    """Run a command that has to succeed; return what it prints."""
    done = subprocess.run(
        command, cwd=str(cwd or ROOT), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def wait(child, output, patience, stopping):
    """Wait for a child; return True if its output stands still for `patience` seconds."""
    size, since = 0, time.monotonic()
    while child.poll() is None:
        time.sleep(0.5)
        if stopping.is_set():
            raise KeyboardInterrupt
        now = os.fstat(output.fileno()).st_size
        if now != size:
            size, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            return True
    return False


def end(child):
    """End a child and all that it started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def failed_test(text, hangs):
    """Return the id of the test that pytest's output says has failed."""
    lines = text.splitlines()
    if hangs:
        started = [line.split(" ")[0] for line in lines if line.startswith("tests/")]
        return f"{started[-1] if started else 'collection'} (does not end)"
    ids = [line.split(" ")[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return ids[0] if ids else f"pytest itself: {lines[-1] if lines else 'no output'}"


def tests_for(mutant, root):
    """Return the test files to try, the nearest to the mutated module first."""
    files = [str(path.relative_to(root)) for path in sorted(root.glob("tests/**/test_*.py"))]
    if mutant is None:
        wanted = [f"tests/{part}/" for part in (*PARTS, "end_to_end")]
        return [file for file in files if file.startswith(tuple(wanted))]
    module = Path(mutant["file"])
    folder = Path("tests", *module.parent.parts[1:])
    part, stem = module.parts[1], module.stem.strip("_")

    def distance(file):
        path = Path(file)
        named = stem in path.stem or path.stem[len("test_") :] in stem
        if path.parts[1] == "end_to_end":
            return (3, not named, part not in path.stem, file)
        return (0 if named else 1 if folder in path.parents else 2, path.stem, file)

    return sorted(
        (file for file in files if Path(file).parts[1] in (part, "end_to_end")), key=distance
    )


def drawn(copy, seed, count):
    """Return `count` mutants that can be imported, from each part as many as it has lines."""
    sources = {part: sorted((ROOT / "lenet_exp" / part).rglob("*.py")) for part in PARTS}
    lines = {
        part: sum(len(path.read_text().splitlines()) for path in paths)
        for part, paths in sources.items()
    }
    found = []
    for part, wanted in shares(lines, count).items():
        for mutant in mutations.shuffled(ROOT, sources[part], f"{seed} {part}"):
            if wanted == 0:
                break
            copy.apply(mutant)
            if copy.imports(mutant):
                found.append({"number": len(found) + 1, **mutant})
                wanted -= 1
    return found


def shares(lines, count):
    """Return how many of `count` each part gets by its lines; largest remainders first."""
    exact = {part: count * number / sum(lines.values()) for part, number in lines.items()}
    given = {part: int(number) for part, number in exact.items()}
    by_remainder = sorted(exact, key=lambda part: given[part] - exact[part])
    for part in by_remainder[: count - sum(given.values())]:
        given[part] += 1
    return given


class Results:
    """What is known, in a file that is whole at any time."""

    def __init__(self, path, about):
        """Read what an earlier call left; refuse what it left about another commit."""
        self._path, self._lock = path, threading.Lock()
        self.known = {"about": about, "head": None, "mutants": []}
        if path.exists():
            self.known = json.loads(path.read_text())
            if self.known["about"] != about:
                sys.exit(f"{path} is of {self.known['about']}, this is {about}: --results FILE")

    def write(self, **changes):
        """Change what is known of all."""
        with self._lock:
            self.known.update(changes)
            self._replace()

    def tried(self, mutant, failed, seconds):
        """Keep what became of one mutant, and say it."""
        outcome = {"caught_by": failed, "lived": failed is None, "seconds": round(seconds, 1)}
        with self._lock:
            mutant.update(outcome)
            self._replace()
        print(row(mutant), flush=True)

    def _replace(self):
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self.known, indent=1))
        part.replace(self._path)


def row(mutant):
    """Return a mutant and what became of it in two lines."""
    place = f"{mutant['number']:3} {mutant['file']}:{mutant['line']}"
    change = f"{mutant['before']}  ->  {mutant['after']}"
    if "lived" not in mutant:
        return f"{place}  {change}"
    outcome = "LIVED" if mutant["lived"] else f"caught by {mutant['caught_by']}"
    return f"{place}  {change}\n      {outcome} ({mutant['seconds']:.0f} s)"


def work(copy, waiting, results, patience):
    """Try mutants until none is left."""
    while True:
        try:
            mutant = waiting.get_nowait()
        except queue.Empty:
            return
        copy.apply(mutant)
        begun = time.monotonic()
        try:
            failed, _ = copy.test(tests_for(mutant, copy.folder), patience)
        except KeyboardInterrupt:
            return
        results.tried(mutant, failed, time.monotonic() - begun)


def check_head(copy, results, patience):
    """Have every test pass before anything is changed, or stop."""
    copy.apply(None)
    begun = time.monotonic()
    failed, text = copy.test(tests_for(None, copy.folder), patience)
    if failed:
        print(text[-4000:])
        sys.exit(f"HEAD itself fails: {failed}")
    results.write(head=f"passed in {time.monotonic() - begun:.0f} s")


def options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="draw and print, try nothing")
    parser.add_argument("--only", default="", help="numbers, commas between")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--seed", type=int, default=22)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--patience", type=int, default=600, help="seconds for one test")
    parser.add_argument("--trust", action="store_true", help="HEAD's tests pass: don't try them")
    parser.add_argument("--results", type=Path, default=Path("mutants.json"))
    return parser.parse_args()


def main():
    """Draw, try, and print the table; return 0 if all that were asked for have been tried."""
    chosen = options()
    head = run("git", "rev-parse", "HEAD").strip()
    about = f"commit {head} seed {chosen.seed} count {chosen.count}"
    results = Results(chosen.results, about)
    folder = Path(tempfile.mkdtemp(prefix="mutate-"))
    try:
        copies = [Copy(folder / str(number)) for number in range(max(1, chosen.jobs))]
        if not results.known["mutants"]:
            results.write(mutants=drawn(copies[0], chosen.seed, chosen.count))
        mutants = results.known["mutants"]
        numbers = [int(n) for n in chosen.only.split(",") if n] or range(1, len(mutants) + 1)
        if not chosen.list:
            if not chosen.trust and results.known["head"] is None:
                check_head(copies[0], results, chosen.patience)
            try_all(copies, [mutants[n - 1] for n in numbers], results, chosen.patience)
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)
    show(mutants)
    return 0


def try_all(copies, mutants, results, patience):
    """Try those that were not tried yet, one at a time in each copy."""
    waiting = queue.Queue()
    for mutant in mutants:
        if "lived" not in mutant:
            waiting.put(mutant)
    threads = [
        threading.Thread(target=work, args=(copy, waiting, results, patience)) for copy in copies
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        Copy.stopping.set()


def show(mutants):
    """Print the table, those that lived once more, and the score."""
    print("\n".join(row(mutant) for mutant in mutants))
    tried = [mutant for mutant in mutants if "lived" in mutant]
    lived = [mutant for mutant in tried if mutant["lived"]]
    if lived:
        print("\nlived:", *map(row, lived), sep="\n")
    print(f"\ncaught {len(tried) - len(lived)} of {len(tried)} tried, of {len(mutants)} drawn")


if __name__ == "__main__":
    sys.exit(main())
