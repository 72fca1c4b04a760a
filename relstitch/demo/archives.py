"""Archives: several files read as one, a zip file unpacked where it may, and the sums of what came out."""

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

_BLOCK = 1 << 20


class JoinedFiles(io.RawIOBase):
    """Files read one after another as if they were one, without joining them in memory or on disk.

    Args:
        paths: The pieces, in order.

    Example:
        >>> JoinedFiles([]).read()
        b''
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._pieces: list[BinaryIO] = []
        for path in paths:
            self._pieces.append(path.open("rb"))
        sizes = [path.stat().st_size for path in paths]
        self._starts = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
        self._at = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from any place: always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning, from here or from the end.

        Raises:
            OSError: The place lies before the beginning.
        """
        place = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence] + offset
        if place < 0:
            raise OSError(f"place {place} lies before the beginning")
        self._at = place
        return place

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer from here on, at most to the end of a piece; 0 at the end of the last."""
        for piece, start, end in zip(self._pieces, self._starts[:-1], self._starts[1:], strict=True):
            if start <= self._at < end:
                piece.seek(self._at - start)
                data = piece.read(min(len(buffer), end - self._at))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
        return 0

    def close(self) -> None:
        """Close every piece."""
        for piece in self._pieces:
            piece.close()
        super().close()


def unzip(pieces: Sequence[Path], folder: Path) -> None:
    """Unpack a zip file that lies in one or several pieces; nothing is written outside the folder.

    Args:
        pieces: The zip file, or its pieces in order.
        folder: Where its entries go. Made where it is missing.

    Raises:
        zipfile.BadZipFile: It is not a whole zip file, or an entry of it would leave the folder.
    """
    with JoinedFiles(pieces) as joined, zipfile.ZipFile(io.BufferedReader(joined, _BLOCK)) as archive:
        targets = [(entry, _inside(folder, entry.filename)) for entry in archive.infolist()]
        for entry, target in targets:
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as packed, target.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, _BLOCK)


def _inside(folder: Path, name: str) -> Path:
    # Names are read the Windows way too: there, backslashes separate and a drive letter leads elsewhere.
    parts = PureWindowsPath(name).parts
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor or ".." in parts:
        raise zipfile.BadZipFile(f"its entry {name!r} would leave the folder")
    return folder.joinpath(*parts)


def copy_files(source: Path, folder: Path) -> None:
    """Copy a file, or all files of a folder, into a new folder; contents only, no permissions.

    Args:
        source: A file or a folder. It may be read-only.
        folder: The new folder.
    """
    files = [source] if source.is_file() else [path for path in sorted(source.rglob("*")) if path.is_file()]
    root = source.parent if source.is_file() else source
    for path in files:
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, or of a folder's file names and their bytes.

    Args:
        path: A file or a folder; it need not be there.

    Returns:
        64 hexadecimal characters, or ``nothing`` where there is no such file or folder.
    """
    if path.is_dir():
        digest = hashlib.sha256()
        for name in sorted(_names(path)):
            digest.update(f"{name}\0{sha256_of(path / name)}\n".encode())
        return digest.hexdigest()
    if not path.is_file():
        return "nothing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: Path) -> Iterable[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
