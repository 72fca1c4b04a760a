"""Room for vectors: in memory, or on a disk in a file without a name."""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relstitch.errors import EncoderError


def vector_room(n: int, d: int, folder: str | Path | None) -> NDArray[np.float32]:
    """Room for n vectors of width d.

    On a disk the file has no name (or loses it at once), so nothing is left of it when the process ends, however it
    ends; its space is reserved before the first vector is written.

    Args:
        n: How many vectors.
        d: Their width.
        folder: Where the disk is; None for memory.

    Returns:
        float32 [n, d], to be filled.

    Raises:
        EncoderError: The disk has not enough room, or the folder can't be written to.
    """
    if folder is None:
        return np.empty((n, d), dtype=np.float32)
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".relstitch-") as file:
            if hasattr(os, "posix_fallocate"):
                # Else a full disk would end the process, without a word, where a page is written.
                os.posix_fallocate(file.fileno(), 0, n * d * 4)
            return np.memmap(file, dtype=np.float32, mode="w+", shape=(n, d))
    except OSError as error:
        raise EncoderError(
            f"{n} vectors of width {d} need {n * d * 4} bytes in {folder}: {error.strerror}. Make room, or put the "
            "output elsewhere."
        ) from error
