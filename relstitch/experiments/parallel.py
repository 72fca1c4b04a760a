"""Data of two sides that correspond, such as languages, or names and pictures: encoded, joined, judged."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np

from relstitch.artifacts import Embeddings, Rows, Targets
from relstitch.dataset import Dataset
from relstitch.experiments.encodings import Part, encodings
from relstitch.experiments.experiment import Run
from relstitch.experiments.materials.encoders import FrozenEncoder
from relstitch.experiments.materials.sources import Source

_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t at .975 for two runs to ten."""


def encoded(given: Run, name: str, dataset: Dataset, encoder: FrozenEncoder) -> Embeddings:
    """All of a data set in one encoder, from the steps or made now (`relstitch.experiments.encodings`).

    Args:
        given: Its steps keep the encodings.
        name: What the data set is called.
        dataset: With the splits ``train`` and ``test``, or ``train`` alone.
        encoder: The encoder.
    """
    return encodings(given, Source(name, "", lambda: dataset), [encoder], Part())[encoder.name]


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Rows of one encoder, one part behind the other.

    Args:
        parts: At least one; with class labels, or without any.

    Example:
        >>> from relstitch.artifacts import EncoderStamp
        >>> one, two = (
        ...     Embeddings(Rows.build(name), np.eye(1, dtype=np.float32), EncoderStamp("st:x", "text", 1))
        ...     for name in "ab"
        ... )
        >>> joined([one, two]).rows.ids.tolist()
        ['a', 'b']
    """
    labels: list[str | None] = []
    for part in parts:
        targets = part.rows.targets
        labels += [None] * len(part.rows) if targets is None else targets.labels().tolist()
    rows = Rows.build(
        (name for part in parts for name in part.rows.ids.tolist()),
        hashes=(one for part in parts for one in part.rows.hashes.tolist()),
        splits=[split for part in parts for split in part.rows.splits.tolist()],
        targets=Targets.from_labels(labels) if any(labels) else None,
    )
    return Embeddings(rows, np.concatenate([part.vectors for part in parts]), parts[0].encoder)


def as_anchors_only(space: Embeddings, split: str) -> Embeddings:
    """The rows in a split of their own and without labels: nothing is learned from them and nothing scored."""
    rows = Rows.build(space.rows.ids, hashes=space.rows.hashes.tolist(), splits=split)
    return replace(space, rows=rows)


def low_end(values: Sequence[float]) -> float:
    """The lower end of the 95 % interval of the mean over independent runs; the value itself where there is one.

    Source: Student's t.

    Example:
        >>> round(low_end([0.5, 0.7]), 3), low_end([0.5])
        (-0.671, 0.5)
    """
    n = len(values)
    if n < 2:
        return values[0]
    quantile = _QUANTILES[n - 2] if n - 2 < len(_QUANTILES) else _QUANTILES[-1]
    return fmean(values) - quantile * stdev(values) / float(n**0.5)
