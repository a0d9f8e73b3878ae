"""Fail for a folder of over 16 files, a file of over 400 lines or a function of over 40.

And for two test files of one name: pytest imports them as one module where a folder is no package.
"""

import ast
import sys
from pathlib import Path

FOLDER_FILES = 16
FILE_LINES = 400
FUNCTION_LINES = 40


def too_full(folder):
    count = sum(path.is_file() for path in folder.iterdir())
    if count > FOLDER_FILES:
        yield "{}: {} files, at most {}".format(folder, count, FOLDER_FILES)


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


def named_alike(sources):
    known = {}
    for path in sources:
        if path.name.startswith("test_"):
            first = known.setdefault(path.name, path)
            if first is not path:
                yield "{}: has the name of {}".format(path, first)


def main():
    roots = [Path(root) for root in ("lenet_exp", "tests", "scripts", "benchmarks", "docs")]
    sources = [path for root in roots for path in sorted(root.rglob("*.py"))]
    # Folders that people read: no caches, no pictures.
    folders = sorted({*(path.parent for path in sources), *roots, *Path("conf").glob("**/")})
    found = [text for folder in folders for text in too_full(folder)]
    found += [text for path in sources for text in too_long(path)]
    found += named_alike(sources)
    print("\n".join(found) or "sizes: every folder, file and function is small enough")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
