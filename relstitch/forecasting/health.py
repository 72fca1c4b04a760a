"""What is bad about the anchors, for whoever reads a forecast."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors.health import NARROW_CONE, WORST_CONDITION, rank_and_condition
from relstitch.artifacts import Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import some
from relstitch.relative import mean_cosine

SHIFTED = 0.15
AWAY = 0.4


def anchor_notes(anchors: Matrix, name: str) -> Iterator[str]:
    """What a reader should know of the anchors in one space.

    Args:
        anchors: float32 [k, d].
        name: What to call the encoder.

    Example:
        >>> [note[:21] for note in anchor_notes(np.eye(3, dtype=np.float32) + 9, "one")]
        ['one is a narrow cone:']
    """
    rank, condition = rank_and_condition(anchors)
    most = min(len(anchors) - 1, anchors.shape[1])
    if rank < most:
        yield (
            f"The anchors span only {rank} of {most} dimensions in {name}: some repeat others. Pick anchors that "
            "differ."
        )
    if condition is not None and condition > WORST_CONDITION:
        yield (
            f"The anchors are badly conditioned in {name} ({condition:.1e}): maps fitted on them amplify noise. Take "
            "more anchors."
        )
    if (cosine := mean_cosine(anchors)) > NARROW_CONE:
        yield (
            f"{name} is a narrow cone: the mean cosine between its anchors is {cosine:.2f}, so that ways without "
            "centring fail here."
        )


def class_notes(known: Targets, shares: NDArray[np.float64]) -> Iterator[str]:
    """What a reader should know of the classes.

    Args:
        known: Of the anchors.
        shares: float64 [2, c], of the classes among the answers, and in the target's training rows.

    Example:
        >>> next(class_notes(Targets.from_labels(["a", "b", "a"]), np.array([[0.9, 0.1], [0.5, 0.5]])))[:65]
        'The answers are spread over the classes otherwise than the traini'
    """
    taught = np.flatnonzero(shares[1] > 0)
    missed = [known.names[code] for code in taught.tolist() if not (known.values[known.present] == code).any()]
    if missed:
        have, them = ("has", "it") if len(missed) == 1 else ("have", "them")
        yield (
            f"{len(missed)} of {len(taught)} classes {have} no anchor, so nothing is known of {them}: {some(missed)}."
        )
    moved = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if moved > SHIFTED:
        yield (
            f"The answers are spread over the classes otherwise than the training rows ({100 * moved:.0f} % would "
            "have to move): other data, or a map that fails."
        )


def shift_notes(shift: float, name: str) -> Iterator[str]:
    """What a reader should know of the rows that will be answered.

    Args:
        shift: From `relstitch.forecasting.shift_of`.
        name: What to call the encoder.

    Example:
        >>> list(shift_notes(0.1, "one"))
        []
    """
    if shift > AWAY:
        yield (
            f"The rows of {name} that will be answered are not like its others (their mean lies {shift:.1f} standard "
            "deviations away): they may be easier or harder, so the interval is wider."
        )
