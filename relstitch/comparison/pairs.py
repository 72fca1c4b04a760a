"""Two spaces with the same rows, and the moments that the linear measures are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[Any]
Numbers = NDArray[np.float64]
Index = NDArray[np.intp]

ROWS_AT_ONCE = 2048
KEPT_VARIANCE = 0.99


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over rows of two centred spaces; k and l are the squared lengths of the centred rows.

    Attributes:
        n: How many rows.
        xx: float64 [d, d], XᵀX.
        yy: float64 [d', d'], YᵀY.
        xy: float64 [d, d'], XᵀY.
        lengths: float64 [2, n], k and l.
    """

    n: int
    xx: Numbers
    yy: Numbers
    xy: Numbers
    lengths: Numbers


@dataclass(frozen=True, eq=False)
class Pair:
    """Row i of X and row i of Y are the same sample.

    Attributes:
        X: [n, d], finite.
        Y: [n, d'], finite.
        neighbours: How many nearest rows the measures on neighbours look at.
    """

    X: Matrix
    Y: Matrix
    neighbours: int = 10

    def take(self, rows: Index) -> "Pair":
        """The pair with some of its rows."""
        return Pair(self.X[rows], self.Y[rows], self.neighbours)

    @cached_property
    def moments(self) -> Moments:
        """The centred moments, summed over blocks of rows: no n × n matrix, no float64 copy of the spaces."""
        return moments_of(self.X, self.Y)

    @cached_property
    def whitenings(self) -> tuple[Numbers, Numbers]:
        """What whitens the leading components of either space (`whitening_of`)."""
        return whitening_of(self.moments.xx), whitening_of(self.moments.yy)


def blocks(n: int) -> Iterator[slice]:
    """Slices that cover n rows."""
    return (slice(start, min(start + ROWS_AT_ONCE, n)) for start in range(0, n, ROWS_AT_ONCE))


def moments_of(X: Matrix, Y: Matrix) -> Moments:
    """Sum the moments of two spaces in two passes: means first, since squares minus squares lose digits.

    Args:
        X: [n, d].
        Y: [n, d'].

    Returns:
        The centred moments, float64.

    Example:
        >>> moments_of(np.array([[1.0], [3.0]]), np.array([[2.0], [0.0]])).xy.tolist()
        [[-2.0]]
    """
    means = X.mean(axis=0, dtype=np.float64), Y.mean(axis=0, dtype=np.float64)
    d, e = X.shape[1], Y.shape[1]
    xx, yy, xy, lengths = np.zeros((d, d)), np.zeros((e, e)), np.zeros((d, e)), np.empty((2, len(X)))
    for rows in blocks(len(X)):
        x, y = X[rows] - means[0], Y[rows] - means[1]
        xx += x.T @ x
        yy += y.T @ y
        xy += x.T @ y
        lengths[:, rows] = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    return Moments(len(X), xx, yy, xy, lengths)


def whitening_of(covariance: Numbers) -> Numbers:
    """The leading components that hold 99 % of the variance, each scaled so that its scores have length 1.

    Args:
        covariance: float64 [d, d], XᵀX of a centred space.

    Returns:
        float64 [d, r].

    Example:
        >>> whitening_of(np.diag([4.0, 1.0, 1e-6])).shape
        (3, 2)
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values), KEPT_VARIANCE * values.sum())) + 1
    whitening: Numbers = vectors[:, :kept] / np.sqrt(values[:kept])
    return whitening


def crossed(pair: Pair, order: Index) -> Numbers:
    """XᵀY of the centred spaces with the rows of Y in another order, over blocks of rows: float64 [d, d'].

    Example:
        >>> crossed(Pair(np.array([[1.0], [3.0]]), np.array([[2.0], [0.0]])), np.array([1, 0])).tolist()
        [[2.0]]
    """
    means = pair.X.mean(axis=0, dtype=np.float64), pair.Y.mean(axis=0, dtype=np.float64)
    total = np.zeros((pair.X.shape[1], pair.Y.shape[1]))
    for rows in blocks(len(pair.X)):
        total += (pair.X[rows] - means[0]).T @ (pair.Y[order[rows]] - means[1])
    return total
