"""CSV and TSV, row by row."""

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from relstitch.dataset.decoding import decoded_lines
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source, check_kind
from relstitch.dataset.tables import Column, Record, Table
from relstitch.errors import DatasetError, counted, some

_LONGEST_CELL = 2**31 - 1
_NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon"}
_LIKELY = (",", ";", "|")
_HEADER = " (the first line is read as the header; if it is none, say --no-header)"
_NO_HEADER = " (numbered, as there is no header)"


def delimited_table(source: Source, options: ReadOptions) -> Table:
    """A CSV or TSV file as a table; its first line is the header, or its columns are numbered from 1.

    Args:
        source: What to read.
        options: Encoding, delimiter, quotes, and whether there is a header.

    Returns:
        The table. Blank lines are no rows; every cell is text.

    Raises:
        DatasetError: The file is empty, something else, of another encoding, or its header is broken.
    """
    check_kind(source, expected="a CSV or TSV table of text")
    tab = source.format == "tsv"
    delimiter = options.delimiter or ("\t" if tab else _delimiter(source, options))
    rows = partial(_rows, source, options, delimiter)
    first = next(rows(), None)
    if first is None:
        expected = "a header line and rows under it" if options.header else "rows"
        raise DatasetError(f"{source.name} holds blank lines only; expected {expected}.")
    cells = [cell.strip() for cell in first[1]]
    names = cells if options.header else [str(number) for number in range(1, len(cells) + 1)]
    _check_single(source.name, names, cells[0], delimiter, options)
    guessed = options.delimiter is None and not tab and delimiter != ","
    note = f"{source.name} was read with {_NAMES.get(delimiter)} between the cells."
    return Table(
        source.name,
        tuple(Column(name, "text") for name in names),
        partial(_records, source.name, names, delimiter, partial(_body, rows, header=options.header)),
        unit="line",
        folder=source.folder,
        hint=_HEADER if options.header else _NO_HEADER,
        notes=(note,) if guessed else (),
    )


def _check_single(name: str, names: list[str], cell: str, delimiter: str, options: ReadOptions) -> None:
    """One column that looks like several: its whole lines would be encoded, labels and all, without a word."""
    signs = [sign for sign in _LIKELY if len(names) == 1 and sign in cell and sign != delimiter]
    if signs and options.delimiter is None and names[0] not in (options.text, options.image):
        raise DatasetError(
            f"{name} has one column, {cell!r}; expected {_NAMES[delimiter]} between the cells. If another sign "
            f"stands between them, say so with --delimiter '{signs[0]}'; if it is one column, name it with --text."
        )


def _delimiter(source: Source, options: ReadOptions) -> str:
    """A comma, unless the first line has none and has tabs or semicolons instead."""
    first = next((line for line in decoded_lines(source, options.encoding, newline="") if line.strip()), "")
    return next((sign for sign in (",", "\t", ";") if sign in first), ",")


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    """The csv module stops at cells of 131 072 characters unless told otherwise, for the whole process."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _rows(source: Source, options: ReadOptions, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank lines, each with the line it begins on; the first may be the header."""
    reader = csv.reader(
        decoded_lines(source, options.encoding, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if options.quotes else csv.QUOTE_NONE,
        strict=options.quotes,
    )
    while True:
        line = reader.line_num + 1
        try:
            row = _next_row(reader)
        except csv.Error as error:
            raise DatasetError(_broken_quotes(source.name, line, at_end="end of data" in str(error))) from error
        if row is None:
            return
        if row:
            yield line, row


def _broken_quotes(name: str, line: int, *, at_end: bool) -> str:
    found = "a quote opens a cell and is never closed" if at_end else "text stands behind the closing quote of a cell"
    return (
        f'{name}, line {line}: {found}; expected "…" around a whole cell, and "" for a quote inside it. Mend the '
        "line, or read quotes as ordinary characters with --no-quotes."
    )


def _body(rows: partial[Iterator[tuple[int, list[str]]]], *, header: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows under the header."""
    return islice(rows(), 1 if header else 0, None)


def _records(name: str, names: list[str], delimiter: str, rows: partial[Iterator[tuple[int, list[str]]]],
             wanted: Sequence[str]) -> Iterator[Record]:  # fmt: skip
    places = [names.index(column) for column in wanted]
    for line, row in rows():
        if len(row) != len(names):
            sign, found = _NAMES.get(delimiter, repr(delimiter)), counted(len(row), "cell", "cells")
            raise DatasetError(
                f"{name}, line {line}: {found} found; expected {len(names)} ({some(names)}). Put "
                f"quotes around a cell that holds {sign}, or mend the line."
            )
        yield line, tuple(row[place] for place in places)
