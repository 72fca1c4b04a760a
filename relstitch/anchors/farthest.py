"""Farthest-point order: the next row is always the one whose nearest chosen row is farthest."""

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors.candidates import Index
from relstitch.artifacts.spaces import Matrix

_SHARE = 64
"""One row in so many is in the pool that is kept fresh."""
_LEAST = 2048
_BLOCK = 65_536


def farthest_order(unit: Matrix, k: int, start: int) -> Index:
    """The first k rows of the farthest-point order from a start, exactly, with few rows looked at more than once.

    The cosine of a row with its nearest chosen row only grows, so one that was computed some picks ago is a lower
    bound. The rows with the smallest bounds are put in a pool and brought up to date, all picks at once in a matrix
    product; as long as the pool holds a row below every bound outside, the next pick is in it. Ties go to the lowest
    row.

    Args:
        unit: float32 [n, d], rows of length 1 (or 0), n ≥ k.
        k: How many, at least 1.
        start: The first.

    Returns:
        intp [k].

    Source: Gonzalez 1985; lazy evaluation of bounds as in Minoux 1978.

    Example:
        >>> farthest_order(np.array([[1, 0], [0, 1], [-1, 0], [0.6, 0.8]], np.float32), 3, 0).tolist()
        [0, 2, 1]
    """
    nearest = unit @ unit[start]
    nearest[start] = np.inf
    seen = np.ones(len(unit), dtype=np.intp)
    picks = np.full(k, start, dtype=np.intp)
    done = 1
    while done < k:
        pool, most = _lowest(nearest)
        vectors = unit[pool]
        mine = _refreshed(vectors, nearest[pool], unit[picks[int(seen[pool].min()) : done]])
        while done < k:
            best = int(np.argmin(mine))
            if not mine[best] <= most:
                break
            picks[done] = pool[best]
            np.maximum(mine, vectors @ vectors[best], out=mine)
            mine[best] = np.inf
            done += 1
        nearest[pool], seen[pool] = mine, done
    return picks


def _lowest(nearest: NDArray[np.float32]) -> tuple[Index, np.float32]:
    """The rows with the smallest bounds, in their order, and the largest bound among them; whoever ties is in too."""
    size = max(_LEAST, len(nearest) // _SHARE)
    if size >= len(nearest):
        return np.arange(len(nearest)), np.float32(np.inf)
    most = np.partition(nearest, size)[size]
    return np.flatnonzero(nearest <= most), most


def _refreshed(vectors: Matrix, nearest: NDArray[np.float32], picked: Matrix) -> NDArray[np.float32]:
    """The cosine with the nearest chosen row, those picked since in."""
    if len(picked):
        for first in range(0, len(vectors), _BLOCK):
            part = slice(first, first + _BLOCK)
            np.maximum(nearest[part], (vectors[part] @ picked.T).max(axis=1), out=nearest[part])
    return nearest
