"""NumPy's own format, read and written as a stream: never more than a block is in memory, and no pickles."""

import os
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from relstitch.artifacts.spaces import Matrix
from relstitch.errors import ArtifactError
from relstitch.storage.vector_streams.source import (
    Carrier,
    Output,
    VectorSource,
    by_number,
    carried_blocks,
    check_vectors,
    rows_at_once,
)

_READERS: dict[tuple[int, int], Callable[[Any], Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
# numpy's reader of headers lets whatever is wrong in the text through as it comes.
_WRONG_HEADER = (ValueError, TypeError, KeyError, EOFError, SyntaxError, tokenize.TokenError, RecursionError)


@dataclass(frozen=True)
class ArrayHeader:
    """What stands before the values of a NumPy array.

    Attributes:
        shape: The array's shape.
        dtype: The type of its values.
        by_column: Whether it is stored column by column (Fortran order).
        start: Where the values begin.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_column: bool
    start: int

    @property
    def nbytes(self) -> int:
        """How many bytes the values take."""
        total = self.dtype.itemsize
        for length in self.shape:
            total *= length  # in whole numbers of any size: what a header claims may overflow 64 bits
        return total


def cut_short(path: Path, what: str, expected: int, found: int) -> ArtifactError:
    """The error for an array that ends before its header says."""
    return ArtifactError(
        f"{path} is damaged: {what} should hold {expected} bytes of values, and {found} are there. Write or copy it "
        "again."
    )


def read_array_header(stream: IO[bytes], path: Path, what: str) -> ArrayHeader:
    """The header at the beginning of a stream; the stream stands at the values afterwards.

    Raises:
        ArtifactError: It is no header, or it announces Python objects.
    """
    try:
        shape, by_column, dtype = _READERS[npy.read_magic(stream)](stream)
    except _WRONG_HEADER as error:
        raise ArtifactError(
            f"{path} is damaged: {what} does not begin as a NumPy array of numbers does. Write or copy it again."
        ) from error
    if dtype.hasobject:
        raise ArtifactError(
            f"{path}: {what} holds Python objects (a pickle), which are never loaded; expected plain floats. Write "
            "it again with numpy as a float32 array."
        )
    return ArrayHeader(shape, dtype, by_column, stream.tell())


def array_blocks(stream: IO[bytes], header: ArrayHeader, path: Path, what: str) -> Iterator[NDArray[Any]]:
    """The rows of an array that is stored row by row, from a stream that stands at its values.

    Raises:
        ArtifactError: The stream ends too early.
    """
    n, width = header.shape
    step = rows_at_once(width)
    for start in range(0, n, step):
        rows = min(step, n - start)
        wanted = rows * width * header.dtype.itemsize
        raw = stream.read(wanted)
        if len(raw) < wanted:
            raise cut_short(path, what, header.nbytes, start * width * header.dtype.itemsize + len(raw))
        yield np.frombuffer(raw, dtype=header.dtype).reshape(rows, width)


def write_array(stream: IO[bytes], shape: tuple[int, int], blocks: Iterator[Matrix]) -> None:
    """Write blocks as one float32 array, little-endian, row by row."""
    npy.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    for block in blocks:
        stream.write(block.data)


def write_npy(source: VectorSource, carrier: Carrier, output: Output) -> None:
    """A .npy file of the carried vectors of any source, and nothing but them.

    Raises:
        ArtifactError: The source is damaged, or some of its vectors are not finite.
    """
    with output.temporary.open("wb") as stream:
        write_array(stream, (source.n, output.width), carried_blocks(source, carrier))


def open_npy(path: Path) -> VectorSource:
    """A .npy file as a source of vectors.

    Raises:
        ArtifactError: It is damaged, cut short, or holds something other than vectors.
    """
    what = "its array"
    with path.open("rb") as stream:
        header = read_array_header(stream, path, what)
    check_vectors(path, what, header.shape, header.dtype)
    there = path.stat().st_size - header.start
    if there != header.nbytes:
        raise cut_short(path, what, header.nbytes, there)

    def blocks() -> Iterator[NDArray[Any]]:
        if header.by_column:
            yield from blocks_by_column(path, header)
            return
        with path.open("rb") as stream:
            stream.seek(header.start, os.SEEK_SET)
            yield from array_blocks(stream, header, path, what)

    n, width = header.shape
    return VectorSource(path, "npy", "", n, width, blocks, by_number)


def blocks_by_column(file: Path | IO[bytes], header: ArrayHeader) -> Iterator[NDArray[Any]]:
    """The rows of an array that is stored column by column, from a file on a disk that holds it at its start."""
    n, width = header.shape
    step = rows_at_once(width)
    for start in range(0, n, step):
        # Mapped anew for every block: what one map has touched would stay in memory until it is closed.
        whole = np.memmap(file, header.dtype, "r", header.start, (n, width), order="F")
        yield np.array(whole[start : start + step], order="C")
