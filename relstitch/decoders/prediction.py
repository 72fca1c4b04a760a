"""What a decoder answers, and what it is asked to learn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Targets
from relstitch.artifacts.rows import texts_array
from relstitch.errors import UsageError, counted


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answers for n rows.

    Attributes:
        task: ``class``, ``multilabel``, ``real`` or ``image``.
        values: ``class``: int32 [n], codes into names. ``multilabel``: bool [n, c]. ``real``: float64 [n, t].
            ``image``: float64 [n, h, w, c], in [0, 1] but for what the decoder draws beyond black and white.
        names: The c class names, or the t names of the target columns; none for pictures.
    """

    task: str
    values: NDArray[Any]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def labels(self) -> NDArray[np.object_]:
        """The answers as names: object [n] of str for classes, of tuple[str, ...] for several labels.

        Raises:
            UsageError: The answers are numbers or pictures.

        Example:
            >>> Prediction("class", np.array([1, 0]), ("cat", "dog")).labels().tolist()
            ['dog', 'cat']
        """
        if self.task == "class":
            named: NDArray[np.object_] = texts_array(self.names)[self.values]
            return named
        if self.task == "multilabel":
            found = np.empty(len(self.values), dtype=object)
            found[:] = [tuple(np.array(self.names, dtype=object)[row]) for row in self.values]
            return found
        if self.task == "image":
            raise UsageError("This decoder draws pictures, not classes: read `values`, not `labels()`.")
        raise UsageError(
            f"This decoder predicts {counted(len(self.names), 'number')} per row, not classes: read `values`, not "
            "`labels()`."
        )


@dataclass(frozen=True, eq=False)
class Task:
    """Labelled training rows, as the methods learn from them.

    Attributes:
        kind: ``class``, ``multilabel``, ``real`` or ``image``.
        values: ``class``: int [n], codes 0 … c - 1, each used. ``multilabel``: bool [n, c]. ``real``: float64 [n, t].
            ``image``: float32 [n, h · w · c], pixels in [0, 1].
        names: The c class names that occur, or the t names of the target columns; none for pictures.
        picture: The shape (h, w, c) of a picture; empty for everything else.
    """

    kind: str
    values: NDArray[Any]
    names: tuple[str, ...]
    picture: tuple[int, ...] = ()

    def signs(self) -> NDArray[np.float64]:
        """Classes and labels as +1 (has it) and -1 (has it not): float64 [n, c]; numbers and pixels as they are."""
        if self.kind in ("real", "image"):
            return self.values.astype(np.float64)
        has = self.values if self.kind == "multilabel" else self.values[:, None] == np.arange(len(self.names))
        return np.where(has, 1.0, -1.0)


def task_of(targets: Targets) -> Task:
    """What there is to learn from the labelled rows of some targets.

    Args:
        targets: n rows, all labelled.

    Returns:
        The task; for classes, only those that occur, in the order of their names.

    Raises:
        UsageError: No rows; or nothing to tell apart.

    Example:
        >>> task_of(Targets.from_labels(["b", "a", "b"])).values.tolist()
        [1, 0, 1]
    """
    if not len(targets):
        raise UsageError("No training row has a label: a decoder needs labelled rows to learn from.")
    if targets.kind == "class":
        used, codes = np.unique(targets.values, return_inverse=True)
        names = tuple(targets.names[code] for code in used)
        if len(names) < 2:
            raise UsageError(
                f"All {len(targets)} labelled training rows are of one class, {names[0]!r}: a decoder needs at least "
                "two classes to tell apart. Check the label column and the training split."
            )
        return Task("class", codes.astype(np.int32), names)
    if targets.kind == "multilabel" and not (targets.values != targets.values[:1]).any():
        raise UsageError(
            f"All {len(targets)} labelled training rows have the same labels: a decoder needs rows that differ. "
            "Check the label column and the training split."
        )
    if targets.kind == "image":
        return Task("image", targets.numbers(), (), targets.values.shape[1:])
    names = targets.names or tuple(str(column) for column in range(targets.values.shape[1]))
    return Task(targets.kind, targets.values, names)
