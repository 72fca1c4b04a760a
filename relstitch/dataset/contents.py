"""What a source held: the dataset, its pictures, and both in words."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relstitch.artifacts import Counts, Rows, Skipped
from relstitch.artifacts.rows import content_hash
from relstitch.errors import DatasetError, counted
from relstitch.names import Modality

Columns = Mapping[str, str | tuple[str, ...] | None]
"""Role (``text``, ``image``, ``label``, ``target``, ``id``, ``split``, ``count``) → the column it was read from."""

_ITEMS: dict[Modality, tuple[str, str]] = {
    "text": ("text", "texts"),
    "image": ("picture", "pictures"),
    "vectors": ("vector", "vectors"),
    "graph": ("node", "nodes"),
}


@dataclass(frozen=True)
class ImageRef:
    """A picture that has not been decoded yet: a file, or a file's bytes out of a table.

    Attributes:
        name: What to call it in a message: the path, or the table and the row.
        path: Where the file is; None: `name` is its path.
        data: The file's bytes, or None.
    """

    name: str
    path: Path | None = None
    data: bytes | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """The bytes of the picture file.

        Raises:
            DatasetError: The file cannot be read.
        """
        if self.data is not None:
            return self.data
        try:
            return picture_bytes(Path(self.name if self.path is None else self.path))
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", error)
            raise DatasetError(
                f"{self.name}: the picture cannot be read ({found}). Put the file back, or leave the row "
                "out with --on-bad skip."
            ) from error

    def content_hash(self) -> str:
        """The hash of the file's bytes (`relstitch.artifacts.rows.content_hash`)."""
        return content_hash(self.read())


def picture_bytes(path: Path) -> bytes:
    """The bytes of a picture file.

    Raises:
        OSError: It cannot be read, or is no file: a pipe among pictures would be waited for without end.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "a pipe or a device, no file", str(path))
    return path.read_bytes()


@dataclass(frozen=True, eq=False)
class Dataset:
    """The rows of one or more sources, with the items to encode.

    Attributes:
        rows: Who the n rows are: ids, content hashes, splits, targets.
        items: n items: texts (str), pictures (`ImageRef`), a float32 array [n, d] of vectors, or
            nodes of a graph (`relstitch.artifacts.graphs.GraphNodes`).
        modality: What the items are.
        skipped: Rows of the sources that are not here, and why.
        counts: ``duplicate_content`` (rows whose content stands earlier in their split), ``test_content_in_train``
            (where there are both splits), and what else happened on the way.
        notes: What a reader should know, in words.
        source: The sources, as they were given.
        columns: Which column of the tables each role was read from: None, or several where there are several;
            empty where there are no columns.
    """

    rows: Rows
    items: Sequence[Any]
    modality: Modality
    skipped: tuple[Skipped, ...] = ()
    counts: Counts = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: str = ""
    columns: Columns = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def split_sizes(self) -> dict[str, int]:
        """How many rows each split has, in order of appearance."""
        return {name: int(self.rows.in_splits(name).sum()) for name in self.rows.split_names}

    @property
    def class_sizes(self) -> dict[str, int]:
        """How many rows each class has (a row with several labels counts for each); empty without classes."""
        targets = self.rows.targets
        if targets is None or targets.kind not in ("class", "multilabel"):
            return {}
        if targets.kind == "multilabel":
            sizes = targets.values[targets.present].sum(axis=0)
        else:
            sizes = [(targets.values[targets.present] == code).sum() for code in range(len(targets.names))]
        return {name: int(size) for name, size in zip(targets.names, sizes, strict=True)}


def describe(dataset: Dataset) -> str:
    """A dataset in one line: how many items, in which splits, with which targets.

    Args:
        dataset: Any dataset.

    Returns:
        For example ``5952 texts (train 5452, test 500), 6 classes``.

    Example:
        >>> describe(Dataset(Rows.build(["a", "b"], splits="train"), ["x", "y"], "text"))
        '2 texts (train 2), no labels'
    """
    splits = ", ".join(f"{name} {size}" for name, size in dataset.split_sizes.items())
    parts = [f"{counted(len(dataset), *_ITEMS[dataset.modality])} ({splits})", _targets_in_words(dataset.rows)]
    if dataset.skipped:
        parts.append(f"{counted(len(dataset.skipped), 'row')} left out")
    return ", ".join(parts)


def _targets_in_words(rows: Rows) -> str:
    targets = rows.targets
    if targets is None:
        return "no labels"
    if targets.kind == "real":
        return counted(len(targets.names), "real-valued target")
    words = counted(len(targets.names), "class", "classes")
    if targets.kind == "multilabel":
        words += " (several per row)"
    missing = int((~targets.present).sum())
    return f"{words}, {counted(missing, 'row')} without a label" if missing else words
