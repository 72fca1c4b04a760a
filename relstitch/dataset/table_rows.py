"""The rows of a table as items: ids, splits, contents, labels."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relstitch.artifacts import Skipped
from relstitch.artifacts.rows import content_hash
from relstitch.dataset.column_notes import column_use
from relstitch.dataset.columns import Chosen, choose_columns
from relstitch.dataset.contents import ImageRef, picture_bytes
from relstitch.dataset.items import DEFAULT_SPLIT, Item, Journal, Label
from relstitch.dataset.options import NO_COLUMN, ReadOptions
from relstitch.dataset.sources import Source
from relstitch.dataset.tables import CellError, Table, cell_number, cell_text
from relstitch.errors import DatasetError, UsageError


@dataclass(frozen=True)
class _Reading:
    """Everything that is the same for all rows of one table."""

    source: Source
    table: Table
    chosen: Chosen
    options: ReadOptions
    journal: Journal
    split: str | None

    def place(self, position: int) -> str:
        return f"{self.table.name}, {self.table.unit} {position}"


@dataclass(frozen=True)
class _Picture:
    """The cell of a picture: what it refers to, or the reason why there is nothing."""

    ref: ImageRef | None
    hash: str = ""
    path: str = ""
    reason: str = ""


def table_items(
    source: Source, table: Table, options: ReadOptions, journal: Journal, *, split: str | None
) -> Iterator[Item]:
    """Read a table row by row.

    Args:
        source: Where the table is from.
        table: The table.
        options: How to read it.
        journal: Where rows that have a problem are noted; it also numbers the rows and keeps the limit.
        split: The split of all rows, where the source says it.

    Yields:
        The rows that can be used.

    Raises:
        DatasetError: With the line or row: a column is missing or unclear, or a cell cannot be used.
        UsageError: The source names a split and ``--split`` names a column.
    """
    if split is not None and options.split:
        raise UsageError(
            f"{source.name} was given as the split {split!r}, and --split {options.split} names a column; expected "
            "one of the two. Leave one out."
        )
    if not table.columns:
        raise DatasetError(f"{table.name} holds no values; expected rows with a text or a picture each.")
    chosen = choose_columns(table, options, split_known=split is not None)
    journal.notes += table.notes
    if source.format != "text":  # lines have no columns
        journal.uses.append(column_use(source.name, table, chosen, options, split_known=split is not None))
    if chosen.label_guessed and chosen.label is not None:
        journal.guessed_label = chosen.label
    reading = _Reading(source, table, chosen, options, journal, split)
    fixed = None if chosen.split else split or DEFAULT_SPLIT
    found = False
    names = chosen.names
    for position, cells in table.records(names):
        found = True
        if fixed is not None and not journal.room(fixed):
            break
        item = _item(reading, position, dict(zip(names, cells, strict=True)))
        if item is not None:
            yield item
    if not found:
        journal.notes.append(f"{table.name} has columns and no rows.")


def _item(reading: _Reading, position: int, cells: Mapping[str, Any]) -> Item | None:
    chosen, journal = reading.chosen, reading.journal
    number = journal.advance(reading.split or DEFAULT_SPLIT)
    split = _required(reading, position, cells, chosen.split, "split") if chosen.split else reading.split
    split = split or DEFAULT_SPLIT
    if not journal.room(split):
        return None
    journal.take(split)
    content: str | ImageRef | None
    if chosen.modality == "text":
        content = _cell(reading, position, cells, chosen.content) or ""
        name = _row_id(reading, position, cells, split, number, "")
        digest = content_hash(content.encode())
        kept = _keep_text(reading, content, name, split)
    else:
        picture = _picture(reading, position, cells[chosen.content])
        name = _row_id(reading, position, cells, split, number, picture.path)
        content, digest, kept = picture.ref, picture.hash, picture.ref is not None
        if not kept:
            journal.bad.append(Skipped(name, split, picture.reason))
    if not kept or content is None:
        return None
    label = _label(reading, position, cells)
    return Item(
        name, split, content, digest, label, _numbers(reading, position, cells), _count(reading, position, cells)
    )


def _keep_text(reading: _Reading, text: str, name: str, split: str) -> bool:
    if text.strip():
        return True
    reading.journal.empty.append(Skipped(name, split, "empty text"))
    return reading.options.on_empty == "embed"


def _row_id(
    reading: _Reading, position: int, cells: Mapping[str, Any], split: str, number: int, path: str
) -> str:  # fmt: skip
    if reading.chosen.id:
        return _required(reading, position, cells, reading.chosen.id, "id")
    if path and reading.options.id != NO_COLUMN:
        return f"{reading.split}/{path}" if reading.split else path
    return f"{split}:{number}"


def _cell(reading: _Reading, position: int, cells: Mapping[str, Any], column: str) -> str | None:
    try:
        return cell_text(cells[column])
    except CellError as error:
        raise DatasetError(f"{reading.place(position)}: column {column!r} {error}.") from error


def _required(reading: _Reading, position: int, cells: Mapping[str, Any], column: str, what: str) -> str:
    value = _cell(reading, position, cells, column)
    if value is None:
        raise DatasetError(
            f"{reading.place(position)}: column {column!r} is empty; expected the row's {what}. Fill it in, or "
            f"choose another column with --{what} (none: --{what} '')."
        )
    return value


def _label(reading: _Reading, position: int, cells: Mapping[str, Any]) -> Label:
    column = reading.chosen.label
    if column is None:
        return None
    value = cells[column]
    if isinstance(value, list | tuple):
        several = [_cell(reading, position, {column: part}, column) for part in value]
        return tuple(part for part in several if part is not None)
    label = _cell(reading, position, cells, column)
    separator = reading.options.label_separator
    if label is None or separator is None:
        return label
    return tuple(part.strip() for part in label.split(separator) if part.strip())


def _numbers(reading: _Reading, position: int, cells: Mapping[str, Any]) -> tuple[float, ...] | None:
    if not reading.chosen.targets:
        return ()
    numbers = [_number(reading, position, cells, column) for column in reading.chosen.targets]
    known = tuple(number for number in numbers if number is not None)
    return known if len(known) == len(numbers) else None


def _number(reading: _Reading, position: int, cells: Mapping[str, Any], column: str) -> float | None:
    try:
        return cell_number(cells[column])
    except CellError as error:
        raise DatasetError(f"{reading.place(position)}: column {column!r} {error}.") from error


def _count(reading: _Reading, position: int, cells: Mapping[str, Any]) -> float | None:
    column = reading.chosen.count
    if column is None:
        return None
    count = _number(reading, position, cells, column)
    if count is None or count < 0:
        found = "is empty" if count is None else f"holds {cells[column]}"
        raise DatasetError(
            f"{reading.place(position)}: column {column!r} {found}; expected a count of 0 or more (--count)."
        )
    return count


def _picture(reading: _Reading, position: int, value: Any) -> _Picture:
    """A picture that is located already, or as bytes, as ``{bytes, path}`` (the form of hub files), or as a path."""
    if isinstance(value, ImageRef):
        return _hashed(value, value.name, "")
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (None, value)
    if isinstance(path, bytes):
        data, path = path, None
    if data:
        ref = ImageRef(reading.place(position), data=data)
        return _Picture(ref, ref.content_hash())
    shown = _cell(reading, position, {reading.chosen.content: path}, reading.chosen.content)
    if shown is None:
        return _Picture(None, reason="no picture in the cell")
    return _picture_file(reading, position, shown)


def _picture_file(reading: _Reading, position: int, shown: str) -> _Picture:
    file, name = _located(reading, position, shown)
    ref = ImageRef(str(file), path=file)
    return _hashed(ref, shown, name)


def _hashed(ref: ImageRef, shown: str, path: str) -> _Picture:
    try:
        digest = content_hash(picture_bytes(Path(ref.path or ref.name)))
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError | ValueError)
        found = "no such file" if missing else f"cannot be read ({getattr(error, 'strerror', error)})"
        return _Picture(None, path=path, reason=f"{shown}: {found}")
    return _Picture(ref, digest, path)


def _located(reading: _Reading, position: int, shown: str) -> tuple[Path, str]:
    """The file that a cell names, and its path relative to the table's folder as an id."""
    if shown.startswith(("http://", "https://", "s3://", "gs://")):
        raise DatasetError(
            f"{reading.place(position)}: {shown} is an address; expected the path of a file. Fetch the "
            "pictures first."
        )
    folder = reading.table.folder
    file = folder / shown
    # A NUL cannot be part of a path: such a cell names no file, which reading it will find.
    real = "" if "\0" in shown else os.path.realpath(file)
    inside = not real or Path(real).is_relative_to(folder.resolve())
    if not inside and not reading.options.allow_outside:
        raise DatasetError(
            f"{reading.place(position)}: {shown} is outside the table's folder {folder.resolve()}; expected a path "
            "inside it. If the file may be read all the same, say --allow-outside."
        )
    relative = os.path.relpath(file, folder) if Path(shown).is_absolute() else os.path.normpath(shown)
    return file, Path(relative).as_posix()
