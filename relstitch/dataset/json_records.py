"""JSONL (one object a line) and JSON arrays of objects."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from relstitch.dataset.decoding import decoded_lines
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source, check_kind
from relstitch.dataset.tables import Column, ColumnKind, Record, ShownFloat, Table
from relstitch.errors import DatasetError

_WORDS: dict[type, str] = {str: "text", bool: "true or false", int: "a number", ShownFloat: "a number",
                           list: "a list", type(None): "null"}  # fmt: skip
_KINDS: dict[type, ColumnKind] = {str: "text", list: "list", dict: "picture"}
_SPACE = " \t\r\n"

Objects = Iterator[tuple[int, dict[str, Any]]]


class _NotANumberError(ValueError):
    """NaN or Infinity, which JSON does not have and Python's reader takes."""


def _refuse(constant: str) -> None:
    raise _NotANumberError(constant)


_DECODER = json.JSONDecoder(parse_float=ShownFloat, parse_constant=_refuse)


def json_table(source: Source, options: ReadOptions) -> Table:
    """A JSONL file or a JSON array of objects as a table; its columns are all keys that occur.

    The file is read twice: once for the keys of all rows (a label may first appear after a thousand rows), once for
    the rows. Which of the two forms it has is seen from its first character, not from its name.

    Args:
        source: What to read.
        options: The encoding.

    Returns:
        The table.

    Raises:
        DatasetError: With the line: no JSON, indented or cut short, NaN, or something other than objects.
    """
    check_kind(source, expected="JSON: an object a line, or an array of objects")
    lines = partial(decoded_lines, source, options.encoding)
    first = next((line for line in lines() if line.strip()), None)
    if first is None:
        raise DatasetError(f"{source.name} holds blank lines only; expected JSON objects, one per line.")
    is_array = first.lstrip().startswith("[")
    objects: Callable[[], Objects] = (
        partial(_array_objects, source.name, "".join(lines())) if is_array else partial(_objects, source.name, lines)
    )
    return Table(source.name, _columns(objects()), partial(_records, objects), unit="line", folder=source.folder)


def _columns(objects: Objects) -> tuple[Column, ...]:
    """All keys, in order of appearance, each with what its values are."""
    found: dict[str, set[ColumnKind]] = {}
    for _, values in objects:
        for key, value in values.items():
            kinds = found.setdefault(key, set())
            if value is not None:
                kinds.add(_KINDS.get(type(value), "number"))
    return tuple(Column(key, kinds.pop() if len(kinds) == 1 else _mixed(kinds)) for key, kinds in found.items())


def _mixed(kinds: set[ColumnKind]) -> ColumnKind:
    return "text" if "text" in kinds and kinds <= {"text", "number"} else "other"


def _records(objects: Callable[[], Objects], wanted: Sequence[str]) -> Iterator[Record]:
    for line, values in objects():
        yield line, tuple(values.get(column) for column in wanted)


def _objects(name: str, lines: Callable[[], Iterator[str]]) -> Objects:
    for number, line in enumerate(lines(), start=1):
        if line.strip():
            yield number, _object(_parsed(name, number, line), name, number)


def _parsed(name: str, number: int, line: str) -> Any:
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise DatasetError(_not_json(name, number, line, error)) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(_unusable(name, number, error)) from error


def _not_json(name: str, number: int, line: str, error: json.JSONDecodeError) -> str:
    where = f"{name}, line {number}"
    if line.lstrip().startswith("{") and _ends_early(line, error):
        return (
            f"{where}: the object does not end on its line; expected one whole object a line (JSONL). Indented JSON: "
            "write each object on one line, or all of them as one array […]. A file cut short: fetch it again."
        )
    return (
        f"{where}, column {error.colno}: this is not JSON; expected one object a line, such as "
        '{"text": "…", "label": "…"}. Mend the line, or say what the file is with --format.'
    )


def _ends_early(text: str, error: json.JSONDecodeError) -> bool:
    # An unterminated string is reported where it begins, not where the text ends.
    return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")


def _cut_short(name: str, line: int) -> str:
    return f"{name}, line {line}: the array of objects is cut short; expected ] at its end. Fetch the file again."


def _unusable(name: str, number: int, error: ValueError | RecursionError) -> str:
    where = f"{name}, line {number}"
    if isinstance(error, _NotANumberError):
        return f"{where}: {error} was found; JSON has no such number. Write null, or leave the key out."
    if isinstance(error, RecursionError):
        return f"{where}: lists or objects are nested too deeply to read; expected plain values. Mend the line."
    return f"{where}: a number of too many digits was found; expected plain values. Write it as text."


def _object(value: Any, name: str, line: int) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise DatasetError(
        f"{name}, line {line}: {_WORDS[type(value)]} was found; expected an object such as "
        '{"text": "…", "label": "…"}. Plain lines of text: say --format text.'
    )


def _array_objects(name: str, text: str) -> Objects:
    """The objects of a JSON array one by one, so that a message can name the line each begins on."""
    at, line = text.index("[") + 1, 1
    counted = 0
    more = True
    while True:
        at = _past_space(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if at == len(text):
            raise DatasetError(_cut_short(name, line))
        if text[at] == "]":
            break
        if not more:
            raise DatasetError(f"{name}, line {line}: a comma is missing between two elements of the array. Mend it.")
        value, at = _element(name, text, at, line)
        yield line, _object(value, name, line)
        at = _past_space(text, at)
        more = text[at : at + 1] == ","
        at += more
    if text[at + 1 :].strip():
        raise DatasetError(
            f"{name}, line {line}: more text stands behind the end of the array; expected one array of objects. "
            "Lines that each hold an array cannot be read: make each an object with named values."
        )


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at


def _element(name: str, text: str, at: int, line: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        if _ends_early(text, error):
            raise DatasetError(_cut_short(name, error.lineno)) from error
        raise DatasetError(
            f"{name}, line {error.lineno}, column {error.colno}: this is not JSON; expected an array of objects. "
            "Mend the line."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(_unusable(name, line, error)) from error
