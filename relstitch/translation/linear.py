"""Maps that need no penalty to be chosen: Procrustes, least squares, the inverse of the relative projection."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from relstitch.translation.vectors import Arrays, Numbers, directions


def orthogonal(A: Numbers, B: Numbers) -> tuple[Numbers, float]:
    """The rotation R and the scale s that bring A nearest to B: min ‖sAR − B‖.

    Different widths meet as if zeros filled up the narrower one. Directions that the anchors say nothing about (there
    are such where k ≤ d) are left out rather than sent anywhere: R is then a partial isometry.

    Args:
        A: float64 [k, d_A], centred.
        B: float64 [k, d_B], centred.

    Returns:
        R, float64 [d_A, d_B], and s ≥ 0.

    Source: Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem".

    Example:
        >>> R, s = orthogonal(np.eye(2), np.array([[0.0, 2.0], [-2.0, 0.0]]))
        >>> R.round(6).tolist(), round(s, 6)
        ([[0.0, 1.0], [-1.0, 0.0]], 2.0)
    """
    if len(A) < min(A.shape[1], B.shape[1]):
        # The rotation lives in what the anchors span: decomposed there, it is k by k numbers instead of d by d.
        (P, upper_A), (Q, upper_B) = np.linalg.qr(A.T), np.linalg.qr(B.T)
        left, values, right = np.linalg.svd(upper_A @ upper_B.T)
        left, right = P @ left, right @ Q.T
    else:
        left, values, right = np.linalg.svd(A.T @ B, full_matrices=False)
    kept = values > values[0] * max(A.shape[1], B.shape[1]) * np.finfo(np.float64).eps
    size = float(np.square(A).sum())
    return left[:, kept] @ right[kept], float(values.sum()) / size if size else 0.0


def _affine(center: Numbers, weights: Numbers, bias: Numbers) -> Arrays:
    return {"center": center, "weights": weights, "bias": bias, "normalise": np.array(0)}


def fit_procrustes(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Shift, rotation and one global scale."""
    center, mean = A.mean(axis=0), B.mean(axis=0)
    R, scale = orthogonal(A - center, B - mean)
    return _affine(center, R * scale if params["scale"] else R, mean)


def fit_affine(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Least squares with an intercept; of all solutions the smallest, where k ≤ d leaves many."""
    del params
    center, mean = A.mean(axis=0), B.mean(axis=0)
    return _affine(center, np.linalg.lstsq(A - center, B - mean, rcond=None)[0], mean)


def fit_inverse(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Similarities to A's anchors, undone by the pseudo-inverse of B's: y = r B̂⁺, r_i = cos(x − μ, a_i − μ).

    The pseudo-inverse is a ridge one (penalty, a multiple of the mean eigenvalue of B̂B̂ᵀ); the result has the anchors'
    mean length around their mean in B.

    Source: Maiorca et al. 2024, "Latent space translation via inverse relative projection" (arXiv 2406.15057),
    section 3; the centring, the penalty and the length are ours.
    """
    center, mean = A.mean(axis=0), B.mean(axis=0)
    unit = directions(B, mean)
    gram = unit @ unit.T
    penalty = params["penalty"] * np.trace(gram) / min(unit.shape)
    length = float(np.linalg.norm(B - mean, axis=1).mean())
    back = np.linalg.solve(gram + penalty * np.eye(len(gram)), unit) * length
    # Similarities to A's anchors are linear in the direction, so both steps are one matrix.
    return {**_affine(center, directions(A, center).T @ back, mean), "normalise": np.array(1)}
