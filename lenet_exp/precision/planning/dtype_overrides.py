"""customize_dtypes: the vendor's file that fixes the types of single operators.

    Name::InputDtype:float16,float16,OutputDtype:float16
    OpType::MatMulV2:InputDtype:float32,,OutputDtype:

One operator a line; a name wins over a type; an empty entry means any type.
Source: precision-modes.md 6.6.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.target.op_lists import read_text
from lenet_exp.precision.target.operator_library import NodeColumn, column_types

CustomInput = Union[str, Path]

_LONGEST_LINE = 1024
_TYPES = frozenset(
    ("bool", "string", "bfloat16", "float16", "float32", "float64", "double", "complex64")
    + ("complex128", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)
_SAME = {"double": "float64", "": None}
_LINE = re.compile(
    r"(?:OpType::(?P<type>[^:\s]+):|(?P<name>[^:\s]+)::)"
    r"InputDtype:(?P<inputs>[^:]*),OutputDtype:(?P<outputs>[^:]*)"
)
_FORM = "Name::InputDtype:float16,float16,OutputDtype:float16, or OpType::GeType:InputDtype:..."

Types = Tuple[Optional[str], ...]


class Fixed(NamedTuple):
    """The types one line fixes; None is any."""

    inputs: Types
    outputs: Types


class CustomDtypes(NamedTuple):
    """The lines of a file, by operator name and by GE type."""

    names: Mapping[str, Fixed]
    types: Mapping[str, Fixed]

    def of(self, operator: GraphOperator) -> Optional[Fixed]:
        """Return what the file fixes for an operator: by its name, else by its type."""
        return self.names.get(operator.name) or self.types.get(operator.ge_type)


def read_custom_dtypes(source: CustomInput) -> CustomDtypes:
    """Return the lines of a file; of a name that comes again the first line counts.

    Args:
        source: a path, or the file's text (it has "InputDtype:" in it).

    Raises:
        PrecisionError: the file can't be read or is empty; a line is too long, blank or not of
            the form; a type is unknown.
    """
    names: Dict[str, Fixed] = {}
    types: Dict[str, Fixed] = {}
    for number, line in enumerate(_lines(source), 1):
        match = _match(number, line)
        fixed = Fixed(_types(number, match.group("inputs")), _types(number, match.group("outputs")))
        found, key = (types, match.group("type")) if match.group("type") else (names, match["name"])
        found.setdefault(key, fixed)
    return CustomDtypes(names, types)


def _lines(source: CustomInput) -> List[str]:
    inline = isinstance(source, str) and "InputDtype:" in source
    lines = (str(source) if inline else read_text("customize_dtypes", source, "text")).split("\n")
    if lines[-1] == "":  # the end of the last line
        lines.pop()
    if not lines:
        raise PrecisionError(f"customize_dtypes {source}", "it is empty", _FORM)
    return lines


def _match(number: int, line: str) -> Any:
    where = f"customize_dtypes line {number}"
    if len(line) >= _LONGEST_LINE:
        problem = f"it has {len(line)} characters"
        raise PrecisionError(where, problem, f"fewer than {_LONGEST_LINE} characters")
    match = _LINE.fullmatch(line.rstrip("\r"))
    if match is None:
        problem = f'"{line}" is not of the form' if line.strip() else "it is blank"
        raise PrecisionError(where, problem, _FORM)
    return match


def _types(number: int, text: str) -> Types:
    found = text.split(",") if text else []
    for dtype in found:
        if dtype and dtype not in _TYPES:
            allowed = ", ".join(sorted(_TYPES))
            raise PrecisionError(
                f"customize_dtypes line {number}", f'"{dtype}" is no type', f"one of {allowed}"
            )
    return tuple(_SAME.get(dtype, dtype) for dtype in found)


def allowed_columns(
    operator: GraphOperator, fixed: Fixed, columns: Sequence[NodeColumn]
) -> Tuple[NodeColumn, ...]:
    """Return the columns that have exactly the types fixed, in library order.

    Raises:
        PrecisionError: none is left, or more types than tensors: the chip refuses to compile.
    """
    count = len(operator.inputs)
    wanted = _padded(operator, fixed.inputs, count, "inputs")
    wanted += _padded(operator, fixed.outputs, len(operator.outputs), "outputs")
    types = [column_types(column, operator.origin) for column in columns]
    fits = [all(w in (None, have) for w, have in zip(wanted, each)) for each in types]
    left = tuple(itertools.compress(columns, fits))
    if not left:
        has = " or ".join(_as_line(each, count) for each in types)
        problem = f"{operator.ge_type} has no kernel for these types"
        raise PrecisionError(f"customize_dtypes {operator.name}", problem, has)
    return left


def _padded(operator: GraphOperator, types: Types, count: int, what: str) -> Types:
    if len(types) > count:
        problem = f"{len(types)} types for {count} {what} of {operator.ge_type}"
        remedy = f"one type, or nothing, for each of the {count}"
        raise PrecisionError(f"customize_dtypes {operator.name}", problem, remedy)
    return (*types, *[None] * (count - len(types)))


def _as_line(types: Sequence[str], count: int) -> str:
    return f"InputDtype:{','.join(types[:count])},OutputDtype:{','.join(types[count:])}"
