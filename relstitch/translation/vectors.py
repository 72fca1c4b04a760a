"""Rows as directions from the anchors' mean, and the kernel on them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.relative import unit_rows

Numbers = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


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
