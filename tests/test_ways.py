"""How two spaces meet, and the choice of it on held-out anchors."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import fractional_matrix_power

from relstitch.artifacts import ProjectionSpec, Targets
from relstitch.choosing import Source, Target, choose_ways, meeting_of
from relstitch.choosing.folds import near_best
from relstitch.choosing.sides import colorings_of
from relstitch.choosing.trial import try_ways
from relstitch.decoders import METHODS, DecoderSettings
from relstitch.errors import MismatchError
from relstitch.relative import project
from relstitch.translation import TranslatorSettings
from relstitch.ways import CANDIDATES, DEFAULT, Way, colored, cross, rescaled, spectrum_of, way_of

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
    for way in (CANDIDATES[3], Way("cosine", ProjectionSpec()), way_of("procrustes")):
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


def plain_coloring(X: Matrix, rows: Matrix, power: float) -> NDArray[np.float64]:
    """Row by row, with scipy's matrix power of the covariance."""
    mean = rows.astype(np.float64).mean(axis=0)
    directions = [(row - mean) / np.linalg.norm(row - mean) for row in rows.astype(np.float64)]
    covariance = sum(np.outer(row, row) for row in directions) / len(rows)
    transform = fractional_matrix_power(covariance, power / 2)
    found = []
    for row in X.astype(np.float64):
        turned_row = transform @ ((row - mean) / np.linalg.norm(row - mean))
        found.append(turned_row / np.linalg.norm(turned_row))
    return np.array(found)


@pytest.mark.parametrize("power", [-0.5, 0.25, 0.5, 1.0])
def test_coloring_agrees_with_the_plain_formula(power: float) -> None:
    rows, X = space(40, 5) * np.array([5, 3, 2, 1, 1], dtype=np.float32), space(6, 5, 1)
    np.testing.assert_allclose(colored(spectrum_of(rows), power)(X), plain_coloring(X, rows, power), atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_coloring_turns_with_the_space_and_forgets_shift_and_scale(seed: int, shift: float, scale: float) -> None:
    rows = space(40, 4, seed) * np.array([4, 2, 1, 1], dtype=np.float32)
    moved = (scale * turned(rows, seed + 1) + shift).astype(np.float32)
    plain = colored(spectrum_of(rows), 0.5)(rows)
    np.testing.assert_allclose(
        colored(spectrum_of(moved), 0.5)(moved) @ colored(spectrum_of(moved), 0.5)(moved).T,
        plain @ plain.T,
        atol=1e-3,
    )


def test_a_power_of_nothing_only_centres_and_normalises() -> None:
    rows = space(30, 4)
    centred = rows - rows.mean(axis=0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(colored(spectrum_of(rows), 0.0)(rows), expected, atol=1e-6)


def test_coloring_favours_the_directions_that_vary() -> None:
    rows = space(500, 3) * np.array([10, 1, 1], dtype=np.float32)
    odd = np.array([[1.0, 1.0, 1.0]], dtype=np.float32) + rows.mean(axis=0)
    shares = [float(colored(spectrum_of(rows), power)(odd)[0, 0]) for power in (-1.0, 0.0, 1.0)]
    assert shares[0] < shares[1] < shares[2]


def test_rows_in_a_plane_and_a_row_at_the_mean_stay_finite() -> None:
    rows = np.hstack([space(30, 2), np.zeros((30, 1), dtype=np.float32)])
    asked = np.vstack([rows.mean(axis=0), rows[0] + np.array([0, 0, 1], dtype=np.float32)]).astype(np.float32)
    for power in (-1.0, 0.5):
        assert np.isfinite(colored(spectrum_of(rows), power)(asked)).all()


def test_a_colored_way_is_fitted_on_colored_anchors() -> None:
    X, labels = classes(150)
    way = DEFAULT
    assert way.coloring
    source, target = Source(turned(X[:60]), turned(X)), target_of(X, labels, 60)
    left, right = colored(spectrum_of(source.rows), way.coloring), colored(spectrum_of(X), way.coloring)
    plain = cross(way, left(source.anchors), right(target.anchors))
    met = cross(way, source.anchors, target.anchors, colorings=colorings_of(way, source, target))
    np.testing.assert_allclose(met.source(source.rows), plain.source(left(source.rows)), atol=1e-6)
    np.testing.assert_allclose(met.target(X), plain.target(right(X)), atol=1e-6)


def test_half_of_the_anchors_are_the_first_half() -> None:
    A, B, X = space(20, 4), space(20, 5, 1), space(3, 4, 2)
    for way in (way_of("affine"), Way("cosine", ProjectionSpec())):
        half = cross(replace(way, share=0.5), A, B)
        np.testing.assert_array_equal(half.source(X), cross(way, A[:10], B[:10]).source(X))
    places = {way.place for way in CANDIDATES if way.name.startswith(CANDIDATES[0].name)}
    assert len(places) == 2


def test_what_the_target_knows_of_the_anchors_takes_noise_out_and_leaves_the_mean() -> None:
    """Over many deals of anchors, the steadied figure varies less about the same value."""
    ridge = DecoderSettings("ridge")
    way = way_of("procrustes")
    steadied, plain = [], []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        X, labels = classes(600, seed=3)
        X = (X + 2.0 * space(600, 6, 4)).astype(np.float32)
        order = generator.permutation(600)
        X, labels = X[order], labels.take(order)
        target = target_of(X, labels, 40)
        noisy = (turned(X) + 0.5 * space(600, 6, seed + 50)).astype(np.float32)
        source = Source(noisy[:40], noisy)
        steadied.append(try_ways(target, {"o": source}, [way], ridge)["o", "procrustes"].mean(axis=1)[3])
        few = Target(X[:40], labels.take(np.arange(40)), np.arange(40), X[:40], labels.take(np.arange(40)))
        plain.append(try_ways(few, {"o": source}, [way], ridge)["o", "procrustes"].mean(axis=1)[3])
    assert float(np.std(steadied)) < 0.8 * float(np.std(plain))
    assert abs(float(np.mean(steadied)) - float(np.mean(plain))) < 0.08


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


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_the_near_best_are_those_a_plain_paired_difference_leaves(seed: int, errors: float) -> None:
    rng = np.random.default_rng(seed)
    found = {f"c{i}": (rng.random(40) < share).astype(np.float64) for i, share in enumerate(rng.uniform(0.5, 0.9, 6))}
    means = {name: sum(hits.tolist()) / 40 for name, hits in found.items()}
    best = next(name for name, mean in means.items() if mean == max(means.values()))
    near = []
    for name, hits in found.items():
        lead = [float(a - b) for a, b in zip(found[best], hits, strict=True)]
        mean = sum(lead) / 40
        error = (sum((one - mean) ** 2 for one in lead) / 39 / 40) ** 0.5
        if mean <= errors * error + 1e-12:
            near.append(name)
    assert near_best(found, errors=errors) == near
    assert best in near


def test_of_strengths_that_the_anchors_cannot_tell_apart_the_middle_is_taken() -> None:
    X, labels = classes(300)
    X = X + space(300, 6, seed=5)
    target, source = target_of(X, labels, 60), Source(turned(X[:60]), turned(X))
    way, asked = CANDIDATES[0], DecoderSettings("ridge")
    choice = choose_ways(target, {"": source}, asked, [way])[""].strength
    grid = METHODS["ridge"].grid
    hits = dict(zip(grid, try_ways(target, {"": source}, [way], asked)["", way.name], strict=True))
    near = [one for one in grid if one in near_best(hits, errors=1.0)]
    assert len(near) > 1
    assert choice.strength == near[len(near) // 2] != near[0]


def test_only_the_targets_labels_of_anchors_and_training_rows_decide() -> None:
    """The source has no labels to look at, and rows of the source that are no anchors only give moments."""
    X, labels = classes(150)
    held = choose_ways(target_of(X, labels, 60), {"o": Source(X[:60], X)}, DecoderSettings("ridge"))["o"]
    other = choose_ways(target_of(X, labels, 60), {"o": Source(X[:60], X[::-1])}, DecoderSettings("ridge"))["o"]
    assert held.scores == other.scores


@pytest.mark.parametrize(
    ("k", "how", "way"),
    [(20, "default: 20 labelled anchors, fewer than 30", DEFAULT),
     (150, "default: the training rows that are no anchors are all of one class", CANDIDATES[0])],
)  # fmt: skip
def test_where_anchors_cannot_be_asked_the_default_is_taken_and_said(k: int, how: str, way: Way) -> None:
    X, labels = classes(150)
    choice = choose_ways(target_of(X, labels, k), {"o": Source(X[:k], X)}, DecoderSettings())["o"]
    assert (choice.how, choice.way, choice.strength.strength) == (how, way, 0.01)


def test_without_rows_of_the_source_nothing_is_rescaled() -> None:
    X, labels = classes(150)
    nothing = np.empty((0, 6), dtype=np.float32)
    choice = choose_ways(target_of(X, labels, 60), {"o": Source(X[:60], nothing)}, DecoderSettings("ridge"))["o"]
    assert not any("rescaled" in name or "colored" in name for name in choice.scores)
    assert meeting_of(choice.way, Source(X[:60], nothing), target_of(X, labels, 60)).source(X).shape[0] == 150


def test_numbers_and_several_labels_are_chosen_for_too() -> None:
    X, _ = classes(150)
    real = Targets("real", X[:, :2].astype(np.float32), np.ones(150, dtype=bool), ("u", "v"))
    several = Targets("multilabel", X[:, :2] > 0, np.ones(150, dtype=bool), ("u", "v"))
    for labels in (real, several):
        source = Source(turned(X[:60]), turned(X))
        scores = choose_ways(target_of(X, labels, 60), {"o": source}, DecoderSettings("ridge"))["o"].scores
        assert scores["procrustes"] > (-0.1 if labels.kind == "real" else 0.6)
