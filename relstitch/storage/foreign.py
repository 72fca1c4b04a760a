"""What a file is that relstitch did not write: so that a message can say what it found."""

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from relstitch.errors import ArtifactError
from relstitch.storage.output import os_reason

_HEAD = 4096
_TEXT = re.compile(rb"^[^\x00-\x08\x0e-\x1a\x1c-\x1f]*$")
_SIGNATURES: Mapping[bytes, str] = {
    b"version https://git-lfs": "a Git LFS pointer and not the file itself (fetch it with `git lfs pull`)",
    b"\x93NUMPY": "a NumPy array file (.npy)",
    b"PAR1": "a Parquet table",
    b"\x89HDF\r\n": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"GGUF": "a GGUF model",
}


def read_head(path: Path) -> bytes:
    """The first bytes of a file that should be one of ours.

    Raises:
        ArtifactError: There is no such file, it is a folder, or it cannot be read.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise ArtifactError(f"{path} is {what}; a file was expected.")
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise ArtifactError(f"{path} could not be read: {os_reason(error)}.") from error


def what_it_is(path: Path, head: bytes) -> str:
    """A foreign file in words, known by its first bytes; nothing in it is ever run."""
    if not head:
        return "empty (0 bytes)"
    for signature, words in _SIGNATURES.items():
        if head.startswith(signature):
            return words
    checks: tuple[Callable[[Path, bytes], str | None], ...] = (_zip, _pickle, _text)
    found = (check(path, head) for check in checks)
    return next((words for words in found if words), "a binary file of an unknown kind")


def _zip(path: Path, head: bytes) -> str | None:
    if not head.startswith(b"PK"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a damaged zip archive"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch checkpoint with a pickle inside (pickles can run code and are never loaded)"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz)"
    return "a zip archive"


def _pickle(_path: Path, head: bytes) -> str | None:
    # Protocols 2 to 5 begin with the opcode PROTO and their number.
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a pickle (pickles can run code and are never loaded)"
    return None


def _text(_path: Path, head: bytes) -> str | None:
    if not _TEXT.match(head):
        return None
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = start[:200].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page (a download that went wrong?)"
    if start.startswith((b"{", b"[")):
        return "a JSON text"
    if lower.startswith((b"<?xml", b"<")):
        return "an XML text"
    first = start.splitlines()[0] if start else b""
    if b"\t" in first or b"," in first:
        return "a text table (CSV or TSV)"
    return "a plain text"
