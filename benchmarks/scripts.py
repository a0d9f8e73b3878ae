"""Anybody's scripts through every precision mode: one table.

python benchmarks/scripts.py LIST: a line of LIST is `NAME | FOLDER | words of
python -m lenet_exp.script`, such as

    plain | ~/models/x | path=train.py -- --batch_size=8

FOLDER is where the script is started: a copy of it, so that no run finds what another has
written. A line that begins with # is none. Nothing is downloaded.
Every script makes STEPS steps in every mode, in a process of its own. `cost` is seconds a step
over those of must_keep_origin_dtype, in which nothing is emulated: medians of one run each, not
paired, so take it for a size. A run that made fewer than STEPS steps has none.

python benchmarks/scripts.py cost: what we ourselves cost a script; script_cost.py says what of.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple

from lenet_exp.errors import ConfigError, LenetExpError
from lenet_exp.record.store import journal

MODES = {
    "keep": "must_keep_origin_dtype",
    "mix": "allow_mix_precision",
    "allow": "allow_fp32_to_fp16",
    "force": "force_fp16",
}
ROOT = Path(__file__).resolve().parents[1]


class Line(NamedTuple):
    """A script: where it is started, and the words for it."""

    name: str
    folder: Path
    words: List[str]


class Made(NamedTuple):
    """One script in one mode: its steps, seconds a step, and why it ended before."""

    steps: int
    seconds: float
    reason: str


def read(file: Path) -> List[Line]:
    """Return the lines of a list.

    Raises:
        ConfigError: one is not of the form, or its folder is not there.
    """
    found = []
    for number, text in enumerate(file.read_text().splitlines(), 1):
        if text.strip() and not text.strip().startswith("#"):
            found.append(_line(text, f"line {number} of {file}"))
    return found


def _line(text: str, where: str) -> Line:
    parts = [part.strip() for part in text.split("|", 2)]
    try:
        name, folder, words = parts[0], Path(parts[1]).expanduser(), shlex.split(parts[2])
    except (IndexError, ValueError, RuntimeError):  # too few, an open quote, nobody's home
        form = "NAME | FOLDER | words of python -m lenet_exp.script"
        raise ConfigError(where, text.strip(), form, "x | ~/models/x | path=train.py") from None
    if not folder.is_dir():
        raise ConfigError(where, folder, "a folder that exists", f"{name} | . | {parts[2]}")
    return Line(name, folder, words)


def costs(made: Mapping[str, Made], steps: int) -> List[str]:
    """Return what each mode costs over `keep`, of those that made all the steps."""
    whole = {mode: each.seconds for mode, each in made.items() if each.steps >= steps}
    base = whole.pop("keep", 0.0)
    return [f"{mode} {seconds / base:.1f}" for mode, seconds in whole.items()] if base else []


def run(line: Line, mode: str, steps: int, timeout: float) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        record, place = Path(folder) / "record", Path(folder) / "place"
        shutil.copytree(str(line.folder), str(place), symlinks=True)
        at = line.words.index("--") if "--" in line.words else len(line.words)
        asked = [f"precision={mode}", f"steps={steps}", f"record={record}", "tracking.uri=none"]
        command = [sys.executable, "-W", "ignore", "-m", "lenet_exp.script"]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        try:
            ended = subprocess.run(
                [*command, *line.words[:at], *asked, *line.words[at:]],
                cwd=str(place),
                env={**os.environ, "PYTHONPATH": path},
                check=False,
                capture_output=True,
                timeout=timeout,
            )
            said = ended.stderr.decode(errors="replace").strip().splitlines()
            code = ended.returncode
        except subprocess.TimeoutExpired:
            said, code = [f"not done after {timeout:.0f} s"], 1
        return _made(record, said, code)


def _made(record: Path, said: List[str], code: int) -> Made:
    metrics: Dict[str, float] = {}
    if record.is_dir():
        metrics = journal.merged(journal.read(record), "metrics")
    reasons = [text for text in said if text.startswith("lenet-exp: in float32: ")]
    own = [text for text in said if not text.startswith(("lenet-exp:", "  "))]
    reason = (own or said or ["no word"])[-1] if code else "; ".join(reasons[:1])
    return Made(int(metrics.get("steps", 0)), metrics.get("sec_per_step", 0.0), reason)


def main() -> int:
    if sys.argv[1:] == ["cost"]:
        import script_cost  # TensorFlow

        return int(script_cost.main())
    text = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=text)
    parser.add_argument("list", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=list(MODES))
    options = parser.parse_args()
    try:
        lines = read(options.list)
    except (LenetExpError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"| script | {' | '.join(f'{m}, steps' for m in options.modes)} | cost | why not |")
    print("|---|" + "---|" * (len(options.modes) + 2))
    for line in lines:
        made = {m: run(line, MODES[m], options.steps, options.timeout) for m in options.modes}
        steps = " | ".join(str(each.steps) for each in made.values())
        why = dict.fromkeys(each.reason for each in made.values() if each.reason)
        cost = ", ".join(costs(made, options.steps))
        print(f"| {line.name} | {steps} | {cost} | {'; '.join(why)[:200]} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
