"""Clusters of more rows than are clustered at once: a checked sample, and the nearest of all rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from relstitch.anchors import clusters
from relstitch.anchors.clusters import clustered, nearest_distinct


def mixture(n: int, groups: int, spread: float, seed: int = 0, d: int = 8) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(groups, d))[rng.integers(groups, size=n)] + spread * rng.normal(size=(n, d))
    unit: NDArray[np.float32] = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    return unit


def loss(X: NDArray[Any], centroids: NDArray[Any]) -> float:
    gaps = ((X[:, None, :].astype(float) - centroids[None]) ** 2).sum(axis=2)
    return float(gaps.min(axis=1).mean())


def test_a_sample_does_as_well_as_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    X = mixture(6000, 20, 0.6)
    whole = KMeans(20, n_init=1, random_state=0).fit(X)
    monkeypatch.setattr(clusters, "_ALL", 4000)
    # So few rows tell the loss to some percent only.
    monkeypatch.setattr(clusters, "_GAP", 1.1)
    centroids, sizes = clustered(X, 20, 0)
    assert centroids.shape == (20, 8)
    assert sizes.sum() == 2000, "a sample was clustered"
    assert loss(X, centroids) <= 1.05 * float(whole.inertia_) / len(X)
    again, _ = clustered(X, 20, 0)
    np.testing.assert_array_equal(centroids, again)


def test_a_sample_that_is_too_small_is_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise without clusters: with few rows a centroid, the loss on other rows is far above that of the sample."""
    X = mixture(4000, 4000, 1.0)
    monkeypatch.setattr(clusters, "_ALL", 500)
    monkeypatch.setattr(clusters, "_A_CLUSTER", 5)
    _, sizes = clustered(X, 100, 0)
    assert sizes.sum() == 4000, "no sample would do, so all rows were clustered"
    monkeypatch.setattr(clusters, "_GAP", 1.2)
    _, sizes = clustered(X, 10, 0)
    assert sizes.sum() in {250, 500, 1000}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), near=st.integers(1, 5), block=st.integers(1, 50))
def test_each_centroid_takes_the_nearest_free_row_whatever_the_blocks(
    seed: int, n: int, near: int, block: int
) -> None:
    """Coordinates are whole numbers, so that distances are exact and ties are ties."""
    rng = np.random.default_rng(seed)
    points = rng.integers(-2, 3, (n, 2)).astype(np.float32)
    centroids = rng.integers(-2, 3, (int(rng.integers(1, n + 1)), 2)).astype(np.float64)
    free, expected = list(range(n)), []
    for centroid in centroids:
        row = min(free, key=lambda at: float(((points[at] - centroid) ** 2).sum()))
        free.remove(row)
        expected.append(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "_NEAR", near)
        patch.setattr(clusters, "_BLOCK", block)
        assert nearest_distinct(points, centroids).tolist() == expected
