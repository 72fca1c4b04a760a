"""Translators on bare arrays: against plain formulas, their invariances, and what they refuse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge

from relstitch.errors import MismatchError, UsageError
from relstitch.translation import TRANSLATORS, TranslatorSettings, apply_arrays, fit_arrays
from relstitch.translation.linear import orthogonal
from relstitch.translation.ridge import leave_one_out, spectrum
from relstitch.translation.vectors import search_ranks

Array = NDArray[Any]
CLOSED = sorted(set(TRANSLATORS) - {"mlp"})


def rows(n: int, d: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def turn(d: int, seed: int = 3) -> Array:
    found: Array = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    return found


def carried(method: str, A: Array, B: Array, X: Array, **params: Any) -> Array:
    return apply_arrays(method, fit_arrays(A, B, TranslatorSettings(method, params)), X)


def unit(X: Array, center: Array) -> Array:
    found: Array = (X - center) / np.linalg.norm(X - center, axis=1, keepdims=True)
    return found


def test_ridge_agrees_with_scikit_learn() -> None:
    A, B, X = (one.astype(np.float64) for one in (rows(30, 5), rows(30, 4, 1), rows(6, 5, 2)))
    U, Q = unit(A, A.mean(axis=0)), unit(X, A.mean(axis=0))
    mean_eigenvalue = np.square(U - U.mean(axis=0)).sum() / 5
    plain = Ridge(alpha=0.3 * mean_eigenvalue).fit(U, B).predict(Q)
    np.testing.assert_allclose(carried("ridge", A, B, X, penalty=0.3), plain, atol=1e-5)


def test_leave_one_out_agrees_with_leaving_each_one_out() -> None:
    Z, Y = rows(12, 3).astype(np.float64), rows(12, 2, 1).astype(np.float64)
    Z, Y = Z - Z.mean(axis=0), Y - Y.mean(axis=0)
    plain = []
    for out in range(12):
        kept = np.delete(np.arange(12), out)
        plain.append(Y[out] - Ridge(alpha=0.7).fit(Z[kept], Y[kept]).predict(Z[[out]])[0])
    np.testing.assert_allclose(leave_one_out(spectrum(Z), Y, 0.7), plain, atol=1e-9)


def test_affine_agrees_with_scikit_learn() -> None:
    A, B, X = rows(30, 5), rows(30, 4, 1), rows(6, 5, 2)
    np.testing.assert_allclose(carried("affine", A, B, X), LinearRegression().fit(A, B).predict(X), atol=1e-4)


def test_kernel_agrees_with_scikit_learn() -> None:
    A, B, X = (one.astype(np.float64) for one in (rows(20, 5), rows(20, 4, 1), rows(6, 5, 2)))
    center = A.mean(axis=0)
    U, Q = unit(A, center), unit(X, center)
    K, KX = np.exp(U @ U.T - 1), np.exp(Q @ U.T - 1)
    alpha = 0.2 * np.trace(K) / 20
    plain = KernelRidge(alpha=alpha, kernel="precomputed").fit(K, B - B.mean(axis=0)).predict(KX) + B.mean(axis=0)
    np.testing.assert_allclose(carried("kernel", A, B, X, penalty=0.2, gamma=1.0), plain, atol=1e-5)


def test_inverse_agrees_with_its_two_steps() -> None:
    """Similarities to A's anchors, then back through the ridge pseudo-inverse of B's, one row after the other."""
    A, B, X = (one.astype(np.float64) for one in (rows(8, 5), rows(8, 4, 1), rows(3, 5, 2)))
    a, b = unit(A, A.mean(axis=0)), unit(B, B.mean(axis=0))
    length = np.linalg.norm(B - B.mean(axis=0), axis=1).mean()
    plain = []
    for x in unit(X, A.mean(axis=0)):
        similarities = np.array([x @ anchor for anchor in a])
        penalty = 0.1 * np.trace(b @ b.T) / 4
        plain.append(similarities @ np.linalg.inv(b @ b.T + penalty * np.eye(8)) @ b * length + B.mean(axis=0))
    np.testing.assert_allclose(carried("inverse", A, B, X, penalty=0.1), plain, atol=1e-5)


def test_low_rank_of_full_rank_is_ridge_and_of_rank_one_lies_on_a_line() -> None:
    A, B, X = rows(30, 5), rows(30, 4, 1), rows(6, 5, 2)
    full = carried("low-rank", A, B, X, penalty=0.1, rank=4)
    np.testing.assert_allclose(full, carried("ridge", A, B, X, penalty=0.1), atol=1e-5)
    line = carried("low-rank", A, B, X, penalty=0.1, rank=1)
    assert np.linalg.matrix_rank(line - line.mean(axis=0), tol=1e-4) == 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_procrustes_undoes_rotation_scale_and_shift(seed: int, scale: float) -> None:
    B = rows(20, 6, seed)
    A = (scale * B @ turn(6, seed + 1) + 5.0).astype(np.float32)
    np.testing.assert_allclose(carried("procrustes", A, B, A), B, atol=1e-3)


@pytest.mark.parametrize("shape", [(4, 7, 9), (4, 9, 7), (7, 7, 9), (8, 7, 9), (20, 7, 9), (20, 9, 7)])
def test_the_rotation_is_that_of_the_whole_cross_covariance(shape: tuple[int, int, int]) -> None:
    """One singular direction after the other; with fewer anchors than dimensions only those that they span."""
    k, wide, other = shape
    A, B = (one.astype(np.float64) for one in (rows(k, wide), rows(k, other, 1)))
    A, B = A - A.mean(axis=0), B - B.mean(axis=0)
    left, values, right = np.linalg.svd(A.T @ B)
    spanned = min(k - 1, wide, other)
    plain = sum(np.outer(left[:, at], right[at]) for at in range(spanned))
    R, scale = orthogonal(A, B)
    np.testing.assert_allclose(R, plain, atol=1e-9)
    assert scale == pytest.approx(values[:spanned].sum() / np.square(A).sum())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_what_sees_directions_only_does_not_change_when_the_source_is_turned_moved_and_scaled(seed: int) -> None:
    A, B, X = rows(15, 5, seed), rows(15, 4, seed + 1), rows(4, 5, seed + 2)
    for method in CLOSED:
        if method == "affine":  # its smallest solution is that of any affine source, turned or not
            continue
        first = carried(method, A, B, X)
        moved = [(2.5 * one @ turn(5, seed) - 3.0).astype(np.float32) for one in (A, X)]
        np.testing.assert_allclose(carried(method, moved[0], B, moved[1]), first, atol=2e-3)


def test_no_map_survives_anchors_in_another_order() -> None:
    """The negative control: what is paired wrongly carries nothing over."""
    B = rows(60, 6)
    A = (B @ turn(6)).astype(np.float32)
    for method in sorted(set(CLOSED) - {"smoothing"}):
        right = np.square(carried(method, A, B, A) - B).mean()
        wrong = np.square(carried(method, np.roll(A, 1, axis=0), B, A) - B).mean()
        assert right < 0.5 * wrong, method


def test_widths_may_differ_either_way() -> None:
    for method in CLOSED:
        assert carried(method, rows(20, 7), rows(20, 3, 1), rows(5, 7, 2)).shape == (5, 3)
        assert carried(method, rows(20, 3), rows(20, 7, 1), rows(5, 3, 2)).shape == (5, 7)


def test_the_neural_map_learns_and_repeats_itself() -> None:
    B = rows(200, 6)
    A = (B @ turn(6)).astype(np.float32)
    first, second = (carried("mlp", A[:150], B[:150], A[150:], seed=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.square(first - B[150:]).mean() < 0.3 * np.square(B[150:]).mean()


def plain_ranks(queries: Array, found_in: Array, truth: Array, center: Array) -> list[int]:
    """One query after the other, one rival after the other."""
    ranks = []
    for query, own in zip(queries, truth, strict=True):
        near = [
            (query - center) @ (row - center) / np.linalg.norm(query - center) / np.linalg.norm(row - center)
            for row in found_in
        ]
        ranks.append(sum(one >= near[own] for one in near))
    return ranks


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_search_against_a_plain_loop_and_turned_and_scaled(seed: int) -> None:
    B, center, truth = rows(40, 5, seed), rows(1, 5, seed + 1)[0], np.arange(12)
    queries = B[:12] + 0.7 * rows(12, 5, seed + 2)
    plain = plain_ranks(queries.astype(np.float64), B.astype(np.float64), truth, center)
    np.testing.assert_array_equal(search_ranks(queries, B, truth, center=center), plain)
    turned, among = ((one - center) @ turn(5, seed) for one in (3 * queries - 2 * center, B))
    np.testing.assert_array_equal(search_ranks(turned, among, truth, center=np.zeros(5)), plain)


def test_search_in_blocks_and_among_equals() -> None:
    B = rows(1500, 4)
    assert (search_ranks(B, B, np.arange(1500), center=np.zeros(4)) == 1).all()
    one_place = np.ones((6, 4), dtype=np.float32)
    assert search_ranks(one_place, one_place, np.arange(6), center=np.zeros(4)).tolist() == [6] * 6
    assert search_ranks(one_place, B[:9], np.arange(6), center=np.ones(4)).tolist() == [9] * 6


REFUSED: list[tuple[str, Mapping[str, Any], str]] = [
    ("magic", {}, f"There is no translator 'magic'. Choose one of: {', '.join(TRANSLATORS)}."),
    ("affine", {"gamma": 1.0}, "The translator 'affine' has no parameter gamma; its parameters: none."),
    ("smoothing", {"gamma": -1.0},
     "The parameter 'gamma' of the translator 'smoothing' is -1.0; expected a number above 0."),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "message"), REFUSED)
def test_settings_that_make_no_sense_are_refused(method: str, params: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        fit_arrays(rows(5, 3), rows(5, 3), TranslatorSettings(method, params))
    assert str(error.value) == message


def test_anchors_that_make_no_sense_are_refused() -> None:
    good, bad, same = rows(5, 3), rows(5, 3), np.ones((5, 3), dtype=np.float32)
    bad[2, 1] = np.nan
    cases = [
        (good, rows(4, 3),
         "The anchors' vectors have the shapes [5, 3] in the source and [4, 3] in the target; expected the same k "
         "anchors in the same order, [k, d]."),
        (rows(1, 3), rows(1, 3),
         "A translator was asked for with 1 anchor; at least 2 are needed, and a few hundred are better. Pick more "
         "anchors."),
        (bad, good,
         "The anchors' vectors in the source hold NaN or infinite values. Leave these anchors out, or encode them "
         "again."),
        (good, same,
         "All 5 anchors have the same vector in the target: nothing can be learned from them. Pick anchors that "
         "differ."),
    ]  # fmt: skip
    for A, B, message in cases:
        with pytest.raises(MismatchError) as error:
            fit_arrays(A, B)
        assert str(error.value) == message


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(MismatchError) as error:
        carried("ridge", rows(5, 3), rows(5, 2), rows(4, 7))
    assert str(error.value) == (
        "Rows of shape [4, 7] met a translator whose source is 3 wide; expected [n, 3]. Both must come from the same "
        "encoder."
    )
