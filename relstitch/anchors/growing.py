"""Many pairs from few: what is known so far brings two spaces together, and who then meets is known next."""

import numpy as np

from relstitch.anchors.candidates import Index
from relstitch.anchors.neighbours import Mutual, mutual_neighbours
from relstitch.artifacts.spaces import Matrix
from relstitch.relative import unit_rows
from relstitch.translation.vectors import directions, kernel

MOST_PAIRS = 300
_PENALTY = 0.1


def meet_through(A: Matrix, B: Matrix, left: Index, right: Index) -> tuple[Matrix, Matrix]:
    """Carry two spaces to one place by anchored smoothing through some pairs, with γ = 1 and λ = 0.1.

    Args:
        A: float32 [n, d_A].
        B: float32 [m, d_B].
        left: intp [p], rows of A.
        right: intp [p], the rows of B that they pair with.

    Returns:
        float32 [n, d_B] and [m, d_B], rows of length 1; a row that meets nothing is 0.

    Source: ours; see `relstitch.translation.smoothing`.

    Example:
        >>> X = np.array([[1, 0], [0, 1], [-1, -1], [1, 1]], dtype=np.float32)
        >>> at = np.arange(3)
        >>> A, B = meet_through(X, -X, at, at)
        >>> bool(np.allclose(A, B))
        True
    """
    targets = directions(B[right], B[right].mean(axis=0))
    carried = []
    for X, at in ((A, left), (B, right)):
        unit = directions(X, X[at].mean(axis=0))
        K = kernel(unit, unit[at], 1.0)
        carried.append(unit_rows(K @ np.linalg.solve(K[at] + _PENALTY * np.eye(len(at)), targets)).astype(np.float32))
    return carried[0], carried[1]


def growth(known: int) -> tuple[int, ...]:
    """How many pairs each round goes on with: twice as many each time, up to 300, and those two rounds more.

    Example:
        >>> growth(50)
        (100, 200, 300, 300, 300)
    """
    sizes = []
    while known < MOST_PAIRS:
        known = min(2 * known, MOST_PAIRS)
        sizes.append(known)
    return (*sizes, MOST_PAIRS, MOST_PAIRS)


def grow_pairs(A: Matrix, B: Matrix, left: Index, right: Index, *, sure: int, sizes: tuple[int, ...]) -> Mutual:
    """Go from some pairs to all rows that are each other's nearest.

    Each round carries both spaces through the pairs so far, and goes on with those that are sure and the mutual
    nearest rows of largest margin.

    Args:
        A: float32 [n, d_A].
        B: float32 [m, d_B].
        left: intp [p], rows of A.
        right: intp [p], the rows of B that they pair with.
        sure: The first so many of these pairs are kept in every round; the others are only a beginning.
        sizes: How many pairs each round ends with.

    Returns:
        The mutual nearest rows after the last round.

    Source: ours; growth from seed pairs by turns of mapping and mutual neighbours as Artetxe et al. 2017 (ACL,
        "Learning bilingual word embeddings with (almost) no bilingual data"), with anchored smoothing as the map.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
        >>> found = grow_pairs(X, -X, np.arange(8), np.arange(8), sure=8, sizes=(16, 32))
        >>> bool(np.mean(found.nearest == np.arange(40)) > 0.9)
        True
    """
    fixed = left[:sure], right[:sure]
    for size in sizes:
        more = mutual_neighbours(*meet_through(A, B, left, right)).best(size - sure, apart_from=fixed)
        if sure + len(more[0]) < 2:
            break
        left, right = np.r_[fixed[0], more[0]], np.r_[fixed[1], more[1]]
    return mutual_neighbours(*meet_through(A, B, left, right))
