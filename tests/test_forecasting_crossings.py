"""What crossing does to the target's rows, and rows from elsewhere: against plain oracles, with controls that fail."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from stitching_samples import blobs, rotation

from relstitch.artifacts import Targets
from relstitch.choosing import Source, Target, choose_ways
from relstitch.decoders import DecoderSettings
from relstitch.forecasting import Values, crossed, gather_evidence, shift_of
from relstitch.forecasting.crossings import margin_of, slope_within
from relstitch.ways import way_of

Numbers = NDArray[np.float64]
quick = settings(max_examples=20, deadline=None)


def values_of(seed: int, n: int = 30, m: int = 200, c: int = 4, *, noise: float = 1.0, luck: float = 0.0) -> Values:
    """Decision values of anchors on both sides and of other rows; with luck, the anchors are easier than the rows."""
    rng = np.random.default_rng(seed)
    known, classes = (rng.integers(c, size=size) for size in (n, m))
    target = rng.normal(size=(n, c)) + (1.5 + luck) * np.eye(c)[known]
    rows = rng.normal(size=(m, c)) + 1.5 * np.eye(c)[classes]
    return Values(0.6 * target + noise * rng.normal(size=(n, c)), target, known, rows, classes)


def plain_share(values: Values) -> float:
    """Row by row, turn by turn."""
    a, b, r = (one - one.mean(axis=1, keepdims=True) for one in (values.source, values.target, values.rows))
    slope = slope_within(a, b, values.known)
    seen: dict[int, int] = {}
    hits = []
    for row, code in zip(r, values.classes.tolist(), strict=True):
        own = [at for at in range(len(a)) if values.known[at] == code]
        first = seen.get(code, 0)
        seen[code] = first + 1
        for turn in range(20):
            at = own[(first + turn) % len(own)]
            arrived = [a[at][j] + slope * (row[j] - b[at][j]) for j in range(len(row))]
            hits.append(arrived.index(max(arrived)) == code)
    return float(np.mean(hits))


@quick
@given(seed=st.integers(0, 99))
def test_rows_arrive_where_anchors_of_their_class_did(seed: int) -> None:
    values = values_of(seed)
    found = crossed(values)
    assert found.answers.share == pytest.approx(plain_share(values))
    assert len(found.answers.right) == len(found.answers.margin) == 20 * len(values.rows)


@quick
@given(seed=st.integers(0, 99), by=st.floats(0.1, 10.0))
def test_what_decision_values_are_counted_from_and_in_decides_nothing(seed: int, by: float) -> None:
    values = values_of(seed)
    plain, rng = crossed(values), np.random.default_rng(seed)
    scaled = crossed(replace(values, source=by * values.source))
    assert scaled.answers.share == pytest.approx(plain.answers.share)
    assert scaled.answers.margin == pytest.approx(by * plain.answers.margin)
    higher = crossed(replace(values, source=values.source + rng.normal(size=(30, 1)), rows=values.rows + 7))
    assert higher.answers.share == pytest.approx(plain.answers.share)
    order = rng.permutation(4)
    back = np.argsort(order)
    renamed = Values(
        values.source[:, order], values.target[:, order], back[values.known], values.rows[:, order],
        back[values.classes],
    )  # fmt: skip
    assert crossed(renamed).answers.share == pytest.approx(plain.answers.share)
    assert crossed(renamed).variance == pytest.approx(plain.variance)


def test_the_slope_within_classes_is_a_regression_with_a_constant_for_each() -> None:
    values = values_of(0)
    constants = np.concatenate([np.kron(np.eye(4)[[code]], np.eye(4)) for code in values.known])
    X = np.column_stack([values.target.ravel(), constants])
    expected = LinearRegression(fit_intercept=False).fit(X, values.source.ravel()).coef_[0]
    assert slope_within(values.source, values.target, values.known) == pytest.approx(expected)
    assert slope_within(-values.source, values.target, values.known) == 0
    assert slope_within(values.source[:1], values.target[:1], values.known[:1]) == 0


def test_a_lossless_crossing_gives_the_targets_own_answers() -> None:
    values = values_of(1)
    found = crossed(replace(values, source=values.target))
    own = values.rows.argmax(axis=1) == values.classes
    assert found.answers.share == pytest.approx(own.mean())


def test_lucky_anchors_mislead_less_than_their_own_answers_do() -> None:
    """The same crossing; the anchors happen to be easy ones for the target already."""
    truth = crossed(values_of(0, n=4000, m=4000)).answers.share
    lucky = values_of(1, n=4000, m=4000, luck=1.0)
    held_out = float((lucky.source.argmax(axis=1) == lucky.known).mean())
    assert held_out > truth + 0.1
    assert crossed(lucky).answers.share == pytest.approx(truth, abs=0.02)
    few = [values_of(seed, n=40, m=1000) for seed in range(2, 42)]
    by_crossing = np.array([crossed(one).answers.share for one in few])
    by_anchors = np.array([(one.source.argmax(axis=1) == one.known).mean() for one in few])
    assert by_crossing.std() < 0.8 * by_anchors.std()
    told = np.sqrt(np.mean([crossed(one).variance for one in few]))
    assert told == pytest.approx(by_crossing.std(), rel=0.35)


def test_a_class_without_an_anchor_is_given_what_the_others_have() -> None:
    values = values_of(3, n=400)
    without = values.known != 2
    kept = replace(values, source=values.source[without], target=values.target[without], known=values.known[without])
    found, whole = crossed(kept), crossed(values)
    assert found.answers.share == pytest.approx(whole.answers.share, abs=0.06)
    assert len(found.answers.right) == len(whole.answers.right)


def test_a_few_anchors_that_are_all_right_are_not_sure() -> None:
    values = values_of(3)
    sure = replace(values, source=values.source[:1], target=values.target[:1], known=values.known[:1])
    found = crossed(sure)
    assert found.answers.share == 1
    assert found.variance == pytest.approx(0.75 * 0.25 * sum(np.square(np.bincount(values.classes) / 200)))


def test_margins() -> None:
    values = np.random.default_rng(0).normal(size=(20, 5))
    ahead = [sorted(row)[-1] - sorted(row)[-2] for row in values.tolist()]
    assert margin_of(values) == pytest.approx(ahead)


def world(n: int = 300, k: int = 60, *, rare: bool = False) -> tuple[Target, Source, NDArray[np.float32]]:
    X, labels = blobs(n=n)
    labels = [*labels[:-1], "rare"] if rare else labels
    if rare:
        X, labels = X[::-1], labels[::-1]
    Y = X @ rotation(10) + 4.0 * np.random.default_rng(3).normal(size=X.shape)
    targets, taught = Targets.from_labels(labels), n * 2 // 3
    which = np.where(np.arange(taught) >= taught - k, np.arange(taught) - taught + k, -1)
    at = np.arange(taught - k, taught)
    here, there = Y.astype(np.float32), X.astype(np.float32)
    target = Target(there[:taught], targets.take(np.arange(taught)), which, there[at], targets.take(at))
    return target, Source(here[at], here[:taught]), here[taught:]


def evidence_of(target: Target, source: Source, asked: NDArray[np.float32], decoder: str = "ridge") -> Any:
    chosen = DecoderSettings(decoder)
    choice = choose_ways(target, {"": source}, chosen, [way_of("procrustes")])[""]
    return gather_evidence(target, source, asked, choice, chosen)


@pytest.mark.parametrize("decoder", ["ridge", "logistic", "knn"])
def test_the_targets_rows_are_answered_as_held_out_anchors_are(decoder: str) -> None:
    found = evidence_of(*world(), decoder)
    # Two standard errors of a share of 60 anchors.
    assert found.crossed.answers.share == pytest.approx(found.parts.share, abs=0.13)
    assert 0.3 < found.parts.share < 0.9
    # A quarter of every class of the 140 other rows, for each of five folds.
    assert 20 * 5 * 32 < len(found.crossed.answers.right) <= 20 * 5 * 35
    assert 0 < found.crossed.variance < 0.01


def test_where_there_are_few_other_rows_the_anchors_stand_for_them() -> None:
    target, source, asked = world(n=240, k=80)
    found = evidence_of(target, source, asked)
    assert len(found.crossed.answers.right) == 20 * 80


def test_a_class_of_one_row_is_never_kept_from_the_decoder() -> None:
    target, source, asked = world(rare=True)
    assert "rare" in target.targets.names
    assert evidence_of(target, source, asked).crossed.answers.share > 0.5


def plain_distance(rows: Numbers, asked: Numbers) -> float:
    """Mahalanobis along the principal axes of unit rows, one after the other."""
    mean = rows.mean(axis=0)
    R, Q = (np.array([row / np.linalg.norm(row) for row in one - mean]) for one in (rows, asked))
    axes = np.linalg.svd(R - R.mean(axis=0))[2]
    square = 0.0
    for axis in axes[:30]:
        a, b = R @ axis, Q @ axis
        variance = (len(a) * a.var() + len(b) * b.var()) / (len(a) + len(b))
        square += (a.mean() - b.mean()) ** 2 / variance - 1 / len(a) - 1 / len(b)
    return float(np.sqrt(max(square, 0.0)))


@quick
@given(seed=st.integers(0, 99), d=st.sampled_from([3, 40]))
def test_a_shift_is_a_mahalanobis_distance_that_no_rotation_changes(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(200, d)) * np.linspace(3, 1, d)).astype(np.float32)
    asked = (rng.normal(size=(150, d)) * np.linspace(3, 1, d) + 0.4).astype(np.float32)
    found = shift_of(Source(rows, rows), asked)
    assert found == pytest.approx(plain_distance(rows.astype(float), asked.astype(float)), abs=1e-3)
    turn = rotation(d).astype(np.float32)
    assert shift_of(Source(rows, rows @ turn), asked @ turn) == pytest.approx(found, abs=1e-3)
    assert shift_of(Source(rows, 5 * rows), 5 * asked) == pytest.approx(found, abs=1e-3)


def test_two_draws_of_the_same_rows_are_no_shift_and_others_are() -> None:
    rng = np.random.default_rng(0)
    found = [shift_of(Source(X, X[:300]), X[300:]) for X in rng.normal(size=(20, 500, 50)).astype(np.float32)]
    assert np.mean(found) < 0.2
    X = rng.normal(size=(500, 50)).astype(np.float32)
    assert shift_of(Source(X, X[:300]), X[300:] + np.repeat([1.0, 0.0], [5, 45]).astype(np.float32)) > 1
    assert shift_of(Source(X, X[:1]), X) == shift_of(Source(X, X), X[:1]) == 0
    assert shift_of(Source(X, np.ones_like(X)), np.ones_like(X)) == 0
