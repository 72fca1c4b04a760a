"""Data for the experiments: from packages, checked by their sums, or from a folder of the user's."""

from collections.abc import Mapping
from pathlib import Path

from relstitch.demo.archives import sha256_of
from relstitch.demo.packages import Origin

__all__ = ["packaged_files"]


def packaged_files(origin: Origin, sums: Mapping[str, str]) -> tuple[Path, ...]:
    """Files that installed packages hold, read where they are.

    Args:
        origin: The packages, in order.
        sums: Requirement → SHA-256 of the file or folder used (`relstitch.demo.archives.sha256_of`).

    Returns:
        One path a package.

    Raises:
        RelstitchError: Of the kind `Origin.error`: a package is not installed, has another version, or is damaged.
    """
    located = origin.locate()
    for path, (requirement, expected) in zip(located, sums.items(), strict=True):
        found = sha256_of(path)
        if found != expected:
            raise origin.error(
                f"The package {requirement} is damaged: {path.name} has SHA-256 {found}; expected {expected}. "
                f"Install it again: {origin.reinstall}"
            )
    return located
