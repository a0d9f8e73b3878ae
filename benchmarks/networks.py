"""Anybody's training graphs through the planner and the emulator: one table.

python benchmarks/networks.py DIR: DIR holds .meta files, each with a JSON of the same name beside
it that says what is fed and fetched (`network_parts/feeds.py` has its form; without one its
placeholders are fed). Nothing is downloaded. Each network is taken in a process of its own; what
goes wrong with one is said in words, and the next one follows. With --results FOLDER what is found
of a network is kept there, and only what is not there yet is run: --parts and --modes take a table
in portions.

"fast = reference" makes three steps by both paths of the emulation from the same variables, with an
overflow in none, in the first and in the second step, and compares fetches, variables and the float
status bit by bit after each step. A step overflows because all matrices and kernels are 2**24 times
as large in it; afterwards the variables are put back, as a skipped step leaves them, so that what
follows is again a network with sound values. Cost is seconds per step, emulated / float32, as the
median of paired rounds, each from the same variables; "float32, twice" is its control. The three
times three steps of a path are made in one session: where a random generator is once behind, what
follows differs too, so read the first problem of a mode first. What a graph itself reads and writes
in no order is put in one before, and named below the table: what it left would differ by its own
fault.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence

import numpy as np
from network_parts.feeds import Network, drawn, read_network
from network_parts.races import in_order, races
from network_parts.session import Variables, graph_of, initial_values, variables_of
from network_parts.table import (
    ALL,
    BASE,
    MODES,
    PROCESS,
    TWICE,
    add,
    empty,
    missing,
    problems_of,
    table,
    to_what_is_left,
)
from paired import measure, ratio

from lenet_exp import tf_compat
from lenet_exp.precision import Emulated, Plan, assign, emulate
from lenet_exp.record.run import run_files

PARTS = ("plan", "bits", "cost")
STEPS, NONE = 3, 0
OVERFLOWS = {NONE: "no overflow", 1: "an overflow in step 1", 2: "an overflow in step 2"}
HUGE = np.float32(2.0**24)  # the smallest usual weight, 1e-2, is then beyond float16
WINDOW_SECONDS = 0.2
# What comes before the error itself in TensorFlow 2.
TRACES = ("Graph execution error", "Detected at", "File ", "<stack traces")


class Step(NamedTuple):
    """What a step left: fetched tensors and variables by name, whether it overflowed."""

    values: Dict[str, np.ndarray]
    overflowed: bool


def plans(network: Network, options: argparse.Namespace, told: Dict[str, Any]) -> Dict[str, Plan]:
    """Return the plans by mode; tell what they hold and how long they took."""
    found = {}
    for short in options.modes:
        with problems(told, short, "plan"):
            begun = time.perf_counter()
            found[short] = plan = assign(
                network.graph_def,
                MODES[short],
                fetches=network.fetches,
                generation=options.generation,
            )
            told["plan"][short] = time.perf_counter() - begun
            rows = plan.operators
            unknown = Counter(row.ge_type for row in rows if row.rule == "unknown")
            told["operators"], told["unknown"] = len(rows), dict(unknown.most_common())
            told["float16"][short] = sum("float16" in (*r.inputs, *r.outputs) for r in rows)
            told["casts"][short] = len(plan.casts)
            for engine in ("refused", "ai_cpu"):
                told[engine][short] = sum(r.engine == engine for r in rows)
    return found


@contextlib.contextmanager
def problems(told: Dict[str, Any], mode: str, part: str) -> Iterator[None]:
    """Tell an error in words, and go on; what went wrong in this part before is forgotten."""
    told["problems"].setdefault(mode, {}).setdefault(part, [])
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the next one follows
        tell(told, mode, part, f"{type(error).__name__}: {in_a_line(error)}")


def tell(told: Dict[str, Any], mode: str, part: str, problem: str) -> None:
    told["problems"].setdefault(mode, {}).setdefault(part, []).append(problem)


def in_a_line(error: Exception) -> str:
    """Return what is wrong, without the traces that TensorFlow puts around it."""
    text = getattr(error, "message", str(error)).split("Original stack trace")[0]
    lines = [line.strip() for line in text.splitlines()]
    told = [line for line in lines if line and not line.startswith(TRACES)]
    return (told or lines or [""])[0][:300]


def step(variables: Variables, made: Emulated, fetches: Sequence[str], feeds: Any) -> Step:
    """Make one step, what it tells of the network first, then each of its updates."""
    run, tensors = variables.session.run, [name for name in fetches if ":" in name]
    values = dict(zip(tensors, run(tensors, feeds)))
    for name in fetches:
        if name not in values:  # in one run, one network's update may overtake another's forward
            run(name, feeds)
    overflowed = bool(run(made.float_status) > 0)
    run(made.reset)
    return Step({**values, **variables.read()}, overflowed)


def steps(
    variables: Variables, made: Emulated, network: Network, first: Any, overflow: int
) -> List[Step]:
    """Return three steps, one of which overflows, or none."""
    found = []
    variables.session.run(made.reset)
    variables.write(first)
    for number, feeds in enumerate(drawn(network.feeds, network.seed, STEPS), 1):
        before = variables.read()
        if number == overflow:
            variables.write({name: huge(value) for name, value in before.items()})
        found.append(step(variables, made, network.fetches, feeds))
        if number == overflow:
            variables.write(before)
    return found


def huge(value: np.ndarray) -> np.ndarray:
    """Return a matrix or kernel so large that float16 can't hold it."""
    return value * HUGE if value.dtype == np.float32 and value.ndim > 1 else value


def difference(fast: Sequence[Step], reference: Sequence[Step]) -> str:
    """Return where two runs differ first, "" if nowhere."""
    for number, (one, other) in enumerate(zip(fast, reference), 1):
        names = [name for name in one.values if not same(one.values[name], other.values[name])]
        if names:
            more = f" and {len(names) - 1} more" if names[1:] else ""
            return f"step {number} differs in {names[0]}{more}"
        if one.overflowed is not other.overflowed:
            return f"step {number} differs in the float status"
    return ""


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two tensors have the same bits; one NaN is as good as another."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    bits = f"u{one.itemsize}"
    equal = np.ascontiguousarray(one).view(bits) == np.ascontiguousarray(other).view(bits)
    return bool((equal | (np.isnan(one) & np.isnan(other))).all())


def compare(network: Network, plan: Plan, first: Any, short: str, told: Dict[str, Any]) -> None:
    """Tell whether both paths of a plan's emulation give the same bits."""
    asked, equal = [name for name in network.fetches if ":" in name], True
    with contextlib.ExitStack() as stack:
        paths = []
        for reference in (False, True):
            made = emulate(network.graph_def, plan, fetches=asked, reference=reference)
            variables = Variables(graph_of(made.graph_def), list(first))
            paths.append((stack.enter_context(variables), made))
        for overflow, words in OVERFLOWS.items():
            fast, exact = (steps(*path, network, first, overflow) for path in paths)
            found = difference(fast, exact)
            if found:
                tell(told, short, "bits", f"with {words}, {found}")
                equal = False
            if overflow and told["float16"][short] and not exact[overflow - 1].overflowed:
                tell(told, short, "bits", f"with {words}, no overflow came about")
    told["bits"][short] = "yes" if equal else "no"


def cost(network: Network, found: Mapping[str, Plan], first: Any, rounds: int) -> Dict[str, str]:
    """Return each mode's seconds per step / float32's, and the control."""
    graphs = dict.fromkeys((BASE, TWICE), (network.graph_def, ()))
    asked = [name for name in network.fetches if ":" in name]
    for short, plan in found.items():
        made = emulate(network.graph_def, plan, fetches=asked)
        graphs[short] = (made.graph_def, [made.reset])
    (feeds,) = drawn(network.feeds, network.seed, 1)
    with contextlib.ExitStack() as stack:
        windows: Dict[str, Callable[[], float]] = {}
        for name, (graph_def, reset) in graphs.items():
            variables = stack.enter_context(Variables(graph_of(graph_def), list(first)))
            variables.session.run(reset)
            windows[name] = window(variables, network.fetches, feeds, first)
        seen = measure(windows, rounds)
    told = {name: str(ratio(seen[name], seen[BASE])) for name in seen if name != BASE}
    told[BASE] = f"{1000 * statistics.median(seen[BASE]):.2f} ms"
    return told


def window(
    variables: Variables, fetches: Sequence[str], feeds: Any, first: Any
) -> Callable[[], float]:
    """Return what makes some steps from the first values, and gives the seconds of one."""
    run = variables.session.run

    def once(count: int) -> float:
        variables.write(first)
        begun = time.perf_counter()
        for _ in range(count):
            run(list(fetches), feeds)
        return (time.perf_counter() - begun) / count

    once(1)
    count = max(1, min(200, int(WINDOW_SECONDS / once(1))))
    return lambda: once(count)


def examine(path: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Return what there is to tell of one network; each part is said when it is done."""
    told = empty()
    with problems(told, ALL, PROCESS):
        network = read_network(path)
        found_races = races(network.graph_def, network.fetches)
        ordered = in_order(network.graph_def, network.fetches) if found_races else network.graph_def
        network = network._replace(graph_def=ordered)
        told["nodes"], told["plan_only"] = len(ordered.node), network.plan_only
        told["races"] = [str(race) for race in found_races]
        found = plans(network, options, told)
        for short, plan in found.items():
            with problems(told, short, "import"):
                graph_of(plan.graph_def)
        say(told, options)
        if not network.plan_only and network.fetches and options.parts != ["plan"]:
            run_all(network, found, options, told)
    return told


def say(told: Dict[str, Any], options: argparse.Namespace) -> None:
    """Print what is told so far, for whoever started this process: it may be ended any time."""
    if options.one:
        print(json.dumps(told), flush=True)


def run_all(
    network: Network, found: Dict[str, Plan], options: argparse.Namespace, told: Dict[str, Any]
) -> None:
    """Compare the two paths in each mode, then measure what the modes cost."""
    planned = {name for plan in found.values() for name in variables_of(plan.graph_def)}
    known = [name for name in variables_of(network.graph_def) if name in planned]
    first = initial_values(network, known)
    for short, plan in found.items() if "bits" in options.parts else ():
        with problems(told, short, "bits"):
            compare(network, plan, first, short, told)
        gc.collect()
        say(told, options)
    if "cost" in options.parts and options.rounds:
        with problems(told, ALL, "cost"):
            told["cost"] = cost(network, found, first, options.rounds)


def in_a_process(path: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Return what a process of its own tells of a network, also if it comes to no end."""
    said = ["--modes", *options.modes, "--parts", *options.parts, "--rounds", str(options.rounds)]
    said += ["--generation", options.generation, "--one", str(path)]
    command = [sys.executable, __file__, str(options.folder), *said]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=options.seconds, check=False)
        output, end = done.stdout, done.returncode and f"the process ended with {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"not done after {options.seconds:.0f} s"
    told = last_told(output)
    if end:
        tell(told, ALL, PROCESS, end)
    to_what_is_left(told, options.modes, options.parts)
    return told


def last_told(output: bytes) -> Dict[str, Any]:
    """Return what the last whole line of a process's output tells."""
    for line in output.decode(errors="replace").splitlines()[::-1]:
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                return told
    return empty()


def known_or_found(path: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Return what is to tell of a network: what is kept of it, and what was missing."""
    stack = tf_compat.stack_of_this_python()
    kept = options.results and options.results / f"{path.stem}.{stack}.{options.generation}.json"
    told = json.loads(kept.read_text()) if kept and kept.exists() else empty()
    left = missing(told, options.modes, options.parts)
    if left:
        begun = time.monotonic()
        asked = argparse.Namespace(**{**vars(options), "modes": left})
        told = add(told, in_a_process(path, asked))
        count = len(problems_of(told))
        many = f"{count} problems" if count else "no problem"
        print(f"{path.stem}: {time.monotonic() - begun:.0f} s, {many}", flush=True)
        if kept:
            run_files.write_bytes(kept, json.dumps(told, indent=1).encode())
    return told


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of .meta files")
    parser.add_argument("--only", default="*", help="names of networks, as a pattern")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=list(MODES))
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--results", type=Path, help="folder to keep what is found, and go on from")
    parser.add_argument("--generation", default="today", choices=["today", "2021"])
    parser.add_argument("--rounds", type=int, default=9, help="of the cost")
    parser.add_argument("--seconds", type=float, default=1800, help="for a network, at most")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    found = sorted(options.folder.glob("*.meta"))
    options.networks = [path for path in found if fnmatch.fnmatch(path.stem, options.only)]
    if not found:
        parser.error(f"{options.folder}: no .meta file is there; name the folder that holds some")
    if not options.networks:
        names = ", ".join(path.stem for path in found)
        parser.error(f"--only {options.only}: it fits none of {names}")
    if not options.rounds:
        options.parts = [part for part in options.parts if part != "cost"]
    return options


def main(given: Sequence[str]) -> int:
    options = arguments(given)
    if options.one:
        tf_compat.configure(hide_gpus=True, deterministic=False)
        print(json.dumps(examine(options.one, options)))
        return 0
    found = {path.stem: known_or_found(path, options) for path in options.networks}
    old = [f"{path.stem}.json" for path in options.networks] if options.results else []
    old = [name for name in old if (options.results / name).exists()]
    if old:
        print(f"\nnot read, of an unknown stack and generation: {', '.join(old)}")
    load = os.getloadavg()[0]
    print(f"\n{tf_compat.stack_of_this_python()}, {options.generation}, load {load:.1f}\n")
    print(table(found))
    return 1 if any(problems_of(told) for told in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
