"""The health report: figures against plain computations, and what it says in words."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relstitch.anchors import PickOptions, anchor_health, pair_anchors, pick_anchors
from relstitch.anchors.health import coverage, rank_and_condition
from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, EncoderStamp, Rows, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.errors import MismatchError, UsageError


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def embedded(vectors: NDArray[Any], **rows: Any) -> Embeddings:
    ids = [f"r{i}" for i in range(len(vectors))]
    stamp = EncoderStamp("st:x", "text", vectors.shape[1])
    return Embeddings(Rows.build(ids, **rows), vectors.astype(np.float32), stamp)


def of(*rows: int) -> Anchors:
    """Anchors that no strategy picked: whatever rows a test wants."""
    ids = tuple(f"r{row}" for row in rows)
    return Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(ids, ("",) * len(ids)),)),))


def test_a_good_set_has_figures_and_no_warnings() -> None:
    labels = Targets.from_labels([f"c{i % 3}" for i in range(200)])
    source = embedded(normal(0, 200, 8), targets=labels, splits="train")
    anchors = pick_anchors(source, 40)
    health = anchor_health(anchors, source)
    rows = [int(name[1:]) for name in anchors.side().draws[0].ids]
    A = source.vectors[rows].astype(np.float64)
    centred, X = A - A.mean(axis=0), source.vectors - A.mean(axis=0)
    singular = np.sqrt(np.linalg.eigvalsh(centred.T @ centred))
    cosines = [
        max(float(x @ a) / (np.linalg.norm(x) * np.linalg.norm(a)) for a in centred) for x in X
    ]  # fmt: skip
    between = [
        float(A[i] @ A[j]) / (np.linalg.norm(A[i]) * np.linalg.norm(A[j])) for i in range(40) for j in range(40) if i != j
    ]  # fmt: skip
    assert (health.k, health.d, health.rank, health.duplicates) == (40, 8, 8, 0)
    assert health.condition == pytest.approx(singular[-1] / singular[0], rel=1e-6)
    assert health.coverage == pytest.approx(np.mean(cosines), abs=1e-6)
    assert health.mean_cosine == pytest.approx(np.mean(between), abs=1e-6)
    assert (health.classes_hit, health.classes_total) == (3, 3)
    assert health.warnings == ()


def test_few_anchors_below_the_width() -> None:
    source = embedded(normal(1, 50, 12))
    assert anchor_health(pick_anchors(source, 6), source).warnings[:2] == (
        "Only 6 anchors: below 10, a representation is 6 numbers per row and can hold little.",
        "k = 6 is far below the encoder's width d = 12; the rule of thumb is k ≥ d, where there is data for it.",
    )


def test_repeated_anchors_and_a_lost_rank() -> None:
    X = normal(2, 30, 4)
    X[1] = X[0]
    X[:, 3] = X[:, 0] - X[:, 1]
    source = embedded(X)
    health = anchor_health(of(*range(12)), source)
    assert (health.rank, health.duplicates) == (3, 1)
    assert health.condition is not None
    assert health.condition < 1e3, "what is zero is no part of the condition number"
    assert health.warnings == (
        "1 of 12 anchors equals an earlier one and adds nothing.",
        "The anchors span 3 dimensions, of 4 that 12 anchors in 4 dimensions can: some are combinations of others.",
    )


def test_a_bad_condition_number() -> None:
    source = embedded(normal(3, 30, 4) * [1, 1, 1, 2e-5])
    health = anchor_health(of(*range(12)), source)
    assert health.rank == 4
    assert health.condition is not None
    assert health.warnings == (
        f"The condition number is {health.condition:.2g}, above 1e+04: "
        "maps fitted on these anchors alone will amplify noise.",
    )


def test_rank_is_not_fooled_by_rounding() -> None:
    """Centring float32 vectors far from the origin leaves noise, which is no dimension."""
    flat = (normal(4, 20, 2) @ normal(5, 2, 6) + 1000.0).astype(np.float32)
    assert rank_and_condition(flat)[0] == 2
    assert rank_and_condition(np.ones((3, 2), dtype=np.float32)) == (0, None)
    assert rank_and_condition(normal(6, 5, 9).astype(np.float32))[0] == 4, "at most k - 1"


def test_a_narrow_cone() -> None:
    source = embedded(normal(7, 60, 5) + 8)
    health = anchor_health(of(*range(20)), source)
    assert health.mean_cosine is not None
    assert health.mean_cosine > 0.95
    assert health.warnings == (
        f"The mean cosine between anchors is {health.mean_cosine:.2f}: the space is a narrow cone, "
        "so centring matters here (uncentred cosines hardly differ).",
    )


def test_low_coverage() -> None:
    X = np.vstack(
        [normal(8, 12, 200) * ([1.0] * 12 + [1e-3] * 188), normal(9, 300, 200) * ([1e-3] * 12 + [1.0] * 188)]
    )
    source = embedded(X)
    health = anchor_health(of(*range(12)), source)
    assert health.coverage is not None
    assert health.coverage < 0.2
    assert health.warnings[-1] == (
        f"Coverage is {health.coverage:.2f}: the typical training row is far from every anchor. "
        "Take more anchors, or the strategy kmeans."
    )
    assert coverage(source.vectors, np.arange(0), source.vectors[:3]) is None


def test_kmeans_covers_better_than_chance() -> None:
    source = embedded(normal(10, 400, 6))
    by = {name: anchor_health(pick_anchors(source, 15, strategy=name), source) for name in ("uniform", "kmeans")}
    assert (by["kmeans"].coverage or 0) > (by["uniform"].coverage or 1)


def test_classes_without_an_anchor_are_named() -> None:
    labels = Targets.from_labels(["dog", "cat", "bee", None] * 10)
    source = embedded(normal(11, 40, 3), targets=labels)
    health = anchor_health(of(*range(0, 40, 4), 3), source)
    assert (health.classes_hit, health.classes_total) == (1, 3)
    assert health.warnings[0] == "2 of 3 classes have no anchor: bee, cat."


def test_classes_of_test_rows_do_not_count() -> None:
    labels = Targets.from_labels(["a", "b"] * 10 + ["only-in-test"] * 5)
    source = embedded(normal(12, 25, 3), targets=labels, splits=["train"] * 20 + ["test"] * 5)
    health = anchor_health(pick_anchors(source, 15), source)
    assert (health.classes_hit, health.classes_total) == (2, 2)


def test_training_rows_are_those_of_the_anchors_splits() -> None:
    X = np.vstack([normal(13, 20, 3), normal(14, 20, 3)])
    source = embedded(X, splits=["val"] * 20 + ["other"] * 20)
    anchors = pick_anchors(source, 20, options=PickOptions(splits=("val",)))
    assert anchor_health(anchors, source).coverage == pytest.approx(1.0), "every val row is an anchor"
    renamed = embedded(X, splits=["train"] * 30 + ["test"] * 10)
    assert (anchor_health(anchors, renamed).coverage or 0) < 0.999


def test_rows_without_vectors_tell_what_they_can() -> None:
    labels = Targets.from_labels(["a", "b", "c"] * 5)
    hashes = [content_hash(str(i // 2).encode()) for i in range(15)]
    rows = Rows.build([f"r{i}" for i in range(15)], hashes=hashes, targets=labels)
    picked = rows.take(np.array([0, 1, 4]))
    side = AnchorSide("main", "", (AnchorList(tuple(picked.ids), tuple(picked.hashes)),))
    health = anchor_health(Anchors("explicit", 0, (side,)), rows)
    unknown = (health.d, health.rank, health.condition, health.coverage, health.mean_cosine)
    assert unknown == (None,) * 5
    assert (health.k, health.duplicates, health.classes_hit, health.classes_total) == (3, 1, 2, 3)
    assert health.warnings == (
        "Only 3 anchors: below 10, a representation is 3 numbers per row and can hold little.",
        "1 of 3 anchors equals an earlier one and adds nothing.",
        "1 of 3 classes has no anchor: c.",
    )


def test_sides_and_draws() -> None:
    sides = {"x": embedded(normal(15, 30, 3)), "y": embedded(normal(16, 30, 5))}
    anchors = pair_anchors(sides, [(f"r{i}", f"r{29 - i}") for i in range(30)], k=20, draws=2)
    found = [anchor_health(anchors, sides[name], draw=draw, side=name) for draw in (0, 1) for name in ("x", "y")]
    assert [health.d for health in found] == [3, 5, 3, 5]
    assert found[0].condition != found[2].condition
    with pytest.raises(UsageError, match=r"^Draw 2 was asked for"):
        anchor_health(anchors, sides["x"], draw=2, side="x")
    with pytest.raises(MismatchError, match=r"^20 of 20 anchors are not in the source of the anchors: "):
        anchor_health(anchors, Rows.build("abc"), side="x")
