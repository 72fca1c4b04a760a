"""Answers for the target's own rows, as they would be if the rows had crossed from the source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]
_TURNS = 20


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers for rows whose class is known.

    Attributes:
        right: bool [n], whether each is right.
        margin: float64 [n], how far the best class was ahead of the second.
    """

    right: NDArray[np.bool_]
    margin: Numbers

    @property
    def share(self) -> float:
        """The share of right answers."""
        return float(self.right.mean())


@dataclass(frozen=True, eq=False)
class Values:
    """Decision values for rows whose class is known, each from a decoder that had not seen the row.

    Attributes:
        source: float64 [n, c], of held-out anchors, asked as the source gives them.
        target: float64 [n, c], of the same anchors, as the target gives them.
        known: intp [n], the anchors' classes.
        rows: float64 [m, c], of further rows of the target; the source does not know them.
        classes: intp [m], their classes.
    """

    source: Numbers
    target: Numbers
    known: Codes
    rows: Numbers
    classes: Codes


@dataclass(frozen=True, eq=False)
class Crossed:
    """What became of the target's rows.

    Attributes:
        answers: Every row 20 times, each time with another anchor's crossing.
        variance: Of the share of right answers, because it rests on so many anchors and no more.
    """

    answers: Answers
    variance: float


def crossed(values: Values) -> Crossed:
    """Give the target's rows what anchors of their class gained and lost by crossing.

    Of an anchor, the decision values are known on both sides, b and a. A further row of the same class, r on the
    target's side, is taken to arrive at a + s · (r - b): where the anchor arrived, moved by as much as the row lies
    elsewhere. s is the slope of a on b within the classes, one for all. So the anchors say what a crossing does, and
    thousands of rows what it is done to; that few anchors happen to be easy or hard ones matters less.

    Args:
        values: With n ≥ 1 anchors and m ≥ 1 rows. A row whose class has no anchor is given those of all others, with
            the two classes' values exchanged.

    Returns:
        Answers for the rows, 20 each, and how sure their share is.

    Source: ours; a regression estimate of a mean from a small sample with known covariates (Cochran 1977,
        "Sampling techniques", chapter 7), stratified by class, of whole decision values instead of the mean.

    Example:
        >>> b = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])
        >>> known = np.array([0, 1, 0, 1])
        >>> crossed(Values(b / 2, b, known, b[:2], known[:2])).answers.share
        1.0
    """
    source, target, rows = (
        one - one.mean(axis=1, keepdims=True) for one in (values.source, values.target, values.rows)
    )
    slope = slope_within(source, target, values.known)
    offsets = source - slope * target
    answers, shares, spreads = [], [], []
    for code in np.unique(values.classes).tolist():
        mine = slope * rows[values.classes == code]
        own = offsets[values.known == code]
        theirs = own if len(own) else _exchanged(offsets, values.known, code)
        turns = (np.arange(len(mine))[:, None] + np.arange(_TURNS)) % len(theirs)
        arrived = (mine[:, None] + theirs[turns]).reshape(-1, rows.shape[1])
        right = arrived.argmax(axis=1) == code
        answers.append(Answers(right, margin_of(arrived)))
        turned = np.bincount(turns.ravel(), minlength=len(theirs))
        hits = np.bincount(turns.ravel(), right, minlength=len(theirs))[turned > 0] / turned[turned > 0]
        shares.append((len(mine) / len(rows)) ** 2 / len(hits))
        spreads.append((float(np.square(hits - hits.mean()).sum()), len(hits) - 1))
    together = gathered(answers)
    misses, freedom = (sum(part) for part in zip(*spreads, strict=True))
    n = len(values.known)
    likely = (together.share * n + 0.5) / (n + 1)
    # As if one anchor more had been right or wrong: a few that are all sure do not make the next one sure.
    between = (misses + likely * (1 - likely)) / (freedom + 1)
    return Crossed(together, between * sum(shares))


def slope_within(source: Numbers, target: Numbers, known: Codes) -> float:
    """The slope of the source's decision values on the target's, within the classes; one for all values.

    Args:
        source: float64 [n, c].
        target: float64 [n, c].
        known: intp [n], the classes.

    Returns:
        At least 0; 0 where no class has two rows that differ.

    Example:
        >>> b = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
        >>> slope_within(b / 2 + 7, b, np.array([0, 0, 1]))
        0.5
    """
    both = var = 0.0
    for code in np.unique(known).tolist():
        a, b = (one[known == code] for one in (source, target))
        b = b - b.mean(axis=0)
        both, var = both + float((a * b).sum()), var + float(np.square(b).sum())
    return max(both / var, 0.0) if var > 0 else 0.0


def gathered(answers: list[Answers]) -> Answers:
    """All answers, one after the other."""
    return Answers(np.concatenate([one.right for one in answers]), np.concatenate([one.margin for one in answers]))


def margin_of(values: NDArray[np.floating]) -> Numbers:
    """How far the best class is ahead of the second: float64 [n] from [n, c].

    Example:
        >>> margin_of(np.array([[1.0, 4.0, 2.0]])).tolist()
        [2.0]
    """
    ahead = np.partition(values, -2, axis=1)[:, -2:]
    margin: Numbers = (ahead[:, 1] - ahead[:, 0]).astype(np.float64)
    return margin


def _exchanged(offsets: Numbers, known: Codes, code: int) -> Numbers:
    """As if every anchor were of this class: the values of its own class and of this one change places."""
    at = np.arange(len(known))
    moved = offsets.copy()
    moved[at, known], moved[at, code] = offsets[at, code], offsets[at, known]
    return moved
