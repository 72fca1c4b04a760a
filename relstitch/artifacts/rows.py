"""Who the rows of a file are: ids, content hashes, splits, targets."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.shards import Portion
from relstitch.errors import DatasetError, counted, some

TargetKind = Literal["class", "multilabel", "real", "image"]
HASH_HEX = 32
"""Characters of a content hash: 16 bytes of BLAKE2b, written as hexadecimal."""

Counts = Mapping[str, int]
"""What happened to rows, for summaries and files: e.g. ``{"truncated": 12, "duplicate_content": 3}``."""


def content_hash(content: bytes) -> str:
    """Hash what a row holds (a text as UTF-8, an image file's bytes), so that rows can be told apart by content.

    Args:
        content: The bytes of the item itself; a prompt is no part of it.

    Returns:
        32 hexadecimal characters (BLAKE2b, 16 bytes).

    Example:
        >>> content_hash("Who wrote Hamlet ?".encode())
        'fcbb1c8668b1238e2f3eb1dc2a65b609'
    """
    return hashlib.blake2b(content, digest_size=HASH_HEX // 2).hexdigest()


def texts_array(values: Iterable[str]) -> NDArray[np.object_]:
    """Put Python strings into a one-dimensional object array (numpy would guess a padded type)."""
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        # A file name may be no valid Unicode; storage refuses it in words, so here it must not fail.
        part = text.encode(errors="surrogatepass")
        # The length in front keeps ("a", "bc") and ("ab", "c") apart.
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True)
class Skipped:
    """A row that is in the source and not in the file, and why."""

    id: str
    split: str
    reason: str


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be predicted, one row each; a row may have none.

    Attributes:
        kind: ``class`` (one label), ``multilabel`` (several), ``real`` (numbers) or ``image`` (pixels).
        values: ``class``: int32 [n], an index into `names`, -1 where there is no label. ``multilabel``: bool
            [n, c]. ``real``: float32 [n, t]. ``image``: uint8 [n, h, w, c].
        present: bool [n]; False where the row has no label. Such a row is kept and not scored.
        names: The c class names, or the t names of the target columns. Sorted for classes.
    """

    kind: TargetKind
    values: NDArray[Any]
    present: NDArray[np.bool_]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.values) != len(self.present):
            raise DatasetError(
                f"{len(self.values)} target values came with {len(self.present)} presence flags; "
                "there must be one flag a row."
            )

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: NDArray[Any]) -> "Targets":
        """The targets of the rows at `index` (int or bool), class names unchanged."""
        return replace(self, values=self.values[index], present=self.present[index])

    @staticmethod
    def from_labels(labels: Sequence[str | None]) -> "Targets":
        """Class targets from label texts; ``None`` marks a row without a label.

        Example:
            >>> Targets.from_labels(["01", None, "1"]).names
            ('01', '1')
        """
        names = tuple(sorted({label for label in labels if label is not None}))
        code = {name: position for position, name in enumerate(names)}
        values = np.array([-1 if label is None else code[label] for label in labels], dtype=np.int32)
        return Targets("class", values, values >= 0, names)

    def numbers(self) -> NDArray[np.float32]:
        """Numbers as they are, pixels in [0, 1]: float32 [n, t], t = h · w · c for pictures.

        Example:
            >>> Targets("image", np.full((1, 1, 2, 1), 255, dtype=np.uint8), np.array([True])).numbers().tolist()
            [[1.0, 1.0]]
        """
        if self.kind not in ("real", "image"):
            raise DatasetError(f"The targets are of kind {self.kind!r}; numbers exist for kinds 'real' and 'image'.")
        flat: NDArray[np.float32] = self.values.reshape(len(self), -1).astype(np.float32)
        return flat / np.float32(255) if self.kind == "image" else flat

    def labels(self) -> NDArray[np.object_]:
        """Class targets as names, ``None`` where a row has no label: object [n]."""
        if self.kind != "class":
            raise DatasetError(f"The targets are of kind {self.kind!r}; class names exist for kind 'class' only.")
        table = texts_array([*self.names, ""])
        named: NDArray[np.object_] = table[self.values]
        named[~self.present] = None
        return named


@dataclass(frozen=True, eq=False)
class Rows:
    """Who the n rows of a dataset or file are. Nothing is ever paired by row position alone: ids meet ids.

    Attributes:
        ids: object [n] of str, unique.
        hashes: str [n], 32 hexadecimal characters each, or ``""`` where the row has no content (vectors).
        splits: object [n] of str: the split each row belongs to (``train``, ``test``, … or ``all``).
        targets: What is to be predicted, or None.
        counts: float64 [n], how often each row occurs (word tables), or None.
        portion: Which shards of a whole these rows are, or None where they are no shards. Some of them (`take`) are
            none.
    """

    ids: NDArray[np.object_]
    hashes: NDArray[np.str_]
    splits: NDArray[np.object_]
    targets: Targets | None = None
    counts: NDArray[np.float64] | None = None
    portion: Portion | None = None

    def __post_init__(self) -> None:
        sizes = {"ids": len(self.ids), "content hashes": len(self.hashes), "splits": len(self.splits)}
        if self.targets is not None:
            sizes["targets"] = len(self.targets)
        if self.counts is not None:
            sizes["counts"] = len(self.counts)
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{size} {name}" for name, size in sizes.items())
            raise DatasetError(f"Every row needs one of each, but there are {listed}.")
        if len(self.position) != len(self.ids):
            repeated = [name for name, times in Counter(self.ids.tolist()).items() if times > 1]
            raise DatasetError(
                f"{counted(len(repeated), 'id stands', 'ids stand')} more than once: {some(repeated)}. Ids must be "
                "unique: choose another id column, or leave it out to number the rows."
            )
        if self.portion is not None and sum(self.portion.rows) != len(self.ids):
            raise DatasetError(
                f"{counted(len(self.ids), 'row')} came as {counted(sum(self.portion.rows), 'row')} of shards; "
                "every row must belong to one."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def build(
        ids: Iterable[str],
        *,
        hashes: Iterable[str] | None = None,
        splits: Iterable[str] | str = "all",
        targets: Targets | None = None,
        counts: NDArray[np.float64] | None = None,
    ) -> "Rows":
        """Rows from plain Python sequences.

        Example:
            >>> len(Rows.build(["a", "b"], splits="train"))
            2
        """
        names = texts_array(ids)
        n = len(names)
        hashed = (
            np.full(n, "", dtype=f"<U{HASH_HEX}") if hashes is None else np.array(list(hashes), dtype=f"<U{HASH_HEX}")
        )
        split = texts_array([splits] * n if isinstance(splits, str) else splits)
        return Rows(names, hashed, split, targets, counts)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each id stands."""
        return {name: at for at, name in enumerate(self.ids.tolist())}

    @cached_property
    def fingerprint(self) -> str:
        """Which dataset this is: SHA-256 over the sorted (id, content hash) pairs; order does not matter."""
        pairs = sorted(zip(self.ids.tolist(), self.hashes.tolist(), strict=True))
        return _digest(part for pair in pairs for part in pair)

    @cached_property
    def order_fingerprint(self) -> str:
        """Which rows in which order: SHA-256 over the ids, content hashes and splits, row after row."""
        rows = zip(self.ids.tolist(), self.hashes.tolist(), self.splits.tolist(), strict=True)
        return _digest(part for row in rows for part in row)

    @cached_property
    def split_names(self) -> tuple[str, ...]:
        """The names of the splits, in order of first appearance."""
        return tuple(dict.fromkeys(self.splits.tolist()))

    @cached_property
    def split_fingerprint(self) -> str:
        """Which row is in which split: SHA-256 over the sorted (id, split) pairs."""
        pairs = sorted(zip(self.ids.tolist(), self.splits.tolist(), strict=True))
        return _digest(part for pair in pairs for part in pair)

    def in_splits(self, *names: str) -> NDArray[np.bool_]:
        """Which rows belong to one of the named splits: bool [n]."""
        return np.isin(self.splits, list(names))

    def take(self, index: NDArray[Any]) -> "Rows":
        """The rows at `index` (int or bool)."""
        return Rows(
            self.ids[index],
            self.hashes[index],
            self.splits[index],
            None if self.targets is None else self.targets.take(index),
            None if self.counts is None else self.counts[index],
        )
