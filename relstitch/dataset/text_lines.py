"""Plain text: every line is a row."""

from collections.abc import Iterator, Sequence
from functools import partial

from relstitch.dataset.decoding import decoded_lines
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source, check_kind
from relstitch.dataset.tables import Column, Record, Table


def lines_table(source: Source, options: ReadOptions) -> Table:
    """A text file as a table of one column, ``text``.

    Args:
        source: What to read.
        options: The encoding.

    Returns:
        The table; a blank line is a row with an empty text, the end of the last line begins no new row.

    Raises:
        DatasetError: The file is empty or no text file.
    """
    check_kind(source, expected="lines of text")
    return Table(
        source.name, (Column("text", "text"),), partial(_records, source, options), unit="line", folder=source.folder
    )


def _records(source: Source, options: ReadOptions, wanted: Sequence[str]) -> Iterator[Record]:
    for number, line in enumerate(decoded_lines(source, options.encoding), start=1):
        text = line.removesuffix("\n").removesuffix("\r")
        yield number, tuple(text for _ in wanted)
