"""The similarities between rows and anchors, one line of the registry each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Frame = Callable[[Array], Array]

_ROWS_IN_CACHE = 256  # rows × width of a difference that is gone over value by value stays in the processor's cache


@dataclass(frozen=True)
class Projection:
    """A similarity between rows and anchors; larger always means more alike.

    Attributes:
        name: One of `relstitch.names.PROJECTIONS`.
        source: Where it is from.
        similarity: From X [n, d] and A [k, d], both already centred if so wished, to [n, k].
        directional: Whether it sees directions only. The zero vector has none: its cosine to anything counts as 0.
        distance: Whether it is a negative distance: 0 is the most alike, not the least.
        params: Its own parameters and what they are if not given.
        frame: From A and the parameters to the map of rows, fitted once on the anchors, that X and A go through
            before `similarity`; None: they stay.
    """

    name: str
    source: str
    similarity: Callable[[Array, Array], Array]
    directional: bool = False
    distance: bool = False
    params: Mapping[str, float] = field(default_factory=dict)
    frame: Callable[..., Frame] | None = None


def lengths(X: Array) -> NDArray[np.float64]:
    """Euclidean length of each row in float64: squares of float32 values can leave float32's range."""
    found: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    return found


def inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / x, and 0 where x is 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def unit_rows(X: Array) -> NDArray[np.float64]:
    """Rows of length 1 in float64; a zero row stays zero.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    wide = X.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    return unit


def _cosine(X: Array, A: Array) -> Array:
    unit = (A * inverse(lengths(A))[:, None]).astype(X.dtype)
    # The product is scaled by 1/‖x‖, so no normalised copy of X is made; rounding can carry it past 1.
    scaled: Array = (X @ unit.T) * inverse(lengths(X))[:, None]
    return np.clip(scaled, -1.0, 1.0)


def _angular(X: Array, A: Array) -> Array:
    # Near 1 the angle is steep: float32 rounding of the cosine would be an error of 1e-4 here.
    angles: Array = np.arccos(_cosine(X.astype(np.float64), A.astype(np.float64)))
    return 1.0 - angles / np.pi


def _euclidean(X: Array, A: Array) -> Array:
    # ‖x − a‖² = ‖x‖² + ‖a‖² − 2x·a loses half of its digits where x is near a: float64 leaves enough of them.
    X, A = X.astype(np.float64), A.astype(np.float64)
    squares = np.square(lengths(X))[:, None] + np.square(lengths(A)) - 2.0 * (X @ A.T)
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


def _scale(A: Array, gamma: float) -> Frame:
    """Lengths measured by the anchors' own: γ / the mean squared distance between two different anchors."""
    A = A.astype(np.float64)
    # Σ over pairs of ‖a − b‖² is k · Σ ‖a − mean‖²; without any spread lengths count as they are.
    total = float(np.square(A - A.mean(axis=0)).sum()) if np.ptp(A, axis=0).any() else 0.0
    factor = np.sqrt(gamma * (len(A) - 1) / (2.0 * total)) if total > 0 else np.sqrt(gamma)
    return lambda X: X.astype(np.float64) * factor


def _whiten(A: Array, shrinkage: float) -> Frame:
    """Rows in coordinates in which the anchors' shrunk covariance (1 − α) S + α tr(S)/d · I is the identity."""
    A = A.astype(np.float64)
    if not np.ptp(A, axis=0).any():
        return lambda X: X.astype(np.float64)
    C = A - A.mean(axis=0)
    S = C.T @ C / (len(A) - 1)
    values, vectors = np.linalg.eigh(S)
    mean = float(values.sum()) / len(values)
    shrunk = (1.0 - shrinkage) * np.maximum(values, 0.0) + shrinkage * mean
    W = vectors * inverse(np.sqrt(shrunk))
    return lambda X: X.astype(np.float64) @ W


def _rbf(X: Array, A: Array) -> Array:
    similar: Array = np.exp(-np.square(_euclidean(X, A)))
    return similar


_PAPER = "Moschella et al. 2023 (arXiv 2209.15430), section 3"
_PRODUCT = "Cannistraci et al. 2024 (arXiv 2310.01211), section 3; as a negative distance here"
_KERNEL = "exp(−γ ‖x − a‖² / mean squared distance between anchors)"
_INNER = "x Σ⁻¹ a, Σ the anchors' shrunk covariance"
_METRIC = "Mahalanobis 1936, −√((x − a) Σ⁻¹ (x − a)), Σ the anchors' shrunk covariance"
_SHRINKAGE = {"shrinkage": 0.1}

PROJECTIONS: Mapping[str, Projection] = {
    projection.name: projection
    for projection in (
        Projection("cosine", _PAPER, _cosine, directional=True),
        Projection("angular", "1 − angle / π", _angular, directional=True),
        Projection("euclidean", _PRODUCT, lambda X, A: -_euclidean(X, A), distance=True),
        Projection("l1", _PRODUCT, lambda X, A: -_by_anchor(X, A, lambda D: D.sum(axis=1)), distance=True),
        Projection("linf", _PRODUCT, lambda X, A: -_by_anchor(X, A, lambda D: D.max(axis=1)), distance=True),
        Projection("dot", "inner product", lambda X, A: X @ A.T),
        Projection("polynomial", "(u·v + 1)², unit u, v", lambda X, A: (_cosine(X, A) + 1.0) ** 2, directional=True),
        Projection("rbf", _KERNEL, _rbf, params={"gamma": 1.0}, frame=_scale),
        Projection("whitened", _INNER, lambda X, A: X @ A.T, params=_SHRINKAGE, frame=_whiten),
        Projection(
            "mahalanobis", _METRIC, lambda X, A: -_euclidean(X, A), distance=True, params=_SHRINKAGE, frame=_whiten
        ),
    )
}
"""The registry: one line a projection. `polynomial` is the kernel (u·v + 1)² on unit vectors u and v.

Distances are negated, so that larger means more alike for every projection. Centring takes the anchors' mean off both
sides; it changes nothing for distances, nor for rbf.
"""
