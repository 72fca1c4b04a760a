"""From evidence to a figure with an interval, by weights that were learned where the true figure was known."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEVEL = 0.9
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def logit(share: float, n: int) -> float:
    """The log odds of a share of n rows, finite also where none or all of them are right.

    Args:
        share: In [0, 1].
        n: Of how many rows, at least 1.

    Source: Haldane 1956: half a row is added to each side.

    Example:
        >>> logit(0.5, 10), round(logit(1.0, 10), 3)
        (0.0, 3.045)
    """
    right = share * n
    return float(np.log((right + 0.5) / (n - right + 0.5)))


def share_of(value: float) -> float:
    """The share that has these log odds.

    Example:
        >>> share_of(0.0)
        0.5
    """
    return float(1 / (1 + np.exp(-value)))


def sampling(value: float, n: int) -> float:
    """The variance that log odds have because their share is of n rows only.

    Example:
        >>> sampling(0.0, 100)
        0.04
    """
    share = share_of(value)
    return 1 / (n * share * (1 - share))


@dataclass(frozen=True)
class Signals:
    """Evidence as numbers.

    Attributes:
        held_out: What held-out anchors say of the share, with four fifths of the anchors fitted on.
        step: By how much the log odds of held-out anchors rose from half of the anchors to four fifths.
        anchors: How many anchors these two are of.
        free: Log odds that need no held-out anchors, by name.
        rows: How many rows the figure that is forecast will be of.
    """

    held_out: float
    step: float
    anchors: int
    free: Mapping[str, float]
    rows: int


@dataclass(frozen=True)
class Calibration:
    """What makes a figure of evidence, all on the scale of log odds.

    Two estimates are joined by their precisions. One is what held-out anchors say, and a part of the step from half
    of the anchors to four fifths, since more of them will be fitted on. The other is a weighted mean of the evidence
    that needs no held-out anchors. Neither is shifted by what other data taught: a shift of one data set is not that
    of the next. What is learned is how far they are off.

    Attributes:
        gain: How much of the step is still to come with all anchors.
        spread: Standard deviation of what the anchors' estimate misses beside their sampling.
        weights: Of the other evidence, by name; empty where there is none.
        free_spread: Standard deviation of what it misses beside the sampling of the rows.
        width: What the interval is multiplied by, at least 1.
    """

    gain: float
    spread: float
    weights: Mapping[str, float]
    free_spread: float
    width: float

    def by_anchors(self, signals: Signals, *, anchors: int | None = None) -> tuple[float, float]:
        """The anchors' estimate and its variance; as if there were so many, if that is said."""
        at = logit(signals.held_out, signals.anchors)
        return at + self.gain * max(signals.step, 0.0), self.spread**2 + sampling(at, anchors or signals.anchors)

    def by_rows(self, signals: Signals) -> tuple[float, float]:
        """The other evidence's estimate and its variance."""
        value = sum(weight * signals.free[name] for name, weight in self.weights.items())
        return value, self.free_spread**2 + sampling(value, signals.rows)

    def estimate(self, signals: Signals, *, anchors: int | None = None) -> tuple[float, float, float]:
        """The expected share and the ends of its interval.

        Args:
            signals: The evidence.
            anchors: As if there were so many anchors: the interval narrows, the evidence stays.

        Returns:
            Value, low, high, all in (0, 1).
        """
        middle, variance = self.by_anchors(signals, anchors=anchors)
        if self.weights:
            value, other = self.by_rows(signals)
            middle = (middle * other + value * variance) / (variance + other)
            variance = variance * other / (variance + other)
        half = self.width * _Z * float(np.sqrt(variance + sampling(middle, signals.rows)))
        return share_of(middle), share_of(middle - half), share_of(middle + half)
