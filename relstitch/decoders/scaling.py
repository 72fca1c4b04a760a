"""Standardising inputs with the training rows' statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-7  # float32 holds about seven digits: a smaller relative spread is rounding, not signal


def statistics(X: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Measure mean and spread of every column.

    Args:
        X: [n, k], the training rows.

    Returns:
        ``mean`` and ``scale`` (population standard deviation; 1 where a column is constant), float64 [k].

    Example:
        >>> statistics(np.array([[1.0, 5.0], [3.0, 5.0]]))["scale"].tolist()
        [1.0, 1.0]
    """
    mean = X.mean(axis=0, dtype=np.float64)
    scale = X.std(axis=0, dtype=np.float64)
    return {"mean": mean, "scale": np.where(scale > _ROUNDING * np.abs(mean), scale, 1.0)}


def standardise(X: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Take the training mean off and divide by the training spread: float64 [n, k].

    Example:
        >>> standardise(np.array([[3.0]]), {"mean": np.array([1.0]), "scale": np.array([2.0])}).tolist()
        [[1.0]]
    """
    scaled: NDArray[np.float64] = np.subtract(X, arrays["mean"], dtype=np.float64)
    scaled /= arrays["scale"]
    return scaled
