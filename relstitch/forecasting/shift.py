"""How far the rows that are asked lie from those the encoder's space is known by."""

import numpy as np

from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import Source
from relstitch.relative import unit_rows

_AXES, _MOST = 30, 5000


def shift_of(source: Source, asked: Matrix) -> float:
    """The distance between the means of the source's rows and of the asked ones, in standard deviations.

    Held-out anchors say nothing of rows that are drawn from elsewhere: those may be easier or harder. No label tells
    which, but that they are from elsewhere shows.

    Args:
        source: Its rows are those that anchors are drawn among.
        asked: float32 [m, d], other rows of the same encoder. Of both, at most 5000 are looked at, evenly spread.

    Returns:
        At least 0: the Mahalanobis distance along the 30 directions in which the source's rows vary most, less what
        the sizes of the two samples alone explain. 0 where the source has fewer than 2 rows.

    Source: Mahalanobis 1936, its square without bias (Lachenbruch and Mickey 1968).

    Example:
        >>> X = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
        >>> shift_of(Source(X, X[:200]), X[200:]) < 0.3, shift_of(Source(X, X), X + 1) > 0.5
        (True, True)
    """
    if min(len(source.rows), len(asked)) < 2:
        return 0.0
    spectrum = source.spectrum
    leading = np.argsort(-spectrum.variances, kind="stable")[:_AXES]
    leading = leading[spectrum.variances[leading] > 1e-9 * max(float(spectrum.variances.max()), 1e-300)]
    axes = spectrum.axes[:, leading]
    here, there = (unit_rows(_some(rows) - spectrum.mean) @ axes for rows in (source.rows, asked))
    n, m = len(here), len(there)
    variance = (n * here.var(axis=0) + m * there.var(axis=0)) / (n + m)
    square = float((np.square(here.mean(axis=0) - there.mean(axis=0)) / np.maximum(variance, 1e-300)).sum())
    return float(np.sqrt(max(square - len(leading) * (1 / n + 1 / m), 0.0)))


def _some(rows: Matrix) -> Matrix:
    return rows[:: -(-len(rows) // _MOST)]
