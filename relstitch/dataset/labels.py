"""Labels and numbers of all rows → targets."""

from collections.abc import Sequence

import numpy as np

from relstitch.artifacts import Targets
from relstitch.dataset.items import Item, Label
from relstitch.errors import some

_MANY = 20
"""From this many classes on, almost one per row, a guessed label column is likely a number or an id."""


def class_targets(labels: Sequence[Label]) -> Targets | None:
    """Targets from labels: several labels per row as soon as one row has a list of them.

    Args:
        labels: A text, several texts, or None, one each row.

    Returns:
        The targets, or None where no row has a label.

    Example:
        >>> class_targets(["cat", None, ("dog", "cat")]).values.tolist()
        [[True, False], [False, False], [True, True]]
    """
    if all(label is None for label in labels):
        return None
    if not any(isinstance(label, tuple) for label in labels):
        return Targets.from_labels([label if isinstance(label, str) else None for label in labels])
    rows = [(label,) if isinstance(label, str) else label for label in labels]
    names = tuple(sorted({name for row in rows for name in row or ()}))
    code = {name: position for position, name in enumerate(names)}
    values = np.zeros((len(rows), len(names)), dtype=bool)
    for at, row in enumerate(rows):
        values[at, [code[name] for name in row or ()]] = True
    return Targets("multilabel", values, np.array([row is not None for row in rows], dtype=bool), names)


def real_targets(items: Sequence[Item], names: tuple[str, ...]) -> Targets:
    """Real-valued targets; a row that lacks one of its numbers counts as a row without a target.

    Args:
        items: The rows.
        names: The names of the t target columns.

    Returns:
        Targets of kind ``real``: float32 [n, t], 0 where `present` is False.
    """
    empty = (0.0,) * len(names)
    values = np.array([item.numbers or empty for item in items], dtype=np.float32).reshape(len(items), len(names))
    return Targets("real", values, np.array([item.numbers is not None for item in items], dtype=bool), names)


def label_notes(targets: Targets, splits: Sequence[str], *, guessed: str | None) -> list[str]:
    """What is worth a remark about the labels: classes that one split lacks, and far too many classes.

    Args:
        targets: Class or multilabel targets.
        splits: The split of each row.
        guessed: The name of the label column if it was guessed, else None.

    Returns:
        Remarks in words.

    Example:
        >>> targets = Targets.from_labels(["cat", "dog", "cat"])
        >>> label_notes(targets, ["train", "train", "test"], guessed=None)
        ['No row of the split test has the class dog; classes are matched by name.']
    """
    notes = []
    of_split = {
        name: _classes(targets, np.array([split == name for split in splits])) for name in dict.fromkeys(splits)
    }
    for split, classes in of_split.items():
        lacking = [name for name in targets.names if name not in classes]
        if lacking and classes:
            noun = "class" if len(lacking) == 1 else "classes"
            notes.append(f"No row of the split {split} has the {noun} {some(lacking)}; classes are matched by name.")
    labelled = int(targets.present.sum())
    if guessed is not None and len(targets.names) >= _MANY and len(targets.names) > 0.5 * labelled:
        notes.append(
            f"The column {guessed!r} was taken for the labels and has {len(targets.names)} classes in {labelled} "
            f"rows. If it is a number to predict, say --target {guessed}; if it is no label, say --label ''."
        )
    return notes


def _classes(targets: Targets, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> set[str]:
    chosen = targets.values[rows & targets.present]
    codes = np.flatnonzero(chosen.any(axis=0)) if targets.kind == "multilabel" else np.unique(chosen)
    return {targets.names[code] for code in codes}
