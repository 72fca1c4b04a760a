"""Labelled pictures as arrays: what every reader of pictures gives."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Rows, Targets


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Pictures of one size with a class each, split in train and test.

    Attributes:
        name: What the dataset is called in tables.
        origin: Where it was read, in words.
        pictures: float32 [n, channels, h, w], in [0, 1]; the training pictures first.
        labels: intp [n], positions in `classes`.
        classes: Class names.
        train: How many of them are for training.
    """

    name: str
    origin: str
    pictures: NDArray[np.float32]
    labels: NDArray[np.intp]
    classes: tuple[str, ...]
    train: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        channels, height, width = self.pictures.shape[1:]
        return channels, height, width

    @cached_property
    def rows(self) -> Rows:
        """Who the rows are, with their classes and splits."""
        names = [self.classes[label] for label in self.labels]
        splits = ["train"] * self.train + ["test"] * (len(names) - self.train)
        ids = [f"{split}:{at}" for at, split in enumerate(splits)]
        return Rows.build(ids, splits=splits, targets=Targets.from_labels(names))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over pixels and labels, in 16 characters."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pictures).tobytes())
        digest.update(self.labels.astype("<i8").tobytes() + bytes(str(self.train), "ascii"))
        return digest.hexdigest()[:16]

    def fewer(self, train: int, test: int, seed: int = 0) -> "LabelledPictures":
        """A part of them, each class in its share: the first of a random order; all where there are not more.

        Args:
            train: How many training pictures at most.
            test: How many test pictures at most.
            seed: Of the order.

        Example:
            >>> both = LabelledPictures("x", "", np.zeros((6, 1, 2, 2), np.float32), np.arange(6) % 2, ("a", "b"), 4)
            >>> both.fewer(2, 1).train, len(both.fewer(2, 1).labels)
            (2, 3)
        """
        generator = np.random.default_rng(seed)
        chosen = [
            start + _in_shares(self.labels[start:stop], wanted, generator)
            for start, stop, wanted in ((0, self.train, train), (self.train, len(self.labels), test))
        ]
        kept = np.concatenate(chosen)
        return replace(self, pictures=self.pictures[kept], labels=self.labels[kept], train=len(chosen[0]))


def _in_shares(labels: NDArray[Any], wanted: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Positions of at most so many, such that each beginning holds the classes nearly in their shares."""
    order = generator.permutation(len(labels))
    place = np.empty(len(order))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[order] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return order[np.argsort(place, kind="stable")][:wanted]
