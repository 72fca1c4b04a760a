"""The folder the demo unpacks into: where it is, what in it is ours, how it is removed."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from relstitch.errors import UsageError

MARKER = ".relstitch-demo"
UNPACKING = ".unpacking-"
_MARKER_TEXT = "Made by relstitch demo. What it unpacked is removed by: relstitch demo --clean\n"
_ABANDONED_SECONDS = 3600.0


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
    marker = place / MARKER
    if not marker.exists():
        if any(place.iterdir()):
            raise UsageError(
                f"{place} holds files that are not the demo's. Choose a new or an empty folder with --folder."
            )
        marker.write_text(_MARKER_TEXT, encoding="utf-8")
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


def put(made: Path, target: Path) -> None:
    """Move a folder that is whole to its final place, in one step.

    Args:
        made: The folder, on the same file system.
        target: Its final place. What stands there is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() or target.is_symlink():
        target.rename(made.parent / f"{made.name}.replaced")
    made.rename(target)


def clean_folder(place: Path, ours: Sequence[str]) -> tuple[Path, int]:
    """Remove what the demo made, and the folder itself where nothing else is in it.

    Args:
        place: The demo's folder.
        ours: Glob patterns of what the demo makes, relative to the folder.

    Returns:
        The folder, and how many bytes were removed.

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
    found = dict.fromkeys(path for pattern in (f"{UNPACKING}*", *ours) for path in sorted(place.glob(pattern)))
    size = sum(_remove(path) for path in found)
    for parent in {path.parent for path in found} - {place}:
        _remove_if_empty(parent)
    if [path.name for path in place.iterdir()] == [MARKER]:
        size += _remove(place / MARKER)
        place.rmdir()
    return place, size


def _remove(path: Path) -> int:
    """Remove a file, a folder or a link (never what it points to); how many bytes that freed."""
    if path.is_symlink() or path.is_file():
        size = path.lstat().st_size
        path.unlink()
        return size
    size = sum(member.lstat().st_size for member in path.rglob("*") if not member.is_dir())
    shutil.rmtree(path)
    return size


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
