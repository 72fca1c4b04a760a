"""What can be known of a search before it is made: held-out anchors that look for themselves."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts.spaces import Matrix
from relstitch.choosing.strength import evenly
from relstitch.errors import MismatchError
from relstitch.translation import TranslatorSettings, apply_arrays, fit_arrays
from relstitch.translation.vectors import directions, search_ranks, unlike

Hits = NDArray[np.bool_]
_PARTS, _ASKED, _CANDIDATES, _AT_ONCE = 5, 1000, 20_000, 1024


@dataclass(frozen=True, eq=False)
class SearchEvidence:
    """What a forecast of recall@1 rests on. No label is looked at.

    Attributes:
        parts: bool [k], which held-out anchors find themselves, where four fifths of the anchors were fitted on.
        halves: bool [k], the same where half of the anchors were fitted on.
        agreement: How often maps that were fitted on either half of the anchors find the same row of the target for
            a row of the source.
        asked: How many rows of the source that share is of.
        candidates: Among how many rows of the target the search goes.
    """

    parts: Hits
    halves: Hits
    agreement: float
    asked: int
    candidates: int


@dataclass(frozen=True, eq=False)
class Places:
    """Two spaces and the anchors in them.

    Attributes:
        source: float32 [k, d_A], the anchors in the source's space.
        target: float32 [k, d_B], the same anchors in the target's space.
        asked: float32 [m, d_A], rows of the source that are no anchors, m ≥ 1.
        rows: float32 [n, d_B], rows of the target that are no anchors, n ≥ 1: where the search goes.
    """

    source: Matrix
    target: Matrix
    asked: Matrix
    rows: Matrix


def search_evidence(places: Places, settings: TranslatorSettings, *, seed: int = 0) -> SearchEvidence:
    """Let held-out anchors look for themselves, and let two halves of the anchors find rows for unknown ones.

    Args:
        places: The two spaces. Of more than 20 000 rows of the target, that many are searched, evenly spread; of more
            than 1000 that are asked, as many.
        settings: The translator.
        seed: Deals the anchors.

    Returns:
        The evidence. Rows of the target with equal vectors count once, and not at all where they equal an anchor.

    Raises:
        UsageError: An unknown translator or parameter.
        MismatchError: Anchors that do not fit together, are too few, not finite, or all alike; no row to search.

    Source: ours; search as `relstitch.translation.evaluate_translator` has it.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
        >>> places = Places(X[:40], -X[:40], X[40:], -X[40:])
        >>> found = search_evidence(places, TranslatorSettings("procrustes"))
        >>> float(found.parts.mean()), found.agreement
        (1.0, 1.0)
    """
    rows = _different(places)
    asked = places.asked[evenly(len(places.asked), _ASKED)]
    order = np.random.default_rng(seed).permutation(len(places.source))
    with threadpool_limits(1):
        trials = [_Trial(places, settings, order[part::_PARTS], rows) for part in range(_PARTS)]
        halves = [_Trial(places, settings, order[part::2], rows) for part in range(2)]
        parts = np.concatenate([trial.hits() for trial in trials])
        half_hits = np.concatenate([trial.hits() for trial in halves])
        first, second = (trial.nearest(asked) for trial in halves)
    return SearchEvidence(parts, half_hits, float((first == second).mean()), len(asked), len(rows))


def _different(places: Places) -> Matrix:
    """The rows that are searched, each vector once, without copies of anchors: a copy would be as right an answer."""
    rows = np.unique(places.rows, axis=0)
    kept = unlike(rows, places.target)
    if not len(kept):
        raise MismatchError(
            "Every row of the target is an anchor or equals one: there is nothing to find "
            "among them. Encode the rows that will be searched."
        )
    return rows[kept[evenly(len(kept), _CANDIDATES)]]


@dataclass(frozen=True, eq=False)
class _Trial:
    """A translator that was fitted without some of the anchors."""

    places: Places
    settings: TranslatorSettings
    out: NDArray[np.intp]
    rows: Matrix

    @cached_property
    def kept(self) -> NDArray[np.intp]:
        """The anchors that are fitted on."""
        return np.setdiff1d(np.arange(len(self.places.source)), self.out)

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fitted map."""
        return fit_arrays(self.places.source[self.kept], self.places.target[self.kept], self.settings)

    @cached_property
    def center(self) -> Matrix:
        """The mean of the target's anchors where the spaces meet."""
        center: Matrix = self._there(self.places.target[self.kept]).mean(axis=0)
        return center

    @cached_property
    def searched(self) -> Matrix:
        """The target's rows where the spaces meet."""
        return self._there(self.rows)

    def hits(self) -> Hits:
        """Whether each anchor that is out is nearest to itself."""
        # Anchors of equal vectors are one answer.
        own, truth = np.unique(self.places.target[self.out], axis=0, return_inverse=True)
        found = np.concatenate([self._there(own), self.searched])
        hits: Hits = (
            search_ranks(self._carried(self.places.source[self.out]), found, truth.ravel(), center=self.center) == 1
        )
        return hits

    def nearest(self, asked: Matrix) -> NDArray[np.intp]:
        """The row of the target that each row of the source finds."""
        there = directions(self.searched, self.center).astype(np.float32)
        here = directions(self._carried(asked), self.center).astype(np.float32)
        return np.concatenate(
            [(here[at : at + _AT_ONCE] @ there.T).argmax(axis=1) for at in range(0, len(here), _AT_ONCE)]
        )

    def _carried(self, X: Matrix) -> Matrix:
        return apply_arrays(self.settings.method, self.arrays, X)

    def _there(self, X: Matrix) -> Matrix:
        return apply_arrays(self.settings.method, self.arrays, X, side="target")
