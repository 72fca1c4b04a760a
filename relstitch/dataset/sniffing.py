"""What arrives on standard input or through a pipe, which has no name to say it."""

import csv
import json

from relstitch.dataset.columns import IMAGE_NAMES, TEXT_NAMES
from relstitch.dataset.decoding import decoded_lines
from relstitch.dataset.file_kinds import file_kind
from relstitch.dataset.options import FormatName, ReadOptions
from relstitch.dataset.sources import Source
from relstitch.errors import DatasetError

_BINARY: dict[str | None, FormatName] = {"a Parquet file": "parquet", "a NumPy array": "npy"}
_DELIMITERS: dict[str, FormatName] = {",": "csv", "\t": "tsv", ";": "csv"}


def sniff_format(source: Source, options: ReadOptions) -> FormatName:
    """Tell JSONL, a JSON array, CSV or TSV, Parquet, NumPy arrays and plain lines apart by what comes first.

    A table is seen by its header: one of its cells is a column the user named, or a name that columns of texts or
    pictures have; where the user says that there is no header, by more than one cell. Everything else is plain lines.

    Args:
        source: Standard input, or a pipe.
        options: The encoding, and the columns the user named.

    Returns:
        The format.

    Raises:
        DatasetError: Nothing came, or something that is none of these.
    """
    head = source.head()
    kind = file_kind(head)
    if kind in _BINARY:
        return _BINARY[kind]
    # A zip archive begins with the name of its first member.
    if head.startswith(b"PK") and b".npy" in head:
        return "npz"
    if kind is not None or not head.strip():
        found = f"{kind} came" if kind else "nothing came"
        raise DatasetError(
            f"{source.name}: {found}; expected JSONL, a JSON array, CSV or TSV with a header, Parquet, NumPy arrays, "
            "or lines of text."
        )
    first = next((line.strip() for line in decoded_lines(source, options.encoding) if line.strip()), "")
    return _json_form(first, source, options) or _table_form(first, options) or "text"


def _json_form(first: str, source: Source, options: ReadOptions) -> FormatName | None:
    if first.startswith("["):
        text = "".join(decoded_lines(source, options.encoding)).lstrip().removeprefix("[").lstrip()
        return "json" if text.startswith(("{", "]")) else None
    if not first.startswith("{"):
        return None
    try:
        return "jsonl" if isinstance(json.loads(first), dict) else None
    except (ValueError, RecursionError):
        # A lone brace is indented JSON, which the reader explains; a sentence may begin with one, too.
        return "jsonl" if first == "{" or first.startswith('{"') else None


def _table_form(first: str, options: ReadOptions) -> FormatName | None:
    named = {options.text, options.image, options.label, options.id, options.split, options.count, *options.target}
    for delimiter, form in _DELIMITERS.items():
        try:
            cells = {cell.strip() for cell in next(csv.reader([first], delimiter=delimiter, strict=True))}
        except csv.Error:
            continue
        known = {cell for cell in cells if cell in named or cell.casefold() in TEXT_NAMES | IMAGE_NAMES}
        if not options.header and len(cells) > 1:
            return form
        if options.header and known and (len(cells) > 1 or delimiter == ","):
            return form
    return None
