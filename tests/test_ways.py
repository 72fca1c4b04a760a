"""How two spaces meet, and the choice of it on held-out anchors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import ProjectionSpec, Targets
from relstitch.choosing import Source, Target, choose_ways, meeting_of
from relstitch.decoders import DecoderSettings
from relstitch.errors import MismatchError
from relstitch.relative import project
from relstitch.translation import TranslatorSettings
from relstitch.ways import CANDIDATES, DEFAULT, Way, cross, rescaled, way_of

Matrix = NDArray[np.float32]


def space(n: int, d: int, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def turned(X: Matrix, seed: int = 1) -> Matrix:
    """The same rows in a rotated and scaled space."""
    d = X.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    found: Matrix = (3.0 * X @ rotation).astype(np.float32)
    return found


def classes(n: int, d: int = 6, seed: int = 0) -> tuple[Matrix, Targets]:
    """Three well separated classes."""
    codes = np.arange(n) % 3
    X = space(n, d, seed) + 3.0 * np.eye(3, d, dtype=np.float32)[codes]
    return X.astype(np.float32), Targets.from_labels([str(code) for code in codes])


def target_of(X: Matrix, labels: Targets, k: int) -> Target:
    which = np.where(np.arange(len(X)) < k, np.arange(len(X)), -1)
    return Target(X, labels, which, X[:k], labels.take(np.arange(k)))


def plain_smoothing(X: Matrix, A: Matrix, T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Anchored smoothing, value by value: γ = 1, λ = 0.1."""
    mean = A.astype(np.float64).mean(axis=0)

    def similarity(x: NDArray[np.float64], a: NDArray[np.float64]) -> float:
        u, v = x - mean, a - mean
        return float(np.exp(u @ v / np.linalg.norm(u) / np.linalg.norm(v) - 1.0))

    K = np.array([[similarity(a, b) for b in A] for a in A])
    KX = np.array([[similarity(x, a) for a in A] for x in X])
    found: NDArray[np.float64] = KX @ np.linalg.inv(K + 0.1 * np.eye(len(A))) @ T
    return found


def unit(A: Matrix) -> NDArray[np.float64]:
    centred = A.astype(np.float64) - A.astype(np.float64).mean(axis=0)
    directions: NDArray[np.float64] = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return directions


@pytest.mark.parametrize("both", [False, True])
def test_smoothing_agrees_with_the_plain_formula(both: bool) -> None:
    A, B, X = space(7, 4), space(7, 5, 1), space(3, 4, 2)
    way = Way("smoothing", translator=TranslatorSettings("smoothing", {"targets": "both" if both else "target"}))
    T = np.hstack([unit(B), unit(A)]) if both else unit(B)
    met = cross(way, A, B)
    np.testing.assert_allclose(met.source(X), plain_smoothing(X, A, T), atol=1e-5)
    np.testing.assert_allclose(met.target(B), plain_smoothing(B, B, T), atol=1e-5)


def test_a_projection_carries_both_sides_and_one_translator_only_the_source() -> None:
    A, B, X = space(7, 4), space(7, 5, 1), space(3, 5, 2)
    relative = cross(Way("cosine", ProjectionSpec()), A, B)
    np.testing.assert_array_equal(relative.target(X), project(X, B))
    np.testing.assert_array_equal(cross(way_of("ridge"), A, B).target(X), X)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_both_sides_of_a_turned_space_meet_in_one_place(seed: int) -> None:
    B = space(12, 5, seed)
    for way in (CANDIDATES[1], Way("cosine", ProjectionSpec()), way_of("procrustes")):
        met = cross(way, turned(B, seed + 1), B)
        np.testing.assert_allclose(met.source(turned(B, seed + 1)), met.target(B), atol=1e-3)


def test_a_bent_space_does_not_meet_by_procrustes() -> None:
    B = space(12, 5)
    met = cross(way_of("procrustes"), (B**3).astype(np.float32), B)
    assert float(np.abs(met.source((B**3).astype(np.float32)) - B).mean()) > 0.1


def test_anchors_of_different_number_are_refused() -> None:
    with pytest.raises(MismatchError) as error:
        cross(DEFAULT, space(3, 2), space(4, 2))
    assert str(error.value) == (
        "3 anchors of the source met 4 of the target; the same anchors, in the same order, are needed on both sides."
    )


def test_rescaling_gives_the_columns_the_moments_of_the_other_side() -> None:
    rows, like = space(50, 3) * 7 + 2, space(60, 3, 1)
    carried = rescaled(lambda X: X, rows, like)(rows)
    np.testing.assert_allclose(carried.mean(axis=0), like.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(carried.std(axis=0), like.std(axis=0), atol=1e-4)


def test_a_column_that_does_not_vary_stays_finite() -> None:
    rows = np.hstack([space(9, 1), np.full((9, 1), 0.1, dtype=np.float32)])
    assert np.isfinite(rescaled(lambda X: X, rows, space(9, 2))(rows)).all()


def test_a_turned_space_is_chosen_for_and_answered_rightly() -> None:
    X, labels = classes(150)
    choice = choose_ways(
        target_of(X, labels, 60), {"other": Source(turned(X[:60]), turned(X))}, DecoderSettings("ridge")
    )
    assert choice["other"].how == "held-out anchors"
    assert set(choice["other"].scores) == {way.name for way in CANDIDATES}
    assert choice["other"].scores[choice["other"].way.name] > 0.9


def test_an_unrelated_space_scores_no_better_than_chance() -> None:
    X, labels = classes(150)
    noise = space(150, 6, 9)
    choice = choose_ways(target_of(X, labels, 90), {"noise": Source(noise[:90], noise)}, DecoderSettings("ridge"))
    assert max(choice["noise"].scores.values()) < 0.6


def test_a_clearly_worse_first_candidate_is_passed_over() -> None:
    """One class is far out along one direction: uncentred cosines of a shifted space see nothing of the rest."""
    X, labels = classes(300)
    shifted = (turned(X) + 200.0).astype(np.float32)
    ways = (Way("cosine, not centred", ProjectionSpec(center=False)), way_of("procrustes"))
    choice = choose_ways(
        target_of(X, labels, 90), {"far": Source(shifted[:90], shifted)}, DecoderSettings("ridge"), ways
    )
    assert choice["far"].way.name == "procrustes"


def test_near_equals_fall_to_the_first() -> None:
    X, labels = classes(150)
    ways = (way_of("procrustes"), way_of("affine"))
    source = Source(turned(X[:60]), turned(X))
    assert choose_ways(target_of(X, labels, 60), {"o": source}, DecoderSettings("ridge"), ways)["o"].way == ways[0]
    assert (
        choose_ways(target_of(X, labels, 60), {"o": source}, DecoderSettings("ridge"), ways[::-1])["o"].way == ways[1]
    )


def test_only_the_targets_labels_of_anchors_and_training_rows_decide() -> None:
    """The source has no labels to look at, and rows of the source that are no anchors only give moments."""
    X, labels = classes(150)
    held = choose_ways(target_of(X, labels, 60), {"o": Source(X[:60], X)}, DecoderSettings("ridge"))["o"]
    other = choose_ways(target_of(X, labels, 60), {"o": Source(X[:60], X[::-1])}, DecoderSettings("ridge"))["o"]
    assert held.scores == other.scores


@pytest.mark.parametrize(
    ("k", "how"),
    [(20, "default: 20 labelled anchors, fewer than 30"),
     (150, "default: the training rows that are no anchors are all of one class")],
)  # fmt: skip
def test_where_anchors_cannot_be_asked_the_default_is_taken_and_said(k: int, how: str) -> None:
    X, labels = classes(150)
    choice = choose_ways(target_of(X, labels, k), {"o": Source(X[:k], X)}, DecoderSettings())["o"]
    assert (choice.how, choice.way, choice.strength.strength) == (how, DEFAULT, 0.01)


def test_without_rows_of_the_source_nothing_is_rescaled() -> None:
    X, labels = classes(150)
    nothing = np.empty((0, 6), dtype=np.float32)
    choice = choose_ways(target_of(X, labels, 60), {"o": Source(X[:60], nothing)}, DecoderSettings("ridge"))["o"]
    assert not any("rescaled" in name for name in choice.scores)
    assert meeting_of(choice.way, Source(X[:60], nothing), target_of(X, labels, 60)).source(X).shape[0] == 150


def test_numbers_and_several_labels_are_chosen_for_too() -> None:
    X, _ = classes(150)
    real = Targets("real", X[:, :2].astype(np.float32), np.ones(150, dtype=bool), ("u", "v"))
    several = Targets("multilabel", X[:, :2] > 0, np.ones(150, dtype=bool), ("u", "v"))
    for labels in (real, several):
        source = Source(turned(X[:60]), turned(X))
        scores = choose_ways(target_of(X, labels, 60), {"o": source}, DecoderSettings("ridge"))["o"].scores
        assert scores["procrustes"] > (-0.1 if labels.kind == "real" else 0.6)
