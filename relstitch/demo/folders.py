"""The folder the demo unpacks into: where it is, what in it is ours, how it is removed."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from relstitch.demo.archives import sha256_of
from relstitch.demo.manifest import (
    MARKER,
    Written,
    is_reached_without_links,
    list_leaves,
    measure,
    read_manifest,
    start_manifest,
)
from relstitch.errors import UsageError, some

UNPACKING = ".unpacking-"
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Cleaned:
    """What `clean_folder` did.

    Attributes:
        folder: The demo's folder. It is gone if nothing was kept.
        size: How many bytes were removed.
        kept: What is still in it since the demo did not write it, or not as it is now: paths relative to the folder,
            those nearest to it first; an empty folder has a ``/`` behind it.
    """

    folder: Path
    size: int
    kept: tuple[str, ...]

    def __str__(self) -> str:
        """What a user should read of it.

        Example:
            >>> str(Cleaned(Path("demo"), 532_000_000, ("mine.txt", "bbc/mine2.txt")))
            "Removed 532 MB from demo; kept 2 files that are not the demo's: mine.txt, bbc/mine2.txt."
        """
        done = f"Removed {self.size / 1e6:.0f} MB from {self.folder}"
        if not self.kept:
            return f"{done}."
        one, many = ("entry", "entries") if any(name.endswith("/") for name in self.kept) else ("file", "files")
        what = f"1 {one} that is" if len(self.kept) == 1 else f"{len(self.kept)} {many} that are"
        if not self.size:
            done = f"There is nothing of the demo in {self.folder}"
        return f"{done}; kept {what} not the demo's: {some(self.kept)}."


def default_folder() -> Path:
    """Where the demo unpacks unless told otherwise.

    Returns:
        ``demo`` in ``$RELSTITCH_CACHE``, else in ``$XDG_CACHE_HOME/relstitch``, else in ``~/.cache/relstitch``.
    """
    own = os.environ.get("RELSTITCH_CACHE")
    if own:
        return Path(own).expanduser().absolute() / "demo"
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification has relative paths ignored.
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "relstitch" / "demo"


def demo_folder(folder: Path | None) -> Path:
    """The folder asked for, as an absolute path; `default_folder` where none was."""
    return default_folder() if folder is None else folder.expanduser().absolute()


def open_folder(place: Path) -> None:
    """Make the demo's folder, or take it up again, and clear what a killed run left half unpacked.

    Args:
        place: Where. It gets a marker by which `clean_folder` knows it.

    Raises:
        UsageError: It is a file, or a folder that holds something and is not the demo's.
    """
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is a file; the demo unpacks into a folder. Choose another with --folder.")
    place.mkdir(parents=True, exist_ok=True)
    if not (place / MARKER).exists():
        if any(place.iterdir()):
            raise UsageError(
                f"{place} holds files that are not the demo's. Choose a new or an empty folder with --folder."
            )
        start_manifest(place)
    _clear_abandoned(place)


def _clear_abandoned(folder: Path) -> None:
    # A younger one may be another process at work: unpacking takes seconds.
    for path in folder.glob(f"{UNPACKING}*"):
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def unpacking(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside the final places, which vanishes when the block ends.

    Args:
        folder: The demo's folder.
    """
    temporary = Path(tempfile.mkdtemp(prefix=UNPACKING, dir=folder))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def put(made: Path, place: Path, name: str) -> None:
    """Move a folder that is whole to its final place, in one step.

    Args:
        made: The folder, on the same file system.
        place: The demo's folder.
        name: Its final place in there. What stands there is replaced, but for files that are the user's.
    """
    target = place / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        _carry_over(place, name, made)
    if target.exists() or target.is_symlink():
        target.rename(made.parent / f"{made.name}.replaced")
    made.rename(target)


def _carry_over(place: Path, name: str, made: Path) -> None:
    # Copied, not moved: a run killed here leaves everything where it was.
    written = read_manifest(place)
    for inside in list_leaves(place / name):
        entry = written.get(f"{name}/{inside}")
        if inside.endswith("/") or (made / inside).exists() or (entry is not None and entry.stands_in(place)):
            continue
        (made / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(place / name / inside, made / inside, follow_symlinks=False)


def clean_folder(place: Path, *, sums: Mapping[str, str], scraps: Sequence[str]) -> Cleaned:
    """Remove the files the demo wrote and nobody changed, folders left empty, and its own folder if nothing is left.

    Args:
        place: The demo's folder.
        sums: What the demo unpacks, where its marker lists nothing of it: file or folder → SHA-256.
        scraps: Glob patterns of what killed runs leave.

    Returns:
        What was removed and what was kept.

    Raises:
        UsageError: There is no such folder, or it is not the demo's.
    """
    if not place.is_dir():
        raise UsageError(f"There is nothing to remove: {place} is not there.")
    if not (place / MARKER).is_file():
        raise UsageError(
            f"{place} was not made by relstitch demo: it holds no {MARKER}. Nothing was removed; remove it yourself "
            "if it is not needed."
        )
    found = dict.fromkeys(path for pattern in (f"{UNPACKING}*", *scraps) for path in sorted(place.glob(pattern)))
    size = sum(_remove(path) for path in found)
    written = {**_known(place, sums), **read_manifest(place)}
    size += sum(_remove(place / entry.path) for entry in written.values() if entry.stands_in(place))
    _remove_empty(place, (*written, *sums))
    kept = tuple(name for name in list_leaves(place) if name != MARKER)
    if kept:
        start_manifest(place)
    else:
        size += _remove(place / MARKER)
        place.rmdir()
    return Cleaned(place, size, kept)


def _known(place: Path, sums: Mapping[str, str]) -> dict[str, Written]:
    """What is in the folder, is not listed, and has the sum of what the demo unpacks."""
    listed = read_manifest(place)
    unlisted = (name for name in sums if not any(f"{path}/".startswith(f"{name}/") for path in listed))
    real = (name for name in unlisted if is_reached_without_links(place, name))
    same = [name for name in real if sha256_of(place / name) == sums[name]]
    return {entry.path: entry for name in same for entry in measure(place / name, name, {})}


def _remove(path: Path) -> int:
    """Remove a file, a folder or a link (never what it points to); how many bytes that freed."""
    if path.is_symlink() or path.is_file():
        size = path.lstat().st_size
        path.unlink()
        return size
    size = sum(member.lstat().st_size for member in path.rglob("*") if not member.is_dir())
    shutil.rmtree(path)
    return size


def _remove_empty(place: Path, names: Iterable[str]) -> None:
    """Remove the folders that held these files, from the innermost out, where they are empty now."""
    parents = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    for parent in sorted(parents - {"."}, key=lambda name: -name.count("/")):
        folder = place / parent
        if is_reached_without_links(place, parent) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
