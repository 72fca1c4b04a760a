"""Our embeddings files as a stream: the vectors in blocks, every other tensor copied as it is, all of it checked."""

import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Rows
from relstitch.errors import ArtifactError, DatasetError, some
from relstitch.storage.files import wrong_kind
from relstitch.storage.metadata import FORMAT, KINDS, damaged, entry, read_stamp, sealed, unsealed, writer_name
from relstitch.storage.output import changed_on_disk
from relstitch.storage.row_layout import lay_rows, lay_skipped
from relstitch.storage.tensors import KEY, TYPES, Header, read_header, storable
from relstitch.storage.vector_streams.source import Carrier, Output, VectorSource, carried_blocks, rows_at_once

_VECTORS = "vectors"
_WANTED = ("embeddings",)
_PIECE = 2**20
_NO_CHECKSUM = "0" * 8
_NAMES: Mapping[np.dtype[Any], str] = {np.dtype(value): name for name, value in TYPES.items() if name != "BF16"}


@dataclass(frozen=True)
class TensorStream:
    """A tensor that is given piece by piece.

    Attributes:
        dtype: The format's own name of the type (``F32`` …).
        shape: Its shape.
        pieces: Its bytes, in order.
    """

    dtype: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterator[Any]]

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return math.prod(self.shape) * np.dtype(TYPES[self.dtype]).itemsize


def _opened(path: Path) -> tuple[Header, dict[str, Any]]:
    """Header and metadata of an embeddings file; its tensors are not read yet."""
    header = read_header(path)
    text = header.metadata.get(KEY)
    if text is None:
        names = some(sorted(header.tensors)) or "none"
        raise wrong_kind(path, f"a safetensors file that relstitch did not write (its tensors: {names})", _WANTED)
    facts = unsealed(path, text)
    if facts["kind"] not in _WANTED:
        raise wrong_kind(path, KINDS[facts["kind"]], _WANTED)
    odd = sorted(set(entry(path, facts, "checksums", dict)) ^ set(header.tensors))
    if odd:
        raise damaged(path, f"tensors that are missing or do not belong: {some(odd)}")
    return header, facts


def open_embeddings(path: Path) -> VectorSource:
    """An embeddings file of ours as a source of vectors.

    Raises:
        ArtifactError: It is damaged, of another kind, or of a newer relstitch.
    """
    header, facts = _opened(path)
    stamp = read_stamp(path, facts)
    n = entry(path, entry(path, facts, "rows", dict), "n", int)
    info = header.tensors.get(_VECTORS)
    if info is None or info.dtype not in ("F32", "F16") or info.shape != (n, stamp.dimension):
        found = "missing" if info is None else f"{info.dtype} {list(info.shape)}"
        raise damaged(path, f"its tensor 'vectors' is {found}; expected F32 or F16 [{n}, {stamp.dimension}]")

    def blocks() -> Iterator[NDArray[Any]]:
        step = rows_at_once(stamp.dimension) * stamp.dimension * np.dtype(TYPES[info.dtype]).itemsize
        for piece in _pieces(path, header, facts, _VECTORS, step):
            yield np.frombuffer(piece, dtype=TYPES[info.dtype]).reshape(-1, stamp.dimension)

    def names(positions: Sequence[int]) -> list[str]:
        return _ids_at(path, header, positions)

    return VectorSource(path, "embeddings", "", n, stamp.dimension, blocks, names, encoder=stamp)


def _pieces(path: Path, header: Header, facts: Mapping[str, Any], name: str, step: int) -> Iterator[bytes]:
    """The bytes of a tensor, and at their end an error unless its checksum fits."""
    info, value = header.tensors[name], 0
    with path.open("rb") as file:
        file.seek(info.start, os.SEEK_SET)
        for at in range(info.start, info.end, step):
            piece = file.read(min(step, info.end - at))
            value = zlib.crc32(piece, value)
            yield piece
    if facts["checksums"][name] != f"{value:08x}":
        raise damaged(path, f"checksums that do not fit, in the tensors {name}")


def _ids_at(path: Path, header: Header, positions: Sequence[int]) -> list[str]:
    offsets, texts = header.tensors["ids.offsets"].start, header.tensors["ids.bytes"].start
    found = []
    with path.open("rb") as file:
        for position in positions:
            file.seek(offsets + 8 * position)
            start, end = np.frombuffer(file.read(16), dtype="<i8").tolist()
            file.seek(texts + start)
            found.append(f"id {file.read(end - start).decode(errors='replace')}")
    return found


def write_embeddings(source: VectorSource, carrier: Carrier, output: Output) -> None:
    """The same rows with their vectors carried, stored as float32; ids, labels, hashes and splits as they were.

    Args:
        source: From `open_embeddings`.
        carrier: What carries the vectors.
        output: What is written.

    Raises:
        ArtifactError: The file is damaged, or what is read back is not what was written.
    """
    header, facts = _opened(source.path)
    kept = {
        name: TensorStream(info.dtype, info.shape, _kept(source.path, header, facts, name))
        for name, info in header.tensors.items()
        if name != _VECTORS
    }
    _write(source, carrier, output, kept, facts)


def _kept(path: Path, header: Header, facts: Mapping[str, Any], name: str) -> Callable[[], Iterator[bytes]]:
    return lambda: _pieces(path, header, facts, name, _PIECE)


def embed_vectors(source: VectorSource, ids: Sequence[str], carrier: Carrier, output: Output) -> None:
    """An embeddings file of vectors that came without one: their ids are all that is known of the rows.

    Args:
        source: Any other file of vectors.
        ids: One per row.
        carrier: What carries the vectors.
        output: What is written.

    Raises:
        ArtifactError: Ids that stand more than once, a damaged source, or what is read back is not what was written.
    """
    try:
        rows, skipped = lay_rows(Rows.build(ids)), lay_skipped(())
    except DatasetError as error:
        raise ArtifactError(f"{source.path}: {error}") from error
    arrays = {name: storable(array, name) for name, array in {**rows.tensors, **skipped.tensors}.items()}
    kept = {name: TensorStream(_NAMES[array.dtype], array.shape, _whole(array)) for name, array in arrays.items()}
    _write(source, carrier, output, kept, {"kind": "embeddings", "counts": {}, **rows.facts, **skipped.facts})


def _whole(array: NDArray[Any]) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([array.tobytes()])


def _write(
    source: VectorSource, carrier: Carrier, output: Output, kept: Mapping[str, TensorStream], facts: Mapping[str, Any]
) -> None:
    """Stream a safetensors file: the library itself would need all of it in memory."""

    def vectors() -> Iterator[Any]:
        return (block.data for block in carried_blocks(source, carrier))

    streams = {**kept, _VECTORS: TensorStream("F32", (source.n, output.width), vectors)}
    # The larger numbers first, as that library does it: then every tensor begins where its type may.
    order = sorted(streams, key=lambda name: (-np.dtype(TYPES[streams[name].dtype]).itemsize, name))
    layout = {name: streams[name] for name in order}
    told = {**facts, "format": FORMAT, "written_by": writer_name(), "encoder": carrier.encoder.to_json()}
    told = {key: value for key, value in told.items() if key not in ("checksum", "checksums")}
    checksums = dict.fromkeys(layout, _NO_CHECKSUM)
    with output.temporary.open("wb") as file:
        head = _head(layout, told, checksums)
        file.write(head)
        for name, stream in layout.items():
            value = 0
            for piece in stream.pieces():
                value = zlib.crc32(piece, value)
                file.write(piece)
            checksums[name] = f"{value:08x}"
        # Now that the checksums are known; every one of them is eight digits long, so the header is, too, as long.
        file.seek(0)
        file.write(_head(layout, told, checksums))
    _read_back(output, checksums)


def _head(layout: Mapping[str, TensorStream], facts: Mapping[str, Any], checksums: Mapping[str, str]) -> bytes:
    values: dict[str, Any] = {"__metadata__": {KEY: sealed({**facts, "checksums": checksums})}}
    at = 0
    for name, stream in layout.items():
        values[name] = {
            "dtype": stream.dtype, "shape": stream.shape, "data_offsets": [at, at + stream.nbytes]
        }  # fmt: skip
        at += stream.nbytes
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read_back(output: Output, checksums: Mapping[str, str]) -> None:
    header = read_header(output.temporary)
    found: dict[str, str] = {}
    for name, info in header.tensors.items():
        with output.temporary.open("rb") as file:
            file.seek(info.start)
            value = 0
            for at in range(info.start, info.end, _PIECE):
                value = zlib.crc32(file.read(min(_PIECE, info.end - at)), value)
        found[name] = f"{value:08x}"
    bad = [name for name, value in checksums.items() if found.get(name) != value]
    if bad:
        raise changed_on_disk(output.target, some(bad))
