"""Farthest-point order out of stale bounds: the same picks as by looking at every row every time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.anchors import farthest
from relstitch.anchors.farthest import farthest_order

quick = settings(max_examples=60, deadline=None)


def by_looking_at_all(unit: NDArray[Any], k: int, start: int) -> list[int]:
    """Every cosine of every row with every pick, from the definition."""
    picks = [start]
    while len(picks) < k:
        closest = [max(float(row @ unit[pick]) for pick in picks) for row in unit]
        picks.append(min((row for row in range(len(unit)) if row not in picks), key=lambda row: closest[row]))
    return picks


def small_pools(patch: pytest.MonkeyPatch, *, least: int, share: int) -> None:
    patch.setattr(farthest, "_LEAST", least)
    patch.setattr(farthest, "_SHARE", share)
    patch.setattr(farthest, "_BLOCK", 3)


@quick
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60), least=st.integers(1, 8), share=st.integers(2, 30))
def test_the_same_picks_as_by_looking_at_every_row(seed: int, n: int, least: int, share: int) -> None:
    """Coordinates are eighths, so that products are exact and ties, of which there are many, are ties."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(-3, 4, (n, 3)).astype(np.float32) / np.float32(8)
    k, start = int(rng.integers(1, n + 1)), int(rng.integers(n))
    with pytest.MonkeyPatch.context() as patch:
        small_pools(patch, least=least, share=share)
        assert farthest_order(unit, k, start).tolist() == by_looking_at_all(unit, k, start)


def test_rows_that_are_all_alike_and_rows_without_direction() -> None:
    with pytest.MonkeyPatch.context() as patch:
        small_pools(patch, least=2, share=4)
        for unit in (np.ones((9, 1), np.float32), np.zeros((9, 2), np.float32)):
            assert farthest_order(unit, 9, 4).tolist() == [4, 0, 1, 2, 3, 5, 6, 7, 8]


def test_few_rows_are_looked_at_again() -> None:
    """The point of it: in clusters, most rows' bounds stay large, and are never brought up to date."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(50, 16))
    X = middles[rng.integers(50, size=20_000)] + 0.3 * rng.normal(size=(20_000, 16))
    unit = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    looked, refreshed = [], farthest._refreshed
    with pytest.MonkeyPatch.context() as patch:
        small_pools(patch, least=200, share=1000)

        def counted(vectors: Any, nearest: Any, picked: Any) -> Any:
            looked.append(len(vectors))
            return refreshed(vectors, nearest, picked)

        patch.setattr(farthest, "_refreshed", counted)
        picks = farthest_order(unit, 60, 0)
    assert len(set(picks.tolist())) == 60
    assert sum(looked) < 60 * len(unit) / 4
