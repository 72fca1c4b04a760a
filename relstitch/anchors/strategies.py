"""Ways to choose anchors: from the candidates, an order whose beginning is taken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from relstitch.anchors.candidates import Candidates, Index
from relstitch.anchors.clusters import clustered, nearest_distinct
from relstitch.anchors.farthest import farthest_order
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import UsageError

_RIDGE = 1e-3
_TIE = 1e-5

Choose = Callable[[Candidates, int, int], Index]


@dataclass(frozen=True)
class Strategy:
    """A way to choose anchors.

    Attributes:
        name: One of `relstitch.names.STRATEGIES`.
        choose: From the candidates, k and a seed to intp [k], positions among the candidates, in order.
        random: Whether another seed gives another choice.
        by_class: Whether candidates need a class label.
        by_vector: Whether the choice depends on an encoder's vectors.
        nested: Whether the choice of a smaller k is the beginning of a larger.
    """

    name: str
    choose: Choose
    random: bool = True
    by_class: bool = False
    by_vector: bool = False
    nested: bool = True


def uniform(candidates: Candidates, k: int, seed: int) -> Index:
    """The beginning of one random order of all candidates."""
    return np.random.default_rng(seed).permutation(len(candidates.at))[:k]


def stratified(candidates: Candidates, k: int, seed: int) -> Index:
    """Seats for classes in Sainte-Laguë order, so every beginning is near-proportional; random within a class.

    Each class's first seat comes before every second one (largest class first), so k ≥ classes hits them all. The
    j-th further seat of a class of m rows has priority m / (2j + 1).
    """
    targets = candidates.rows.targets
    if targets is None or targets.kind != "class":
        found = "no labels" if targets is None else f"targets of kind {targets.kind!r}"
        raise UsageError(
            f"Stratified anchors need one class label per row; found: {found}. "
            "Name the label column with --label, or choose another strategy."
        )
    order = np.random.default_rng(seed).permutation(len(candidates.at))
    codes = targets.values[order].astype(np.intp)
    sizes = np.bincount(codes, minlength=len(targets.names))
    seat = np.empty(len(order), dtype=np.intp)
    for code in np.flatnonzero(sizes):
        seat[codes == code] = np.arange(sizes[code])
    priority = np.where(seat == 0, np.inf, sizes[codes] / (2.0 * seat + 1.0))
    return order[np.lexsort((codes, -sizes[codes], -priority))][:k]


def directions(candidates: Candidates) -> Matrix:
    """The candidates' vectors, centred on their own mean and scaled to length 1: float32 [c, d].

    Of several encoders, the spaces so made stand side by side, each with the same share of the length: the inner
    product of two rows is the mean of their centred cosines.

    Raises:
        UsageError: The source has no vectors.
    """
    vectors = candidates.vectors
    if vectors is None:
        raise UsageError(
            "This strategy chooses anchors by their vectors; a dataset has none. Give an embeddings file (made with "
            "relstitch encode), or choose another strategy."
        )
    spaces = [_unit(space) for space in (vectors, *candidates.further)]
    return spaces[0] if len(spaces) == 1 else np.hstack(spaces) / np.float32(np.sqrt(len(spaces)))


def _unit(vectors: Matrix) -> Matrix:
    vectors = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    vectors /= np.where(lengths > 0, lengths, 1.0).astype(np.float32)[:, None]
    return vectors


def farthest(candidates: Candidates, k: int, seed: int) -> Index:
    """Exact farthest-point order: next is always the row whose nearest chosen one is farthest (Gonzalez 1985).

    Euclidean distance between centred unit vectors, so the same order as by centred cosine. The start is drawn by
    the seed; ties go to the lowest row.
    """
    unit = directions(candidates)
    return farthest_order(unit, k, int(np.random.default_rng(seed).integers(len(unit))))


def kmeans(candidates: Candidates, k: int, seed: int) -> Index:
    """The nearest distinct candidates to k centroids of the centred unit vectors, largest cluster first.

    Each centroid takes the nearest candidate that no other has taken, so there are always k of them, also where
    clusters come out empty. A smaller k uses the beginning: the samples of the largest clusters. Of more than 50 000
    candidates a sample is clustered (`relstitch.anchors.clusters`); the nearest is looked for among all.
    """
    unit = directions(candidates)
    centroids, sizes = clustered(unit, k, seed)
    return nearest_distinct(unit, centroids[np.argsort(-sizes, kind="stable")])


def d_optimal(candidates: Candidates, k: int, seed: int) -> Index:  # noqa: ARG001 - nothing is drawn
    """Greedy D-optimal design: each pick raises det(A'A + λI) the most, λ = 10⁻³; A are the centred unit vectors.

    Up to the rank it follows the residual lengths, as a pivoted QR decomposition does (maximal volume); past it, the
    leverages. Determinants are not computed: the gain of a row is 1 + x'(A'A + λI)⁻¹x, kept up to date by the
    formula of Sherman and Morrison. Gains that are equal but for rounding are ties and go to the first id.

    Source: Fedorov 1972, Theory of Optimal Experiments (exchange without removal).
    """
    order = np.argsort(candidates.rows.ids, kind="stable")
    unit = directions(candidates).astype(np.float64)[order]
    gains = np.einsum("ij,ij->i", unit, unit) / _RIDGE
    steps = np.empty((k, unit.shape[1]))
    picks = np.empty(k, dtype=np.intp)
    for step in range(k):
        pick = int(np.argmax(gains >= gains.max() * (1.0 - _TIE)))
        picks[step] = order[pick]
        row = unit[pick]
        solved = row / _RIDGE - (steps[:step] @ row) @ steps[:step]
        steps[step] = solved / np.sqrt(1.0 + row @ solved)
        gains -= (unit @ steps[step]) ** 2
        np.maximum(gains, 0.0, out=gains, where=np.isfinite(gains))
        gains[pick] = -np.inf
    return picks


def frequent(candidates: Candidates, k: int, seed: int) -> Index:  # noqa: ARG001 - nothing is drawn
    """The rows with the highest counts; ties in the order of ids. Rows without a count come last."""
    counts = candidates.rows.counts
    if counts is None:
        raise UsageError(
            "The most frequent rows were asked for, and this source has no counts. "
            "Name the column that holds them with --count, or choose another strategy."
        )
    values, names = np.nan_to_num(counts, nan=-np.inf), candidates.rows.ids
    order = sorted(range(len(names)), key=lambda row: (-values[row], names[row]))
    return np.array(order[:k], dtype=np.intp)


STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy("uniform", uniform),
        Strategy("stratified", stratified, by_class=True),
        Strategy("farthest", farthest, by_vector=True),
        Strategy("kmeans", kmeans, by_vector=True, nested=False),
        Strategy("d-optimal", d_optimal, random=False, by_vector=True),
        Strategy("frequent", frequent, random=False),
    )
}
"""The strategies that choose by themselves. `explicit` and `parallel` are given what they use; `bootstrap` and
`unsupervised` match the rows of two spaces."""
