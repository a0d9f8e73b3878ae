"""The pages of this project, and what they show: commands, and what these print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Iterator, List, NamedTuple, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent.parent
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
DOCS = ROOT / "docs"
PAGES = (*READMES, *sorted(DOCS.glob("*.md")))
OURS = ("python -m lenet_exp.", "lenet-exp ")

# What is another one each time: times, figures, names of runs and folders.
_VARIES = re.compile(r"\b[0-9a-f]{32}\b|[-+\u00b1]*\d[\d.,:_+-]*(e[-+]?\d+)?")


# What is another one on another machine or stack: its CPU, its store, where MLflow shows runs.
_OF_A_MACHINE = (
    (r"this CPU \(.*\)", "this CPU"),  # its name may have some of its own: Intel(R)
    (r"\./ml(flow\.db|runs)", "./STORE"),
    (r"/runs\?workflowType=\w+", ""),
)


class Command(NamedTuple):
    """One command of a page: its verb and words, and the lines that the page shows after it."""

    page: str
    verb: str
    words: Tuple[str, ...]
    printed: Tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((Path(self.page).stem, self.verb, *self.words))


def blocks(path: Path) -> List[str]:
    """Return what stands in a page between lines of three backquotes."""
    return re.findall(r"^```[a-z]*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def commands(path: Path) -> Iterator[Command]:
    """Yield our commands of a page; only after `$` a page shows what is printed."""
    for block in blocks(path):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            first, *rest = part.splitlines() or [""]
            asked = block.startswith("$ ") or f"$ {first}" in block
            for line in [first] if asked else part.splitlines():
                if line.startswith(OURS):
                    yield _command(path.name, line, rest if asked else [])


def _command(page: str, line: str, printed: List[str]) -> Command:
    words = shlex.split(line, comments=True)
    if words[0] == "python":
        words[:3] = [words[2][len("lenet_exp.") :]]
    else:
        words[:1] = []
    return Command(page, words[0], tuple(words[1:]), tuple(printed))


def form(line: str) -> str:
    """Return a line without what is another one each time, and without its alignment."""
    for pattern, put in _OF_A_MACHINE:
        line = re.sub(pattern, put, line)
    return re.sub(r"\s+", " ", _VARIES.sub("#", line)).strip()


def missing(shown: Sequence[str], printed: Sequence[str]) -> List[str]:
    """Return the lines shown that were not printed in this order.

    A line "..." leaves some out, "..." at the end of a line the rest of it.
    """
    rest = iter([form(line) for line in printed])
    return [line for line in shown if line.strip(" .") and not _is_among(form(line), rest)]


def _is_among(line: str, rest: Iterator[str]) -> bool:
    if line.endswith(" ..."):
        return any(other.startswith(line[: -len("...")]) for other in rest)
    return line in rest
