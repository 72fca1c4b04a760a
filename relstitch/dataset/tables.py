"""A table, whatever file it came from, and what its cells say."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ColumnKind = Literal["text", "number", "list", "picture", "other"]
Record = tuple[int, tuple[Any, ...]]
"""Where a row stands in its file, and the cells that were asked for."""


@dataclass(frozen=True)
class Column:
    """A column: its name and what its cells are, as far as the file says it."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True)
class Table:
    """A table that can be read from the beginning as often as needed, row by row.

    Attributes:
        name: What to call it in a message.
        columns: Its columns, in order.
        records: Gives the rows, with the cells of the named columns only.
        unit: What a position counts: ``line`` or ``row``.
        folder: What the paths of pictures in it are relative to.
        hint: What to add to a message about its columns.
        notes: What a reader should know about how it was read.
    """

    name: str
    columns: tuple[Column, ...]
    records: Callable[[Sequence[str]], Iterator[Record]]
    unit: str
    folder: Path
    hint: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]


class ShownFloat(float):
    """A number that remembers how the file wrote it, so that ``1.50`` stays the label ``1.50``."""

    text: str

    def __new__(cls, text: str) -> "ShownFloat":
        """Read the number and keep its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class CellError(ValueError):
    """A cell that does not hold what it should; the reader of the table adds where it stands."""


def cell_text(value: Any) -> str | None:
    """A cell as text, the way the file shows it; None where it is empty or missing.

    Raises:
        CellError: The cell is a list, an object, NaN, or text that is not valid Unicode.

    Example:
        >>> cell_text(1), cell_text(True), cell_text("01"), cell_text("")
        ('1', 'true', '01', None)
    """
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return _from_bytes(value)
    if isinstance(value, str):
        return _checked(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, list | tuple | dict):
        raise CellError(f"holds {'an object' if isinstance(value, dict) else 'a list'}; expected text or a number")
    return str(value)


def cell_number(value: Any) -> float | None:
    """A cell as a finite number in the range of float32; None where it is empty or missing.

    Raises:
        CellError: The cell is no such number.

    Example:
        >>> cell_number("2.5"), cell_number(3), cell_number("")
        (2.5, 3.0, None)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    shown = cell_text(value)
    try:
        number = float("nan" if shown is None or "_" in shown else shown)
    except ValueError:
        number = float("nan")
    # Comparisons with NaN are false, so this turns away NaN and what float32 cannot hold alike.
    if not abs(number) < 3.4e38:
        raise CellError(f"holds {shown!r}; expected a finite number")
    return number


def _from_bytes(value: bytes) -> str | None:
    try:
        return value.decode() or None
    except UnicodeDecodeError as error:
        raise CellError(f"holds {len(value)} bytes that are not UTF-8; expected text") from error


def _checked(value: str) -> str:
    try:
        value.isascii() or value.encode()
    except UnicodeEncodeError as error:
        raise CellError(
            f"holds half of a character (\\u{ord(value[error.start]):04x}, a lone surrogate); expected valid Unicode"
        ) from error
    return value


def _float_text(value: float) -> str:
    if math.isnan(value):
        raise CellError("holds NaN; expected text, a number, or an empty cell")
    return value.text if isinstance(value, ShownFloat) else str(value)
