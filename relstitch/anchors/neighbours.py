"""Rows of two spaces that are each other's nearest, as hubs are discounted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors.candidates import Index
from relstitch.artifacts.spaces import Matrix

NEIGHBOURS = 10
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Mutual:
    """Pairs of rows that are each other's nearest.

    Attributes:
        left: intp [m], ascending, and `right`: intp [m], the rows that pair.
        right: See `left`.
        margin: float32 [m], how far the nearest row is ahead of the next, on the side where it is less.
        nearest: intp [n], of each row on the left the nearest on the right.
    """

    left: Index
    right: Index
    margin: Matrix
    nearest: Index

    def __len__(self) -> int:
        return len(self.left)

    def best(self, most: int, *, apart_from: tuple[Index, Index]) -> tuple[Index, Index]:
        """The pairs of largest margin whose rows are none of those given: at most `most`."""
        free = ~np.isin(self.left, apart_from[0]) & ~np.isin(self.right, apart_from[1])
        kept = np.flatnonzero(free)
        order = kept[np.argsort(-self.margin[kept], kind="stable")][: max(most, 0)]
        return self.left[order], self.right[order]


def mutual_neighbours(X: Matrix, Y: Matrix) -> Mutual:
    """Find the rows that are each other's nearest by CSLS, 2 x·y − r(x) − r(y).

    r is a row's mean cosine to its 10 nearest rows on the other side: it takes from hubs what being near to all gave
    them. In blocks: no [n, m] matrix is held.

    Args:
        X: float32 [n, w], rows of length 1.
        Y: float32 [m, w], rows of length 1.

    Source: Conneau et al. 2018 (arXiv 1710.04087), section 2.3.

    Example:
        >>> X = np.eye(3, dtype=np.float32)
        >>> found = mutual_neighbours(X, X[[2, 0, 1]])
        >>> found.left.tolist(), found.right.tolist()
        ([0, 1, 2], [1, 2, 0])
    """
    crowd = _crowding(X, Y), _crowding(Y, X)
    nearest, ahead = _nearest(X, Y, crowd[1])
    back, ahead_back = _nearest(Y, X, crowd[0])
    left = np.flatnonzero(back[nearest] == np.arange(len(X)))
    right = nearest[left]
    return Mutual(left, right, np.minimum(ahead[left], ahead_back[right]), nearest)


def _crowding(X: Matrix, Y: Matrix) -> Matrix:
    k = min(NEIGHBOURS, len(Y))
    mean = np.empty(len(X), dtype=np.float32)
    for start in range(0, len(X), _ROWS_AT_ONCE):
        near = np.partition(X[start : start + _ROWS_AT_ONCE] @ Y.T, len(Y) - k, axis=1)
        mean[start : start + _ROWS_AT_ONCE] = near[:, -k:].mean(axis=1)
    return mean


def _nearest(X: Matrix, Y: Matrix, crowding: NDArray[np.float32]) -> tuple[Index, Matrix]:
    """Of each row of X the nearest of Y and how far it is ahead; the row's own crowding is the same for all."""
    at, ahead = np.empty(len(X), dtype=np.intp), np.zeros(len(X), dtype=np.float32)
    for start in range(0, len(X), _ROWS_AT_ONCE):
        here = slice(start, start + _ROWS_AT_ONCE)
        score = 2.0 * (X[here] @ Y.T) - crowding
        at[here] = score.argmax(axis=1)
        if len(Y) > 1:
            two = np.partition(score, len(Y) - 2, axis=1)
            ahead[here] = two[:, -1] - two[:, -2]
    return at, ahead
