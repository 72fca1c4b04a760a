"""Spread by source and the paired bootstrap: against plain loops, what must not change them, what they refuse."""

from collections.abc import Callable
from dataclasses import replace
from statistics import fmean, stdev, variance

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stitching_samples import anchors_in, turned_pair

from relstitch.artifacts import Comparison, FormComparison, Score, StitchReport
from relstitch.errors import MismatchError, RelstitchError, UsageError
from relstitch.report.stitch_table import summary
from relstitch.scoring import Scored
from relstitch.statistics import paired_bootstrap, spread_by_source
from relstitch.stitching import StitchOptions, stitch
from relstitch.stitching.evidence import compare_forms, score_of, stitched_scores
from relstitch.stitching.matrix import Results
from relstitch.stitching.notes import notes_on_scores


def table(seed: int, draws: int = 4, seeds: int = 3) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.asarray(0.7 + 0.05 * rng.normal(size=(draws, 1)) + 0.02 * rng.normal(size=(draws, seeds)))


def hits(share: float, seed: int, r: int = 3, n: int = 200) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((r, n)) < share


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_spread_by_source_is_the_analysis_of_variance(seed: int) -> None:
    rows = table(seed).tolist()
    within = fmean(variance(row) for row in rows)
    between = max(variance([fmean(row) for row in rows]) - within / 3, 0)
    assert spread_by_source(rows) == pytest.approx((between**0.5, within**0.5))
    shifted, scaled = spread_by_source(table(seed) + 3), spread_by_source(2 * table(seed))
    assert shifted == pytest.approx((between**0.5, within**0.5))
    assert scaled == pytest.approx((2 * between**0.5, 2 * within**0.5))


def test_spread_by_source_finds_what_was_put_in() -> None:
    draws, seeds = spread_by_source(table(0, draws=4000, seeds=5))
    assert draws == pytest.approx(0.05, rel=0.05)
    assert seeds == pytest.approx(0.02, rel=0.05)
    # Negative control: the other way round, the sources change places.
    assert spread_by_source(np.repeat([[0.5, 0.7]], 3, axis=0)) == pytest.approx((0.0, 0.02**0.5))


def test_a_source_with_one_value_has_no_spread() -> None:
    between, none = spread_by_source([[0.5], [0.7]])
    assert between == pytest.approx(stdev([0.5, 0.7]))
    assert none is None
    none, within = spread_by_source([[0.5, 0.7]])
    assert none is None
    assert within == pytest.approx(stdev([0.5, 0.7]))
    assert spread_by_source([[0.5]]) == (None, None)


def test_bootstrap_against_a_plain_loop() -> None:
    a, b = hits(0.8, 0), hits(0.7, 1)
    rng = np.random.default_rng(5)
    gain = a.astype(float) - b
    drawn = []
    for _ in range(3000):
        repetitions, rows = rng.integers(3, size=3), rng.integers(200, size=200)
        drawn.append(fmean(gain[repetition][rows].mean() for repetition in repetitions))
    found = paired_bootstrap(a, b, resamples=3000, level=0.9)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.05, 0.95))), abs=0.006)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_bootstrap_order_of_rows_is_of_no_account_and_sides_change_sign(seed: int) -> None:
    a, b = hits(0.6, seed, n=50), hits(0.5, seed + 1, n=50)
    order = np.random.default_rng(seed).permutation(50)
    found = paired_bootstrap(a, b, resamples=200)
    assert paired_bootstrap(a[:, order], b[:, order], resamples=200) == found
    turned = paired_bootstrap(b, a, resamples=2000)
    assert turned.difference == pytest.approx(-found.difference)
    assert -turned.high == pytest.approx(found.low, abs=0.06)
    assert found.low <= found.difference <= found.high


def test_bootstrap_tells_better_from_the_same() -> None:
    """And pairing counts: the same gain with the rows torn apart is less sure."""
    base = hits(0.5, 0, r=1, n=400)
    better = base | hits(0.06, 1, r=1, n=400)
    found = paired_bootstrap(better, base)
    assert found.clear
    assert found.p < 0.01
    torn = paired_bootstrap(np.random.default_rng(3).permuted(better, axis=1), base)
    assert not torn.clear
    assert torn.high - torn.low > 2 * (found.high - found.low)
    same = paired_bootstrap(base, base)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert not same.clear


def test_bootstrap_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        found = paired_bootstrap(hits(0.7, seed, r=1), hits(0.6, seed + 900, r=1), resamples=300, level=0.9)
        held += found.low <= 0.1 <= found.high
    assert 165 <= held <= 195


def test_bootstrap_of_one_row_and_of_many() -> None:
    assert paired_bootstrap([[True]], [[False]], resamples=9).low == 1.0
    # More rows than one block of indices holds two samples of.
    wide = paired_bootstrap(hits(0.6, 0, r=1, n=1_500_000), hits(0.6, 1, r=1, n=1_500_000), resamples=3)
    assert abs(wide.difference) < 0.01


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: spread_by_source([0.5, 0.7]),
            UsageError,
            "Values of shape [2] were given; expected a table of draws × seeds with one or more of each.",
        ),
        (
            lambda: spread_by_source([[0.5, np.nan]]),
            UsageError,
            "1 of 2 values are not finite numbers. Leave out the figure that does not exist.",
        ),
        (
            lambda: paired_bootstrap([[1, 0]], [[1]]),
            MismatchError,
            "Hits of shape [1, 2] were given with hits of shape [1, 1]. A paired comparison needs the same "
            "repetitions and rows on both sides.",
        ),
        (
            lambda: paired_bootstrap([1, 0], [1, 1]),
            UsageError,
            "Hits of shape [2] were given; expected a table of repetitions × rows with one or more of each.",
        ),
        (
            lambda: paired_bootstrap([[1, 0]], [[2, np.nan]]),
            UsageError,
            "2 of 2 hits are not in 0 … 1. A hit is true or false, or a share of hits.",
        ),
        (
            lambda: paired_bootstrap([[1]], [[1]], resamples=0),
            UsageError,
            "0 resamples were asked for; at least one is needed, for example 2000.",
        ),
        (
            lambda: paired_bootstrap([[1]], [[1]], level=1.5),
            UsageError,
            "The level of an interval lies between 0 and 1; 1.5 was given. Give 0.95, for example.",
        ),
    ],
    ids=["shape", "nan", "shapes", "flat", "hits", "resamples", "level"],
)
def test_refusals(call: Callable[[], object], error: type[RelstitchError], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def scored(*rows: NDArray[np.bool_]) -> list[Scored]:
    return [Scored({"accuracy": float(row.mean())}, len(row), hits=row) for row in rows]


def test_forms_are_compared_on_the_pairs_that_both_have() -> None:
    good, bad = hits(0.9, 0, r=4), hits(0.5, 1, r=4)
    found = {("relative", "a", "b"): scored(*good), ("relative", "b", "a"): scored(*good),
             ("absolute", "a", "b"): scored(*bad), ("absolute", "a", "a"): scored(*good)}  # fmt: skip
    results = Results(found, {})
    (one,) = compare_forms(results, ["absolute", "relative"], 2)
    assert (one.form, one.other, one.pairs, one.rows, one.draws, one.seeds) == ("relative", "absolute", 1, 200, 2, 2)
    assert one.result.difference == pytest.approx(good.mean() - bad.mean())
    assert one.to_json()["low"] == one.result.low
    means = stitched_scores(results, ["absolute", "relative"], "accuracy", 2)
    assert means["relative"] == score_of(good.mean(axis=1).tolist(), 2)
    numbers = Results({(form, "a", "b"): [Scored({"r2": 0.5}, 9)] for form in ("absolute", "relative")}, {})
    assert list(compare_forms(numbers, ["absolute", "relative"], 1)) == []


def test_a_figure_that_is_missing_somewhere_has_no_sources() -> None:
    assert score_of([0.5, 0.6, 0.7], 2) == Score((0.5, 0.6, 0.7))
    assert score_of([], 2) == Score()


def test_a_stitch_says_whether_centring_helps() -> None:
    files, _ = turned_pair(spread=1.4)
    report = stitch(files, anchors_in(files["one"], draws=3), StitchOptions("ridge"))
    assert {(one.form, one.other) for one in report.comparisons} == {
        ("relative", "absolute"), ("relative, paper", "absolute"), ("relative, paper", "relative"),
    }  # fmt: skip
    last = report.comparisons[-1]
    lift = report.stitched_mean("relative") or 0.0
    assert -last.result.difference == pytest.approx(lift - (report.stitched_mean("relative, paper") or 0.0))
    note = (
        f"Centred and not centred differ no more than by chance: {-last.result.difference:+.3f} (95% interval "
        f"{-last.result.high:+.3f} to {-last.result.low:+.3f}, paired bootstrap over 80 test rows and 3 draws)."
    )
    assert note in report.notes
    assert report.stitched["relative"].mean == pytest.approx(lift)
    assert report.stitched["relative"].between_seeds is None


@pytest.mark.parametrize(
    ("difference", "draws", "seeds", "text"),
    [
        (-0.1, 5, 1, "better than not centred: +0.100 (95% interval +0.080 to +0.120, paired bootstrap over 80 test "
         "rows and 5 draws)."),
        (0.1, 1, 1, "worse than not centred: -0.100 (95% interval -0.120 to -0.080, paired bootstrap over 80 test "
         "rows and 1 draw)."),
        (-0.1, 1, 3, "better than not centred: +0.100 (95% interval +0.080 to +0.120, paired bootstrap over 80 test "
         "rows and 3 seeds)."),
    ],
)  # fmt: skip
def test_what_the_comparison_says(difference: float, draws: int, seeds: int, text: str) -> None:
    result = Comparison(difference, difference - 0.02, difference + 0.02, 0.01)
    one = FormComparison("relative, paper", "relative", 2, 80, draws, seeds, result)
    report = StitchReport("accuracy", "ridge", (), ("relative",), (), 0.3, {}, {}, comparisons=(one,))
    assert list(notes_on_scores(report)) == [f"Centred is {text}"]


def test_the_summary_tells_draws_from_seeds_where_there_are_seeds() -> None:
    report = StitchReport("accuracy", "mlp", (), ("relative",), (), 0.3, {}, {})
    assert summary(report).endswith("Stitched mean: centred –.")
    both = replace(report, stitched={"relative": Score((0.5, 0.6, 0.7, 0.8), 0.12, 0.07)})
    assert summary(both).endswith(" Its spread, centred: 0.120 between draws and 0.070 between seeds.")
    one_draw = replace(report, stitched={"relative": Score((0.5, 0.6), None, 0.07)})
    assert summary(one_draw).endswith(" Its spread, centred: 0.070 between seeds.")
