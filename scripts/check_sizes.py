"""Fail for a file of over 400 lines or a function of over 40."""

import ast
import sys
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40


def too_long(path):
    text = path.read_text()
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield "{}: {} lines, at most {}".format(path, lines, FILE_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                where = "{}:{}: {}".format(path, node.lineno, node.name)
                yield "{} has {} lines, at most {}".format(where, length, FUNCTION_LINES)


def main():
    folders = ("lenet_exp", "tests", "scripts", "benchmarks", "docs")
    found = [text for f in folders for p in sorted(Path(f).rglob("*.py")) for text in too_long(p)]
    print("\n".join(found) or "sizes: every file and function is short enough")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
