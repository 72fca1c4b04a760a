"""Measures of who is near whom: RSA, mutual nearest neighbours, and retrieval between relative representations."""

from dataclasses import dataclass
from functools import cached_property
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
    Of equally near rows the first count, in both spaces: where many are equally near, that alone brings sets
    together, and those of shuffled rows too.

    Args:
        pair: More rows than neighbours.

    Returns:
        The measure, one per row, in [0, 1].

    Source: Huh et al. 2024 (arXiv 2405.07987), section 3 and appendix A.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> float(mutual_knn_pairing(Pair(X, 2 * X[:, ::-1], 2))(rows, rows).mean())
        1.0
    """
    sides = tuple(_Search(unit, unit, pair.neighbours, skip_own=True) for unit in map(unit_rows, (pair.X, pair.Y)))

    def meet(left: Index, right: Index) -> Numbers:
        first, second = (side.among(rows, rows) for side, rows in zip(sides, (left, right), strict=True))
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


@dataclass(frozen=True, eq=False)
class _Search:
    """The k nearest of all rows for every query; asked again in every order, where it is the order that decides.

    Attributes:
        queries: float64 [n, d], rows of length 1.
        rows: float64 [n, d], rows of length 1.
        k: How many.
        skip_own: Whether row i is none for query i.
    """

    queries: Numbers
    rows: Numbers
    k: int
    skip_own: bool = False

    @cached_property
    def found(self) -> Index:
        """The neighbours and, where there is one, the row after them."""
        most = min(self.k + 1, len(self.rows) - self.skip_own)
        return _nearest(self.queries, self.rows, most, skip_own=self.skip_own)

    @cached_property
    def tied(self) -> bool:
        """Whether some query's last neighbour is no nearer than a row that is left out."""
        if self.found.shape[1] == self.k:
            return False
        near = [np.einsum("ij,ij->i", self.queries, self.rows[self.found[:, at]]) for at in (-2, -1)]
        return bool((np.round(near[0], 9) <= np.round(near[1], 9)).any())

    def among(self, queries: Index, rows: Index) -> Index:
        """The neighbours of queries in some order, by their place in an order of the rows: both permutations."""
        if self.tied:
            return _nearest(self.queries[queries], self.rows[rows], self.k, skip_own=self.skip_own)
        place = np.empty(len(rows), dtype=np.intp)
        place[rows] = np.arange(len(rows))
        return place[self.found[queries, : self.k]]


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
        The measure, one per row, in [0, 1].

    Source: Moschella et al. 2023, section 4.1 (K = 10), with cosine.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> float(jaccard_pairing(Pair(X, 2 * X, 2))(rows, rows).mean())
        1.0
    """
    k, (x, y) = pair.neighbours, (unit_rows(pair.X), unit_rows(pair.Y))
    within, across = (_Search(x, x, k), _Search(y, y, k)), (_Search(x, y, k), _Search(y, x, k))

    def meet(left: Index, right: Index) -> Numbers:
        total = np.zeros(len(left))
        for own, other, at in ((left, right, 0), (right, left, 1)):
            both = _shared(within[at].among(own, own), across[at].among(own, other))
            total += both / (2 * k - both)
        return total / 2

    return meet


def mrr_pairing(pair: Pair) -> Pairing:
    """Mean reciprocal rank of a row among the other space's rows; both ways, averaged.

    Both spaces must have the same columns: relative representations. Equals share the middle of their ranks.

    Args:
        pair: Equal widths, few enough rows for an n × n matrix.

    Returns:
        The measure, one per row, in (0, 1].

    Source: Moschella et al. 2023, section 4.1, with cosine.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> rows = np.arange(9)
        >>> float(mrr_pairing(Pair(X, 2 * X, 2))(rows, rows).mean())
        1.0
    """
    similarity = unit_rows(pair.X) @ unit_rows(pair.Y).T
    np.round(similarity, 9, out=similarity)

    def meet(left: Index, right: Index) -> Numbers:
        own, result = similarity[left, right], np.empty(len(left))
        # In blocks: chosen rows are copies, and one n × n matrix is enough.
        for some in blocks(len(left)):
            forwards, backwards = similarity[left[some]], similarity.T[right[some]]
            result[some] = (_reciprocal(forwards, own[some]) + _reciprocal(backwards, own[some])) / 2
        return result

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
    """Cosine of chosen rows, one per row."""

    def meet(left: Index, right: Index) -> Numbers:
        result: Numbers = np.einsum("ij,ij->i", unit_rows(pair.X[left]), unit_rows(pair.Y[right]))
        return np.clip(result, -1.0, 1.0)

    return meet
