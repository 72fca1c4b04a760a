"""What decoders are to learn: the targets that files hold, or pictures and real values that are to be given back."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from relstitch.artifacts import Rows, Targets
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import meet
from relstitch.stitching.options import Space, StitchOptions

_CALLED = "the targets"


def goals_of(files: Mapping[str, Space], options: StitchOptions) -> tuple[dict[str, Rows], list[str]]:
    """The rows of every file with the targets that the task is about.

    Args:
        files: By name.
        options: The task, and targets of its own.

    Returns:
        The rows by file, and what a reader should know of how targets and rows met.

    Raises:
        UsageError: Nothing that could be reconstructed.
        MismatchError: Targets that share no id with a file, or that are of other content for some of its rows.

    Example:
        >>> from relstitch.artifacts import Embeddings, EncoderStamp
        >>> X = np.eye(2, dtype=np.float32)
        >>> space = Embeddings(Rows.build(["a", "b"]), X, EncoderStamp("st:x", "text", 2))
        >>> numbers = Targets("real", np.array([[3.0]], dtype=np.float32), np.array([True]), ("n",))
        >>> options = StitchOptions(task="reconstruct", targets=Rows.build(["b"], targets=numbers))
        >>> goals_of({"x": space}, options)[0]["x"].targets.present.tolist()
        [False, True]
    """
    rows = {name: space.rows for name, space in files.items()}
    if options.task == "labels":
        return rows, []
    if options.targets is None:
        _check_own(rows)
        return rows, []
    notes: list[str] = []
    found = {name: _with_targets(name, file, options.targets, notes) for name, file in rows.items()}
    return found, notes


def _check_own(rows: Mapping[str, Rows]) -> None:
    kinds = {name: "none" if file.targets is None else file.targets.kind for name, file in rows.items()}
    if not {"real", "image"} & set(kinds.values()):
        listed = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise UsageError(
            f"The task is to give back pictures or real values, and no file holds such targets ({listed}). Name them "
            "with --targets SOURCE: the pictures or vectors, with the ids of the files."
        )


def _with_targets(name: str, rows: Rows, source: Rows, notes: list[str]) -> Rows:
    goal = source.targets
    if goal is None:  # options have refused it
        return rows
    if not any(row in source.position for row in rows.ids.tolist()):
        raise MismatchError(
            f"{name} and the targets share no id: {counted(len(rows), 'row')} ({some(rows.ids)}) met "
            f"{counted(len(source), 'target')} ({some(source.ids)}). Targets meet rows by id: name the source that "
            "was encoded, or give the targets the ids of the rows (in .npz: an array ids)."
        )
    # Targets are what is to be drawn, not what was encoded: they may be of other content, if all of them are.
    meeting = meet(rows, replace(source, hashes=np.full_like(source.hashes, "")), names=(name, _CALLED))
    here, there = rows.hashes[meeting.left], source.hashes[meeting.right]
    known = (here != "") & (there != "")
    other = known & (here != there)
    if other.any() and (other != known).any():
        raise MismatchError(
            f"Of {counted(int(known.sum()), 'target')} that {name} meets by id, {int(other.sum())} hold other "
            f"content than the row they meet: {some(rows.ids[meeting.left][other])}. Take the targets from the "
            "source that was encoded, or from one that is different throughout."
        )
    if other.any():
        notes.append(f"The targets hold other content than the rows of {name}: they met on ids alone.")
    values = np.zeros((len(rows), *goal.values.shape[1:]), dtype=goal.values.dtype)
    present = np.zeros(len(rows), dtype=bool)
    values[meeting.left], present[meeting.left] = goal.values[meeting.right], goal.present[meeting.right]
    return replace(rows, targets=Targets(goal.kind, values, present, _names(goal)))


def _names(goal: Targets) -> tuple[str, ...]:
    """The names of columns; numbers for values without names, written so that their order is that of the columns."""
    if goal.kind == "image" or goal.names:
        return goal.names
    columns = goal.values.shape[1]
    return tuple(str(column).zfill(len(str(columns - 1))) for column in range(columns))
