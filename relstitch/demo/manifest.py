"""The list of what the demo wrote, kept in its folder's marker: so that cleaning removes that and nothing else."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from relstitch.demo.archives import sha256_of

MARKER = ".relstitch-demo"
_SENTENCE = "Made by relstitch demo. What it unpacked is removed by: relstitch demo --clean\n"


@dataclass(frozen=True)
class Written:
    """A file as the demo wrote it.

    Attributes:
        path: Relative to the demo's folder, with ``/`` on every system.
        size: In bytes.
        sha256: Of its bytes, 64 hexadecimal characters.
    """

    path: str
    size: int
    sha256: str

    def stands_in(self, place: Path) -> bool:
        """Whether it is still there with the bytes the demo gave it, and not through a link of the user's.

        Args:
            place: The demo's folder.
        """
        path = place / self.path
        if not is_reached_without_links(place, self.path) or not path.is_file():
            return False
        return path.stat().st_size == self.size and sha256_of(path) == self.sha256


def is_reached_without_links(place: Path, name: str) -> bool:
    """Whether neither the file nor a folder between it and the demo's folder is a link."""
    parts = PurePosixPath(name).parts
    return not any(place.joinpath(*parts[: end + 1]).is_symlink() for end in range(len(parts)))


def start_manifest(place: Path) -> None:
    """Write a marker that lists nothing; the one that stands there is replaced.

    Args:
        place: The demo's folder.
    """
    (place / MARKER).write_text(_SENTENCE, encoding="utf-8")


def record(place: Path, written: Iterable[Written]) -> None:
    """Add files to the list. A folder without a marker is not the demo's and gets no list.

    Args:
        place: The demo's folder.
        written: What was, or is about to be, written.
    """
    marker = place / MARKER
    if marker.is_file():
        # Lines are only added, each after a line break of its own: half a line of a killed run spoils no other.
        with marker.open("a", encoding="utf-8") as file:
            file.writelines(f"\n{json.dumps(asdict(entry))}" for entry in written)


def read_manifest(place: Path) -> dict[str, Written]:
    """What the demo wrote into a folder, by path; for a file written several times, the last.

    Args:
        place: The demo's folder.

    Returns:
        Nothing for a marker of before there were lists. Lines that are not entries are passed over.
    """
    lines = (place / MARKER).read_text(encoding="utf-8", errors="replace").splitlines()
    return {entry.path: entry for line in lines if (entry := _entry(line)) is not None}


def _entry(line: str) -> Written | None:
    try:
        match json.loads(line):
            case {"path": str(path), "size": int(size), "sha256": str(sha256)} if _is_inside(path):
                return Written(path, size, sha256)
    except (ValueError, RecursionError):
        pass
    return None


def _is_inside(name: str) -> bool:
    # Read the Windows way too: there, backslashes separate and a drive letter leads elsewhere.
    windows = PureWindowsPath(name)
    return not (PurePosixPath(name).is_absolute() or windows.anchor or ".." in windows.parts or "\0" in name)


def measure(path: Path, name: str, sums: Mapping[str, str]) -> Iterator[Written]:
    """Describe a file, or all files of a folder.

    Args:
        path: Where it is now.
        name: Where it is, or will be, in the demo's folder.
        sums: SHA-256 that are known already, by path in the folder described.
    """
    for inside in [""] if path.is_file() else list_leaves(path):
        file = path / inside
        if file.is_file():
            yield Written(str(PurePosixPath(name, inside)), file.stat().st_size, sums.get(inside) or sha256_of(file))


def list_leaves(folder: Path) -> list[str]:
    """The files, links and empty folders (with a ``/`` behind them) below a folder, those nearest to it first."""
    names = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_dir():
            names.append(name)
        elif not any(path.iterdir()):
            names.append(f"{name}/")
    return sorted(names, key=lambda name: (name.rstrip("/").count("/"), name))
