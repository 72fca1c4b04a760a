"""The registry of measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.comparison import linear, neighbourhoods
from relstitch.comparison.pairing import Pairing, Shuffled
from relstitch.comparison.pairs import Pair
from relstitch.errors import MismatchError, UsageError, counted

MIN_ROWS = 4
"""The unbiased HSIC needs that many."""


@dataclass(frozen=True)
class Measure:
    """A measure of how alike two spaces are: 1 for equal ones, whatever their rotation and scale.

    Attributes:
        name: One of `relstitch.names.MEASURES`.
        title: What it is called in a table.
        source: Where it is from.
        pairing: From a pair of spaces to the measure of chosen rows.
        value: From a pair to the value over any number of rows; None where that takes an n × n matrix.
        shuffled: The same with the rows of Y in another order: chance depends on how many rows there are.
        relative: Whether both spaces must have the same columns, as relative representations have.
        neighbours: Whether it looks at nearest neighbours.
        interval_rows: From a pair to how many rows an interval takes; None where that does not depend on the spaces.
    """

    name: str
    title: str
    source: str
    pairing: Callable[[Pair], Pairing]
    value: Callable[[Pair], float] | None = None
    shuffled: Callable[[Pair], Shuffled] | None = None
    relative: bool = False
    neighbours: bool = False
    interval_rows: Callable[[Pair], int] | None = None


_PAPER = "Moschella et al. 2023, section 4.1"

MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "cka",
            "linear CKA",
            "Kornblith et al. 2019; Song et al. 2012",
            linear.cka_pairing,
            linear.cka,
            linear.cka_shuffled,
        ),
        Measure(
            "svcca",
            "SVCCA",
            "Raghu et al. 2017",
            linear.svcca_pairing,
            linear.svcca,
            linear.svcca_shuffled,
            interval_rows=linear.svcca_rows,
        ),
        Measure("rsa", "RSA", "Kriegeskorte et al. 2008", neighbourhoods.rsa_pairing),
        Measure(
            "procrustes",
            "Procrustes",
            "Ding et al. 2021",
            linear.procrustes_pairing,
            linear.procrustes,
            linear.procrustes_shuffled,
        ),
        Measure("mutual-knn", "mutual k-NN", "Huh et al. 2024", neighbourhoods.mutual_knn_pairing, neighbours=True),
        Measure("jaccard", "Jaccard@K", _PAPER, neighbourhoods.jaccard_pairing, relative=True, neighbours=True),
        Measure("mrr", "MRR", _PAPER, neighbourhoods.mrr_pairing, relative=True),
        Measure(
            "cosine",
            "cosine",
            _PAPER,
            neighbourhoods.cosine_pairing,
            neighbourhoods.cosine,
            neighbourhoods.cosine_shuffled,
            relative=True,
        ),
    )
}
"""One line per measure."""


def measure_of(name: str) -> Measure:
    """A measure by name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in MEASURES:
        raise UsageError(f"There is no measure {name!r}. Choose among: {', '.join(MEASURES)}.")
    return MEASURES[name]


def check_pair(measure: Measure, pair: Pair, names: tuple[str, str] = ("X", "Y")) -> None:
    """Refuse what a measure has no answer for.

    Raises:
        MismatchError: Different numbers of rows, different widths where they must be equal, too few rows, or a space
            whose rows are all the same vector.
    """
    n, width = pair.X.shape
    if len(pair.Y) != n:
        raise MismatchError(
            f"{names[0]} has {counted(n, 'row')} and {names[1]} has {len(pair.Y)}; row i of both must be the same "
            "sample."
        )
    if measure.relative and pair.Y.shape[1] != width:
        raise MismatchError(
            f"{measure.name} compares column by column, but {names[0]} is {width} wide and {names[1]} "
            f"{pair.Y.shape[1]}. Compare relative representations with the same anchors."
        )
    needed = max(MIN_ROWS, pair.neighbours + 1 if measure.neighbours else 0)
    if n < needed:
        raise MismatchError(
            f"{counted(n, 'row is', 'rows are')} too few for {measure.name}, which needs {needed} here. Compare "
            f"files that share more rows{', or look at fewer neighbours' if measure.neighbours else ''}."
        )
    for name, space in zip(names, (pair.X, pair.Y), strict=True):
        if not np.ptp(space, axis=0).any():
            raise MismatchError(
                f"All {n} rows of {name} are the same vector: there is nothing to compare. Look at how it was made."
            )


def similarity(X: NDArray[Any], Y: NDArray[Any], measure: str = "cka", *, neighbours: int = 10) -> float:
    """How alike two spaces are, by one measure, over all rows.

    Args:
        X: [n, d], finite.
        Y: [n, d'], finite; row i is the same sample as row i of X.
        measure: One of `relstitch.names.MEASURES`. All but ``jaccard``, ``mrr`` and ``cosine``, which need the same
            columns on both sides, do not change when a space is rotated, reflected or rescaled.
        neighbours: How many neighbours ``mutual-knn`` and ``jaccard`` look at.

    Returns:
        The value, at most 1. ``rsa``, ``mutual-knn``, ``jaccard`` and ``mrr`` take memory for an n × n matrix.

    Raises:
        UsageError: No such measure.
        MismatchError: Rows or widths that do not fit, too few rows, a constant space.

    Source: See each measure in `relstitch.comparison.measures`.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> round(similarity(X, 3 * X[:, ::-1], "mutual-knn"), 6)
        1.0
    """
    chosen, pair = measure_of(measure), Pair(X, Y, neighbours)
    check_pair(chosen, pair)
    if chosen.value is not None:
        return chosen.value(pair)
    rows = np.arange(len(X))
    return float(chosen.pairing(pair)(rows, rows).mean())
