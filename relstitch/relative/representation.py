"""Relative representations of embeddings, and the anchors as an encoder sees them."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Anchors, AnchorVectors, Embeddings, ProjectionSpec, Relative
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import draw_of, locate
from relstitch.relative.projecting import blocks, project
from relstitch.relative.similarities import inverse, lengths
from relstitch.relative.specification import factors_of

Array = NDArray[Any]

_CENTRED_COSINE = ProjectionSpec()


def count_zero_rows(vectors: Array) -> int:
    """Count the rows that are the zero vector: they have no direction, and their cosine to anything counts as 0.

    Args:
        vectors: [n, d].

    Example:
        >>> count_zero_rows(np.array([[0.0, 0.0], [1.0, 0.0]]))
        1
    """
    return len(vectors) - int(np.count_nonzero(vectors.any(axis=1)))


def mean_cosine(vectors: Array) -> float:
    """Mean cosine between different rows: near 1 means that the space is a narrow cone, and that centring matters.

    It is exact and needs no n × n matrix: with unit rows u, Σ_{i≠j} u_i·u_j = ‖Σ u_i‖² − n.

    Args:
        vectors: [n, d]. Zero rows are left out.

    Returns:
        In [-1, 1]; 0 where there are fewer than two rows.

    Source: Ethayarajh 2019 (arXiv 1909.00512), section 3, anisotropy; over all pairs, not a sample.

    Example:
        >>> mean_cosine(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
        0.3333333333333333
    """
    total, m, squares = np.zeros(vectors.shape[1]), 0, 0.0
    for rows in blocks(len(vectors)):
        unit = vectors[rows] * inverse(lengths(vectors[rows]))[:, None]
        total += unit.sum(axis=0)
        m += int(np.count_nonzero(unit.any(axis=1)))
        squares += float(np.square(unit).sum())
    return float(total @ total - squares) / (m * (m - 1)) if m > 1 else 0.0


def anchor_vectors(
    embeddings: Embeddings, anchors: Anchors, *, draw: int = 0, side: str | None = None, name: str = "embeddings"
) -> AnchorVectors:
    """Look the anchors up in one encoder's embeddings.

    Args:
        embeddings: Where to find them (by content, else by id: `relstitch.meeting.locate`).
        anchors: The anchors file.
        draw: Which of its draws.
        side: Which side of parallel anchors; None for ordinary ones.
        name: What to call the embeddings in a message.

    Returns:
        The k anchors with their vectors, float32 [k, d].

    Raises:
        UsageError: No such draw or side.
        MismatchError: Anchors that are not there, or whose vector is zero.

    Example:
        >>> from relstitch.artifacts import AnchorList, AnchorSide, EncoderStamp, Rows
        >>> space = Embeddings(Rows.build("ab"), np.eye(2, dtype=np.float32), EncoderStamp("st:x", "text", 2))
        >>> one = Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(("b",), ("",)),)),))
        >>> anchor_vectors(space, one).vectors.tolist()
        [[0.0, 1.0]]
    """
    picked = draw_of(anchors, draw, side)
    vectors = embeddings.vectors[locate(picked, embeddings.rows, name=name)]
    zero = [anchor for anchor, vector in zip(picked.ids, vectors, strict=True) if not vector.any()]
    if zero:
        raise MismatchError(
            f"{len(zero)} of {counted(len(picked), 'anchor')} {'is' if len(zero) == 1 else 'are'} the zero vector in "
            f"{name}: {some(zero)}. Nothing is similar to the zero vector: pick anchors without them."
        )
    return AnchorVectors(
        picked, vectors, anchors.side(side).name, anchors.correspondence(draw), draw, anchors.strategy
    )


def with_columns(anchors: AnchorVectors, embeddings: Embeddings, spec: ProjectionSpec) -> AnchorVectors:
    """Measure the mean and the spread of each similarity over the encoder's own training rows, for ``zscore``.

    Args:
        anchors: The anchors in this encoder.
        embeddings: The encoder's rows: those of the split ``train``, or all where there is none. No label is read.
        spec: The projection.

    Returns:
        The anchors with `columns`, float32 [2, w]; unchanged where the projection does not scale its columns. The
        spread of a column that does not vary is 0, and its scaled values are 0.

    Raises:
        UsageError: As `project`.
        MismatchError: As `project`, or no rows to measure over.

    Source: the column z-scores of "Batch-normalised relative map" (arXiv 2409.10967), over training rows.

    Example:
        >>> from relstitch.artifacts import AnchorList, EncoderStamp, Rows
        >>> space = Embeddings(Rows.build("ab"), np.eye(2, dtype=np.float32), EncoderStamp("st:x", "text", 2))
        >>> anchors = AnchorVectors(AnchorList(("a", "b"), ("", "")), space.vectors)
        >>> with_columns(anchors, space, ProjectionSpec("dot", False, {"zscore": True})).columns.tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    if not spec.params.get("zscore"):
        return anchors
    own = embeddings.rows.splits == "train"
    vectors = embeddings.vectors[own] if own.any() else embeddings.vectors
    if not len(vectors):
        raise MismatchError(
            "There are no rows to measure the mean and spread of each similarity over, which zscore needs. Give "
            "embeddings with rows, or leave out zscore."
        )
    plain = replace(spec, params={key: value for key, value in spec.params.items() if key != "zscore"})
    values = project(vectors, anchors.vectors, plain)
    mean = values.mean(axis=0, dtype=np.float64)
    squares = np.zeros(values.shape[1])
    for rows in blocks(len(values)):
        squares += np.square(values[rows] - mean).sum(axis=0)
    spread = np.sqrt(squares / len(values))
    # A spread that is rounding is none: dividing by it would make signal of it.
    spread[spread <= 1e-6 * np.abs(mean)] = 0.0
    return replace(anchors, columns=np.stack([mean, spread]).astype(np.float32))


def relative_representation(
    embeddings: Embeddings, anchors: AnchorVectors, spec: ProjectionSpec = _CENTRED_COSINE
) -> Relative:
    """Make the relative representations of a dataset from its absolute embeddings.

    Args:
        embeddings: n rows.
        anchors: k anchors with their vectors in the same encoder (`anchor_vectors`).
        spec: Which similarity, centred or not.

    Returns:
        The rows with their similarities, float32 [n, w] (`project`); rows that are the zero vector are counted as
        ``zero_vectors``.

    Raises:
        UsageError: Unknown projection, ``zscore`` without columns (`with_columns`), or anchors that centring leaves
            nothing of (fewer than two different ones).
        MismatchError: Anchors' vectors of another width.

    Source: Moschella et al. 2023, section 3, equation 2.

    Example:
        >>> from relstitch.artifacts import AnchorList, EncoderStamp, Rows
        >>> space = Embeddings(Rows.build("ab"), np.eye(2, dtype=np.float32), EncoderStamp("st:x", "text", 2))
        >>> anchors = AnchorVectors(AnchorList(("a", "b"), ("", "")), space.vectors)
        >>> relative_representation(space, anchors).values.round(3).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    if spec.center and any(f.directional for f in factors_of(spec)) and not np.ptp(anchors.vectors, axis=0).any():
        raise UsageError(
            f"{counted(len(anchors.anchors), 'anchor')}, all with the same vector, leave nothing once their mean is "
            "taken off. Give at least two different anchors, or project with --no-center."
        )
    values = project(embeddings.vectors, anchors.vectors, spec, columns=anchors.columns)
    zero = count_zero_rows(embeddings.vectors)
    counts = {**embeddings.counts, **({"zero_vectors": zero} if zero else {})}
    return Relative(embeddings.rows, values, embeddings.encoder, spec, anchors, embeddings.skipped, counts)
