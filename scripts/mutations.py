"""Single-line mutations of Python source: what can be changed where, and the changed text."""

import ast
import random
import re

_COMPARED = {
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
_COMPUTED = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "+"),
}  # fmt: skip
_JOINED = {ast.And: ("and", "or"), ast.Or: ("or", "and")}
_TEXTS = (ast.JoinedStr, ast.List, ast.Tuple)  # a `-` between these is no mistake anyone makes
_UNCHANGED = ("annotation", "returns", "decorator_list", "type_comment")
_LOGGING = ("_LOG", "logging", "warnings")
_NAME = re.compile(r"^[A-Za-z][\w.]*$")


def mutated(source, mutant):
    """Return the bytes of a file in which one mutant is made."""
    lines = source.split(b"\n")
    line = lines[mutant["line"] - 1]
    start, end = mutant["columns"]
    lines[mutant["line"] - 1] = line[:start] + mutant["put"].encode() + line[end:]
    return b"\n".join(lines)


def shuffled(root, paths, seed):
    """Return one mutant of every line that has any, lines and mutants in the seed's order."""
    chance, lines = random.Random(seed), {}
    for path in paths:
        for mutant in of_file(path.read_text(), str(path.relative_to(root))):
            lines.setdefault((mutant["file"], mutant["line"]), []).append(mutant)
    # First what kind of change: else constants would be most of them.
    chosen = []
    for mutants in lines.values():
        kind = chance.choice(sorted({mutant["kind"] for mutant in mutants}))
        chosen.append(chance.choice([mutant for mutant in mutants if mutant["kind"] == kind]))
    chance.shuffle(chosen)
    return chosen


def of_file(source, name):
    """Return every mutant of a file, as dictionaries that JSON can hold."""
    lines = source.split("\n")
    found = []
    for kind, line, start, end, put in _all(ast.parse(source), source):
        text = lines[line - 1]
        raw = text.encode()
        after = (raw[:start] + put.encode() + raw[end:]).decode()
        found.append({
            "file": name, "line": line, "kind": kind, "columns": [start, end], "put": put,
            "before": text.strip(), "after": after.strip(),
        })  # fmt: skip
    return found


def _all(tree, source):
    """Yield (kind, line, first and last column in bytes, what is put there)."""
    raw = source.encode().split(b"\n")
    for node, parent in _nodes(tree, None):
        if getattr(node, "lineno", 0) and node.lineno == node.end_lineno:
            for kind, start, end, put in _of_node(node, parent, raw[node.lineno - 1]):
                yield kind, node.lineno, start, end, put


def _nodes(node, parent):
    """Yield what decides something, with its parent: no docstring, no type, no message."""
    yield node, parent
    if _is_passed_over(node):
        return
    for name, value in ast.iter_fields(node):
        if name in _UNCHANGED:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _nodes(child, node)


def _is_passed_over(node):
    """Return whether nothing inside a node is changed."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Raise)):
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name in ("__repr__", "__str__")
    if isinstance(node, ast.If):
        return bool({"TYPE_CHECKING", "__name__"} & {
            name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)
        })  # fmt: skip
    if isinstance(node, ast.Assign):
        return any(isinstance(item, ast.Name) and item.id == "__all__" for item in node.targets)
    return isinstance(node, ast.Expr) and (_is_text(node.value) or _is_logging(node.value))


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_logging(node):
    function = node.func if isinstance(node, ast.Call) else None
    owner = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in _LOGGING


def _of_node(node, parent, line):
    """Yield (kind, start, end, put) of one node on one line."""
    start, end = node.col_offset, node.end_col_offset
    if isinstance(node, ast.Constant):
        yield from _of_constant(node, parent)
    elif isinstance(node, (ast.Compare, ast.BinOp, ast.BoolOp)):
        yield from _of_operator(node, line)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", start, end, f"({_text(node.operand, line)})"
    elif isinstance(node, ast.IfExp):
        parts = (_text(part, line) for part in (node.orelse, node.test, node.body))
        yield "branches", start, end, "{} if {} else {}".format(*parts)
    elif isinstance(node, ast.Return) and node.value is not None:
        put = _other_value(node.value, _text(node.value, line))
        if put is not None:
            yield "return", start, end, f"return {put}"
    elif _can_be_deleted(node):
        yield "deletion", start, end, "pass"


def _text(node, line):
    return line[node.col_offset : node.end_col_offset].decode()


def _of_operator(node, line):
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield _between("comparison", node.left, node.comparators[0], _COMPARED, node.ops[0], line)
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED and _is_number_like(node):
        yield _between("arithmetic", node.left, node.right, _COMPUTED, node.op, line)
    elif isinstance(node, ast.BoolOp):
        yield _between("and/or", node.values[0], node.values[1], _JOINED, node.op, line)


def _between(kind, left, right, table, operator, line):
    """Return the change of the operator between two operands, parentheses left as they are."""
    old, new = table[type(operator)]
    gap = line[left.end_col_offset : right.col_offset].decode()
    at = left.end_col_offset + len(gap[: gap.index(old)].encode())
    return kind, at, at + len(old), new


def _is_number_like(node):
    sides = (node.left, node.right)
    return not any(isinstance(side, _TEXTS) or _is_text(side) for side in sides)


def _of_constant(node, parent):
    value, start, end = node.value, node.col_offset, node.end_col_offset
    if isinstance(value, bool):
        yield "bool", start, end, str(not value)
    elif isinstance(value, int):
        yield "number", start, end, str(value + 1)
    elif isinstance(value, float):
        yield "number", start, end, repr(value * 2 or 1.0)
    elif _is_text(node) and _NAME.match(value) and _is_key(node, parent):
        yield "name", start, end, repr(f"{value}_")


def _is_key(node, parent):
    """Return whether a text is a key or one of a set of names, and no message."""
    if isinstance(parent, ast.Dict):
        return any(key is node for key in parent.keys)
    return isinstance(parent, (ast.Compare, ast.Set, ast.Tuple, ast.List, ast.Subscript))


def _other_value(value, text):
    if isinstance(value, (ast.Compare, ast.BoolOp)):
        return f"not ({text})"
    if isinstance(value, ast.Constant):  # a bool is changed as a constant
        return None if value.value is None or isinstance(value.value, bool) else "None"
    return "None"


def _can_be_deleted(node):
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and not _is_logging(node.value)
    if isinstance(node, ast.Assign):  # of a name it would only be a NameError
        return all(isinstance(item, (ast.Attribute, ast.Subscript)) for item in node.targets)
    return isinstance(node, (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete))
