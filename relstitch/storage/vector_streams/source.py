"""Vectors that are read from a file block by block, and the check that every block passes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import EncoderStamp
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import ArtifactError, counted, some

Carry = Callable[[Matrix], Matrix]
"""From rows float32 [m, d], finite, to float32 [m, w]; each row by itself."""

FileKind = Literal["embeddings", "npy", "npz", "parquet"]
FILE_KINDS: Mapping[FileKind, tuple[str, str]] = {
    "embeddings": (".safetensors", "an embeddings file"),
    "npy": (".npy", "a NumPy array file (.npy)"),
    "npz": (".npz", "a NumPy archive (.npz)"),
    "parquet": (".parquet", "a Parquet table"),
}
"""Every kind of file that vectors are read from: how its name ends, and what it is called in messages."""

_ROWS_AT_ONCE = 4096
_BYTES_AT_ONCE = 2**25


@dataclass(frozen=True, eq=False)
class VectorSource:
    """A file whose vectors are read block by block.

    Attributes:
        path: The file.
        kind: What it is.
        place: What holds the vectors in it: the name of an array or of a column; ``""`` where there is no choice.
        n: How many rows it says it has.
        width: How wide its vectors are.
        blocks: The vectors in order, float16, float32 or float64 [m, width] each; may be asked for again.
        names: What rows are called in messages, by their positions.
        encoder: The stamp of the encoder, where the file has one.
        id_column: The column of the ids, where there is one.
        beside: Names of what else the file holds, which the same kind of file keeps.
    """

    path: Path
    kind: FileKind
    place: str
    n: int
    width: int
    blocks: Callable[[], Iterator[NDArray[Any]]]
    names: Callable[[Sequence[int]], list[str]]
    encoder: EncoderStamp | None = None
    id_column: str | None = None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Carrier:
    """What carries rows to another space.

    Attributes:
        carry: The map.
        encoder: The stamp of the space that it goes to.
        progress: Called with the rows done so far and the rows in all.
    """

    carry: Carry
    encoder: EncoderStamp
    progress: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(frozen=True, eq=False)
class Output:
    """What is being written.

    Attributes:
        temporary: The file to write.
        target: What it will be called, for messages.
        width: How wide the carried vectors are.
    """

    temporary: Path
    target: Path
    width: int


def rows_at_once(width: int) -> int:
    """How many rows of a width are held at a time: at most 4096, and at most 32 MiB of float64.

    Example:
        >>> rows_at_once(384), rows_at_once(1_000_000)
        (4096, 4)
    """
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // (8 * width)))


def by_number(positions: Sequence[int]) -> list[str]:
    """What rows without ids are called.

    Example:
        >>> by_number([0, 7])
        ['row 0', 'row 7']
    """
    return [f"row {position}" for position in positions]


def check_vectors(path: Path, what: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse what is no matrix of vectors before anything is read of it.

    Raises:
        ArtifactError: Not two dimensions, no rows, no width, or no floats of 16 to 64 bits.
    """
    if len(shape) != 2 or min(shape) < 1 or dtype.kind != "f" or dtype.itemsize > 8:
        raise ArtifactError(
            f"{path}: {what} is {dtype} {list(shape)}; expected vectors [n, d] of float16, float32 or float64, one "
            "per row and at least one row."
        )


def carry_block(source: VectorSource, raw: NDArray[Any], start: int, carrier: Carrier) -> Matrix:
    """Carry one block of rows, if all that goes in and comes out is finite.

    Args:
        source: Where the block is from.
        raw: float [m, d].
        start: The position of its first row.
        carrier: What carries it.

    Returns:
        float32 [m, w].

    Raises:
        ArtifactError: Values that are not finite, on either side.
    """
    # A number too large for float32 becomes infinite, which is found and named below.
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.ascontiguousarray(raw, dtype=np.float32)
        bad = _not_finite(source, X, start)
        if bad:
            raise ArtifactError(
                f"{source.path} holds vectors with values that are NaN, infinite or too large for float32; the "
                f"first are those of {bad}. Leave these rows out, or make them again."
            )
        carried: Matrix = np.ascontiguousarray(carrier.carry(X), dtype="<f4")
    bad = _not_finite(source, carried, start)
    if bad:
        raise ArtifactError(
            f"{source.path}: carried to the other space, {bad} would hold values too large for float32. Such vectors "
            "are far from all anchors: check that they come from the translator's encoder."
        )
    carrier.progress(start + len(raw), source.n)
    return carried


def _not_finite(source: VectorSource, X: Matrix, start: int) -> str:
    rows = np.flatnonzero(~np.isfinite(X).all(axis=1)) + start
    return some(source.names(rows.tolist())) if len(rows) else ""


def carried_blocks(source: VectorSource, carrier: Carrier) -> Iterator[Matrix]:
    """All rows of a file, carried: float32 [m, w] each.

    Raises:
        ArtifactError: The file is damaged, or some of its vectors are not finite.
    """
    start = 0
    for raw in source.blocks():
        yield carry_block(source, raw, start, carrier)
        start += len(raw)
    if start != source.n:
        raise ArtifactError(
            f"{source.path} is damaged: it says that it has {counted(source.n, 'row')}, and {start} "
            f"{'is' if start == 1 else 'are'} there. Write or copy it again."
        )
