"""Which samples become anchors: strategies against plain loops, nested beginnings, further draws."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.anchors import STRATEGIES, PickOptions, more_draws, pick_anchors
from relstitch.anchors.clusters import nearest_distinct
from relstitch.artifacts import Anchors, Embeddings, EncoderStamp, Rows, Targets
from relstitch.errors import MismatchError, UsageError
from relstitch.names import StrategyName

seeds = st.integers(0, 2**32 - 100)
quick = settings(max_examples=15, deadline=None)
ALL: tuple[Any, ...] = tuple(STRATEGIES)


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def embedded(vectors: NDArray[Any], spec: str = "st:x", **rows: Any) -> Embeddings:
    ids = rows.pop("ids", [f"r{i}" for i in range(len(vectors))])
    stamp = EncoderStamp(spec, "text", vectors.shape[1])
    return Embeddings(Rows.build(ids, **rows), vectors.astype(np.float32), stamp)


def picks(anchors: Anchors, draw: int = 0) -> list[str]:
    return list(anchors.side("main").draws[draw].ids)


def at(anchors: Anchors) -> list[int]:
    return [int(name[1:]) for name in picks(anchors)]


def world(seed: int = 0, n: int = 60) -> Embeddings:
    """Something for every strategy: labels, counts, vectors."""
    rng = np.random.default_rng(seed)
    targets = Targets.from_labels([f"c{c}" for c in rng.choice(4, size=n, p=[0.5, 0.3, 0.15, 0.05])])
    counts = rng.integers(1, 1000, size=n).astype(np.float64)
    return embedded(rng.standard_normal((n, 6)) + 1, targets=targets, counts=counts, splits="train")


# --- what holds for every strategy -----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ALL)
def test_the_same_seed_gives_the_same_distinct_anchors(strategy: StrategyName) -> None:
    source = world()
    anchors = pick_anchors(source, 12, strategy=strategy, seed=3)
    assert picks(anchors) == picks(pick_anchors(source, 12, strategy=strategy, seed=3))
    assert len(set(picks(anchors))) == anchors.k == 12
    assert (anchors.strategy, anchors.seed, anchors.sides[0].name) == (strategy, 3, "main")
    assert anchors.sides[0].dataset == source.rows.fingerprint
    assert json.loads(json.dumps(anchors.options)) == anchors.options


@pytest.mark.parametrize("strategy", [name for name in ALL if STRATEGIES[name].random])
def test_draw_i_is_the_draw_of_seed_plus_i(strategy: StrategyName) -> None:
    source = world()
    anchors = pick_anchors(source, 8, strategy=strategy, seed=5, draws=3)
    alone = [picks(pick_anchors(source, 8, strategy=strategy, seed=5 + i)) for i in range(3)]
    assert [picks(anchors, i) for i in range(3)] == alone
    assert len({tuple(draw) for draw in alone}) == 3, "another seed gives other anchors"


@pytest.mark.parametrize("strategy", [name for name in ALL if STRATEGIES[name].nested])
@quick
@given(seed=seeds, small=st.integers(1, 20), large=st.integers(20, 50))
def test_a_smaller_k_is_the_beginning_of_a_larger(strategy: StrategyName, seed: int, small: int, large: int) -> None:
    source = world(seed)
    longer = pick_anchors(source, large, strategy=strategy, seed=seed)
    assert picks(pick_anchors(source, small, strategy=strategy, seed=seed)) == picks(longer.prefix(small))


@pytest.mark.parametrize("strategy", ALL)
def test_all_candidates_can_be_anchors(strategy: StrategyName) -> None:
    assert sorted(at(pick_anchors(world(), 60, strategy=strategy))) == list(range(60))


def test_k_is_300_unless_said() -> None:
    assert pick_anchors(Rows.build([str(i) for i in range(400)])).k == 300


def test_strategies_that_choose_by_vectors_name_the_encoder() -> None:
    source = world()
    identity = {"spec": "st:x", "identity": source.encoder.identity}
    for strategy in ALL:
        options = pick_anchors(source, 4, strategy=strategy).options
        assert options.get("encoder") == (identity if strategy in ("farthest", "kmeans", "d-optimal") else None)


# --- each strategy against a plain loop ------------------------------------------------------------------------------


def test_uniform_reaches_everyone_about_equally() -> None:
    rows = Rows.build([f"r{i}" for i in range(10)])
    times = Counter(name for seed in range(300) for name in picks(pick_anchors(rows, 3, seed=seed)))
    assert set(times) == set(rows.ids)
    assert min(times.values()) > 60
    assert max(times.values()) < 120, "90 each are expected"


def seats(sizes: list[int], k: int) -> list[int]:
    """Sainte-Laguë one seat at a time, the first seat of every class before all others."""
    given_to = [0] * len(sizes)
    order = []
    for _ in range(k):
        bids = [
            (-np.inf if taken == 0 else -size / (2 * taken + 1), -size, code)
            for code, (size, taken) in enumerate(zip(sizes, given_to, strict=True))
            if taken < size
        ]
        winner = min(bids)[2]
        given_to[winner] += 1
        order.append(winner)
    return order


@quick
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), seed=seeds)
def test_stratified_gives_seats_in_sainte_lague_order(sizes: list[int], seed: int) -> None:
    labels = [f"c{code}" for code, size in enumerate(sizes) for _ in range(size)]
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = [labels[i] for i in order]
    source = Rows.build([f"r{i}" for i in range(len(labels))], targets=Targets.from_labels(shuffled))
    k = len(labels)
    found = [int(shuffled[i][1:]) for i in at(pick_anchors(source, k, strategy="stratified", seed=seed))]
    assert found == seats(sizes, k)


def test_every_beginning_of_stratified_is_near_proportional_and_hits_all_classes() -> None:
    sizes = {"a": 500, "b": 250, "c": 150, "d": 97, "e": 3}
    labels = [name for name, size in sizes.items() for _ in range(size)]
    source = Rows.build([f"r{i}" for i in range(1000)], targets=Targets.from_labels(labels))
    order = [labels[i] for i in at(pick_anchors(source, 1000, strategy="stratified"))]
    for k in range(5, 1001):
        count = Counter(order[:k])
        assert all(count[name] >= 1 for name in sizes)
        assert all(abs(count[name] - k * size / 1000) <= 1.5 for name, size in sizes.items())
    uniform = [labels[i] for i in at(pick_anchors(source, 20, strategy="uniform", seed=1))]
    assert "e" not in uniform, "negative control: chance misses a rare class"


def test_stratified_leaves_rows_without_a_label_out() -> None:
    labels = ["a", None, "b", None, "a"]
    source = Rows.build([f"r{i}" for i in range(5)], targets=Targets.from_labels(labels))
    anchors = pick_anchors(source, 3, strategy="stratified")
    assert sorted(at(anchors)) == [0, 2, 4]
    assert anchors.options["excluded"] == {"unlabelled": 2}
    assert pick_anchors(source, 5).k == 5, "other strategies need no label"


def farthest_by_loops(X: NDArray[np.float64], start: int, k: int) -> list[int]:
    X = X - X.mean(axis=0)
    unit = [x / np.sqrt(sum(v * v for v in x)) for x in X]
    chosen = [start]
    while len(chosen) < k:
        gaps = [min(float(np.linalg.norm(u - unit[c])) for c in chosen) for u in unit]
        chosen.append(max((i for i in range(len(X)) if i not in chosen), key=lambda i: gaps[i]))
    return chosen


@quick
@given(seed=seeds)
def test_farthest_is_the_exact_farthest_point_order(seed: int) -> None:
    X = normal(seed, 30, 5) + 2
    found = at(pick_anchors(embedded(X), 12, strategy="farthest", seed=seed))
    assert found == farthest_by_loops(X.astype(np.float32).astype(np.float64), found[0], 12)


def test_farthest_draws_its_start_and_spreads_wider_than_chance() -> None:
    source = embedded(normal(1, 500, 4))
    starts = {at(pick_anchors(source, 1, strategy="farthest", seed=seed))[0] for seed in range(40)}
    assert len(starts) > 30

    def closest(anchors: Anchors) -> float:
        X = source.vectors - source.vectors.mean(axis=0)
        unit = (X / np.linalg.norm(X, axis=1, keepdims=True))[at(anchors)]
        return float((unit @ unit.T - 2 * np.eye(len(unit))).max())

    assert closest(pick_anchors(source, 20, strategy="farthest")) < closest(pick_anchors(source, 20)) - 0.1


def test_farthest_breaks_ties_by_the_lowest_row_and_never_repeats() -> None:
    corners = np.vstack([np.eye(4), -np.eye(4)])
    found = at(pick_anchors(embedded(corners), 8, strategy="farthest", seed=2))
    assert found[1] == (found[0] + 4) % 8, "the opposite corner is farthest"
    rest = [row for row in range(8) if row not in found[:2]]
    assert found[2] == rest[0]
    assert sorted(found) == list(range(8))


def clusters(sizes: list[int], seed: int = 0) -> NDArray[np.float64]:
    centres = np.vstack([np.eye(3), -np.eye(3)])[: len(sizes)] * 50
    return np.vstack(
        [centre + normal(seed + i, size, 3) for i, (centre, size) in enumerate(zip(centres, sizes, strict=True))]
    )


def test_kmeans_takes_a_sample_of_each_cluster_largest_first() -> None:
    sizes = [10, 40, 25, 5]
    source = embedded(clusters(sizes))
    whose = np.repeat(np.arange(4), sizes)
    found = at(pick_anchors(source, 4, strategy="kmeans"))
    assert whose[found].tolist() == [1, 2, 0, 3]


def test_kmeans_takes_the_sample_nearest_to_the_middle_of_its_cluster() -> None:
    X = clusters([30, 20])
    found = at(pick_anchors(embedded(X), 2, strategy="kmeans"))
    X = X.astype(np.float32).astype(np.float64)
    X -= X.mean(axis=0)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    for members, row in zip((X[:30], X[30:]), found, strict=True):
        nearest = np.linalg.norm(members - members.mean(axis=0), axis=1).min()
        assert np.linalg.norm(X[row] - members.mean(axis=0)) == pytest.approx(nearest, abs=1e-6)


@quick
@given(seed=seeds, k=st.integers(1, 12))
def test_each_centroid_takes_the_nearest_point_that_is_free(seed: int, k: int) -> None:
    points = normal(seed, 12, 3).astype(np.float32)
    centroids = normal(seed + 1, k, 3)
    centroids[k // 2 :] = centroids[0]
    free, expected = list(range(12)), []
    for centroid in centroids:
        best = min(free, key=lambda i: float(np.linalg.norm(points[i] - centroid)))
        free.remove(best)
        expected.append(best)
    assert nearest_distinct(points, centroids).tolist() == expected


def test_onedal_3742_empty_clusters_still_give_k_distinct_samples() -> None:
    """On a line all rows have one of two directions: most clusters come out empty."""
    source = embedded(np.arange(1.0, 21.0)[:, None])
    anchors = pick_anchors(source, 7, strategy="kmeans")
    assert len(set(picks(anchors))) == 7


def test_frequent_takes_the_highest_counts_and_breaks_ties_by_id() -> None:
    counts = np.array([5.0, 9.0, 9.0, np.nan, 1.0, 9.0])
    source = Rows.build(["the", "of", "and", "lost", "rare", "to"], counts=counts)
    assert picks(pick_anchors(source, 6, strategy="frequent")) == ["and", "of", "to", "the", "rare", "lost"]


def refused(error: type[Exception], call: Any) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


# --- further draws ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [name for name in ALL if STRATEGIES[name].random])
def test_more_draws_are_what_more_draws_would_have_been(strategy: StrategyName) -> None:
    source = world()
    at_once = pick_anchors(source, 7, strategy=strategy, seed=2, draws=4)
    assert more_draws(pick_anchors(source, 7, strategy=strategy, seed=2, draws=2), source, 4) == at_once
    assert more_draws(at_once, source, 3) is at_once


def test_more_draws_keep_to_the_splits_of_the_file() -> None:
    rows = Rows.build([f"r{i}" for i in range(30)], splits=["train"] * 10 + ["val"] * 20)
    anchors = more_draws(pick_anchors(rows, 5, options=PickOptions(splits=("val",))), rows, 3)
    assert all(int(name[1:]) >= 10 for draw in range(3) for name in picks(anchors, draw))


def test_more_draws_that_cannot_be() -> None:
    source = world()
    frequent = pick_anchors(source, 3, strategy="frequent")
    assert refused(UsageError, lambda: more_draws(frequent, source, 2)) == (
        "The strategy 'frequent' gives the same anchors every time, and 2 draws were asked for. "
        "Take one draw, or choose a strategy with chance in it (uniform, stratified, farthest, kmeans)."
    )
    with pytest.raises(UsageError, match=r"^The strategy 'explicit' gives the same anchors every time"):
        more_draws(pick_anchors(source, strategy="explicit", options=PickOptions(ids=("r1",))), source, 2)
    parallel = Anchors("parallel", 0, pick_anchors(source, 3).sides)
    assert refused(UsageError, lambda: more_draws(parallel, source, 2)) == (
        "Parallel anchors are drawn from a table of pairs, which is not in the anchors file: it has 1 draw and 2 "
        "were asked for. Pick them again with --draws 2."
    )
    unknown = Anchors("by hand", 0, pick_anchors(source, 3).sides)
    assert refused(UsageError, lambda: more_draws(unknown, source, 2)).startswith(
        "Anchors cannot be picked by the strategy 'by hand'."
    )
    other = embedded(source.vectors, spec="st:y", splits="train")
    assert refused(MismatchError, lambda: more_draws(pick_anchors(source, 3, strategy="kmeans"), other, 2)) == (
        "These anchors were chosen by the vectors of st:x, and further draws were asked of those of st:y. "
        "Draw from the embeddings they were picked from, or pick anew with more --draws."
    )
    assert more_draws(pick_anchors(source, 3), other, 2).n_draws == 2, "chance needs no vectors"
    with pytest.raises(MismatchError, match=r"^3 of 3 anchors are not in the source of further draws: "):
        more_draws(pick_anchors(source, 3), Rows.build("abcdef"), 2)
