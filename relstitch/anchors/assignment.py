"""Quadratic assignment: who is who, such that whoever is near in one space is near in the other."""

import numpy as np

from relstitch.anchors.candidates import Index
from relstitch.artifacts.spaces import Matrix

ROUNDS = 30
_STILL = 0.02


def assign_rows(X: Matrix, Y: Matrix, start: Matrix) -> Index:
    """Match rows so that the cosines within X and within Y agree: maximise Σ x_i·x_j y_p(i)·y_p(j) over i ≠ j.

    Frank-Wolfe steps with exact line search from a soft start. Products with the [n, n] cosines go through the
    [n, r] rows, so a round costs one linear assignment and a few products of n² r.

    Args:
        X: float32 [n, r], rows of length 1.
        Y: float32 [m, s], rows of length 1, m ≥ n.
        start: float32 [n, m], non-negative, rows that sum to 1. It is overwritten.

    Returns:
        intp [n], distinct: the row of Y for each of X.

    Source: Vogelstein et al. 2015 (PLOS ONE, "Fast approximate quadratic programming for graph matching"), with
        graphs given by factors, and a start from profiles instead of the barycentre.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
        >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
        >>> assign_rows(X, X[::-1], np.eye(20, dtype=np.float32)[::-1] / 2 + 1 / 40).tolist() == list(range(20))[::-1]
        True
    """
    from scipy.optimize import linear_sum_assignment

    current, slope = start, _slope(X, Y, start)
    for _ in range(ROUNDS):
        rows, columns = linear_sum_assignment(slope, maximize=True)
        step = -current
        step[rows, columns] += 1.0
        change = _slope(X, Y, step)
        bend, rise = float(np.vdot(change, step)), 2.0 * float(np.vdot(slope, step))
        length = np.float32(1.0 if bend >= 0 else min(1.0, max(0.0, -rise / (2.0 * bend))))
        current += length * step
        slope += length * change
        if float(length) * float(np.abs(step).sum()) < _STILL * len(X):
            break
    matched: Index = linear_sum_assignment(current, maximize=True)[1]
    return matched


def _slope(X: Matrix, Y: Matrix, P: Matrix) -> Matrix:
    """(XXᵀ − I) P (YYᵀ − I)."""
    left, right = X.T @ P, P @ Y
    result: Matrix = X @ ((left @ Y) @ Y.T - left)
    result -= right @ Y.T
    result += P
    return result
