"""customize_dtypes: the vendor's file that fixes the types of single operators.

    Name::InputDtype:float16,float16,OutputDtype:float16
    OpType::MatMulV2:InputDtype:float32,,OutputDtype:

One operator a line; a name wins over a type; an empty entry means any type, and so does an index
that an operator lacks: a line for products with a bias does for those without. What is a line is
what the vendor's parser (`OpCustDtypesConfigParser` of the fusion engine) takes: the name ends at
the first colon; a list begins one character behind InputDtype or OutputDtype, wherever in the
line these words stand, and one of the two is enough; of the types, case and blanks around them
don't count.
Source: precision-modes.md 6.6.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.plan import Operator
from lenet_exp.precision.target.operator_library import NodeColumn, column_types
from lenet_exp.precision.target.vendor_files import read_text

CustomInput = Union[str, Path]

_LONGEST_LINE = 1024
_TYPES = frozenset(
    ("bool", "string", "bfloat16", "float16", "float32", "float64", "double", "float")
    + ("complex64", "complex128", "int8", "int16", "int32", "int64")
    + ("uint8", "uint16", "uint32", "uint64")
)
_SAME = {"double": "float64", "float": "float32", "": None}
_OF_A_TYPE = "OpType::"
_WORDS = ("InputDtype:", "OutputDtype:")
# Behind the name: any text without either word, then one of the lists or both.
_LINE = re.compile(
    r"(?P<name>[^:]+):(?:(?!InputDtype|OutputDtype).)*(?=InputDtype|OutputDtype)"
    r"(?:InputDtype.(?P<inputs>(?:(?!OutputDtype).)*))?"
    r"(?:OutputDtype.(?P<outputs>(?:(?!InputDtype).)*))?"
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

    def of(self, operator: Union[GraphOperator, Operator]) -> Optional[Fixed]:
        """Return what the file fixes for an operator: by its name, else by its type."""
        return self.names.get(operator.name) or self.types.get(operator.ge_type)


def read_custom_dtypes(source: CustomInput) -> CustomDtypes:
    """Return the lines of a file; of a name that comes again the first line counts.

    Args:
        source: a path, or the file's text (it has InputDtype: or OutputDtype: in it).

    Raises:
        PrecisionError: the file can't be read or is empty; a line is too long, blank or not of
            the form; a type is unknown.
    """
    names: Dict[str, Fixed] = {}
    types: Dict[str, Fixed] = {}
    for number, line in enumerate(_lines(source), 1):
        of_a_type = line.startswith(_OF_A_TYPE)
        match = _match(number, line[len(_OF_A_TYPE) :] if of_a_type else line, line)
        fixed = Fixed(*(_types(number, match.group(side) or "") for side in Fixed._fields))
        (types if of_a_type else names).setdefault(match.group("name"), fixed)
    return CustomDtypes(names, types)


def _lines(source: CustomInput) -> List[str]:
    lines = text_of(source).split("\n")
    if lines[-1] == "":  # the end of the last line
        lines.pop()
    if not lines:
        raise PrecisionError(f"customize_dtypes {source}", "it is empty", _FORM)
    return lines


def text_of(source: CustomInput) -> str:
    """Return the text of a file's path; what has the words of a line in it is the text itself.

    Raises:
        PrecisionError: the file can't be read.
    """
    inline = isinstance(source, str) and any(word in source for word in _WORDS)
    return str(source) if inline else read_text("customize_dtypes", source, "text")


def _match(number: int, text: str, line: str) -> Any:
    where = f"customize_dtypes line {number}"
    if len(line) >= _LONGEST_LINE:
        problem = f"it has {len(line)} characters"
        raise PrecisionError(where, problem, f"fewer than {_LONGEST_LINE} characters")
    match = _LINE.fullmatch(text.strip())
    if match is None:
        problem = f'"{line}" is not of the form' if line.strip() else "it is blank"
        raise PrecisionError(where, problem, _FORM)
    return match


def _types(number: int, text: str) -> Types:
    found = [dtype.strip().lower() for dtype in text.split(",")]
    for dtype in found:
        if dtype and dtype not in _TYPES:
            allowed = f"one of {', '.join(sorted(_TYPES))}"
            allowed = "no blank before the colon" if dtype.startswith(":") else allowed
            where = f"customize_dtypes line {number}"
            raise PrecisionError(where, f'"{dtype}" is no type', allowed)
    return tuple(_SAME.get(dtype, dtype) for dtype in found)


def allowed_columns(
    operator: GraphOperator, fixed: Fixed, columns: Sequence[NodeColumn]
) -> Tuple[NodeColumn, ...]:
    """Return the columns that have exactly the types fixed, in library order."""
    wanted = wanted_types(operator, fixed)
    fits = (agrees(wanted, column_types(column, operator.origin)) for column in columns)
    return tuple(itertools.compress(columns, fits))


def no_kernel(operator: GraphOperator, columns: Sequence[NodeColumn]) -> PrecisionError:
    """Return the error of a line that leaves none of the columns: the chip refuses to compile."""
    count = len(operator.inputs)
    types = (column_types(column, operator.origin) for column in columns)
    has = " or ".join(as_line("", each[:count], each[count:]) for each in types)
    problem = f"{operator.ge_type} has no kernel for these types"
    return PrecisionError(f"customize_dtypes {operator.name}", problem, has)


def wanted_types(operator: Union[GraphOperator, Operator], fixed: Fixed) -> Types:
    """Return what a line fixes of an operator's inputs and outputs, None where it does not.

    A type for an index that the operator lacks fixes nothing.
    """
    sides = ((fixed.inputs, operator.inputs), (fixed.outputs, operator.outputs))
    return tuple(each for types, ends in sides for each in _fitted(types, len(ends)))


def agrees(wanted: Types, types: Sequence[str]) -> bool:
    """Return whether types are those that are wanted."""
    return all(one in (None, each) for one, each in zip(wanted, types))


def _fitted(types: Types, count: int) -> Types:
    """Return a type for each of so many tensors."""
    return (*types, *[None] * count)[:count]


def as_line(begin: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """Return a line of the file; it begins with "Name::" or "OpType::GeType:"."""
    return f"{begin}InputDtype:{','.join(inputs)},OutputDtype:{','.join(outputs)}"
