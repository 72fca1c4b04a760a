"""Measures of how alike spaces are: against plain oracles, their invariances, and what must break them."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.cross_decomposition import CCA

from relstitch.comparison import MEASURES, permutation_baseline, row_interval, similarity
from relstitch.comparison.linear import cka_pairing
from relstitch.comparison.pairs import ROWS_AT_ONCE, Pair, moments_of
from relstitch.errors import MismatchError, UsageError
from relstitch.names import MEASURES as NAMES

Numbers = NDArray[np.float64]
ABSOLUTE = ("cka", "svcca", "rsa", "procrustes", "mutual-knn")
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=10, deadline=None)


def spaces(seed: int = 0, n: int = 40, width: int = 6, other: int = 4) -> tuple[Numbers, Numbers]:
    """Two noisy views of the same rows."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 3))
    return tuple(  # type: ignore[return-value]
        base @ rng.normal(size=(3, d)) + 0.5 * rng.normal(size=(n, d)) for d in (width, other)
    )


def turned(X: Numbers, seed: int) -> Numbers:
    rng = np.random.default_rng(seed)
    rotation: Numbers = np.linalg.qr(rng.normal(size=(X.shape[1], X.shape[1])))[0]
    return X @ rotation


def plain_hsic(K: Numbers, L: Numbers) -> float:
    """Song et al. 2012, equation 5, with full kernels."""
    n, K, L = len(K), K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    one = np.ones(n)
    total = (
        np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ K @ L @ one)
    )
    return float(total / (n * (n - 3)))


def plain_cka(X: Numbers, Y: Numbers) -> float:
    K, L = X @ X.T, Y @ Y.T
    return plain_hsic(K, L) / float(np.sqrt(plain_hsic(K, K) * plain_hsic(L, L)))


def plain_cosine(a: Numbers, b: Numbers) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def plain_rsa(X: Numbers, Y: Numbers) -> float:
    distances = [[1 - plain_cosine(Z[i], Z[j]) for i, j in combinations(range(len(Z)), 2)] for Z in (X, Y)]
    return float(spearmanr(*distances).statistic)


def plain_procrustes(X: Numbers, Y: Numbers) -> float:
    """1 − ½ min ‖X − YR‖² over rotations R, both of norm 1."""
    x, y = (np.pad(Z - Z.mean(axis=0), ((0, 0), (0, 6 - Z.shape[1]))) for Z in (X, Y))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    left, _, right = np.linalg.svd(y.T @ x)
    return float(1 - np.square(x - y @ left @ right).sum() / 2)


def plain_svcca(X: Numbers, Y: Numbers) -> float:
    scores = []
    for Z in (X, Y):
        u, s, _ = np.linalg.svd(Z - Z.mean(axis=0), full_matrices=False)
        kept = next(r for r in range(1, len(s) + 1) if np.square(s[:r]).sum() >= 0.99 * np.square(s).sum())
        scores.append(u[:, :kept] * s[:kept])
    count = min(part.shape[1] for part in scores)
    first, second = CCA(n_components=count, max_iter=20000, tol=1e-12).fit_transform(*scores)
    return float(np.mean([np.corrcoef(first[:, at], second[:, at])[0, 1] for at in range(count)]))


def nearest(query: Numbers, rows: Numbers, k: int, own: int | None = None) -> set[int]:
    order = sorted((at for at in range(len(rows)) if at != own), key=lambda at: -plain_cosine(query, rows[at]))
    return set(order[:k])


def plain_mutual(X: Numbers, Y: Numbers) -> float:
    shares = [len(nearest(X[i], X, 10, own=i) & nearest(Y[i], Y, 10, own=i)) / 10 for i in range(len(X))]
    return float(np.mean(shares))


def plain_jaccard(X: Numbers, Y: Numbers) -> float:
    values = []
    for A, B in ((X, Y), (Y, X)):
        for row in A:
            own, other = nearest(row, A, 10), nearest(row, B, 10)
            values.append(len(own & other) / len(own | other))
    return float(np.mean(values))


def plain_mrr(X: Numbers, Y: Numbers) -> float:
    values = []
    for A, B in ((X, Y), (Y, X)):
        for i, row in enumerate(A):
            values.append(1 / (1 + sum(plain_cosine(row, other) > plain_cosine(row, B[i]) for other in B)))
    return float(np.mean(values))


ORACLES: dict[str, Any] = {
    "cka": plain_cka, "svcca": plain_svcca, "rsa": plain_rsa, "procrustes": plain_procrustes,
    "mutual-knn": plain_mutual, "jaccard": plain_jaccard, "mrr": plain_mrr,
    "cosine": lambda X, Y: float(np.mean([plain_cosine(a, b) for a, b in zip(X, Y, strict=True)])),
}  # fmt: skip


def test_every_named_measure_is_there() -> None:
    assert tuple(MEASURES) == NAMES == tuple(ORACLES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_measures_against_plain_oracles(name: str, seed: int) -> None:
    X, Y = spaces(seed, other=6 if MEASURES[name].relative else 4)
    assert similarity(X, Y, name) == pytest.approx(ORACLES[name](X, Y), abs=1e-5)


@pytest.mark.parametrize("name", ABSOLUTE)
@quick
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_one_on_itself_rotated_and_rescaled(name: str, seed: int, scale: float) -> None:
    X, Y = spaces(seed)
    moved = scale * turned(X, seed)
    assert similarity(X, X, name) == pytest.approx(1, abs=1e-6)
    assert similarity(X, moved, name) == pytest.approx(1, abs=1e-6)
    assert similarity(moved, Y, name) == pytest.approx(similarity(X, Y, name), abs=1e-6)
    assert similarity(Y, X, name) == pytest.approx(similarity(X, Y, name), abs=1e-9)


@pytest.mark.parametrize("name", ["cka", "svcca", "procrustes"])
@quick
@given(seed=seeds)
def test_a_shift_changes_nothing(name: str, seed: int) -> None:
    X, Y = spaces(seed)
    assert similarity(X + 5, Y - 3, name) == pytest.approx(similarity(X, Y, name), abs=1e-6)


@pytest.mark.parametrize("name", ["jaccard", "mrr", "cosine"])
@quick
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_relative_measures_are_one_on_itself_rescaled_and_not_rotated(name: str, seed: int, scale: float) -> None:
    X, _ = spaces(seed)
    assert similarity(X, scale * X, name) == pytest.approx(1, abs=1e-6)
    assert similarity(X, -X, name) < 0.5  # a rotation by half a turn


@pytest.mark.parametrize("name", NAMES)
def test_rows_in_any_order(name: str) -> None:
    X, Y = spaces(other=6)
    order = np.random.default_rng(1).permutation(len(X))
    assert similarity(X[order], Y[order], name) == pytest.approx(similarity(X, Y, name), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_shuffled_rows_fall_to_the_baseline(name: str) -> None:
    X, _ = spaces(n=300, width=6)
    measure, pair, rows = MEASURES[name], Pair(X, X), np.arange(300)
    pairing = measure.pairing(pair)
    baseline = permutation_baseline(
        measure.shuffled(pair) if measure.shuffled else lambda order: float(pairing(rows, order).mean()),
        300, permutations=40,
    )  # fmt: skip
    assert baseline is not None
    assert similarity(X, X[np.random.default_rng(9).permutation(300)], name) < baseline.high + 0.05
    assert baseline.mean <= baseline.high < 0.5 < similarity(X, X, name)
    if name in {"cka", "rsa"}:
        assert abs(baseline.mean) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_shuffling_is_what_it_says(name: str) -> None:
    """The quick forms for shuffled rows give what the measure gives of rows that really are shuffled."""
    X, Y = spaces(3, other=6)
    order = np.random.default_rng(2).permutation(len(X))
    measure, expected = MEASURES[name], similarity(X, Y[order], name)
    assert measure.pairing(Pair(X, Y))(np.arange(len(X)), order).mean() == pytest.approx(expected, abs=1e-9)
    if measure.shuffled is not None:
        assert measure.shuffled(Pair(X, Y))(order) == pytest.approx(expected, abs=1e-9)


def test_the_biased_estimate_would_fail_here() -> None:
    """With few rows for the width, biased CKA calls unrelated spaces alike; the unbiased one does not."""
    rng = np.random.default_rng(0)
    values, biased = [], []
    for _ in range(20):
        X, Y = rng.normal(size=(20, 60)), rng.normal(size=(20, 60))
        values.append(similarity(X, Y, "cka"))
        m = moments_of(X, Y)
        biased.append(np.linalg.norm(m.xy) ** 2 / (np.linalg.norm(m.xx) * np.linalg.norm(m.yy)))
    assert abs(np.mean(values)) < 0.05
    assert np.mean(biased) > 0.7


def test_many_rows_are_taken_in_blocks() -> None:
    n = 2 * ROWS_AT_ONCE + 7
    X, Y = spaces(n=n)
    rows = np.arange(n)
    assert similarity(X, Y, "cka") == pytest.approx(float(cka_pairing(Pair(X, Y))(rows, rows)), abs=1e-9)
    assert similarity(X, Y[:, [0, 1, 2, 3, 0, 1]], "cosine") == pytest.approx(
        ORACLES["cosine"](X, Y[:, [0, 1, 2, 3, 0, 1]]), abs=1e-9
    )


@pytest.mark.parametrize("name", ["cka", "rsa"])
def test_a_space_without_structure_is_like_nothing(name: str) -> None:
    X = np.eye(12)
    assert similarity(X, spaces(n=12)[0], name) == 0


def test_ties_and_zero_rows_are_numbers() -> None:
    X = np.repeat(np.eye(4), 5, axis=0)
    X[0] = 0
    assert 0 < similarity(X, X, "mrr") < 1  # equals share the middle of their ranks
    assert all(np.isfinite(similarity(X, X, name)) for name in NAMES)


@pytest.mark.parametrize("name", ["mutual-knn", "jaccard"])
def test_equally_near_rows_bring_strangers_together_as_often_as_chance_does(name: str) -> None:
    """In spaces of width 1 half of the rows are equally near; the order of the rows then decides who is a neighbour."""
    rng = np.random.default_rng(0)
    pair = Pair(rng.normal(size=(60, 1)), rng.normal(size=(60, 1)))
    rows, pairing = np.arange(60), MEASURES[name].pairing(pair)
    value = float(pairing(rows, rows).mean())
    chance = permutation_baseline(lambda order: float(pairing(rows, order).mean()), 60, permutations=50)
    assert chance is not None
    assert value > 0.2
    assert abs(value - chance.mean) < 0.15
    order = rng.permutation(60)
    anew = MEASURES[name].pairing(Pair(pair.X, pair.Y[order]))
    assert pairing(rows, order) == pytest.approx(anew(rows, rows))
    assert similarity(pair.X, pair.X, name) == 1


def test_svcca_has_an_interval_only_where_half_of_the_rows_can_hold_both_spaces() -> None:
    """With fewer rows every half says 1 for some of the components, whatever the spaces are."""
    rng = np.random.default_rng(0)
    pair = Pair(rng.normal(size=(40, 9)), rng.normal(size=(40, 12)))
    needed = MEASURES["svcca"].interval_rows
    assert needed is not None
    assert needed(pair) == 44
    half = np.arange(20)
    assert float(MEASURES["svcca"].pairing(pair)(half, half)) > 2 / 9


@pytest.mark.parametrize("name", ["cka", "mutual-knn", "procrustes"])
def test_intervals_hold_the_value_and_narrow_with_rows(name: str) -> None:
    widths = []
    for n in (40, 400):
        X, Y = spaces(n=n)
        value = similarity(X, Y, name)
        interval = row_interval(MEASURES[name].pairing(Pair(X, Y)), n, value, resamples=60)
        assert interval is not None
        assert interval.low <= value <= interval.high <= 1
        widths.append(interval.high - interval.low)
    assert widths[1] < 0.6 * widths[0]


def test_the_interval_of_a_mean_is_the_bootstraps() -> None:
    X, Y = spaces(n=200, other=6)
    interval = row_interval(MEASURES["cosine"].pairing(Pair(X, Y)), 200, similarity(X, Y, "cosine"), resamples=2000)
    rows = [plain_cosine(a, b) for a, b in zip(X, Y, strict=True)]
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.645 * np.std(rows) / np.sqrt(200), rel=0.1)


def test_half_samples_vary_as_new_samples_do() -> None:
    draws = [similarity(*_sampled(seed), "cka") for seed in range(200)]
    true = float(np.subtract(*np.quantile(draws, [0.95, 0.05])))
    widths = []
    for seed in range(10):
        X, Y = _sampled(seed)
        interval = row_interval(MEASURES["cka"].pairing(Pair(X, Y)), 150, similarity(X, Y, "cka"), resamples=100)
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert np.mean(widths) == pytest.approx(true, rel=0.25)


def _sampled(seed: int) -> tuple[Numbers, Numbers]:
    """New rows of the same two spaces."""
    X, Y = spaces(7, n=40_000)
    rows = np.random.default_rng(seed).integers(40_000, size=150)
    return X[rows], Y[rows]


def test_no_resamples_no_figures() -> None:
    pairing = MEASURES["cka"].pairing(Pair(*spaces()))
    assert permutation_baseline(lambda order: 0.0, 40, permutations=0) is None
    assert row_interval(pairing, 40, 0.5, resamples=0) is None
    assert row_interval(pairing, 7, 0.5, resamples=10) is None


@pytest.mark.parametrize(
    ("X", "Y", "name", "error", "message"),
    [
        (np.eye(20), np.eye(20), "dcka", UsageError,
         "There is no measure 'dcka'. Choose among: cka, svcca, rsa, procrustes, mutual-knn, jaccard, mrr, cosine."),
        (np.eye(20), np.eye(21), "cka", MismatchError,
         "X has 20 rows and Y has 21; row i of both must be the same sample."),
        (np.eye(20), np.eye(20)[:, :5], "mrr", MismatchError,
         "mrr compares column by column, but X is 20 wide and Y 5. Compare relative representations with the same "
         "anchors."),
        (np.eye(3), np.eye(3), "cka", MismatchError,
         "3 rows are too few for cka, which needs 4 here. Compare files that share more rows."),
        (np.eye(1), np.eye(1), "procrustes", MismatchError,
         "1 row is too few for procrustes, which needs 4 here. Compare files that share more rows."),
        (np.eye(10), np.eye(10), "mutual-knn", MismatchError,
         "10 rows are too few for mutual-knn, which needs 11 here. Compare files that share more rows, or look at "
         "fewer neighbours."),
        (np.eye(20), np.ones((20, 3)), "cka", MismatchError,
         "All 20 rows of Y are the same vector: there is nothing to compare. Look at how it was made."),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_said(X: Numbers, Y: Numbers, name: str, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        similarity(X, Y, name)
    assert str(caught.value) == message
