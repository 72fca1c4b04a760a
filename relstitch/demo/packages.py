"""Installed packages that hold weights or data, found without importing them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from relstitch.errors import RelstitchError


@dataclass(frozen=True)
class Origin:
    """The package, or the packages in order, that one material comes from.

    Attributes:
        paths: Requirement with its exact version → what of the package is used: a file or folder, as the package
            lists it.
        error: What a missing package is an error of: `DatasetError` or `EncoderError`.
        dependencies: Whether what the packages depend on is to be installed too.
        user: What needs it, at the beginning of a sentence.
    """

    paths: Mapping[str, str]
    error: type[RelstitchError]
    dependencies: bool = True
    user: str = "The demo"

    @property
    def install(self) -> str:
        """The command that installs the packages."""
        return f"pip install {'' if self.dependencies else '--no-deps '}{' '.join(self.paths)}"

    @property
    def reinstall(self) -> str:
        """The command that installs the packages anew and leaves everything else as it is."""
        return f"pip install --force-reinstall --no-deps {' '.join(self.paths)}"

    def locate(self) -> tuple[Path, ...]:
        """Find the files or folders, in order.

        Returns:
            One path a package.

        Raises:
            RelstitchError: Of the kind `error`: a package is not installed, has another version, or lacks its file.
        """
        return tuple(self._locate(requirement, inside) for requirement, inside in self.paths.items())

    def _locate(self, requirement: str, inside: str) -> Path:
        project, version = requirement.split("==")
        try:
            distribution = metadata.distribution(project)
        except metadata.PackageNotFoundError:
            raise self.error(
                f"{self.user} needs the package {project} {version}, which is not installed. "
                f"Install it: {self.install}"
            ) from None
        if distribution.version != version:
            raise self.error(
                f"{self.user} needs the package {project} {version}; version {distribution.version} is installed. "
                f"Install the one it needs: {self.install}"
            )
        path = Path(str(distribution.locate_file(inside)))
        if not path.exists():
            raise self.error(
                f"The package {project} {version} is installed, but its {inside} is missing. "
                f"Install it again: {self.reinstall}"
            )
        return path
