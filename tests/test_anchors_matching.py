"""The maths of matching rows: mutual neighbours, growth from pairs, profiles, quadratic assignment."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import quadratic_assignment

from relstitch.anchors.assignment import assign_rows
from relstitch.anchors.bootstrap import held_out_seeds
from relstitch.anchors.candidates import Index
from relstitch.anchors.growing import grow_pairs, growth, meet_through
from relstitch.anchors.neighbours import mutual_neighbours
from relstitch.anchors.profiles import QUANTILES, profile_costs, shaped_rows, soft_assignment
from relstitch.anchors.unsupervised import match_rows
from relstitch.artifacts.spaces import Matrix

SEEDS = st.integers(0, 2**32 - 1)
NONE = np.empty(0, dtype=np.intp)


def unit(X: NDArray[np.float64]) -> Matrix:
    rows: Matrix = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    return rows


def cloud(n: int = 150, seed: int = 0, clusters: int = 6) -> NDArray[np.float64]:
    """Uneven clusters in 8 dimensions, so that the space has a shape."""
    generator = np.random.default_rng(seed)
    shares = np.arange(1, clusters + 1) / np.arange(1, clusters + 1).sum()
    middles = generator.normal(size=(clusters, 8)) * 1.5
    X: NDArray[np.float64] = middles[generator.choice(clusters, size=n, p=shares)] + generator.normal(size=(n, 8))
    return X


def two_views(n: int = 150, seed: int = 0, noise: float = 0.05) -> tuple[Matrix, Matrix, Index]:
    """A space, the same turned into more columns with noise and shuffled, and the partner of each row."""
    generator = np.random.default_rng(seed + 1)
    X = cloud(n, seed)
    turn = np.linalg.qr(generator.normal(size=(11, 11)))[0][:8]
    order = generator.permutation(n)
    Y = X @ turn * 3 + 1 + noise * generator.normal(size=(n, 11))
    return X.astype(np.float32), Y[order].astype(np.float32), np.argsort(order)


# --- mutual neighbours -----------------------------------------------------------------------------------------------


def slow_csls(X: Matrix, Y: Matrix) -> NDArray[np.float64]:
    score = np.empty((len(X), len(Y)))
    for i, x in enumerate(X.astype(np.float64)):
        for j, y in enumerate(Y.astype(np.float64)):
            crowd_x = np.mean(sorted((x @ other for other in Y), reverse=True)[:10])
            crowd_y = np.mean(sorted((y @ other for other in X), reverse=True)[:10])
            score[i, j] = 2 * x @ y - crowd_x - crowd_y
    return score


def test_mutual_neighbours_as_loops_find_them() -> None:
    generator = np.random.default_rng(0)
    X, Y = unit(generator.normal(size=(25, 3))), unit(generator.normal(size=(31, 3)))
    score = slow_csls(X, Y)
    found = mutual_neighbours(X, Y)
    assert found.nearest.tolist() == score.argmax(axis=1).tolist()
    expected = [(i, int(j)) for i, j in enumerate(score.argmax(axis=1)) if score[:, j].argmax() == i]
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == expected
    assert 0 < len(found) < 25
    for (i, j), margin in zip(expected, found.margin, strict=True):
        next_row, next_column = np.delete(score[i], j).max(), np.delete(score[:, j], i).max()
        assert margin == pytest.approx(score[i, j] - max(next_row, next_column), abs=1e-5)


def test_many_rows_go_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, _ = two_views(40)
    one, other = unit(X.astype(np.float64)), unit(Y[:, :8].astype(np.float64))
    whole = mutual_neighbours(one, other)
    monkeypatch.setattr("relstitch.anchors.neighbours._ROWS_AT_ONCE", 7)
    assert mutual_neighbours(one, other).left.tolist() == whole.left.tolist()


def test_one_row_meets_one_row() -> None:
    found = mutual_neighbours(np.ones((1, 1), dtype=np.float32), np.ones((1, 1), dtype=np.float32))
    assert (found.left.tolist(), found.right.tolist(), found.margin.tolist()) == ([0], [0], [0.0])


def test_the_best_pairs_are_those_of_largest_margin_apart_from_some() -> None:
    X, Y, partner = two_views()
    found = mutual_neighbours(*meet_through(X, Y, np.arange(20), partner[:20]))
    order = np.argsort(-found.margin, kind="stable")
    assert found.best(5, apart_from=(NONE, NONE))[0].tolist() == found.left[order[:5]].tolist()
    taken = found.left[order[:2]], found.right[order[2:3]]
    assert found.best(2, apart_from=taken)[0].tolist() == found.left[order[3:5]].tolist()
    assert len(found.best(-1, apart_from=taken)[0]) == 0


# --- growth ----------------------------------------------------------------------------------------------------------


def test_meeting_through_pairs_as_loops_do_it() -> None:
    X, Y, partner = two_views(30)
    left, right = np.arange(9), partner[:9]

    def toward(x: Matrix, middle: Matrix) -> NDArray[np.float64]:
        away = x.astype(np.float64) - middle.astype(np.float64)
        return np.asarray(away / np.linalg.norm(away))

    targets = np.array([toward(Y[j], Y[right].mean(axis=0)) for j in right])
    for Z, at, met in zip((X, Y), (left, right), meet_through(X, Y, left, right), strict=True):
        near = [[np.exp(toward(z, Z[at].mean(0)) @ toward(Z[j], Z[at].mean(0)) - 1) for j in at] for z in Z]
        K: NDArray[np.float64] = np.array(near)
        expected = K @ np.linalg.inv(K[at] + 0.1 * np.eye(9)) @ targets
        assert np.allclose(met, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4)


def test_sizes_double_to_300() -> None:
    assert growth(15) == (30, 60, 120, 240, 300, 300, 300)
    assert growth(300) == growth(999) == (300, 300)


@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_growth_does_not_see_rotation_scale_or_shift(seed: int) -> None:
    X, Y, partner = two_views(60)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))[0]
    moved = (4.0 * X @ turn + 0.5).astype(np.float32)
    left, right = np.arange(12), partner[:12]
    one, other = (grow_pairs(Z, Y, left, right, sure=12, sizes=(24, 48)) for Z in (X, moved))
    assert np.mean(one.nearest == other.nearest) > 0.95


def test_growth_keeps_what_is_sure_and_leaves_what_is_not() -> None:
    X, Y, partner = two_views()
    wrong = np.roll(partner[:40], 1)
    left, right = np.arange(60), np.r_[wrong, partner[40:60]]
    kept = grow_pairs(X, Y, left, right, sure=60, sizes=(60,))
    freed = grow_pairs(X, Y, left, right, sure=0, sizes=(30, 60, 120))
    assert np.mean(freed.nearest == partner) > np.mean(kept.nearest == partner)


def test_seeds_are_found_again_where_spaces_are_alike_and_not_where_they_are_not() -> None:
    X, Y, partner = two_views()
    left = np.arange(25)
    assert held_out_seeds(X, Y, left, partner[left]) > 0.9
    apart = np.random.default_rng(0).normal(size=Y.shape).astype(np.float32)
    assert held_out_seeds(X, apart, left, partner[left]) < 0.2
    assert held_out_seeds(X, Y, left, np.roll(partner[left], 1)) < 0.2


# --- profiles and assignment -----------------------------------------------------------------------------------------


def test_shaped_rows_keep_cosines_at_power_0_and_whiten_at_1() -> None:
    X = cloud().astype(np.float32)
    flat = unit(X.astype(np.float64) - X.astype(np.float64).mean(axis=0)).astype(np.float64)
    flat -= flat.mean(axis=0)
    expected = unit(flat)
    rows = shaped_rows(X, 0.0)
    assert np.allclose(rows @ rows.T, expected @ expected.T, atol=1e-5)
    white = np.linalg.svd(flat, full_matrices=False)[0]
    rows = shaped_rows(X, 1.0)
    assert np.allclose(rows @ rows.T, unit(white) @ unit(white).T, atol=1e-5)
    assert shaped_rows(np.ones((4, 3), dtype=np.float32), 0.5).tolist() == [[0.0]] * 4


@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_profiles_do_not_see_rotation_scale_shift_or_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    X = cloud(40).astype(np.float32)
    order = generator.permutation(40)
    moved = (2.0 * X @ np.linalg.qr(generator.normal(size=(8, 8)))[0] - 1.0).astype(np.float32)[order]
    costs = profile_costs(X, moved)
    assert (costs.argmin(axis=1) == np.argsort(order)).mean() > 0.9
    assert np.allclose(profile_costs(X[order], X[order]), profile_costs(X, X)[np.ix_(order, order)], atol=0.1)


def test_sorted_cosines_are_a_part_of_the_profile() -> None:
    """Two rows whose cosines to others are the same cost nothing; profiles of the loops' kind differ elsewhere."""
    angles = np.array([0.0, 0.5, 1.7, 2.9, 4.0, 5.5])
    X = np.c_[np.cos(angles), np.sin(angles)].astype(np.float32)
    mirrored = X * np.array([1, -1], dtype=np.float32)
    costs = profile_costs(X, mirrored)
    assert np.allclose(np.diag(costs), 0.0, atol=1e-4)
    assert costs[~np.eye(6, dtype=bool)].min() > 1e-3
    assert QUANTILES == 32


@pytest.mark.parametrize(("n", "m"), [(12, 12), (9, 15)])
def test_soft_assignment_gives_rows_1_and_columns_equal_shares(n: int, m: int) -> None:
    costs = np.random.default_rng(0).random((n, m)).astype(np.float32)
    shares = soft_assignment(costs, 0.2)
    assert np.allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    assert np.allclose(shares.sum(axis=0), n / m, atol=0.02)
    sharp = soft_assignment(np.float32(1) - np.eye(5, dtype=np.float32), 0.02)
    assert np.allclose(sharp, np.eye(5), atol=1e-3)


def agreement(X: Matrix, Y: Matrix, order: Index) -> float:
    K, L = X @ X.T, (Y @ Y.T)[np.ix_(order, order)]
    return float((K * L).sum() - (np.diag(K) * np.diag(L)).sum())


def test_the_assignment_of_few_rows_is_the_best_of_all_orders() -> None:
    generator = np.random.default_rng(3)
    X = unit(generator.normal(size=(6, 3)))
    Y = unit(X[::-1] + 0.05 * generator.normal(size=(6, 3)))
    best = max((np.array(order) for order in permutations(range(6))), key=lambda order: agreement(X, Y, order))
    start = (np.full((6, 6), 1 / 12) + np.eye(6)[::-1] / 2).astype(np.float32)
    assert assign_rows(X, Y, start).tolist() == best.tolist() == [5, 4, 3, 2, 1, 0]


def test_the_assignment_is_as_good_as_that_of_scipy() -> None:
    X, Y, partner = two_views(60)
    U, V = shaped_rows(X, 0.0), shaped_rows(Y, 0.0)
    start = soft_assignment(profile_costs(X, Y), 0.3)
    order = assign_rows(U, V, (start / 2 + 1 / 120).astype(np.float32))
    K, L = U @ U.T, V @ V.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    peer = quadratic_assignment(K, L, options={"maximize": True, "rng": np.random.default_rng(0)})
    assert agreement(U, V, order) >= 0.999 * agreement(U, V, peer.col_ind)
    assert np.mean(order == partner) > 0.9


# --- without pairs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fewer", [0, 1])
def test_rows_are_matched_without_pairs_when_the_spaces_are_alike(fewer: int) -> None:
    X, Y, partner = two_views()
    kept = np.arange(150 - 10 * fewer)
    for A, B, right in ((X[kept], Y, partner[kept]), (Y, X[kept], None)):
        found = match_rows(A, B)
        assert found.confidence > 0.7
        truth = right[found.pairs.left] if right is not None else np.argsort(partner)[found.pairs.left]
        assert np.mean(found.pairs.right == truth) > 0.9


def test_no_confidence_where_there_is_nothing_to_match() -> None:
    """The negative control: every column shuffled for itself has the same spread and no shape in common."""
    X, Y, _ = two_views()
    generator = np.random.default_rng(5)
    apart = np.stack([generator.permutation(column) for column in Y.T], axis=1)
    assert match_rows(X, apart).confidence < 0.5
    strange = generator.normal(size=(150, 11)).astype(np.float32)
    assert match_rows(X, strange).confidence < 0.5


def test_too_few_pairs_are_no_evidence() -> None:
    same = np.ones((50, 3), dtype=np.float32)
    assert match_rows(same, same).confidence == 0.0
