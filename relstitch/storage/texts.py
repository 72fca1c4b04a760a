"""Columns of text and of content hashes as few plain arrays, however many rows there are."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.rows import HASH_HEX
from relstitch.errors import ArtifactError


def pack_texts(values: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as one buffer of UTF-8 and where each begins.

    Returns:
        uint8 [bytes] and int64 [n + 1]: text i is ``buffer[offsets[i]:offsets[i + 1]]``.

    Raises:
        ArtifactError: A text is not valid Unicode.

    Example:
        >>> pack_texts(["a", "", "ü"])[1].tolist()
        [0, 1, 1, 3]
    """
    try:
        encoded = [value.encode() for value in values]
    except UnicodeEncodeError as error:
        raise ArtifactError(
            f"The text {error.object!r} is not valid Unicode and cannot be stored. Rename the file or give the row "
            "another id."
        ) from error
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(value) for value in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def unpack_texts(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[str]:
    """The texts that `pack_texts` packed.

    Raises:
        ValueError: The offsets do not cut the buffer into texts, or a text is not UTF-8.
    """
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(buffer) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets that do not rise from 0 to the length of the text")
    raw = buffer.tobytes()
    return [raw[start:end].decode() for start, end in pairwise(offsets.tolist())]


def pack_hashes(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """Content hashes as uint8 [n, 16]; 16 zeros where a row has none.

    Raises:
        ArtifactError: A hash is not 32 lower-case hexadecimal digits.
    """
    none = "0" * HASH_HEX
    filled = [value or none for value in hashes]
    try:
        raw = bytes.fromhex("".join(filled))
        whole = raw.hex() == "".join(filled) and all(len(value) == HASH_HEX for value in filled)
    except ValueError:
        whole = False
    if not whole or none in hashes:
        bad = next((value for value in hashes if value and not _is_hash(value)), none)
        raise ArtifactError(
            f"{bad!r} is no content hash: expected {HASH_HEX} lower-case hexadecimal digits, not all 0."
        )
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, HASH_HEX // 2)


def _is_hash(value: str) -> bool:
    return len(value) == HASH_HEX and set(value) <= set("0123456789abcdef") and value != "0" * HASH_HEX


def unpack_hashes(packed: NDArray[np.uint8]) -> NDArray[np.str_]:
    """The content hashes that `pack_hashes` packed: str [n]."""
    digits = np.frombuffer(packed.tobytes().hex().encode(), dtype=f"S{HASH_HEX}")
    hashes: NDArray[np.str_] = digits.astype(f"<U{HASH_HEX}")
    hashes[~packed.any(axis=1)] = ""
    return hashes
