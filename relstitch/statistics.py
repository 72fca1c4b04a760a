"""Where spread comes from, and whether one thing is better than another on the same rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relstitch.artifacts import Comparison
from relstitch.errors import MismatchError, UsageError

_BLOCK = 2_000_000
"""Drawn rows held at a time: 16 MB of indices."""


def spread_by_source(values: ArrayLike) -> tuple[float | None, float | None]:
    """Tell the spread over anchor draws from the spread over decoder seeds.

    Seeds are nested in draws (a decoder that starts from one seed on two draws of anchors learns two different
    things): value = mean + draw + seed within the draw. The variance of the seeds is the mean variance within a
    draw; that of the draws is the variance of the draws' means, less what the seeds put into it, and never below 0.

    Args:
        values: [draws, seeds], finite.

    Returns:
        The standard deviation between draws and the one between seeds, in the unit of the values. None for a source
        with fewer than two. With one seed the first is the sample standard deviation, in which any spread over seeds
        is then contained; with one draw the second is.

    Raises:
        UsageError: No table, an empty one, or values that are not finite.

    Source: Random-effects analysis of variance, method of moments (Searle, Casella and McCulloch 1992, section 3.5).

    Example:
        >>> spread_by_source([[0.5, 0.5], [0.75, 0.75]])
        (0.1767766952966369, 0.0)
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise UsageError(
            f"Values of shape {list(table.shape)} were given; expected a table of draws × seeds with one or more of "
            "each."
        )
    if not np.isfinite(table).all():
        raise UsageError(
            f"{int((~np.isfinite(table)).sum())} of {table.size} values are not finite numbers. Leave out the figure "
            "that does not exist."
        )
    draws, seeds = table.shape
    within = float(table.var(axis=1, ddof=1).mean()) if seeds > 1 else 0.0
    between = max(float(table.mean(axis=1).var(ddof=1)) - within / seeds, 0.0) if draws > 1 else 0.0
    return (between**0.5 if draws > 1 else None), (within**0.5 if seeds > 1 else None)


def paired_bootstrap(
    hits_a: ArrayLike, hits_b: ArrayLike, *, seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> Comparison:
    """Compare two things on the same rows in the same repetitions: how much better is a than b, and is it chance?

    Rows are drawn with replacement and so are repetitions, each for a and b alike; so what makes a row hard or a draw
    of anchors lucky for both cancels out. The order of the rows is of no account.

    Args:
        hits_a: [r, n]: whether row n was answered rightly in repetition r, or a share of such in 0 … 1.
        hits_b: [r, n], the same rows and repetitions.
        seed: Of the resampling.
        resamples: How many samples are drawn.
        level: What the interval shall hold, above 0 and below 1.

    Returns:
        The mean of a − b with its percentile interval, and the two-sided p of no difference: twice the share of
        samples on the rarer side of 0, the measured one counted among them. With few repetitions (a handful of draws)
        the interval is somewhat narrow.

    Raises:
        MismatchError: Two shapes.
        UsageError: No table, an empty one, values that are not in 0 … 1, no resamples, a level that is no share.

    Source: Efron and Tibshirani 1993, chapters 13 and 15; both ways of the table at once as Owen 2007 (the pigeonhole
    bootstrap).

    Example:
        >>> paired_bootstrap([[1, 1, 1, 1]], [[0, 0, 0, 0]], resamples=99)
        Comparison(difference=1.0, low=1.0, high=1.0, p=0.02, level=0.95)
    """
    a, b = (np.asarray(hits, dtype=np.float64) for hits in (hits_a, hits_b))
    _check_hits(a, b)
    if resamples < 1:
        raise UsageError(f"{resamples} resamples were asked for; at least one is needed, for example 2000.")
    if not 0 < level < 1:
        raise UsageError(f"The level of an interval lies between 0 and 1; {level} was given. Give 0.95, for example.")
    gain = a - b
    # Rows in an order of their own, or the same seed would give a shuffled table another interval.
    gain = gain[:, np.lexsort(gain)]
    drawn = np.concatenate(list(_resampled(gain, np.random.default_rng(seed), resamples)))
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    rarer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(2 * (1 + rarer) / (1 + resamples), 1.0)
    return Comparison(float(gain.mean()), float(low), float(high), p, level)


def _resampled(gain: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Means of gain [r, n] over drawn repetitions and drawn rows, block by block."""
    repetitions, rows = gain.shape
    block = max(_BLOCK // rows, 1)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        weights = rng.multinomial(repetitions, np.full(repetitions, 1 / repetitions), size=count) / repetitions
        drawn = rng.integers(rows, size=(count, rows))
        yield np.take_along_axis(weights @ gain, drawn, axis=1).mean(axis=1)


def _check_hits(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    if a.shape != b.shape:
        raise MismatchError(
            f"Hits of shape {list(a.shape)} were given with hits of shape {list(b.shape)}. A paired comparison needs "
            "the same repetitions and rows on both sides."
        )
    if a.ndim != 2 or a.size == 0:
        raise UsageError(
            f"Hits of shape {list(a.shape)} were given; expected a table of repetitions × rows with one or more "
            "of each."
        )
    for hits in (a, b):
        if not ((hits >= 0) & (hits <= 1)).all():
            raise UsageError(
                f"{int((~((hits >= 0) & (hits <= 1))).sum())} of {hits.size} hits are not in 0 … 1. A hit is true or "
                "false, or a share of hits."
            )
