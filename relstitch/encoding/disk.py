"""Room on the disk: what an encoding needs, against what there is."""

import math
import shutil
from pathlib import Path

from relstitch.artifacts import Rows
from relstitch.artifacts.rows import HASH_HEX
from relstitch.encoding.jobs import Job
from relstitch.errors import EncoderError, counted

_UNITS = ("kB", "MB", "GB", "TB")


def output_bytes(job: Job, width: int) -> int:
    """About how large the output of a job will be.

    Args:
        job: The job.
        width: The width of its encoder's vectors.
    """
    rows, k = job.source.rows, count_anchors(job)
    values = len(rows) * width if k is None else (len(rows) * job.options.projection.factors + width) * k
    return 4 * values + _row_bytes(rows)


def count_anchors(job: Job) -> int | None:
    """How many anchors a job has, or None for plain embeddings."""
    if job.anchoring is None:
        return None
    return len(job.anchoring.anchors.side(job.anchoring.side).draws[job.options.draw])


def _row_bytes(rows: Rows) -> int:
    """About what ids, hashes, splits and targets take."""
    ids = sum(len(name.encode()) for name in rows.ids)
    targets = 0 if rows.targets is None else rows.targets.values.nbytes
    return ids + targets + len(rows) * (8 + HASH_HEX // 2 + 4)


def check_room(folder: Path, needed: int, shape: tuple[int, int], output: str | Path) -> None:
    """Refuse work that would fill the disk, before it begins.

    Args:
        folder: A folder on the disk.
        needed: Bytes that are still to be written there.
        shape: How many vectors, and their width.
        output: What they are for.

    Raises:
        EncoderError: The disk has not enough room.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise EncoderError(
            f"{output}: {counted(shape[0], 'vector')} of width {shape[1]} need about {in_units(needed)} on the disk, "
            f"for the work and for the output, and {in_units(free)} are free. Make room, or put the output elsewhere."
        )


def in_units(size: int) -> str:
    """Bytes as people say them.

    Example:
        >>> in_units(999), in_units(15_360_000_000)
        ('999 bytes', '15.4 GB')
    """
    if size < 1000:
        return counted(size, "byte")
    power = min(int(math.log10(size)) // 3, len(_UNITS))
    return f"{size / 1000**power:,.1f} {_UNITS[power - 1]}"
