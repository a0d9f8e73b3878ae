"""List what the operator table lacks for some graphs: which operators, how often, in how many.

    PYTHON scripts/list_missing_operators.py FILE...

PYTHON is a stack's. A FILE is what explain's graph= takes: a MetaGraph, a GraphDef, a SavedModel.
Lacking is an operator whose types are not decided, or that would stay on the host since neither
the AI core's nor the AI CPU's list has it; of both generations, of what a run fetches. The exit
code is 1 if there is any, 2 if a FILE holds no graph.
"""

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lenet_exp.errors import GraphError  # noqa: E402 - after the path
from lenet_exp.precision import assign, load_graph  # noqa: E402
from lenet_exp.precision.plan import Engine, Rule  # noqa: E402
from lenet_exp.precision.target.modes import Generation  # noqa: E402

MODE = "must_keep_origin_dtype"  # what is lacking is so in every mode


def lacking(file):
    """Return (GE type, generation, reason) of what the table lacks; None if it is no graph."""
    try:
        graph_def, fetches = load_graph(file)
        plans = [assign(graph_def, MODE, fetches=fetches, generation=g) for g in Generation]
    except GraphError as error:
        print(f"{file}: {error}", file=sys.stderr)
        return None
    rows = [(plan.generation.value, row) for plan in plans for row in plan.operators]
    lost = [(g, row) for g, row in rows if row.rule is Rule.UNKNOWN or row.engine is Engine.HOST]
    return [(row.ge_type, generation, row.reason) for generation, row in lost]


def main(files):
    """Print the table, what is in most graphs first."""
    found, by_file = defaultdict(list), {file: lacking(file) for file in files}
    for file, keys in by_file.items():
        for key in keys or ():
            found[key].append(file)
    rows = [(len(set(where)), len(where), *key) for key, where in found.items()]
    if rows:
        print("graphs  times  CANN   operator")
    for graphs, times, ge_type, generation, reason in sorted(rows, key=lambda r: (-r[0], -r[1], r)):
        print(f"{graphs:6}  {times:5}  {generation:<5}  {ge_type}: {reason}")
    print(f"{len({row[2] for row in rows})} operators of {len(files)} graphs lack an entry")
    return 2 if None in by_file.values() else int(bool(rows))


if __name__ == "__main__":
    if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
