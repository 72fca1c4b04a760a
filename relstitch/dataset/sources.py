"""What the user named: files, folders, standard input, hub datasets, and the splits given to them."""

import difflib
import glob
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from relstitch.dataset.file_kinds import HEAD, file_kind, is_picture_name
from relstitch.dataset.options import FormatName
from relstitch.errors import DatasetError, UsageError, some

SourceFormat = FormatName | Literal["hub", "graph"]
STDIN = "-"
HUB = "hf:"

_FACTORY = re.compile(r"python:[^\W\d][\w.]*:[^\W\d][\w.]*")
# Neither a drive (C:) nor a separator can be part of a split's name, so paths that hold "=" stay paths.
_NAMED = re.compile(r"(?P<split>[\w.-]+)=(?P<location>.*)", re.DOTALL)
_SUFFIXES: dict[str, FormatName] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet", ".pq": "parquet", ".txt": "text", ".text": "text", ".npy": "npy", ".npz": "npz",
}  # fmt: skip
_PICKLES = frozenset([".pt", ".pth", ".pkl", ".pickle"])
_BINARY: dict[str, SourceFormat] = {"a Parquet file": "parquet", "a NumPy array": "npy"}
_EXPECTED = (
    "an image folder, a CSV, TSV, JSON, JSONL or Parquet table, text lines (.txt), or .npy or .npz vectors; "
    "if it is one of these under another name, say so with --format"
)


@dataclass(frozen=True)
class Source:
    """One thing to read.

    Attributes:
        name: What to call it in a message: the path as the user wrote it.
        split: The split the user gave it, or None.
        format: What it is; None until standard input has been looked at.
        path: The file or folder; None for standard input, pipes and the hub.
        data: What came on standard input or through a pipe, which can be read once only.
    """

    name: str
    split: str | None
    format: SourceFormat | None
    path: Path | None = None
    data: bytes = field(default=b"", repr=False)

    def open(self) -> BinaryIO:
        """The bytes, from the beginning."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def head(self, size: int = HEAD) -> bytes:
        """The first bytes."""
        with self.open() as stream:
            return stream.read(size)

    @property
    def folder(self) -> Path:
        """What relative paths inside it start from."""
        return Path() if self.path is None else self.path.parent


def parse_sources(sources: Sequence[str], *, format: FormatName | None = None) -> list[Source]:
    """Find out what the user named.

    Args:
        sources: Each one a file, a folder, ``-``, ``hf:NAME``, ``python:MODULE:FACTORY`` (a graph) or a pattern with
            ``*``; ``SPLIT=`` may stand before it. A file or folder that exists under the whole text wins over the
            reading as ``SPLIT=``.
        format: What they are, where it should not be seen from their names.

    Returns:
        One entry a file, patterns replaced by what they match, in order.

    Raises:
        DatasetError: Something does not exist or cannot be recognised.
        UsageError: No source at all, a split without a source, or standard input twice.
    """
    if not sources:
        raise UsageError("No source was given; expected at least one file or folder, or - for standard input.")
    found = [source for text in sources for source in _parse(text, format)]
    if sum(1 for source in found if source.name == "standard input") > 1:
        raise UsageError("Standard input (-) was named more than once; it can be read once. Put one part in a file.")
    return found


def split_and_location(text: str) -> tuple[str | None, str]:
    """Take ``SPLIT=`` off what the user named; something that exists under the whole text has no split in front.

    Example:
        >>> split_and_location("train=a.csv"), split_and_location("a.csv")
        (('train', 'a.csv'), (None, 'a.csv'))
    """
    named = _NAMED.fullmatch(text)
    if named is None or Path(text).exists():
        return None, text
    return named["split"], named["location"]


def _parse(text: str, format_: FormatName | None) -> list[Source]:
    split, location = split_and_location(text)
    if split is not None and not location:
        raise UsageError(f"{text} names the split {split!r} and no source; expected {split}=FILE.")
    if location == STDIN:
        if format_ == "folder":
            raise UsageError("--format folder was given for standard input, which is no folder. Name the folder.")
        return [Source("standard input", split, format_, data=_piped())]
    if location.startswith(HUB) and not Path(location).exists():
        return [Source(location, split, "hub")]
    if _FACTORY.fullmatch(location) and not Path(location).exists():
        if format_ is not None:
            raise UsageError(f"{location} gives a graph, and --format {format_} says otherwise. Leave it out.")
        return [Source(location, split, "graph")]
    if not location:
        raise UsageError("A source is empty text; expected a file, a folder or -. Is a variable of the shell unset?")
    return [_located(path, split, format_) for path in _paths(location)]


def _piped() -> bytes:
    # Python has no standard input where the shell closed it.
    if sys.stdin is None:
        raise DatasetError("Standard input (-) was named and is closed; expected data on it. Name a file.")
    return sys.stdin.buffer.read()


def _located(path: Path, split: str | None, format_: FormatName | None) -> Source:
    if path.is_dir() or path.is_file():
        return Source(str(path), split, _format(path, format_), path)
    if format_ == "folder":
        raise UsageError(f"{path} is a pipe or a device, and --format folder says it is a folder. Name the folder.")
    # A pipe, such as <(…) of a shell, gives its bytes once; they are looked at several times.
    return Source(str(path), split, format_ or _SUFFIXES.get(path.suffix.lower()), data=path.read_bytes())


def _paths(location: str) -> list[Path]:
    path = Path(location).expanduser()
    if path.exists():
        return [path]
    if any(sign in location for sign in "*?["):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (a pattern may be absolute)
        if not matches:
            raise DatasetError(
                f"No file matches {location}; expected at least one. Check the pattern and the folder."
            )
        return [Path(match) for match in matches]
    raise DatasetError(_missing(location, path))


def _missing(location: str, path: Path) -> str:
    """What to say of a path that does not exist: where it stops to exist, and what is near."""
    parent = path.parent
    if not parent.is_dir():
        return f"There is no {location}: the folder {parent} does not exist. Check the path."
    near = difflib.get_close_matches(path.name, sorted(entry.name for entry in parent.iterdir()), n=3, cutoff=0.6)
    hint = f"Did you mean {some(near)}?" if near else "Check the path."
    if location.startswith("python:"):
        hint = "Name a factory of your own as python:MODULE:FACTORY."
    return f"There is no file or folder {location}. {hint}"


def _format(path: Path, format_: FormatName | None) -> SourceFormat:
    if path.is_dir():
        if format_ not in (None, "folder"):
            raise UsageError(f"{path} is a folder, and --format {format_} says it is a file. Name the file in it.")
        return "folder"
    if format_ == "folder":
        raise UsageError(f"{path} is a file, and --format folder says it is a folder. Name the folder.")
    known = format_ or _SUFFIXES.get(path.suffix.lower())
    return known or _format_by_content(path)


def _format_by_content(path: Path) -> SourceFormat:
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    kind = file_kind(head)
    if path.suffix.lower() in _PICKLES:
        raise DatasetError(
            f"{path} is a {path.suffix} file, which holds Python objects (a pickle); these are never loaded. Write a "
            "graph as .npz (edge_index, x, y, train_mask …), or name python:MODULE:FACTORY that gives it."
        )
    if kind in _BINARY:
        return _BINARY[kind]
    if path.suffix.lower() == ".safetensors":
        raise DatasetError(f"{path} is a safetensors file; it is read as a file of embeddings, by itself.")
    if is_picture_name(path.name):
        raise DatasetError(f"{path} is one picture; expected a folder of pictures. Name the folder it is in.")
    found = kind or ("a file without an extension" if not path.suffix else f"a {path.suffix} file")
    raise DatasetError(f"{path} is {found}; expected {_EXPECTED}.")


def check_kind(source: Source, *, expected: str, allowed: str | None = None) -> None:
    """Refuse a file that is something else than its name says, and say what it is.

    Args:
        source: What is about to be read.
        expected: What it should be, in words.
        allowed: What `file_kind` calls the kind that is right for this reader, where it knows it.

    Raises:
        DatasetError: The file is empty, or of another kind.
    """
    head = source.head()
    if not head:
        raise DatasetError(f"{source.name} is empty (0 bytes); expected {expected}. Check how it was written.")
    kind = file_kind(head)
    if kind not in (None, allowed):
        raise DatasetError(f"{source.name} is {kind}; expected {expected}.")
    if kind is None and allowed is not None:
        raise DatasetError(f"{source.name} does not begin as {allowed} does; expected {expected}.")
