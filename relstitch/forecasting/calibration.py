"""From evidence to a figure with an interval, by weights that were learned where the true figure was known."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEVEL = 0.9
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
GAIN = 0.4
"""Errors that fall with the root of the anchors still fall by 0.4 of what they fell by from half to four fifths."""


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
    """Evidence as numbers, those of shares as log odds.

    Attributes:
        held_out: What held-out anchors say, with four fifths of the anchors fitted on.
        noise: The variance it has because the anchors are so few and no more.
        step: By how much it rose from half of the anchors to four fifths.
        anchors: How many anchors these are of.
        rows: How many rows the figure that is forecast will be of.
        free: What needs no held-out anchors says, with all anchors fitted on; None where nothing does.
        shift: How far the rows that will be asked lie from those that anchors are drawn among.
    """

    held_out: float
    noise: float
    step: float
    anchors: int
    rows: int
    free: float | None = None
    shift: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """What makes a figure of evidence, all on the scale of log odds.

    Two estimates are joined by their precisions: what held-out anchors say, and what needs none. Neither is moved by
    what other data taught: that one data set was easier than thought says nothing of the next. What is learned is how
    far they are off.

    Attributes:
        gain: How much of the step is still to come with all anchors.
        spread: Standard deviation of what the anchors' estimate misses beside its noise.
        free_spread: Standard deviation of what the other evidence misses beside the sampling of the rows; None where
            there is none.
        shift: What it misses more for every standard deviation that the asked rows lie away.
        width: What the interval is multiplied by, at least 1.
    """

    gain: float
    spread: float
    free_spread: float | None
    shift: float
    width: float

    def by_anchors(self, signals: Signals, *, anchors: int | None = None) -> tuple[float, float]:
        """The anchors' estimate and its variance; as if there were so many, if that is said."""
        noise = signals.noise * signals.anchors / (anchors or signals.anchors)
        moved = self.shift * signals.shift
        return signals.held_out + self.gain * max(signals.step, 0.0), self.spread**2 + moved**2 + noise

    def by_rows(self, signals: Signals) -> tuple[float, float] | None:
        """The other evidence's estimate and its variance, or None."""
        if self.free_spread is None or signals.free is None:
            return None
        return signals.free, self.free_spread**2 + sampling(signals.free, signals.rows)

    def estimate(self, signals: Signals, *, anchors: int | None = None) -> tuple[float, float, float]:
        """The expected share and the ends of its interval.

        Args:
            signals: The evidence.
            anchors: As if there were so many anchors: the interval narrows, the evidence stays.

        Returns:
            Value, low, high, all in (0, 1).
        """
        middle, variance = self.by_anchors(signals, anchors=anchors)
        if (rows := self.by_rows(signals)) is not None:
            value, other = rows
            middle = (middle * other + value * variance) / (variance + other)
            variance = variance * other / (variance + other)
        half = self.width * _Z * float(np.sqrt(variance + sampling(middle, signals.rows)))
        return share_of(middle), share_of(middle - half), share_of(middle + half)
