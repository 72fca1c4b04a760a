"""The part of ``relstitch stitch`` for decoders that reconstruct: what they are to draw, and the picture of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relstitch.errors import DatasetError, UsageError
from relstitch.names import TaskName

_TABLES = {".csv", ".tsv", ".jsonl", ".json", ".parquet"}


@dataclass(frozen=True)
class GoalGiven:
    """What was said of the task.

    Attributes:
        task: Labels, or to reconstruct.
        targets: Where the targets come from; none: from the files themselves.
        size: Height and width of pictures.
        grey: Whether pictures are made grey.
        pictures: Where the grid of pictures is to go.
    """

    task: TaskName
    targets: tuple[str, ...] = ()
    size: int | None = None
    grey: bool = False
    pictures: Path | None = None


def check_goal(given: GoalGiven, inputs: Iterable[Path], *, ready: bool, force: bool) -> None:
    """Refuse what cannot be, before anything is read.

    Args:
        given: What was said.
        inputs: Files that are never overwritten.
        ready: Whether the decoder is trained already.
        force: Whether a file that stands there may be replaced.
    """
    from relstitch import storage
    from relstitch.report.figures import can_draw

    if given.task == "labels":
        said = {"--targets": given.targets, "--size": given.size, "--grey": given.grey, "--pictures": given.pictures}
        wrong = ", ".join(option for option, value in said.items() if value)
        if wrong:
            raise UsageError(f"{wrong}: only for decoders that give something back. Add --task reconstruct.")
        return
    if ready:
        raise UsageError(
            "--task reconstruct trains the decoders itself, and --decoder names a file. Choose one of: ridge, knn, "
            "mlp."
        )
    if not given.targets and (given.size is not None or given.grey):
        raise UsageError("--size and --grey say how the pictures of --targets are read. Name them with --targets.")
    if given.pictures is not None:
        storage.check_output(given.pictures, suffix=".png", force=force, inputs=list(inputs))
        if not can_draw():
            raise UsageError(
                "--pictures needs matplotlib, which is not installed. Install it: pip install 'relstitch[figures]'"
            )


def open_targets(given: GoalGiven, spaces: Mapping[str, Any]) -> Any:
    """The rows with what is to be reconstructed; None where the files themselves hold it.

    Args:
        given: What was said.
        spaces: The files of the stitch: only the pictures of their rows are decoded.
    """
    from relstitch.dataset import Dataset, ReadOptions, pixel_targets
    from relstitch.encoding.sources import open_source, ready_vectors
    from relstitch.report import tell

    if given.task == "labels" or not given.targets:
        return None
    try:
        opened = open_source(list(given.targets), ReadOptions())
    except DatasetError as error:
        if not any(Path(name).suffix.lower() in _TABLES for name in given.targets):
            raise
        raise UsageError(
            f"No pictures are named by a table of --targets: {error} Here a table can only name pictures; columns of "
            "numbers are encoded with the rows (encode --target), or given as .npz (arrays vectors and ids)."
        ) from error
    for note in opened.notes if isinstance(opened, Dataset) else ():
        tell(note)
    if isinstance(opened, Dataset) and opened.modality == "image":
        wanted = {name for space in spaces.values() for name in space.rows.ids.tolist()}
        return pixel_targets(opened, size=given.size or 32, grey=given.grey, wanted=wanted)
    named = " ".join(given.targets)
    if isinstance(opened, Dataset) and opened.modality != "vectors":
        raise UsageError(
            f"{named} holds items of kind {opened.modality!r}, which no decoder gives back. Name pictures or vectors "
            "with --targets; columns of numbers are encoded with the rows (encode --target)."
        )
    if given.size is not None or given.grey:
        raise UsageError(f"{named} holds vectors; --size and --grey are for pictures. Leave them out.")
    return _values(ready_vectors(opened) if isinstance(opened, Dataset) else opened)


def _values(embeddings: Any) -> Any:
    from dataclasses import replace

    import numpy as np

    from relstitch.artifacts import Targets

    present = np.ones(len(embeddings.rows), dtype=bool)
    return replace(embeddings.rows, targets=Targets("real", embeddings.vectors, present))


def check_pictures(given: GoalGiven, targets: Any, spaces: Mapping[str, Any]) -> None:
    """Refuse to draw what is no picture."""
    rows = [space.rows for space in spaces.values()] if targets is None else [targets]
    kinds = {row.targets.kind for row in rows if row.targets is not None}
    if given.pictures is not None and "image" not in kinds:
        raise UsageError("--pictures draws pictures, and the targets are none. Leave it out, or name pictures.")


def write_pictures(report: Any, path: Path) -> None:
    """Draw the report's pictures."""
    from relstitch.report import tell
    from relstitch.report.figures import draw_grid
    from relstitch.storage.output import whole_or_absent

    with whole_or_absent(path) as unfinished:
        unfinished.write_bytes(draw_grid(report.pictures))
    tell(f"Wrote {path}: {report.pictures.title[:1].lower()}{report.pictures.title[1:]}.")
