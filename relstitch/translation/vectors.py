"""Rows as directions from the anchors' mean, the kernel on them, and search by them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.relative import unit_rows

Numbers = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
_QUERIES_AT_ONCE = 1024
_ROUNDING = 1e-6


def directions(X: NDArray[Any], center: NDArray[Any]) -> Numbers:
    """Take the centre off and scale every row to length 1; a row at the centre has no direction and stays 0.

    Args:
        X: [n, d].
        center: [d].

    Returns:
        float64 [n, d].

    Example:
        >>> directions(np.array([[3.0, 5.0], [0.0, 1.0]]), np.array([0.0, 1.0])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    return unit_rows(X.astype(np.float64) - center)


def kernel(U: Numbers, V: Numbers, gamma: float) -> Numbers:
    """The exponential kernel exp(γ(u·v − 1)) of directions.

    Args:
        U: [n, d], rows of length 1.
        V: [k, d], rows of length 1.
        gamma: How quickly it falls with the angle, > 0.

    Returns:
        float64 [n, k] in (0, 1].

    Example:
        >>> kernel(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]), 2.0).tolist()
        [[1.0]]
    """
    values: Numbers = np.exp(gamma * (np.clip(U @ V.T, -1.0, 1.0) - 1.0))
    return values


def search_ranks(
    queries: NDArray[Any], rows: NDArray[Any], truth: NDArray[np.intp], *, center: NDArray[Any]
) -> NDArray[np.intp]:
    """At which place each query finds its own row, by the cosine around a centre.

    Args:
        queries: [n, w].
        rows: [m, w], where they look.
        truth: intp [n], which row each query ought to find.
        center: [w], taken off both sides first; the anchors' mean, where they are.

    Returns:
        intp [n], from 1. Of rows that are equally near, the right one comes last: a map that sends all rows to one
        place finds nothing.

    Example:
        >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> search_ranks(np.array([[0.9, 0.1]]), rows, np.array([1]), center=np.zeros(2)).tolist()
        [2]
    """
    Q, R = (directions(X, center).astype(np.float32) for X in (queries, rows))
    found = np.empty(len(Q), dtype=np.intp)
    for start in range(0, len(Q), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        near = Q[part] @ R.T
        own = near[np.arange(len(near)), truth[part]]
        # Rounding must not decide between equals.
        found[part] = (near >= own[:, None] - _ROUNDING).sum(axis=1)
    return found


def unlike(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[np.intp]:
    """Which rows equal none of others, to the last bit: a copy of an anchor would be as right an answer as itself.

    Args:
        rows: [n, d].
        others: [k, d], of the same dtype.

    Example:
        >>> unlike(np.array([[1.0], [2.0]]), np.array([[2.0]])).tolist()
        [0]
    """
    known = {row.tobytes() for row in np.ascontiguousarray(others)}
    found = (at for at, row in enumerate(np.ascontiguousarray(rows)) if row.tobytes() not in known)
    return np.fromiter(found, dtype=np.intp)
