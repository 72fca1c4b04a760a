"""Centroids of many rows, and the samples nearest to them."""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors.candidates import Index
from relstitch.artifacts.spaces import Matrix

_ALL = 50_000
"""Up to so many rows all are clustered; of more, a sample."""
_A_CLUSTER = 100
"""Rows of the smallest sample for each centroid."""
_GAP = 1.03
"""So much larger the loss may be on rows that were not clustered: 1.02 is to be expected with 100 rows a cluster."""
_STEPS = 20
"""Of k-means on a sample: further ones gain well under 1 % of the loss."""
_BLOCK = 8192
_NEAR = 16
"""So many of the rows nearest to a centroid are remembered."""


def clustered(unit: Matrix, k: int, seed: int) -> tuple[NDArray[np.floating], Index]:
    """Centroids of many rows: k-means on all of them or, beyond 50 000, on a sample.

    A sample is large enough when rows outside it lie hardly farther from the centroids than its own; else it is
    doubled.

    Args:
        unit: float32 [n, d], n ≥ k.
        k: How many.
        seed: Of the sample and of the start.

    Returns:
        Centroids [k, d], and intp [k], how many of the clustered rows are nearest to each.

    Source: Lloyd 1982; the start, k-means++ (Arthur and Vassilvitskii 2007).

    Example:
        >>> centroids, sizes = clustered(np.array([[1, 0], [1, 0], [0, 1]], np.float32), 2, 0)
        >>> sorted(sizes.tolist())
        [1, 2]
    """
    if len(unit) > _ALL:
        order = np.random.default_rng(seed).permutation(len(unit))
        for size in _sizes(k, len(unit)):
            sample, others = unit[np.sort(order[:size])], unit[np.sort(order[size : 2 * size])]
            centroids, sizes, loss = _fitted(sample, k, seed, quick=True)
            if _loss(others, centroids) <= _GAP * loss:
                return centroids, sizes
    return _fitted(unit, k, seed, quick=False)[:2]


def _sizes(k: int, n: int) -> Iterator[int]:
    """Rows of the samples to be tried; as many again must be left to check them by."""
    size = max(_A_CLUSTER * k, _ALL // 2)
    while 2 * size <= n:
        yield size
        size *= 2


def _fitted(rows: Matrix, k: int, seed: int, *, quick: bool) -> tuple[NDArray[np.floating], Index, float]:
    """Centroids, the sizes of their clusters, and the mean squared distance to the nearest centroid."""
    from sklearn.cluster import KMeans, kmeans_plusplus
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # One thread: sums in another order would end in other centroids. Candidates that differ in length only fall
    # together as directions; the warning about it says nothing, the samples taken are distinct all the same.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if quick:
            # The start costs more than all steps, and a fifth of the rows finds as good a one.
            start = kmeans_plusplus(rows[:: max(_A_CLUSTER // 20, 1)], k, random_state=seed)[0]
            fitted = KMeans(n_clusters=k, init=start, n_init=1, max_iter=_STEPS, random_state=seed).fit(rows)
        else:
            fitted = KMeans(n_clusters=k, n_init=1, random_state=seed).fit(rows)
    return fitted.cluster_centers_, np.bincount(fitted.labels_, minlength=k), float(fitted.inertia_) / len(rows)


def _loss(rows: Matrix, centroids: NDArray[np.floating]) -> float:
    """The mean squared distance to the nearest centroid."""
    total = 0.0
    for first in range(0, len(rows), _BLOCK):
        total += float(_distances(centroids, rows[first : first + _BLOCK]).min(axis=0).sum(dtype=np.float64))
    return total / len(rows)


def _distances(centroids: NDArray[np.floating], rows: Matrix) -> NDArray[np.floating]:
    """Squared Euclidean distances [k, n]."""
    made: NDArray[np.floating] = centroids @ rows.T
    made *= -2.0
    made += np.einsum("ij,ij->i", rows, rows)
    made += (centroids**2).sum(axis=1)[:, None]
    return made


def nearest_distinct(points: Matrix, centroids: NDArray[np.floating]) -> Index:
    """Give each centroid in turn the nearest point that is still free: intp [k]; ties go to the lowest row.

    Args:
        points: float32 [c, d], c ≥ k.
        centroids: [k, d], in the order in which they choose.

    Example:
        >>> nearest_distinct(np.eye(3, dtype=np.float32), np.array([[1.0, 0, 0], [1.0, 0.1, 0]])).tolist()
        [0, 1]
    """
    centroids = centroids.astype(points.dtype)
    taken = np.zeros(len(points), dtype=bool)
    picks = np.empty(len(centroids), dtype=np.intp)
    for step, near in enumerate(_nearest(points, centroids)):
        free = near[~taken[near]]
        if len(free):
            picks[step] = free[0]
        else:
            distances = _distances(centroids[step : step + 1], points)[0]
            picks[step] = np.argmin(np.where(taken, np.inf, distances))
        taken[picks[step]] = True
    return picks


def _nearest(points: Matrix, centroids: Matrix) -> list[Index]:
    """For each centroid the rows of the points nearest to it, nearest first: intp [m] each."""
    m = min(_NEAR, len(points))
    best = [np.empty(0, dtype=points.dtype) for _ in centroids]
    rows = [np.empty(0, dtype=np.intp) for _ in centroids]
    worst = np.full((len(centroids), 1), np.inf, dtype=points.dtype)
    for first in range(0, len(points), _BLOCK):
        distances = _distances(centroids, points[first : first + _BLOCK])
        # Strictly: of equal distances the lowest row, which came before, stays.
        nearer = distances < worst
        for at in np.flatnonzero(nearer.any(axis=1)):
            found = np.flatnonzero(nearer[at])
            values = np.concatenate([best[at], distances[at, found]])
            order = np.argsort(values, kind="stable")[:m]
            best[at], rows[at] = values[order], np.concatenate([rows[at], first + found])[order]
            worst[at] = best[at][-1] if len(order) == m else np.inf
    return rows
