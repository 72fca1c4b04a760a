"""What every choice on held-out anchors shares: how they are dealt, when they cannot be asked, who wins."""

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Targets

Candidate = TypeVar("Candidate", bound=Hashable)

MIN_ANCHORS = 30
"""With fewer labelled anchors than this, the figures are too coarse to choose by."""

FEW_ANCHORS = 100
"""Up to so many anchors, five folds instead of three: every anchor that is left to fit on counts."""


def folds_for(k: int) -> int:
    """Into how many folds k anchors are dealt where something is fitted on the others.

    Example:
        >>> folds_for(100), folds_for(101)
        (5, 3)
    """
    return 5 if k <= FEW_ANCHORS else 3


def folds_of(targets: Targets, folds: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Deal the labelled anchors into folds: class by class, so that each fold gets its share of every class."""
    generator = np.random.default_rng(seed)
    known = generator.permutation(np.flatnonzero(targets.present))
    if targets.kind == "class":
        known = known[np.argsort(targets.values[known], kind="stable")]
    return (np.sort(known[fold::folds]) for fold in range(folds))


def obstacle_among(known: Targets) -> str | None:
    """Why these anchors' labels cannot be asked, or None.

    Args:
        known: Of the k anchors.
    """
    labelled = known.take(known.present)
    if len(labelled) < MIN_ANCHORS:
        return f"default: {len(labelled)} labelled anchor{'s' * (len(labelled) != 1)}, fewer than {MIN_ANCHORS}"
    if kinds_of(labelled) < 2:
        return "default: the anchors are all of one class"
    return None


def kinds_of(targets: Targets) -> int:
    """How many different targets there are."""
    return len(np.unique(targets.values, axis=0))


def mean_scores(found: Mapping[Candidate, NDArray[np.float64]]) -> dict[Candidate, float]:
    """The mean over the anchors, by candidate.

    Rounded: equal scores summed in another order may differ in the last digit, and ties have a winner.
    """
    return {name: round(float(one.mean()), 9) for name, one in found.items()}


def preferred(found: Mapping[Candidate, NDArray[np.float64]], *, errors: float) -> Candidate:
    """The first candidate that is at most so many standard errors of the paired difference behind the best.

    Args:
        found: float64 [k], how each anchor was answered, by candidate; the preferred candidates first.
        errors: How many. The best of many figures is partly luck, the more so the coarser they are.

    Source: the one-standard-error rule of Breiman et al. 1984, section 3.4, on paired differences.

    Example:
        >>> coarse = {"first": np.array([1.0, 0.0, 1.0, 1.0]), "best": np.ones(4), "worst": np.zeros(4)}
        >>> preferred(coarse, errors=1.0), preferred(coarse, errors=0.5)
        ('first', 'best')
    """
    return near_best(found, errors=errors)[0]


def near_best(found: Mapping[Candidate, NDArray[np.float64]], *, errors: float) -> list[Candidate]:
    """The candidates that are at most so many standard errors of the paired difference behind the best, in order.

    Args:
        found: float64 [k], how each anchor was answered, by candidate.
        errors: How many.

    Example:
        >>> near_best({3.0: np.array([1.0, 0.0, 1.0, 1.0]), 1.0: np.ones(4), 0.3: np.zeros(4)}, errors=1.0)
        [3.0, 1.0]
    """
    means = mean_scores(found)
    best = found[max(means, key=lambda name: means[name])]
    leads = ((name, best - one) for name, one in found.items())
    # The hair more: one that is exactly so far behind counts, whatever the last digit says.
    return [name for name, lead in leads if lead.mean() <= errors * lead.std(ddof=1) / np.sqrt(len(lead)) + 1e-12]
