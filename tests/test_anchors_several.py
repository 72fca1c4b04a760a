"""Anchors by D-optimal design, and anchors for several encoders at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.anchors import PickOptions, anchor_health, more_draws, pick_anchors
from relstitch.anchors.candidates import all_candidates
from relstitch.anchors.strategies import directions
from relstitch.artifacts import Anchors, Embeddings, EncoderStamp, Rows
from relstitch.errors import MismatchError, UsageError

quick = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def embedded(vectors: NDArray[np.float64], ids: list[str] | None = None, spec: str = "st:x") -> Embeddings:
    names = ids or [f"r{row:03}" for row in range(len(vectors))]
    return Embeddings(
        Rows.build(names, splits="train"), vectors.astype(np.float32), EncoderStamp(spec, "text", vectors.shape[1])
    )


def picks(anchors: Anchors) -> list[str]:
    return list(anchors.side().draws[0].ids)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = vectors - vectors.mean(axis=0)
    scaled: NDArray[np.float64] = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return scaled


def log_volume(rows: NDArray[np.float64]) -> float:
    return float(np.linalg.slogdet(rows.T @ rows + 1e-3 * np.eye(rows.shape[1]))[1])


@quick
@given(seed=seeds)
def test_d_optimal_raises_the_determinant_the_most_at_each_pick(seed: int) -> None:
    """The oracle computes every determinant; k goes past the rank."""
    X = normal(seed, 25, 4) + 1
    points = unit(X.astype(np.float32).astype(np.float64))
    chosen = [int(name[1:]) for name in picks(pick_anchors(embedded(X), 10, strategy="d-optimal"))]
    assert chosen[0] == 0, "all first picks tie: the first id"
    for step in range(1, 10):
        rest = [row for row in range(25) if row not in chosen[:step]]
        best = max(log_volume(points[[*chosen[:step], row]]) for row in rest)
        assert log_volume(points[chosen[: step + 1]]) == pytest.approx(best, abs=1e-3)


@quick
@given(seed=seeds)
def test_d_optimal_does_not_depend_on_order_rotation_or_scale(seed: int) -> None:
    X = normal(seed, 40, 5)
    ids = [f"r{row:03}" for row in range(40)]
    expected = picks(pick_anchors(embedded(X, ids), 5, strategy="d-optimal"))
    turned = X @ np.linalg.qr(normal(seed + 1, 5, 5))[0] * 7
    assert picks(pick_anchors(embedded(turned, ids), 5, strategy="d-optimal")) == expected
    order = np.random.default_rng(seed).permutation(40)
    shuffled = embedded(X[order], [ids[row] for row in order])
    assert picks(pick_anchors(shuffled, 5, strategy="d-optimal")) == expected


def test_d_optimal_conditions_better_than_chance() -> None:
    source = embedded(normal(1, 500, 20) * np.linspace(0.1, 3, 20))
    by_design = anchor_health(pick_anchors(source, 30, strategy="d-optimal"), source).condition
    by_chance = anchor_health(pick_anchors(source, 30), source).condition
    assert by_design is not None
    assert by_chance is not None
    assert by_design < by_chance / 2


def test_several_encoders_are_seen_side_by_side() -> None:
    X, Y = normal(1, 30, 4) + 2, normal(2, 30, 6) * 9
    found = directions(all_candidates({"x": embedded(X), "y": embedded(Y)}))
    expected = (unit(X) @ unit(X).T + unit(Y) @ unit(Y).T) / 2
    np.testing.assert_allclose(found @ found.T, expected, atol=1e-5)


@pytest.mark.parametrize("strategy", ["kmeans", "farthest", "d-optimal"])
def test_anchors_for_several_encoders_condition_all_of_them(strategy: str) -> None:
    X, Y = normal(1, 60, 4), normal(2, 60, 6)
    order = np.random.default_rng(3).permutation(60)
    ids = [f"r{row:03}" for row in range(60)]
    both = {"x": embedded(X, ids), "y": embedded(Y[order], [ids[row] for row in order], "st:y")}
    straight = {"x": embedded(X, ids), "y": embedded(Y, ids, "st:y")}
    anchors = pick_anchors(both, 8, strategy=strategy)  # type: ignore[arg-type]
    assert picks(anchors) == picks(pick_anchors(straight, 8, strategy=strategy))  # type: ignore[arg-type]
    assert picks(anchors) != picks(pick_anchors(both["x"], 8, strategy=strategy))  # type: ignore[arg-type]
    assert [encoder["spec"] for encoder in anchors.options["encoders"]] == ["st:x", "st:y"]


def test_only_rows_that_may_be_anchors_everywhere() -> None:
    X, Y = normal(1, 6, 3), normal(2, 6, 3)
    Y[1] = 0
    ids = ["a", "b", "c", "d", "e", "f"]
    both = {"x": embedded(X, ids), "y": embedded(Y, ["z", "b", "c", "d", "e", "f"], "st:y")}
    anchors = pick_anchors(both, 4)
    assert sorted(picks(anchors)) == ["c", "d", "e", "f"]
    assert anchors.options["excluded"] == {"not_in_every_encoder": 2}
    explicit = pick_anchors(both, strategy="explicit", options=PickOptions(ids=("f", "c")))
    assert picks(explicit) == ["f", "c"]
    with pytest.raises(UsageError, match=r"^1 of the 1 ids named as anchors is not in the source: a\."):
        pick_anchors(both, strategy="explicit", options=PickOptions(ids=("a",)))


def test_further_draws_need_all_the_encoders() -> None:
    both = {"x": embedded(normal(1, 30, 3)), "y": embedded(normal(2, 30, 3), spec="st:y")}
    anchors = pick_anchors(both, 5, strategy="kmeans")
    assert more_draws(anchors, both, 2) == pick_anchors(both, 5, strategy="kmeans", draws=2)
    with pytest.raises(MismatchError) as caught:
        more_draws(anchors, both["x"], 2)
    assert str(caught.value) == (
        "These anchors were chosen by the vectors of st:x, st:y, and further draws were asked of those of st:x. "
        "Draw from the embeddings they were picked from, or pick anew with more --draws."
    )


def test_encoders_that_cannot_be_seen_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        pick_anchors({}, 3)
    assert str(caught.value) == (
        "Anchors are to be picked from the embeddings of several encoders, and none were given."
    )
    apart = {"x": embedded(normal(1, 3, 3)), "y": embedded(normal(2, 3, 3), ["p", "q", "r"])}
    with pytest.raises(MismatchError, match=r"^x and y share no id: 3 rows "):
        pick_anchors(apart, 2)
