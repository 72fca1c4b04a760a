"""Anchors of many rows, beside others' functions in one run: farthest-point beside rat-embed's, and whether the picks
agree; k-means beside scikit-learn's MiniBatchKMeans, and the loss of both.

Run it with: python tests/benchmarks/anchors.py [-n 1000000] [-d 384] [-k 300] [--pairs 3]

The rows are made up: clusters of very different sizes about random middles, centred and scaled to length 1, so that
all functions see the same geometry. It needs rat-embed 0.3.0 (pip install rat-embed). Our time for k-means includes
the search for the samples nearest to the centroids, which MiniBatchKMeans has no part in.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors import clusters
from relstitch.anchors.farthest import farthest_order

_BLOCK = 50_000


def clustered(n: int, d: int, clusters: int = 2000, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows in clusters whose sizes fall off as in natural data."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(clusters, d)).astype(np.float32)
    shares = 1 / np.arange(1, clusters + 1) ** 0.7
    labels = rng.choice(clusters, size=n, p=shares / shares.sum())
    rows = np.empty((n, d), dtype=np.float32)
    for first in range(0, n, _BLOCK):
        part = slice(first, first + _BLOCK)
        rows[part] = 0.7 * middles[labels[part]] + rng.standard_normal((len(labels[part]), d), dtype=np.float32)
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    """Print medians and ratios."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("-n", type=int, default=1_000_000)
    reading.add_argument("-d", type=int, default=384)
    reading.add_argument("-k", type=int, default=300)
    reading.add_argument("--pairs", type=int, default=3)
    given = reading.parse_args()
    rows = clustered(given.n, given.d)
    print(f"{given.n} × {given.d} → {given.k}")
    _farthest(rows, given.k, given.pairs)
    _kmeans(rows, given.k, given.pairs)


def _farthest(rows: NDArray[np.float32], k: int, pairs: int) -> None:
    farthest_point_sampling = importlib.import_module("rat.sampling").farthest_point_sampling

    def order(start: int) -> NDArray[np.intp]:
        return farthest_order(rows, k, start)

    ratios, same, seconds = [], [], []
    for seed in range(pairs):
        theirs, wanted = timed(partial(farthest_point_sampling, rows, k, seed=seed))
        start = int(np.random.default_rng(seed).integers(len(rows)))
        ours, found = timed(partial(order, start))
        ratios.append(theirs / ours)
        same.append(int((found == wanted).sum()))
        seconds.append((ours, theirs))
    mine, peer = (statistics.median(column) for column in zip(*seconds, strict=True))
    spread = f"{min(ratios):.1f} to {max(ratios):.1f}"
    print(f"farthest: relstitch {mine:.2f} s, rat-embed {peer:.2f} s, {statistics.median(ratios):.1f} × ({spread}) as "
          f"fast; the same picks: {min(same)} of {k}")  # fmt: skip


def _kmeans(rows: NDArray[np.float32], k: int, pairs: int) -> None:
    from sklearn.cluster import MiniBatchKMeans

    def ours(seed: int) -> NDArray[Any]:
        centroids, _ = clusters.clustered(rows, k, seed)
        clusters.nearest_distinct(rows, centroids)
        return centroids

    def theirs(seed: int) -> NDArray[Any]:
        found: NDArray[Any] = MiniBatchKMeans(k, n_init=1, random_state=seed).fit(rows).cluster_centers_
        return found

    seconds, losses = [], []
    for seed in range(pairs):
        (peer, wanted), (mine, found) = timed(partial(theirs, seed)), timed(partial(ours, seed))
        seconds.append((mine, peer))
        losses.append((loss(rows, found), loss(rows, wanted)))
    mine, peer = (statistics.median(column) for column in zip(*seconds, strict=True))
    times = [one / other for one, other in seconds]
    worse = [one / other for one, other in losses]
    print(f"k-means:  relstitch {mine:.2f} s, MiniBatchKMeans {peer:.2f} s, {statistics.median(times):.2f} of its time "
          f"({min(times):.2f} to {max(times):.2f}); loss {losses[0][0]:.4f} and {losses[0][1]:.4f}, "
          f"{statistics.median(worse):.3f} of it ({min(worse):.3f} to {max(worse):.3f})")  # fmt: skip


def loss(rows: NDArray[np.float32], centroids: NDArray[Any]) -> float:
    """The mean squared distance to the nearest centroid, over all rows."""
    total, lengths = 0.0, (centroids**2).sum(axis=1)
    for first in range(0, len(rows), _BLOCK):
        part = rows[first : first + _BLOCK]
        total += float(((part**2).sum(axis=1) + (lengths - 2 * part @ centroids.T).min(axis=1)).sum())
    return total / len(rows)


if __name__ == "__main__":
    main()
