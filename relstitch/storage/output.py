"""An output is whole or absent, and never an input."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from relstitch.errors import ArtifactError, UsageError


def check_output(
    path: str | Path, *, suffix: str = ".safetensors", force: bool = False, inputs: Sequence[str | Path] = ()
) -> Path:
    """Refuse an output that could not be written or would overwrite something, before any work is done for it.

    Args:
        path: Where the output should go.
        suffix: What its name must end in.
        force: Whether a file that stands there already may be replaced.
        inputs: What the output is made from. None of them is ever overwritten, `force` or not.

    Returns:
        The file that will be written: `path`, or what it points to where it is a symbolic link.

    Raises:
        UsageError: Wrong suffix, a folder, a missing parent folder, an input, or an existing file without `force`.
    """
    asked = Path(path)
    target = Path(os.path.realpath(asked)) if asked.is_symlink() else asked
    if asked.suffix.lower() != suffix:
        raise UsageError(f"{path}: the name of this output must end in {suffix}.")
    if target.is_dir():
        raise UsageError(f"{path} is a folder; the output must be a file. Give a file name inside it.")
    if not target.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {target.parent}. Create it first.")
    for source in inputs:
        if _same_file(target, Path(source)):
            raise UsageError(
                f"{path} is also an input ({source}). An input is never overwritten: name another output."
            )
    if target.exists() and not force:
        raise UsageError(f"{path} exists already. Name another output, or replace it with --force.")
    return target


def _same_file(target: Path, source: Path) -> bool:
    try:
        return target.samefile(source)
    except OSError:
        # One of them does not exist (yet): then only the places can be compared.
        return os.path.realpath(target) == os.path.realpath(source)


def os_reason(error: Exception) -> str:
    """Why the operating system refused, without Python's decoration."""
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def changed_on_disk(path: Path, what: str) -> ArtifactError:
    """The error for a file that does not come back as it was written."""
    return ArtifactError(
        f"{path} was written, but {what} came back changed from the disk, so the file was removed. Check the disk "
        "and the memory of this machine."
    )


@contextmanager
def whole_or_absent(target: Path) -> Iterator[Path]:
    """Give a temporary file beside `target` that takes its place when the block ends well, and vanishes otherwise.

    The temporary file lives in a hidden folder of its own, because the safetensors library writes through a
    temporary file that it names itself: so nothing a killed process leaves behind lies beside the user's files.

    Raises:
        ArtifactError: The operating system refuses (permissions, no space left on the disk).
    """
    folder: Path | None = None
    try:
        prefix = f".{target.name[:50]}.{os.getpid()}."
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=target.parent))
        temporary = folder / "unfinished"
        temporary.touch()
        # The library's file is private to its owner (0600); an output gets the permissions any new file gets here.
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        _to_disk(temporary)
        temporary.replace(target)
        _to_disk(target.parent)
    except OSError as error:
        raise ArtifactError(
            f"{target} could not be written: {os_reason(error)}. Nothing was left behind. Check the permissions of "
            "the folder and the free space on the disk."
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder to flush it.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
