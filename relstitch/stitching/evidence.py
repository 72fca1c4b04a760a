"""What repetitions and test rows say about the figures: spread by source, one form against another."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import FormComparison, Score
from relstitch.scoring import Scored
from relstitch.statistics import paired_bootstrap, spread_by_source
from relstitch.stitching.matrix import Key, Results

Pair = tuple[str, str]
"""Decoder, encoder."""


def score_of(values: Sequence[float], seeds: int) -> Score:
    """A figure with its spread told apart by source.

    Args:
        values: Draw by draw, within a draw seed by seed; none where the figure does not exist.
        seeds: How many seeds each draw was repeated with.

    Returns:
        The figure. Where it is missing for some repetition, draws and seeds cannot be told apart.

    Example:
        >>> score_of([0.5, 0.5, 0.75, 0.75], seeds=2).between_seeds
        0.0
    """
    if not len(values) or len(values) % seeds:
        return Score(tuple(values))
    return Score(tuple(values), *spread_by_source(np.reshape(values, (-1, seeds))))


def stitched_scores(results: Results, forms: Sequence[str], metric: str, seeds: int) -> dict[str, Score]:
    """The mean over all pairs of different encoders, by form and repetition; without forms that have none.

    Example:
        >>> stitched_scores(Results({}, {}), ["relative"], "accuracy", 1)
        {}
    """
    found = {}
    for form in forms:
        rows = [[one.metrics.get(metric) for one in scored] for scored in _stitched(results.scored, form).values()]
        if rows and all(None not in row and len(row) == len(rows[0]) for row in rows):
            found[form] = score_of(np.mean(np.array(rows, dtype=np.float64), axis=0).tolist(), seeds)
    return found


def compare_forms(results: Results, forms: Sequence[str], seeds: int) -> Iterator[FormComparison]:
    """Every pair of forms, the later one first, on the stitched pairs that both have.

    A row's gain is averaged over the pairs, which stay as they are; rows are drawn anew, and with them the anchor
    draws (the seeds, where there is one draw only).

    Args:
        results: With hits; numbers have none and give no comparison.
        forms: By name, in the order shown.
        seeds: How many decoder seeds each draw was repeated with.

    Yields:
        Comparisons; none for two forms without a pair in common.

    Example:
        >>> list(compare_forms(Results({}, {}), ["absolute", "relative"], 1))
        []
    """
    by_form = {form: _hits(_stitched(results.scored, form)) for form in forms}
    for other, form in combinations(forms, 2):
        one, two = by_form[form], by_form[other]
        shared = [pair for pair in one if pair in two and one[pair].shape == two[pair].shape]
        # The same rows must be meant by the same column in all pairs; files that label other rows cannot be averaged.
        shared = [pair for pair in shared if one[pair].shape == one[shared[0]].shape]
        if not shared:
            continue
        repetitions, rows = one[shared[0]].shape
        used = seeds if repetitions % seeds == 0 else 1
        means = (_by_draw(np.mean([hits[pair] for pair in shared], axis=0), used) for hits in (one, two))
        result = paired_bootstrap(*means)
        yield FormComparison(form, other, len(shared), rows, repetitions // used, used, result)


def _by_draw(hits: NDArray[np.float64], seeds: int) -> NDArray[np.float64]:
    """Shares of hits by draw, averaged over its seeds, or by seed where there is only one draw."""
    draws = len(hits) // seeds
    return hits if draws == 1 else hits.reshape(draws, seeds, -1).mean(axis=1)


def _stitched(scored: Mapping[Key, Sequence[Scored]], form: str) -> dict[Pair, Sequence[Scored]]:
    return {
        (decoder, encoder): found
        for (name, decoder, encoder), found in scored.items()
        if name == form and decoder != encoder and found
    }


def _hits(scored: Mapping[Pair, Sequence[Scored]]) -> dict[Pair, NDArray[np.bool_]]:
    hits = {}
    for pair, found in scored.items():
        tables = [one.hits for one in found if one.hits is not None]
        if len(tables) == len(found):
            hits[pair] = np.stack(tables)
    return hits
