"""NumPy archives (.npz): one array carried on the way through, all others copied as they are."""

import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from relstitch.errors import ArtifactError, UsageError, counted, some
from relstitch.storage.vector_streams.arrays import (
    ArrayHeader,
    array_blocks,
    blocks_by_column,
    cut_short,
    read_array_header,
    write_array,
)
from relstitch.storage.vector_streams.source import (
    Carrier,
    Output,
    VectorSource,
    by_number,
    carried_blocks,
    check_vectors,
)

_SUFFIX = ".npy"
_COPIED_AT_ONCE = 2**20
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, OSError)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise ArtifactError(
            f"{path} cannot be read as a NumPy archive ({str(error).rstrip('.')}). Write or copy it again."
        ) from error


def open_npz(path: Path, array: str | None) -> VectorSource:
    """A .npz file as a source of vectors.

    Args:
        path: The file.
        array: The array of vectors; None where it is the only matrix of floats.

    Raises:
        UsageError: There is no such array, or several may be meant.
        ArtifactError: The file is damaged, or the array holds something other than vectors.
    """
    with _reading(path), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(_SUFFIX): info for info in archive.infolist()}
        place = _chosen(path, {name: _looked_at(archive, info) for name, info in members.items()}, array)
        info, what = members[place], f"its array {place!r}"
        with archive.open(info) as stream:
            header = read_array_header(stream, path, what)
    _check(path, what, header, info)

    def blocks() -> Iterator[NDArray[Any]]:
        with _reading(path), zipfile.ZipFile(path) as archive, archive.open(info.filename) as stream:
            read_array_header(stream, path, what)
            if header.by_column:
                yield from _blocks_from_disk(stream, header, path, what)
            else:
                yield from array_blocks(stream, header, path, what)

    n, width = header.shape
    beside = tuple(name for name in members if name != place)
    return VectorSource(path, "npz", place, n, width, blocks, by_number, beside=beside)


def _blocks_from_disk(stream: IO[bytes], header: ArrayHeader, path: Path, what: str) -> Iterator[NDArray[Any]]:
    """The rows of an array that is stored column by column: no row is whole before all of it has been read.

    So it is laid out on a disk first, in a file without a name, and its rows are gathered there.

    Raises:
        ArtifactError: There is no room for it.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < header.nbytes:
        raise ArtifactError(
            f"{path}: {what} is stored column by column (Fortran order), and to gather its rows {header.nbytes} "
            f"bytes are needed in {folder}, which has {free} free. Set TMPDIR to a folder with room, or write the "
            "array again through numpy.ascontiguousarray."
        )
    with tempfile.TemporaryFile(prefix="relstitch-") as room:
        shutil.copyfileobj(stream, room, _COPIED_AT_ONCE)
        room.flush()
        yield from blocks_by_column(room, replace(header, start=0))


def _looked_at(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayHeader | None:
    """The header of a member, or None where it is no array of numbers; nothing is decided yet."""
    try:
        with archive.open(info) as stream:
            return read_array_header(stream, Path(), "")
    except ArtifactError:
        return None


def _chosen(path: Path, headers: Mapping[str, ArrayHeader | None], array: str | None) -> str:
    found = some((f"{name} {_shown(header)}" for name, header in headers.items()), 10) or "nothing"
    if array is not None:
        if array not in headers:
            raise UsageError(f"{path} has no array {array!r} (--array); it holds: {found}.")
        return array
    floats = [name for name, header in headers.items() if header and _is_matrix(header)]
    candidates = floats or list(headers)
    if len(candidates) != 1:
        raise UsageError(
            f"{path} holds {counted(len(floats), 'matrix', 'matrices')} of floats, and one is to be carried: name it "
            f"with --array. It holds: {found}."
        )
    return candidates[0]


def _is_matrix(header: ArrayHeader) -> bool:
    return len(header.shape) == 2 and header.dtype.kind == "f"


def _shown(header: ArrayHeader | None) -> str:
    return "(no array of numbers)" if header is None else f"{header.dtype} {list(header.shape)}"


def _check(path: Path, what: str, header: ArrayHeader, info: zipfile.ZipInfo) -> None:
    check_vectors(path, what, header.shape, header.dtype)
    if info.file_size - header.start != header.nbytes:
        raise cut_short(path, what, header.nbytes, info.file_size - header.start)


def write_npz(source: VectorSource, carrier: Carrier, output: Output) -> None:
    """The same archive with one array carried: the same members in the same order, compressed as they were.

    Args:
        source: From `open_npz`.
        carrier: What carries the vectors.
        output: What is written.

    Raises:
        ArtifactError: The archive is damaged, or some of its vectors are not finite.
    """
    with zipfile.ZipFile(source.path) as old, zipfile.ZipFile(output.temporary, "w") as new:
        for info in old.infolist():
            member = zipfile.ZipInfo(info.filename, info.date_time)
            member.compress_type = info.compress_type
            with new.open(member, "w", force_zip64=True) as out:
                if info.filename.removesuffix(_SUFFIX) == source.place:
                    write_array(out, (source.n, output.width), carried_blocks(source, carrier))
                    continue
                # Decompressed and compressed again, piece by piece: whatever a member claims to be, it stays on disk.
                for piece in _pieces(source.path, old, info):
                    out.write(piece)


def _pieces(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with _reading(path), archive.open(info) as stream:
        while piece := stream.read(_COPIED_AT_ONCE):
            yield piece
