"""Whom a row could be, by how near others are to it, before anyone is matched."""

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.spaces import Matrix
from relstitch.translation.vectors import directions

QUANTILES = 32
_NEAREST = (5, 20, 100)
_FARTHEST = (20, 100)
_WIDTH = 128
_TURNS = 30


def shaped_rows(X: Matrix, power: float) -> Matrix:
    """Centred rows in their principal axes (at most 128), with each axis' spread s brought to s^(1 − power).

    The axes' signs and order say nothing about another space; products of rows do not depend on them.

    Args:
        X: float32 [n, d].
        power: 0 leaves the axes as they are, 1 makes all equally wide.

    Returns:
        float32 [n, r], rows of length 1 (0 for a row at the centre).

    Example:
        >>> np.abs(shaped_rows(np.array([[2, 0], [-2, 0]], dtype=np.float32), 0.0)).tolist()
        [[1.0], [1.0]]
    """
    unit = directions(X, X.mean(axis=0))
    unit -= unit.mean(axis=0)
    axes, spread, _ = np.linalg.svd(unit, full_matrices=False)
    kept = min(_WIDTH, max(1, int(np.count_nonzero(spread > 1e-6 * spread[0]))))
    shaped = axes[:, :kept] * spread[:kept] ** (1.0 - power)
    rows: Matrix = directions(shaped, np.zeros(kept)).astype(np.float32)
    return rows


def profile_costs(A: Matrix, B: Matrix) -> Matrix:
    """How unlike the surroundings of each row of A and each row of B are: no pair is needed to say so.

    A row's profile is its sorted cosines to all others (at 32 quantiles), and the mean profile of its nearest and
    farthest rows, each as normal scores within its space; at two shapes of the space (`shaped_rows`, 0 and 0.5).

    Args:
        A: float32 [n, d_A].
        B: float32 [m, d_B].

    Returns:
        float32 [n, m], mean squared differences.

    Source: ours; sorted rows of similarity matrices as Artetxe et al. 2018 (ACL, "A robust self-learning method for
        fully unsupervised cross-lingual mappings of word embeddings"), section 3.2, there after a square root.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
        >>> bool((profile_costs(X, -X[::-1]).argmin(axis=1) == np.arange(30)[::-1]).all())
        True
    """
    one, other = (np.hstack([_profiles(shaped_rows(X, power)) for power in (0.0, 0.5)]) for X in (A, B))
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * (one @ other.T)
    costs: Matrix = np.maximum(squares / QUANTILES, 0.0)
    return costs


def _profiles(U: Matrix) -> Matrix:
    similar = U @ U.T
    np.fill_diagonal(similar, -np.inf)
    ascending = np.sort(similar, axis=1)[:, 1:]
    n = ascending.shape[1]
    first = _normal_scores(ascending[:, np.linspace(0, n - 1, QUANTILES).astype(np.intp)])
    around = []
    for count in _NEAREST:
        near = (similar >= ascending[:, [max(n - count, 0)]]).astype(np.float32)
        around.append((near @ first) / near.sum(axis=1, keepdims=True))
    np.fill_diagonal(similar, np.inf)
    for count in _FARTHEST:
        far = (similar <= ascending[:, [min(count, n) - 1]]).astype(np.float32)
        around.append((far @ first) / far.sum(axis=1, keepdims=True))
    # What is around a row counts as much as the row's own profile: the five means share one weight.
    return np.hstack([first, _normal_scores(np.hstack(around)) / np.float32(np.sqrt(len(around)))])


def _normal_scores(values: Matrix) -> Matrix:
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(values, axis=0) / (len(values) + 1)
    scores: Matrix = ndtri(ranks).astype(np.float32)
    return scores


def soft_assignment(costs: Matrix, temperature: float) -> Matrix:
    """Spread each row over the columns, less where the cost is high, so that columns get equal shares.

    Args:
        costs: float32 [n, m], n ≤ m.
        temperature: The cost that divides a share by e, > 0.

    Returns:
        float32 [n, m]: rows sum to 1, columns nearly to n / m.

    Source: Cuturi 2013 (arXiv 1306.0895), Sinkhorn's turns.

    Example:
        >>> soft_assignment(np.zeros((2, 2), dtype=np.float32), 1.0).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    shares: Matrix = np.exp(-(costs - costs.min(axis=1, keepdims=True)) / np.float32(temperature))
    for _ in range(_TURNS):
        shares /= np.maximum(shares.sum(axis=0), np.finfo(np.float32).tiny)
        shares /= shares.sum(axis=1, keepdims=True)
    return shares
