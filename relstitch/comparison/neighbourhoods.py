"""Measures of who is near whom: RSA, mutual nearest neighbours, and retrieval between relative representations."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.comparison.pairing import Pairing, Shuffled
from relstitch.comparison.pairs import Index, Matrix, Numbers, Pair, blocks
from relstitch.relative import unit_rows


def rsa_pairing(pair: Pair) -> Pairing:
    """RSA: Spearman correlation of the two spaces' pairwise cosine distances.

    It does not change when a space is rotated, reflected or rescaled. Ranks are taken among all rows of the sample;
    chosen rows keep them.

    Args:
        pair: At least 3 rows, few enough for an n × n matrix.

    Returns:
        The measure, in [-1, 1]; 0 where a space's distances are all equal.

    Source: Kriegeskorte et al. 2008, representational similarity analysis; cosine distances, Spearman.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> round(float(rsa_pairing(Pair(X, 2 * X[:, ::-1]))(rows, rows)), 6)
        1.0
    """
    ranks = _distance_ranks(pair.X), _distance_ranks(pair.Y)

    def meet(left: Index, right: Index) -> Numbers:
        upper = np.triu_indices(len(left), 1)
        first, second = (R[rows[upper[0]], rows[upper[1]]] for R, rows in zip(ranks, (left, right), strict=True))
        return np.array(_correlation(first, second))

    return meet


def _correlation(a: Numbers, b: Numbers) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.clip(float(a @ b) / scale, -1.0, 1.0)) if scale > 0 else 0.0


def _distance_ranks(X: Matrix) -> Numbers:
    from scipy.stats import rankdata

    unit = unit_rows(X)
    upper = np.triu_indices(len(X), 1)
    # Rounded: equal distances must stay ties after a rotation, which moves the last digits.
    ranks = rankdata(np.round(1.0 - (unit @ unit.T)[upper], 9))
    result = np.zeros((len(X), len(X)))
    result[upper] = ranks
    result.T[upper] = ranks
    return result


def mutual_knn_pairing(pair: Pair) -> Pairing:
    """Mutual k-nearest neighbours: of a row's k neighbours in one space, the share that it has in the other too.

    Neighbours by cosine; a row is not its own. It does not change when a space is rotated, reflected or rescaled.

    Args:
        pair: More rows than neighbours.

    Returns:
        The measure, one a row, in [0, 1].

    Source: Huh et al. 2024 (arXiv 2405.07987), section 3 and appendix A.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> float(mutual_knn_pairing(Pair(X, 2 * X[:, ::-1], 2))(rows, rows).mean())
        1.0
    """
    near = tuple(_nearest(unit, unit, pair.neighbours, skip_own=True) for unit in map(unit_rows, (pair.X, pair.Y)))

    def meet(left: Index, right: Index) -> Numbers:
        first, second = (_renamed(N[rows], rows) for N, rows in zip(near, (left, right), strict=True))
        return _shared(first, second) / pair.neighbours

    return meet


def _nearest(queries: Numbers, rows: Numbers, k: int, *, skip_own: bool = False) -> Index:
    """The k rows of largest inner product for each query: intp [n, k]; of equals the first rows."""
    found = np.empty((len(queries), k), dtype=np.intp)
    for some in blocks(len(queries)):
        similarity = np.round(queries[some] @ rows.T, 9)
        if skip_own:
            similarity[np.arange(len(similarity)), np.arange(some.start, some.stop)] = -np.inf
        found[some] = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return found


def _renamed(neighbours: Index, rows: Index) -> Index:
    """Neighbours by their place among the chosen rows."""
    place = np.empty(len(rows), dtype=np.intp)
    place[rows] = np.arange(len(rows))
    return place[neighbours]


def _shared(first: Index, second: Index) -> Numbers:
    """How many members two sets a row have in common: float64 [n]."""
    both = np.sort(np.concatenate([first, second], axis=1), axis=1)
    shared: Numbers = (both[:, 1:] == both[:, :-1]).sum(axis=1).astype(np.float64)
    return shared


def jaccard_pairing(pair: Pair) -> Pairing:
    """Jaccard@K: how far a row finds the same K neighbours in the other space as in its own; both ways, averaged.

    The row itself counts among its neighbours. Both spaces must have the same columns: relative representations.

    Args:
        pair: Equal widths; at least as many rows as neighbours.

    Returns:
        The measure, one a row, in [0, 1].

    Source: Moschella et al. 2023, section 4.1 (K = 10), with cosine.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> float(jaccard_pairing(Pair(X, 2 * X, 2))(rows, rows).mean())
        1.0
    """
    k, (x, y) = pair.neighbours, (unit_rows(pair.X), unit_rows(pair.Y))
    within, across = (_nearest(x, x, k), _nearest(y, y, k)), (_nearest(x, y, k), _nearest(y, x, k))

    def meet(left: Index, right: Index) -> Numbers:
        total = np.zeros(len(left))
        for own, other, at in ((left, right, 0), (right, left, 1)):
            both = _shared(_renamed(within[at][own], own), _renamed(across[at][own], other))
            total += both / (2 * k - both)
        return total / 2

    return meet


def mrr_pairing(pair: Pair) -> Pairing:
    """Mean reciprocal rank of a row among the other space's rows; both ways, averaged.

    Both spaces must have the same columns: relative representations. Equals share the middle of their ranks.

    Args:
        pair: Equal widths, few enough rows for an n × n matrix.

    Returns:
        The measure, one a row, in (0, 1].

    Source: Moschella et al. 2023, section 4.1, with cosine.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> float(mrr_pairing(Pair(X, 2 * X, 2))(rows, rows).mean())
        1.0
    """
    similarity = np.round(unit_rows(pair.X) @ unit_rows(pair.Y).T, 9)

    def meet(left: Index, right: Index) -> Numbers:
        own = similarity[left, right]
        forwards, backwards = similarity[left], similarity.T[right]
        return (_reciprocal(forwards, own) + _reciprocal(backwards, own)) / 2

    return meet


def _reciprocal(similarity: Numbers, own: Numbers) -> Numbers:
    above: NDArray[Any] = (similarity > own[:, None]).sum(axis=1)
    equal: NDArray[Any] = (similarity == own[:, None]).sum(axis=1)
    result: Numbers = 1.0 / (above + (equal + 1) / 2)
    return result


def cosine(pair: Pair) -> float:
    """Mean cosine of a row to itself in the other space, over blocks of rows.

    Both spaces must have the same columns: relative representations. Alone it misleads, since the mean vector already
    has a high cosine to anything in a narrow cone: read it against its baseline.

    Args:
        pair: Equal widths.

    Returns:
        In [-1, 1].

    Source: Moschella et al. 2023, section 4.1.

    Example:
        >>> cosine(Pair(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 0.0]])))
        0.5
    """
    return cosine_shuffled(pair)(np.arange(len(pair.X)))


def cosine_shuffled(pair: Pair) -> Shuffled:
    """Mean cosine over all rows, those of Y in another order."""
    meet = cosine_pairing(pair)

    def shuffled(order: Index) -> float:
        rows = np.arange(len(order))
        return float(sum(meet(rows[some], order[some]).sum() for some in blocks(len(order)))) / len(order)

    return shuffled


def cosine_pairing(pair: Pair) -> Pairing:
    """Cosine of chosen rows, one a row."""

    def meet(left: Index, right: Index) -> Numbers:
        result: Numbers = np.einsum("ij,ij->i", unit_rows(pair.X[left]), unit_rows(pair.Y[right]))
        return np.clip(result, -1.0, 1.0)

    return meet
