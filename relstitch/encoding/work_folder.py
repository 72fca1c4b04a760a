"""The hidden folder beside an output where its finished work stands, and whose it is at the moment."""

import errno
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from relstitch.errors import EncoderError, UsageError

JOB, VECTORS, JOURNAL, _LOCK = "job.json", "vectors", "journal", "lock"
_LONGEST_NAME = 200


def work_folder(target: Path) -> Path:
    """Where the finished work for an output is kept.

    Example:
        >>> work_folder(Path("data/bbc.safetensors")).as_posix()
        'data/.bbc.safetensors.work'
    """
    name = target.name
    if len(name.encode()) > _LONGEST_NAME:
        # File systems take 255 bytes for a name.
        name = f"{name[:40]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return target.with_name(f".{name}.work")


@contextmanager
def locked(folder: Path, output: str | Path) -> Iterator[None]:
    """Make the folder, and hold it against other runs until the block or the process ends, however it ends.

    Raises:
        UsageError: Another run holds it.
        EncoderError: It can't be made.
    """
    with in_words(folder):
        file = _lock(folder, output)
    try:
        yield
    finally:
        with suppress(OSError):
            # Only where it is empty but for the lock: nothing is kept in it.
            if {path.name for path in folder.iterdir()} <= {_LOCK}:
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()
        file.close()


def _lock(folder: Path, output: str | Path) -> BinaryIO:
    while True:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(
                f"{folder} stands where the finished work for {output} would be kept, and it is no folder. Move it "
                "away, or name another output."
            )
        folder.mkdir(exist_ok=True)
        try:
            file = (folder / _LOCK).open("ab")
        except FileNotFoundError:
            continue  # Another run, which has just ended, took the folder away.
        if not _held(file):
            file.close()
            raise UsageError(
                f"Another run is writing {output} at this moment (its finished work is in {folder}). Wait until it "
                "ends, or name another output."
            )
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), (folder / _LOCK).stat()):
                return file
        file.close()  # What was locked is a file that the other run took away.


def _held(file: BinaryIO) -> bool:
    """Lock a file, unless another process holds it; the system frees it when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            # Not flock: that would be inherited by processes which a model starts, and outlive ours with them.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # On a file system without locks two runs can't be told apart: that is no reason to refuse the only one.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


@contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """What the operating system refuses, as an error of ours.

    Raises:
        EncoderError: It refused.
    """
    try:
        yield
    except OSError as error:
        raise EncoderError(
            f"Finished work can't be kept in {folder}: {error.strerror}. Make room on this disk or mend it; the same "
            "command then goes on from what is kept there."
        ) from error


def write_job(folder: Path, facts: Mapping[str, Any]) -> None:
    """Note whose work it is: whole or not at all."""
    temporary = folder / f"{JOB}.new"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"crc": _crc(facts), "facts": facts}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / JOB)
    for place in (folder, folder.parent):
        _to_disk(place)


def read_job(folder: Path) -> dict[str, Any] | None:
    """Whose work it is; None where nobody's is kept.

    Raises:
        EncoderError: It is damaged.
    """
    path = folder / JOB
    try:
        found = json.loads(path.read_bytes())
        if found["crc"] == _crc(found["facts"]):
            return dict(found["facts"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, RecursionError):
        found = None
    raise EncoderError(
        f"{path} is damaged: it should say whose finished work is kept beside it. Start over with --no-resume."
    )


def _crc(facts: Any) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def reserved(folder: Path) -> int:
    """How many bytes of the disk the vectors have already."""
    path = folder / VECTORS
    return getattr(path.stat(), "st_blocks", 0) * 512 if path.exists() else 0


def clear(folder: Path) -> None:
    """Take away what is kept, first of all what says whose it is. What is not ours stays."""
    for name in (JOB, f"{JOB}.new", JOURNAL, VECTORS):
        (folder / name).unlink(missing_ok=True)


def _to_disk(folder: Path) -> None:
    if sys.platform == "win32":
        return  # Windows cannot open a folder to flush it.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
