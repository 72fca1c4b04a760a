"""A safetensors file of ours: named arrays and metadata, written whole and checked on every reading."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from relstitch.errors import ArtifactError, some
from relstitch.storage.metadata import damaged, entry, sealed, unsealed
from relstitch.storage.output import changed_on_disk

KEY = "relstitch"
"""The one key of ours in a safetensors header."""

MAX_HEADER = 32 * 2**20
"""Bytes of the longest header we write or read: what a file claims must not fill the memory."""

_BLOCK = 2**26
TYPES: Mapping[str, str] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
"""The types of the safetensors format that we read, as numpy names them."""


@dataclass(frozen=True)
class TensorEntry:
    """What a safetensors header says of one tensor.

    Attributes:
        dtype: The format's own name of the type (``F32`` …).
        shape: Its shape.
        start: Where its bytes begin, from the beginning of the file.
        end: Where they end.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """A safetensors header: what tensors there are, and the metadata beside them."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class TensorFile:
    """One of our safetensors files, read and checked; the arrays are views of the file and cannot be written to."""

    path: Path
    facts: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins like this claims to be safetensors: a length and a JSON object."""
    # A text has no zero byte; a length that is not absurd has several.
    return head[8:9] == b"{" and b"\0" in head[:8]


def checksum(array: NDArray[Any]) -> str:
    """CRC-32 over the bytes of a C-contiguous array, as eight hexadecimal digits."""
    flat = array.reshape(-1).view(np.uint8)
    value = 0
    # In blocks: an array may be larger than memory, and between two blocks Ctrl-C is heard.
    for start in range(0, len(flat), _BLOCK):
        value = zlib.crc32(flat[start : start + _BLOCK].data, value)
    return f"{value:08x}"


def storable(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array as safetensors must see it: C-contiguous and little-endian; itself where it is so already.

    The numpy writer of safetensors 0.8.0 takes the bytes of any array as if they were in C order, so that
    transposed, sliced and Fortran-ordered arrays come back as other numbers, without a word.

    Raises:
        ArtifactError: It does not hold plain numbers.
    """
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise ArtifactError(f"The array {name!r} holds {array.dtype} values; only plain numbers can be stored.")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def write_tensors(temporary: Path, path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write one of our safetensors files and read it back.

    Args:
        temporary: Where to write.
        path: What the file will be called, for messages.
        arrays: Its tensors.
        facts: Its metadata; the checksums of the tensors are added.

    Raises:
        ArtifactError: Something cannot be stored, or what is read back is not what was meant.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    ready = {name: storable(array, name) for name, array in arrays.items()}
    checksums = {name: checksum(array) for name, array in ready.items()}
    text = sealed({**facts, "checksums": checksums})
    if len(text.encode()) > MAX_HEADER // 2:
        raise ArtifactError(
            f"{path}: the names of classes, targets or splits come to {len(text.encode())} bytes, and at most "
            f"{MAX_HEADER // 2} fit. Check that the label and split columns are the right ones."
        )
    try:
        save_file(ready, temporary, metadata={KEY: text})
    except SafetensorError as error:
        raise OSError(str(error)) from error
    _read_back(temporary, path, text, checksums)


def _read_back(temporary: Path, path: Path, text: str, checksums: Mapping[str, str]) -> None:
    header = read_header(temporary)
    found = {name: checksum(array) for name, array in map_tensors(temporary, header).items()}
    if header.metadata != {KEY: text} or found != checksums:
        bad = [name for name, value in checksums.items() if found.get(name) != value] or ["metadata"]
        raise changed_on_disk(path, some(bad))


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked by the safetensors library against the file.

    Raises:
        ArtifactError: It is truncated or otherwise not what the format demands.
    """
    from safetensors import SafetensorError, safe_open

    length = _header_length(path)
    try:
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise damaged(path, f"its safetensors header does not fit the file ({error})") from error
    values = _header_json(path, length) or {}
    metadata = values.pop("__metadata__", {})
    offset = 8 + length
    tensors = {
        name: TensorEntry(
            info["dtype"], tuple(info["shape"]), offset + info["data_offsets"][0], offset + info["data_offsets"][1]
        )
        for name, info in values.items()
    }
    return Header(tensors, metadata)


def _header_length(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise damaged(path, f"its header claims {length} bytes, and at most {MAX_HEADER} are read")
    if 8 + length > size:
        raise damaged(path, f"its header should end at byte {8 + length}, and the file ends at byte {size}")
    return length


def _header_json(path: Path, length: int) -> dict[str, Any] | None:
    with path.open("rb") as file:
        file.seek(8)
        try:
            values = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return None
    return values if isinstance(values, dict) else None


def peek_metadata(path: Path) -> str | None:
    """Our metadata in the header of a safetensors file, unchecked, or None: a look that never fails."""
    try:
        values = _header_json(path, _header_length(path))
    except (OSError, ArtifactError):
        return None
    metadata = values.get("__metadata__") if values else None
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def map_tensors(path: Path, header: Header) -> dict[str, NDArray[Any]]:
    """All tensors of a type we know, as views of the file: nothing is read before it is looked at.

    bfloat16, which numpy lacks, is given as the uint16 numbers that hold its bits.
    """
    whole = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    return {
        name: whole[info.start : info.end].view(TYPES[info.dtype]).reshape(info.shape)
        for name, info in header.tensors.items()
        if info.dtype in TYPES
    }


def read_tensors(path: Path) -> TensorFile:
    """One of our safetensors files, with every checksum verified.

    Raises:
        ArtifactError: It is damaged, foreign, or of a newer format.
    """
    header = read_header(path)
    facts = unsealed(path, header.metadata.get(KEY, ""))
    tensors = map_tensors(path, header)
    checksums = entry(path, facts, "checksums", dict)
    if set(checksums) != set(tensors):
        odd = sorted(set(checksums) ^ set(tensors))
        raise damaged(path, f"tensors that are missing or do not belong: {some(odd)}")
    bad = [name for name, array in tensors.items() if checksum(array) != checksums[name]]
    if bad:
        raise damaged(path, f"checksums that do not fit, in the tensors {some(bad)}")
    return TensorFile(path, facts, tensors)


def tensor(
    file: TensorFile, name: str, dtypes: DTypeLike | tuple[str, ...], shape: tuple[int | None, ...]
) -> NDArray[Any]:
    """One tensor, of the type and shape it must have; None stands for any length.

    Raises:
        ArtifactError: It is missing, or of another type or shape.
    """
    allowed = [np.dtype(item) for item in (dtypes if isinstance(dtypes, tuple) else (dtypes,))]
    expected = f"{' or '.join(map(str, allowed))} [{', '.join('any' if n is None else str(n) for n in shape)}]"
    array = file.tensors.get(name)
    if array is None:
        raise damaged(file.path, f"it has no tensor {name!r}; expected {expected}")
    fits = len(array.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=False))
    if array.dtype not in allowed or not fits:
        found = f"{array.dtype} {list(array.shape)}"
        raise damaged(file.path, f"its tensor {name!r} is {found}; expected {expected}")
    return array
