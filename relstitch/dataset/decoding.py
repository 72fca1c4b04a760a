"""Bytes → lines of text, with the line of the first byte that is not text."""

import codecs
import io
from collections.abc import Iterator
from typing import Literal

from relstitch.dataset.sources import Source
from relstitch.errors import DatasetError

_BOM = "\ufeff"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded_lines(source: Source, encoding: str, *, newline: Literal["", "\n"] = "\n") -> Iterator[str]:
    r"""The lines of a text file, each with its line end; a byte-order mark at the very beginning is left out.

    Args:
        source: What to read.
        encoding: Its encoding.
        newline: ``"\n"``: only that ends a line. ``""``: ``\r`` ends one too, as the csv module wants it.

    Yields:
        One line after the other.

    Raises:
        DatasetError: The bytes are not of that encoding; the message names the line.
    """
    with io.TextIOWrapper(source.open(), encoding=encoding, newline=newline) as stream:
        first = True
        try:
            for line in stream:
                yield line.removeprefix(_BOM) if first else line
                first = False
        except UnicodeError as error:
            raise DatasetError(_undecodable(source, encoding)) from error


def _undecodable(source: Source, encoding: str) -> str:
    line, byte = _first_bad_byte(source, encoding)
    is_utf16 = source.head(2) in _UTF16
    advice = "--encoding utf-16" if is_utf16 else "--encoding NAME (older Western files: --encoding latin-1)"
    found = "the byte-order mark of UTF-16" if is_utf16 else f"the byte 0x{byte:02x}"
    return f"{source.name}, line {line}: {found} was found; expected {encoding}. Say what the file is with {advice}."


def _first_bad_byte(source: Source, encoding: str) -> tuple[int, int]:
    """The line and the value of the first byte that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with source.open() as stream:
        while True:
            chunk = stream.read(1 << 16)
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n"), error.object[error.start]
            except UnicodeError:
                return line, (chunk or b"\0")[0]
            if not chunk:
                return line, 0
