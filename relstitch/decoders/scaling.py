"""Standardising inputs with the training rows' statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-7  # float32 holds about seven digits: a smaller relative spread is rounding, not signal
_DEAD = 1e-4
"""Some encoders have columns that all but stand still (MPNet: 2e-8 beside 3e-2). Standardised, what another encoder's
rows have there would be multiplied a million times, and drown the rest."""


def statistics(X: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Measure mean and spread of every column.

    Args:
        X: [n, k], the training rows.

    Returns:
        ``mean`` and ``scale`` (population standard deviation), float64 [k]. A column that is constant, or of a spread
        below 1e-4 of the median spread, gets that median; 1 where all are constant.

    Example:
        >>> statistics(np.array([[1.0, 5.0], [3.0, 5.0]]))["scale"].tolist()
        [1.0, 1.0]
    """
    mean = X.mean(axis=0, dtype=np.float64)
    scale = X.std(axis=0, dtype=np.float64)
    alive = scale > _ROUNDING * np.abs(mean)
    if not alive.any():
        return {"mean": mean, "scale": np.ones_like(scale)}
    usual = float(np.median(scale[alive]))
    # The usual spread and not 1: in any unit, what stands still stays small beside what varies.
    return {"mean": mean, "scale": np.where(alive & (scale > _DEAD * usual), scale, usual)}


def standardise(X: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Take the training mean off and divide by the training spread: float64 [n, k].

    Example:
        >>> standardise(np.array([[3.0]]), {"mean": np.array([1.0]), "scale": np.array([2.0])}).tolist()
        [[1.0]]
    """
    scaled: NDArray[np.float64] = np.subtract(X, arrays["mean"], dtype=np.float64)
    scaled /= arrays["scale"]
    return scaled
