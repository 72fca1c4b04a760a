"""Relative representations: similarities to anchors (Moschella et al. 2023, section 3, equation 2)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Anchors, AnchorVectors, Embeddings, ProjectionSpec, Relative
from relstitch.errors import MismatchError, UsageError, some
from relstitch.meeting import draw_of, locate

Float = TypeVar("Float", bound=np.floating[Any])
Array = NDArray[Any]

_CENTRED_COSINE = ProjectionSpec()
_ROWS_AT_ONCE = 4096
_ROWS_IN_CACHE = 256  # rows × width of a difference that is gone over value by value stays in the processor's cache


@dataclass(frozen=True)
class Projection:
    """A similarity between rows and anchors; larger always means more alike.

    Attributes:
        name: One of `relstitch.names.PROJECTIONS`.
        source: Where it is from.
        similarity: From X [n, d] and A [k, d], both already centred if so wished, to [n, k].
        directional: Whether it sees directions only. The zero vector has none: its cosine to anything counts as 0.
        params: Names of the parameters `similarity` takes beside X and A.
    """

    name: str
    source: str
    similarity: Callable[..., Array]
    directional: bool = False
    params: tuple[str, ...] = ()


def _norms(X: Array) -> NDArray[np.float64]:
    """Euclidean length of each row in float64: squares of float32 values can leave float32's range."""
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    return lengths


def _inverse(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _cosine(X: Array, A: Array) -> Array:
    unit = (A * _inverse(_norms(A))[:, None]).astype(X.dtype)
    # The product is scaled by 1/‖x‖, so no normalised copy of X is made; rounding can carry it past 1.
    scaled: Array = (X @ unit.T) * _inverse(_norms(X))[:, None]
    return np.clip(scaled, -1.0, 1.0)


def _angular(X: Array, A: Array) -> Array:
    # Near 1 the angle is steep: float32 rounding of the cosine would be an error of 1e-4 here.
    angles: Array = np.arccos(_cosine(X.astype(np.float64), A.astype(np.float64)))
    return 1.0 - angles / np.pi


def _euclidean(X: Array, A: Array) -> Array:
    # ‖x − a‖² = ‖x‖² + ‖a‖² − 2x·a loses half of its digits where x is near a: float64 leaves enough of them.
    X, A = X.astype(np.float64), A.astype(np.float64)
    squares = np.square(_norms(X))[:, None] + np.square(_norms(A)) - 2.0 * (X @ A.T)
    distances: Array = np.sqrt(np.maximum(squares, 0.0))
    return distances


def _by_anchor(X: Array, A: Array, length: Callable[[Array], Array]) -> Array:
    """Reduce |x − a| for every pair, one anchor and a few rows at a time: n × k × d values never stand at once."""
    result = np.empty((len(X), len(A)), dtype=X.dtype)
    for start in range(0, len(X), _ROWS_IN_CACHE):
        block = X[start : start + _ROWS_IN_CACHE]
        difference = np.empty_like(block)
        for column, anchor in enumerate(A):
            np.subtract(block, anchor, out=difference)
            result[start : start + len(block), column] = length(np.abs(difference, out=difference))
    return result


_PAPER = "Moschella et al. 2023 (arXiv 2209.15430), section 3"
_PRODUCT = "Cannistraci et al. 2024 (arXiv 2310.01211), section 3; as a negative distance here"

PROJECTIONS: Mapping[str, Projection] = {
    projection.name: projection
    for projection in (
        Projection("cosine", _PAPER, _cosine, directional=True),
        Projection("angular", "1 − angle / π", _angular, directional=True),
        Projection("euclidean", _PRODUCT, lambda X, A: -_euclidean(X, A)),
        Projection("l1", _PRODUCT, lambda X, A: -_by_anchor(X, A, lambda D: D.sum(axis=1))),
        Projection("linf", _PRODUCT, lambda X, A: -_by_anchor(X, A, lambda D: D.max(axis=1))),
        Projection("dot", "inner product", lambda X, A: X @ A.T),
        Projection("polynomial", "(u·v + 1)², unit u, v", lambda X, A: (_cosine(X, A) + 1.0) ** 2, directional=True),
    )
}
"""The registry: one line a projection. `polynomial` is the kernel (u·v + 1)² on unit vectors u and v.

Distances are negated, so that larger means more alike for every projection. Centring takes the anchors' mean off both
sides; it changes nothing for distances.
"""


def _projection(spec: ProjectionSpec) -> Projection:
    projection = PROJECTIONS.get(spec.name)
    if projection is None:
        raise UsageError(f"There is no projection {spec.name!r}. Choose one of: {', '.join(PROJECTIONS)}.")
    unknown = sorted(set(spec.params) - set(projection.params))
    if unknown:
        known = ", ".join(projection.params) or "none"
        raise UsageError(f"The projection {spec.name!r} has no parameter {some(unknown)}; its parameters: {known}.")
    return projection


def _centred(vectors: NDArray[Float], mean: NDArray[np.float64] | None) -> NDArray[Float]:
    if mean is None:
        return vectors
    # Float64 on the way: rounding the mean first would move every row by the same error.
    centred: NDArray[Float] = (vectors - mean).astype(vectors.dtype)
    return centred


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS_AT_ONCE, n)) for start in range(0, n, _ROWS_AT_ONCE))


def project(
    vectors: NDArray[Float], anchors: NDArray[Float], spec: ProjectionSpec = _CENTRED_COSINE
) -> NDArray[Float]:
    """Compute relative representations: the similarity of each row to each anchor.

    Cosine and angular do not change when the space is rotated, reflected or rescaled, and, centred, when it is
    shifted. Rows are taken in blocks, so beside the result only a few megabytes are needed.

    Args:
        vectors: float32 [n, d], finite. Float64 is kept as float64.
        anchors: float32 [k, d], the anchors' vectors in the same space.
        spec: Which similarity, and whether the anchors' mean is taken off both sides first.

    Returns:
        float32 [n, k]; cosine in [-1, 1], angular in [0, 1], polynomial in [0, 4], distances ≤ 0. The cosine to a
        zero vector counts as 0 (so angular is ½ and polynomial 1); it is never NaN.

    Raises:
        UsageError: Unknown projection or parameter, or vectors too large for this projection.
        MismatchError: Rows and anchors of different width.

    Source: Moschella et al. 2023, section 3, equation 2. Centring is ours (see `ProjectionSpec`).

    Example:
        >>> X = np.array([[2.0, 0.0], [0.0, -3.0]], dtype=np.float32)
        >>> project(X, X[:1], ProjectionSpec("cosine", center=False)).tolist()
        [[1.0], [0.0]]
    """
    projection = _projection(spec)
    if vectors.shape[1] != anchors.shape[1]:
        raise MismatchError(
            f"The vectors are {vectors.shape[1]} wide and the anchors' vectors {anchors.shape[1]}; "
            "both must come from the same encoder."
        )
    mean = anchors.mean(axis=0, dtype=np.float64) if spec.center else None
    A = _centred(anchors, mean)
    result = np.empty((len(vectors), len(anchors)), dtype=vectors.dtype)
    # What is too large for the type becomes infinite or NaN, which is found below and said in words.
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in _blocks(len(vectors)):
            result[rows] = projection.similarity(_centred(vectors[rows], mean), A, **spec.params)
            _check_in_range(result[rows], vectors[rows], spec)
    return result


def _check_in_range(similarities: Array, vectors: Array, spec: ProjectionSpec) -> None:
    if not np.isfinite(similarities).all() and np.isfinite(vectors).all():
        raise UsageError(
            f"The projection {spec} of vectors with values up to {float(np.abs(vectors).max()):.2g} is beyond what "
            f"{similarities.dtype} can hold. Scale the vectors down, or choose cosine or angular, which see only "
            "directions."
        )


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
    total, m, lengths = np.zeros(vectors.shape[1]), 0, 0.0
    for rows in _blocks(len(vectors)):
        unit = vectors[rows] * _inverse(_norms(vectors[rows]))[:, None]
        total += unit.sum(axis=0)
        m += int(np.count_nonzero(unit.any(axis=1)))
        lengths += float(np.square(unit).sum())
    return float(total @ total - lengths) / (m * (m - 1)) if m > 1 else 0.0


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
            f"{len(zero)} of {len(picked)} anchors are the zero vector in {name}: {some(zero)}. Nothing is similar "
            "to the zero vector: pick anchors without them."
        )
    return AnchorVectors(
        picked, vectors, anchors.side(side).name, anchors.correspondence(draw), draw, anchors.strategy
    )


def relative_representation(
    embeddings: Embeddings, anchors: AnchorVectors, spec: ProjectionSpec = _CENTRED_COSINE
) -> Relative:
    """Make the relative representations of a dataset from its absolute embeddings.

    Args:
        embeddings: n rows.
        anchors: k anchors with their vectors in the same encoder (`anchor_vectors`).
        spec: Which similarity, centred or not.

    Returns:
        The rows with their similarities, float32 [n, k]; rows that are the zero vector are counted as
        ``zero_vectors``.

    Raises:
        UsageError: Unknown projection, or anchors that centring leaves nothing of (fewer than two different ones).
        MismatchError: Anchors' vectors of another width.

    Source: Moschella et al. 2023, section 3, equation 2.

    Example:
        >>> from relstitch.artifacts import AnchorList, EncoderStamp, Rows
        >>> space = Embeddings(Rows.build("ab"), np.eye(2, dtype=np.float32), EncoderStamp("st:x", "text", 2))
        >>> anchors = AnchorVectors(AnchorList(("a", "b"), ("", "")), space.vectors)
        >>> relative_representation(space, anchors).values.round(3).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    if spec.center and _projection(spec).directional and not np.ptp(anchors.vectors, axis=0).any():
        raise UsageError(
            f"{len(anchors.anchors)} anchors, all with the same vector, leave nothing once their mean is taken off. "
            "Give at least two different anchors, or project with --no-center."
        )
    values = project(embeddings.vectors, anchors.vectors, spec)
    zero = count_zero_rows(embeddings.vectors)
    counts = {**embeddings.counts, **({"zero_vectors": zero} if zero else {})}
    return Relative(embeddings.rows, values, embeddings.encoder, spec, anchors, embeddings.skipped, counts)
