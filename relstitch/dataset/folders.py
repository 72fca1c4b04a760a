"""Folders of pictures: a folder a class, and a folder a split above them where there are any."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from relstitch.artifacts import Skipped
from relstitch.artifacts.rows import content_hash
from relstitch.dataset.contents import ImageRef, picture_bytes
from relstitch.dataset.file_kinds import HEAD, is_picture_name, picture_kind
from relstitch.dataset.items import DEFAULT_SPLIT, Item, Journal
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source
from relstitch.errors import DatasetError, UsageError, counted, some

SPLIT_FOLDERS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
"""What split folders are called, in the order in which their rows come."""
_NOT_CLASSES = frozenset(["__macosx", "thumbs.db", "desktop.ini"])


@dataclass
class _Listing:
    """The pictures of a folder, as paths relative to it, and what else is there."""

    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def folder_items(source: Source, options: ReadOptions, journal: Journal) -> Iterator[Item]:
    """Read an image folder.

    Where every top folder that holds pictures is called train, val, test … they are splits; below them (or at the
    top) a folder is a class, and everything in it, however deep, belongs to that class. Pictures that lie in no
    class folder have no label. Files are known by their extension, those without one by their first bytes. Hidden
    files and folders and what systems leave behind (``.DS_Store``, ``__MACOSX``, ``Thumbs.db``) do not exist.

    Args:
        source: The folder.
        options: How to read it; columns cannot be named.
        journal: Where pictures that cannot be read, and files left out, are noted.

    Yields:
        One row a picture, those of the split train first, those of test last; its id is its path in the folder,
        after the split that the source was given.

    Raises:
        DatasetError: There are no pictures in it, or its top folders are partly splits.
        UsageError: A column was named, or a split was given to a folder of splits.
    """
    root = Path(source.name) if source.path is None else source.path
    if options.named_columns:
        raise UsageError(f"{source.name} is an image folder and has no columns; found {some(options.named_columns)}.")
    listing = _scan(root)
    if not listing.pictures:
        raise DatasetError(_nothing(source.name, listing))
    has_splits = _has_splits(source.name, listing)
    if has_splits and source.split is not None:
        raise UsageError(
            f"{source.name} was given as the split {source.split!r} and holds split folders itself. Name one of "
            f"them: {source.split}={Path(source.name) / listing.pictures[0].parts[0]}"
        )
    _note(source.name, listing, journal, has_splits=has_splits)
    if has_splits:
        # Inside a split the pictures stay in the order of their paths.
        listing.pictures.sort(key=lambda path: SPLIT_FOLDERS.index(path.parts[0].lower()))
    for path in listing.pictures:
        split = path.parts[0] if has_splits else source.split or DEFAULT_SPLIT
        if journal.room(split):
            journal.take(split)
            yield from _read(root, path, split, source, journal, 1 if has_splits else 0)


def _read(root: Path, path: Path, split: str, source: Source, journal: Journal, depth: int) -> Iterator[Item]:
    name = path.as_posix() if source.split is None else f"{source.split}/{path.as_posix()}"
    label = path.parts[depth] if len(path.parts) > depth + 1 else None
    try:
        digest = content_hash(picture_bytes(root / path))
    except OSError as error:
        journal.bad.append(Skipped(name, split, f"{root / path}: cannot be read ({error.strerror})"))
        return
    yield Item(name, split, ImageRef(str(root / path), path=root / path), digest, label)


def _scan(root: Path) -> _Listing:
    listing = _Listing()
    seen: set[str] = set()
    for place, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder above: the walk would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if _counts(name))
        here = Path(place).relative_to(root)
        listing.folders += [here / name for name in folders]
        for name in sorted(name for name in files if _counts(name)):
            _check_name(root / here / name)
            is_picture = is_picture_name(name) or ("." not in name and _looks_like_picture(root / here / name))
            (listing.pictures if is_picture else listing.others).append(here / name)
    listing.pictures.sort()
    return listing


def _refuse(error: OSError) -> None:
    # Otherwise the walk goes on without a word, and a class or a split would be missing.
    raise DatasetError(
        f"{error.filename}: the folder cannot be read ({error.strerror}); expected to see what is in it. Mend its "
        "permissions, or name folders that can be read."
    ) from error


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_CLASSES


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path)
        raise DatasetError(
            f"The name of the file {shown!r} is not UTF-8; ids must be text. Rename the file."
        ) from error


def _looks_like_picture(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return picture_kind(stream.read(HEAD)) is not None
    except OSError:
        return False


def _has_splits(name: str, listing: _Listing) -> bool:
    tops = list(dict.fromkeys(path.parts[0] for path in listing.pictures if len(path.parts) > 1))
    splits = [top for top in tops if top.lower() in SPLIT_FOLDERS]
    others = [top for top in tops if top not in splits]
    loose = sum(1 for path in listing.pictures if len(path.parts) == 1)
    if len(splits) > 1 and (others or loose):
        beside = some(others) if others else f"{counted(loose, 'picture', 'pictures')} in no folder"
        raise DatasetError(
            f"{name} has the split folders {some(splits)} and beside them {beside}; expected splits only, or classes "
            f"only. Name the splits you want: {splits[0]}={Path(name) / splits[0]}"
        )
    # One folder called `test` among others is a class; alone it is a split.
    return bool(splits) and not others and not loose


def _suffixes(files: list[Path]) -> str:
    times_of = Counter(path.suffix.lower() or "without an extension" for path in files)
    return some((f"{times} {suffix}" for suffix, times in times_of.most_common()), 8)


def _nothing(name: str, listing: _Listing) -> str:
    found = _suffixes(listing.others) if listing.others else "nothing"
    hint = f" Name the file, if one of them is a table: {listing.others[0].as_posix()}" if listing.others else ""
    return f"{name} holds no pictures; found: {found}; expected pictures, in a folder a class.{hint}"


def _note(name: str, listing: _Listing, journal: Journal, *, has_splits: bool) -> None:
    if listing.others:
        journal.counts["left_out_files"] += len(listing.others)
        journal.notes.append(
            f"{name}: left out {counted(len(listing.others), 'file', 'files')} without the extension of a picture "
            f"({_suffixes(listing.others)}), for example {listing.others[0].as_posix()}."
        )
    depth = 2 if has_splits else 1
    full = {path.parts[: level + 1] for path in listing.pictures for level in range(len(path.parts) - 1)}
    empty = [path.as_posix() for path in listing.folders if len(path.parts) <= depth and path.parts not in full]
    if empty:
        journal.counts["empty_class_folders"] += len(empty)
        journal.notes.append(
            f"{name}: {counted(len(empty), 'folder', 'folders')} without pictures, no class: {some(empty)}."
        )
