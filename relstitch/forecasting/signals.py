"""Evidence, condensed to the few numbers that a forecast is made of."""

import numpy as np
from numpy.typing import NDArray

from relstitch.forecasting.calibration import GAIN, Signals, logit, sampling, share_of
from relstitch.forecasting.crossings import Answers
from relstitch.forecasting.evidence import Evidence
from relstitch.forecasting.search import SearchEvidence

Numbers = NDArray[np.float64]
_STEPS, _PENALTY = 25, 1e-3


def expected_share(known: Answers, margin: Numbers) -> float:
    """How many of some answers would be right, if a margin meant for them what it means for known ones.

    A logistic curve of the log margin is fitted on the known answers.

    Args:
        known: Answers that are known to be right or wrong, n ≥ 1.
        margin: float64 [m] ≥ 0, of the answers that are not, m ≥ 1.

    Returns:
        In (0, 1).

    Source: Platt 1999; as a label-free estimate of accuracy, Guillory et al. 2021 (arXiv 2107.03315).

    Example:
        >>> known = Answers(np.arange(100) >= 50, np.linspace(0.0, 2.0, 100))
        >>> expected_share(known, np.array([0.1])) < 0.1 < 0.9 < expected_share(known, np.array([1.9]))
        True
    """
    middle = float(np.median(known.margin)) or 1.0
    X, asked = (np.stack([np.ones(len(one)), np.log1p(one / middle)]) for one in (known.margin, margin))
    weights = np.zeros(2)
    for _ in range(_STEPS):
        share = 1 / (1 + np.exp(-weights @ X))
        slope = X @ (known.right - share) - _PENALTY * weights
        curve = (X * (share * (1 - share))) @ X.T + _PENALTY * np.eye(2)
        weights = weights + np.clip(np.linalg.solve(curve, slope), -1.0, 1.0)
    return float((1 / (1 + np.exp(-weights @ asked))).mean())


def signals_of(evidence: Evidence, ceiling: Answers) -> Signals:
    """The numbers behind a forecast of accuracy.

    What becomes of the target's rows by crossing is carried over to the source's rows by what their margins mean. How
    often two decoders agree that were each fitted through half of the anchors is the other estimate. It is raised by
    the step from halves to all anchors, and counts up to the ceiling only: two decoders that give the same wrong
    answers agree as well as two right ones, such as where both say one class for every row.

    Args:
        evidence: From `relstitch.forecasting.gather_evidence`.
        ceiling: From `relstitch.forecasting.ceiling_of`.
    """
    n, m = len(evidence.parts.right), len(evidence.margin)
    crossed, halves = evidence.crossed, evidence.crossed_halves
    step = logit(crossed.answers.share, m) - logit(halves.answers.share, m)
    share = share_of(logit(crossed.answers.share, n))
    noise = crossed.variance / (share * (1 - share)) ** 2
    agreed = logit(evidence.agreement, m) + (1 + GAIN) * max(step, 0.0)
    most = logit(ceiling.share, len(ceiling.right))
    expected = expected_share(crossed.answers, evidence.margin)
    return Signals(logit(expected, m), noise, step, n, m, free=min(agreed, most), shift=evidence.shift)


def search_signals(evidence: SearchEvidence) -> Signals:
    """The numbers behind a forecast of recall@1."""
    n = len(evidence.parts)
    at = logit(float(evidence.parts.mean()), n)
    return Signals(at, sampling(at, n), at - logit(float(evidence.halves.mean()), n), n, evidence.asked)
