"""Ridge regression whose penalty is chosen by leave-one-out in closed form; its low-rank and kernel forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relstitch.translation.vectors import Arrays, Numbers, directions, kernel

PENALTIES = tuple(float(value) for value in np.logspace(-5, 3, 25))
"""What is tried, as a multiple of the mean eigenvalue of the Gram matrix."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Left singular directions of the inputs with the eigenvalues of their Gram matrix.

    Attributes:
        Q: float64 [k, r], orthonormal columns.
        values: float64 [r], > 0.
        intercept: Whether inputs and outputs had their mean taken off, which is one more fitted value per output.
    """

    Q: Numbers
    values: Numbers
    intercept: bool


def spectrum(Z: Numbers) -> Spectrum:
    """Decompose centred inputs through the smaller of their two Gram matrices.

    Args:
        Z: float64 [k, d], columns of mean 0.

    Returns:
        The directions that hold anything: r ≤ min(k, d).
    """
    wide = Z.shape[0] <= Z.shape[1]
    values, vectors = np.linalg.eigh(Z @ Z.T if wide else Z.T @ Z)
    kept = values > max(float(values[-1]), 0.0) * len(values) * np.finfo(np.float64).eps
    values, vectors = values[kept], vectors[:, kept]
    return Spectrum(vectors if wide else Z @ vectors / np.sqrt(values), values, intercept=True)


def leave_one_out(found: Spectrum, Y: Numbers, penalty: float) -> Numbers:
    """Residuals of every row when it takes no part in the fit, in closed form.

    Args:
        found: The inputs' spectrum.
        Y: float64 [k, e], outputs; of mean 0 where the fit has an intercept.
        penalty: ≥ 0, in units of the eigenvalues.

    Returns:
        float64 [k, e]: e_i = (y_i − ŷ_i) / (1 − h_ii), with h the hat matrix.

    Source: Allen's PRESS; Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, equation 7.64.

    Example:
        >>> Z = np.array([[-1.0], [0.0], [1.0]])
        >>> np.abs(leave_one_out(spectrum(Z), Z, 0.0)).round(6).ravel().tolist()
        [0.0, 0.0, 0.0]
    """
    shrunk = found.values / (found.values + penalty)
    fitted = found.Q @ (shrunk[:, None] * (found.Q.T @ Y))
    free = 1.0 - np.square(found.Q) @ shrunk - (1.0 / len(Y) if found.intercept else 0.0)
    residuals: Numbers = (Y - fitted) / np.maximum(free, 1e-12)[:, None]
    return residuals


def choose_penalty(found: Spectrum, Y: Numbers, shape: tuple[int, int]) -> float:
    """The penalty of the grid with the least leave-one-out error; ties go to the larger one.

    Args:
        found: The inputs' spectrum.
        Y: float64 [k, e].
        shape: Of the inputs: the mean eigenvalue is over min(k, d) of them.
    """
    mean = float(found.values.sum()) / min(shape)
    errors = [float(np.square(leave_one_out(found, Y, p * mean)).sum()) for p in PENALTIES]
    best = max(at for at, error in enumerate(errors) if error <= min(errors) * (1 + 1e-9))
    return PENALTIES[best] * mean


def _penalty(found: Spectrum, Y: Numbers, shape: tuple[int, int], params: Mapping[str, Any]) -> float:
    if params["penalty"] is None:
        return choose_penalty(found, Y, shape)
    return float(params["penalty"]) * float(found.values.sum()) / min(shape)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A ridge regression with intercept of B on A's rows or directions."""

    center: Numbers
    middle: Numbers
    mean: Numbers
    Z: Numbers
    Y: Numbers
    found: Spectrum
    penalty: float
    weights: Numbers

    def arrays(self, weights: Numbers, params: Mapping[str, Any]) -> Arrays:
        """What carries rows over: by these weights, or by what became of them."""
        return {
            "center": self.center, "weights": weights, "bias": self.mean - self.middle @ weights,
            "normalise": np.array(int(params["normalise"])), "penalty": np.array(self.penalty),
        }  # fmt: skip


def _fit(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> _Fit:
    center = A.mean(axis=0)
    U = directions(A, center) if params["normalise"] else A - center
    middle, mean = U.mean(axis=0), B.mean(axis=0)
    Z, Y = U - middle, B - mean
    found = spectrum(Z)
    penalty = _penalty(found, Y, Z.shape, params)
    # Zᵀ(ZZᵀ + p)⁻¹Y through the spectrum: whichever Gram was decomposed, Q is on the rows' side.
    weights = Z.T @ (found.Q @ ((found.Q.T @ Y) / (found.values + penalty)[:, None]))
    return _Fit(center, middle, mean, Z, Y, found, penalty, weights)


def fit_ridge(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Ridge regression with intercept of B on A's directions; λ by leave-one-out over a log grid.

    Args:
        A: float64 [k, d_A].
        B: float64 [k, d_B].
        params: penalty (a multiple of the mean eigenvalue; None: chosen), normalise (rows to length 1 first).

    Returns:
        center [d_A], weights [d_A, d_B], bias [d_B], normalise, penalty.
    """
    ridge = _fit(A, B, params)
    return ridge.arrays(ridge.weights, params)


def fit_low_rank(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Reduced-rank ridge: the ridge fit, projected on the leading directions of its own fitted values.

    The rank, where it is not given, has the least leave-one-out error; the directions are those of all anchors.

    Source: Mukherjee and Zhu 2011, "Reduced rank ridge regression", section 2.
    """
    ridge = _fit(A, B, params)
    V = np.linalg.svd(ridge.Z @ ridge.weights, full_matrices=False)[2].T
    if params["rank"] is None:
        predicted = (ridge.Y - leave_one_out(ridge.found, ridge.Y, ridge.penalty)) @ V
        gains = np.cumsum(np.sum(2.0 * predicted * (ridge.Y @ V) - np.square(predicted), axis=0))
        rank = int(np.argmax(gains)) + 1
    else:
        rank = min(int(params["rank"]), V.shape[1])
    arrays = ridge.arrays(ridge.weights @ V[:, :rank] @ V[:, :rank].T, params)
    return {**arrays, "rank": np.array(rank)}


def fit_kernel(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Kernel ridge regression of B, its mean taken off, with exp(γ(cos − 1)) on A's directions.

    Returns:
        center [d_A], anchors [k, d_A], weights [k, d_B], bias [d_B], gamma, penalty.

    Source: Saunders, Gammerman, Vovk 1998, "Ridge regression learning algorithm in dual variables".
    """
    center, mean = A.mean(axis=0), B.mean(axis=0)
    U = directions(A, center)
    K, Y = kernel(U, U, params["gamma"]), B - mean
    values, Q = np.linalg.eigh(K)
    found = Spectrum(Q, np.maximum(values, 0.0) + 1e-12, intercept=False)
    penalty = _penalty(found, Y, K.shape, params)
    weights = Q @ ((Q.T @ Y) / (found.values + penalty)[:, None])
    return {"center": center, "anchors": U, "weights": weights, "bias": mean, "gamma": np.array(params["gamma"]),
            "penalty": np.array(penalty)}  # fmt: skip
