"""What chance gives, and how sure a value is: rows shuffled, rows drawn again."""

import numpy as np

from relstitch.artifacts.comparisons import Baseline, Interval
from relstitch.comparison.pairing import Pairing, Shuffled

LEVEL = 0.9
_MIN_HALF = 4


def permutation_baseline(shuffled: Shuffled, n: int, *, permutations: int, seed: int = 0) -> Baseline | None:
    """What a measure says when the rows of one side are shuffled.

    Args:
        shuffled: The measure, given the order of the rows of Y.
        n: How many rows.
        permutations: How often to shuffle.
        seed: For the shuffles.

    Returns:
        Mean and 95th percentile; None for no permutations.

    Example:
        >>> from relstitch.comparison.measures import MEASURES
        >>> from relstitch.comparison.pairs import Pair
        >>> X = np.random.default_rng(0).normal(size=(50, 3))
        >>> baseline = permutation_baseline(MEASURES["cka"].shuffled(Pair(X, X)), 50, permutations=20)
        >>> abs(baseline.mean) < 0.1
        True
    """
    if permutations < 1:
        return None
    rng = np.random.default_rng(seed)
    values = [shuffled(rng.permutation(n)) for _ in range(permutations)]
    return Baseline(float(np.mean(values)), float(np.quantile(values, 0.95)), permutations)


def row_interval(
    pairing: Pairing, n: int, value: float, *, resamples: int, seed: int = 0, level: float = LEVEL
) -> Interval | None:
    """An interval for a measure's value over the drawing of rows.

    A measure that is a mean over rows is bootstrapped: rows with replacement. For the others a row drawn twice would
    be its own nearest neighbour and pull the value up, so halves of the rows are drawn without replacement: to first
    order they vary as the bootstrap does. What a half of the rows shifts by being fewer is taken off.

    Args:
        pairing: The measure of chosen rows, out of n.
        n: How many rows.
        value: What the interval is about.
        resamples: How often to draw.
        seed: For the draws.
        level: Coverage.

    Returns:
        The interval around the value; None for no resamples or fewer than 8 rows.

    Source: Efron and Tibshirani 1993, chapter 13; halves as in Buja and Stuetzle 2006, Observations on bagging.

    Example:
        >>> from relstitch.comparison.measures import MEASURES
        >>> from relstitch.comparison.pairs import Pair
        >>> X = np.random.default_rng(0).normal(size=(50, 3))
        >>> interval = row_interval(MEASURES["cka"].pairing(Pair(X, X)), 50, 1.0, resamples=20)
        >>> round(interval.low, 6), round(interval.high, 6)
        (1.0, 1.0)
    """
    if resamples < 1 or n < 2 * _MIN_HALF:
        return None
    rng, rows = np.random.default_rng(seed), np.arange(n)
    whole = pairing(rows, rows)
    if whole.ndim:
        values = np.array([whole[rng.integers(n, size=n)].mean() for _ in range(resamples)])
    else:
        halves = (rng.permutation(n)[: n // 2] for _ in range(resamples))
        values = np.array([float(pairing(half, half)) for half in halves])
    low, high = value + np.quantile(values, [(1 - level) / 2, (1 + level) / 2]) - values.mean()
    return Interval(min(float(low), value), min(max(float(high), value), 1.0), level, resamples)
