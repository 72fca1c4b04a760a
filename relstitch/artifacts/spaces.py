"""Vectors with their rows: absolute embeddings, anchors as one encoder sees them, relative representations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.anchor_lists import AnchorList
from relstitch.artifacts.rows import Counts, Rows, Skipped
from relstitch.artifacts.stamps import EncoderStamp
from relstitch.errors import MismatchError, counted, some

Matrix = NDArray[np.float32]


def check_finite(values: NDArray[Any], names: NDArray[np.object_], what: str) -> None:
    """Refuse NaN and infinity before any mathematics meets them.

    Raises:
        MismatchError: With the ids of the rows that hold them.
    """
    # The sum of a row is finite unless one of its values is not; only then is the row looked at value by value.
    suspects = np.flatnonzero(~np.isfinite(values.sum(axis=1, dtype=np.float64)))
    bad = [names[row] for row in suspects if not np.isfinite(values[row]).all()]
    if bad:
        held = counted(len(bad), f"row of the {what} holds", f"rows of the {what} hold")
        raise MismatchError(
            f"{held} NaN or infinite values: {some(bad)}. Only finite values can be compared: leave these rows out, "
            "or make them again."
        )


def check_portion(rows: Rows, skipped: Sequence[Skipped]) -> None:
    """Refuse shards that do not account for the rows that were left out.

    Raises:
        MismatchError: With both numbers.
    """
    if rows.portion is not None and sum(rows.portion.skipped) != len(skipped):
        raise MismatchError(
            f"{counted(len(skipped), 'skipped row')} came with shards that say {sum(rows.portion.skipped)}; every "
            "skipped row must belong to one."
        )


@dataclass(frozen=True)
class ProjectionSpec:
    """How relative representations are computed.

    Attributes:
        name: One of `relstitch.names.PROJECTIONS`, or several joined by ``+``: their spaces side by side.
        center: Whether the anchors' mean is taken off both sides first. The paper's form does not.
        params: Parameters of the projection, where it has any (`relstitch.relative`).
    """

    name: str = "cosine"
    center: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def factors(self) -> int:
        """How many spaces stand side by side: a row has this many values per anchor."""
        return self.name.count("+") + 1

    def __str__(self) -> str:
        extra = "".join(f", {key}={value}" for key, value in self.params.items())
        return f"{self.name}{', centred' if self.center else ', not centred'}{extra}"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What an encoder gives for a dataset.

    Attributes:
        rows: Who the n rows are.
        vectors: float32 [n, d], finite.
        encoder: The stamp of the encoder.
        skipped: Rows of the source that are not here, and why.
        counts: What happened on the way (``truncated``, ``duplicate_content`` …).
    """

    rows: Rows
    vectors: Matrix
    encoder: EncoderStamp
    skipped: tuple[Skipped, ...] = ()
    counts: Counts = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.rows):
            raise MismatchError(
                f"{counted(len(self.rows), 'row')} came with vectors of shape {list(self.vectors.shape)}; "
                "expected one vector per row, [n, d]."
            )
        if self.vectors.shape[1] != self.encoder.dimension:
            raise MismatchError(
                f"The vectors are {self.vectors.shape[1]} wide; the encoder's stamp says {self.encoder.dimension}."
            )
        check_portion(self.rows, self.skipped)
        check_finite(self.vectors, self.rows.ids, "embeddings")

    def take(self, index: NDArray[Any]) -> "Embeddings":
        """The embeddings of the rows at `index` (int or bool)."""
        return Embeddings(self.rows.take(index), self.vectors[index], self.encoder, self.skipped, self.counts)


@dataclass(frozen=True, eq=False)
class AnchorVectors:
    """Anchors as one encoder sees them. They travel in every file that was computed with them.

    Attributes:
        anchors: The k anchors, in order.
        vectors: float32 [k, d], the anchors' absolute embeddings, finite.
        side: The side of the anchors file they are from.
        correspondence: `Anchors.correspondence` of the draw: what spaces of different data meet on.
        draw: Which draw of the anchors file.
        strategy: How the anchors were chosen.
        columns: float32 [2, w], mean and spread of each similarity over the encoder's own training rows; only where
            the projection scales its columns by them.
    """

    anchors: AnchorList
    vectors: Matrix
    side: str = "main"
    correspondence: str = ""
    draw: int = 0
    strategy: str = "explicit"
    columns: Matrix | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.anchors):
            raise MismatchError(
                f"{counted(len(self.anchors), 'anchor')} came with vectors of shape {list(self.vectors.shape)}; "
                "expected one vector per anchor, [k, d]."
            )

    @cached_property
    def mean(self) -> Matrix:
        """float32 [d]: the anchors' mean, which centring takes off."""
        mean: Matrix = self.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean


@dataclass(frozen=True, eq=False)
class Relative:
    """Relative representations of a dataset (Moschella et al. 2023, section 3, equation 2).

    Attributes:
        rows: Who the n rows are.
        values: float32 [n, w], the similarity of each row to each anchor, finite; w is k, or k times the number of
            spaces that a product puts side by side.
        encoder: The stamp of the encoder the absolute embeddings came from.
        projection: How they were computed.
        anchors: The anchors with their vectors in this encoder.
        skipped: Rows of the source that are not here, and why.
        counts: What happened on the way.
    """

    rows: Rows
    values: Matrix
    encoder: EncoderStamp
    projection: ProjectionSpec
    anchors: AnchorVectors
    skipped: tuple[Skipped, ...] = ()
    counts: Counts = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.rows), len(self.anchors.anchors) * self.projection.factors)
        if self.values.shape != expected:
            raise MismatchError(
                f"Relative representations of shape {list(self.values.shape)} came with "
                f"{counted(expected[0], 'row')} and {counted(len(self.anchors.anchors), 'anchor')}; expected "
                f"[{expected[0]}, {expected[1]}]."
            )
        check_portion(self.rows, self.skipped)
        check_finite(self.values, self.rows.ids, "relative representations")

    def take(self, index: NDArray[Any]) -> "Relative":
        """The relative representations of the rows at `index` (int or bool)."""
        return Relative(
            self.rows.take(index), self.values[index], self.encoder, self.projection, self.anchors,
            self.skipped, self.counts,
        )  # fmt: skip
