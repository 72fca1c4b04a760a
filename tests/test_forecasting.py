"""Forecasts: the numbers behind them against plain oracles, verdicts, and what is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from stitching_samples import anchors_in, blobs, rotation, turned_pair
from typer.testing import CliRunner

from relstitch import storage
from relstitch.artifacts import (
    AnchorList,
    Anchors,
    AnchorSide,
    AnchorVectors,
    Embeddings,
    EncoderStamp,
    Rows,
    Targets,
)
from relstitch.artifacts.forecasts import Forecast
from relstitch.choosing import Source, Target, choose_ways
from relstitch.cli import app
from relstitch.decoders import DecoderSettings
from relstitch.errors import MismatchError, UsageError
from relstitch.forecasting import (
    AdviseOptions,
    Answers,
    Calibration,
    Crossed,
    Evidence,
    Gates,
    Places,
    Side,
    Signals,
    advise,
    ceiling_of,
    gather_evidence,
    search_evidence,
    signals_of,
)
from relstitch.forecasting.calibration import logit as log_odds
from relstitch.forecasting.calibration import sampling, share_of
from relstitch.forecasting.health import anchor_notes, class_notes, shift_notes
from relstitch.forecasting.signals import expected_share
from relstitch.forecasting.table import ACCURACY
from relstitch.forecasting.verdict import Case, judge
from relstitch.relative import anchor_vectors
from relstitch.stitching import StitchOptions, stitch
from relstitch.translation import TranslatorSettings
from relstitch.ways import way_of

Numbers = NDArray[np.float64]
quick = settings(max_examples=20, deadline=None)
shares = st.floats(0.02, 0.98)
PLAIN = Calibration(gain=0.0, spread=0.1, free_spread=0.2, shift=0.3, width=1.0)
RIDGE = AdviseOptions(decoder="ridge", way="procrustes")


def signals(held_out: float = 0.8, agreement: float = 0.8, n: int = 300, rows: int = 500) -> Signals:
    at = log_odds(held_out, n)
    return Signals(at, sampling(at, n), 0.0, n, rows, free=log_odds(agreement, rows))


def sides(spread: float = 0.7, k: int = 40, *, labels: bool = True, source_labels: bool = True) -> tuple[Side, Side]:
    """The turned one as the source, the plain one as the target."""
    files, anchors = turned_pair(spread)
    if k != 40:
        anchors = anchors_in(files["one"], k=k)
    made = []
    for name, keep in (("two", source_labels), ("one", labels)):
        file = files[name]
        if not keep:
            file = replace(file, rows=replace(file.rows, targets=None))
        made.append(Side(name, file, anchor_vectors(file, anchors)))
    return made[0], made[1]


def side_of(name: str, file: Embeddings, at: NDArray[Any]) -> Side:
    picked = AnchorList(tuple(file.rows.ids[at]), tuple(file.rows.hashes[at].tolist()))
    return Side(name, file, AnchorVectors(picked, file.vectors[at]))


def test_log_odds_are_scipys_and_finite_at_the_ends() -> None:
    assert log_odds(0.3, 10**9) == pytest.approx(logit(0.3), abs=1e-6)
    assert share_of(0.7) == pytest.approx(expit(0.7))
    assert log_odds(1.0, 10) == pytest.approx(-log_odds(0.0, 10)) == pytest.approx(np.log(21))


def test_expected_share_is_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    margin = rng.gamma(2.0, size=400)
    right = rng.uniform(size=400) < expit(2 * np.log1p(margin) - 1)
    asked = rng.gamma(3.0, size=100)
    middle = np.median(margin)
    model = LogisticRegression(C=1e6).fit(np.log1p(margin / middle)[:, None], right)
    expected = model.predict_proba(np.log1p(asked / middle)[:, None])[:, 1].mean()
    assert expected_share(Answers(right, margin), asked) == pytest.approx(expected, abs=1e-3)
    assert expected_share(Answers(right, 1000 * margin), 1000 * asked) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_alike_have_an_expected_share_too(right: bool) -> None:
    share = expected_share(Answers(np.full(20, right), np.zeros(20)), np.zeros(5))
    assert (share > 0.9) is right
    assert 0 < share < 1


def plain_estimate(one: Calibration, seen: Signals) -> tuple[float, float, float]:
    """Two normal estimates joined: Bayes by a fine grid."""
    grid = np.linspace(-12, 12, 200_001)
    p = expit(seen.held_out)
    first = (seen.held_out, one.spread**2 + (one.shift * seen.shift) ** 2 + 1 / (seen.anchors * p * (1 - p)))
    other = float(seen.free or 0.0)
    assert one.free_spread is not None
    second = (other, one.free_spread**2 + 1 / (seen.rows * expit(other) * expit(-other)))
    density = np.exp(sum(-((grid - mean) ** 2) / (2 * variance) for mean, variance in (first, second)))
    density /= density.sum()
    mean = (grid * density).sum()
    q = expit(mean)
    spread = np.sqrt(((grid - mean) ** 2 * density).sum() + 1 / (seen.rows * q * (1 - q)))
    low, high = expit(mean - 1.6448536 * spread), expit(mean + 1.6448536 * spread)
    return float(q), float(low), float(high)


@quick
@given(held_out=shares, agreement=shares, n=st.integers(20, 1000), shift=st.floats(0.0, 2.0))
def test_two_estimates_are_joined_as_bayes_has_it(held_out: float, agreement: float, n: int, shift: float) -> None:
    seen = replace(signals(held_out, agreement, n), shift=shift)
    assert PLAIN.estimate(seen) == pytest.approx(plain_estimate(PLAIN, seen), abs=1e-4)


@quick
@given(held_out=st.floats(0.2, 0.8), agreement=st.floats(0.2, 0.8))
def test_intervals_hold_the_value_narrow_with_anchors_and_grow_with_the_width(
    held_out: float, agreement: float
) -> None:
    seen = signals(held_out, agreement, 50)
    value, low, high = PLAIN.estimate(seen)
    assert 0 < low < value < high < 1

    def width(one: Calibration, evidence: Signals, anchors: int | None = None) -> float:
        _, bottom, top = one.estimate(evidence, anchors=anchors)
        return float(logit(top) - logit(bottom))

    assert width(PLAIN, seen, anchors=5000) < width(PLAIN, seen) < width(PLAIN, replace(seen, rows=50))
    assert width(replace(PLAIN, width=2.0), seen) == pytest.approx(2 * width(PLAIN, seen))
    assert width(PLAIN, replace(seen, shift=1.0)) > width(PLAIN, seen)


def test_without_other_evidence_the_anchors_stand_alone() -> None:
    alone = signals(0.8, 0.3)
    assert replace(PLAIN, free_spread=None).estimate(alone) == PLAIN.estimate(replace(alone, free=None))
    assert PLAIN.estimate(replace(alone, free=None))[0] == pytest.approx(0.8, abs=0.01)
    assert PLAIN.estimate(alone)[0] < 0.7


def test_the_step_from_half_of_the_anchors_is_carried_on() -> None:
    growing = replace(PLAIN, gain=1.0)
    seen = replace(signals(0.8, 0.8), step=0.5)
    assert growing.estimate(seen)[0] > PLAIN.estimate(seen)[0]
    falling = replace(signals(0.8, 0.8), step=-0.5)
    assert growing.estimate(falling) == PLAIN.estimate(falling)


def case(**changes: Any) -> Case:
    return replace(Case("accuracy", signals(), PLAIN, floor=0.3, ceiling=0.9, labelled=300), **changes)


def test_verdicts() -> None:
    value, low, high = PLAIN.estimate(signals())
    assert judge(case(), Gates(accuracy=low)).verdict == "go"
    assert judge(case(), Gates(accuracy=high + 1e-9)).verdict == "no-go"
    assert judge(case(), Gates(accuracy=value)).verdict == "undecided"
    assert judge(case(), Gates(retention=0.5)).verdict == "go"
    assert judge(case(), Gates(accuracy=0.1, retention=1.0)).verdict == "no-go"
    assert judge(case(), Gates()).verdict == "go"
    assert judge(case(floor=0.85), Gates()).verdict == "no-go"


def test_reasons_are_words_with_numbers() -> None:
    assert judge(case(), Gates(accuracy=0.5)).reasons == (
        "Even the low end of the interval, 0.748, is above the gate of 0.500.",
    )
    assert judge(case(notes=("A note.",)), Gates(accuracy=0.9)).reasons == (
        "Even the high end of the interval, 0.842, is below the gate of 0.900.", "A note.",
    )  # fmt: skip
    few = judge(case(signals=signals(n=20), labelled=20, floor=0.79), Gates())
    assert few.verdict == "undecided"
    assert few.reasons[-2:] == (
        "Only 20 anchors could be asked; below 30 a forecast is hardly more than a guess.",
        "It may be no better than the floor, 0.790, which needs no meeting at all.",
    )


def test_how_many_more_anchors_settle_it() -> None:
    value, low, _ = PLAIN.estimate(signals(n=50))
    undecided = judge(case(signals=signals(n=50)), Gates(accuracy=low + 0.01))
    assert undecided.more_anchors is not None
    assert undecided.reasons[0].startswith("The gate of 0.7")
    assert " lies within the interval, 0.7" in undecided.reasons[0]
    assert undecided.reasons[1] == (
        f"If further anchors agree with these, about {undecided.more_anchors} more would settle it."
    )
    enough = 50 + undecided.more_anchors
    assert PLAIN.estimate(signals(n=50), anchors=enough)[1] >= low + 0.01
    never = judge(case(), Gates(accuracy=value))
    assert never.more_anchors is None
    assert never.reasons[1] == (
        "It is too near for more anchors to settle it: score some labelled rows of the source instead."
    )


def test_fewer_than_30_anchors_never_say_go() -> None:
    for gates in (Gates(), Gates(accuracy=0.5), Gates(retention=0.5)):
        guess = judge(case(signals=signals(n=20), labelled=20), gates)
        assert (guess.verdict, guess.more_anchors) == ("undecided", 10)
        assert guess.reasons[1:] == (
            "If further anchors agree with these, about 10 more would settle it.",
            "Only 20 anchors could be asked; below 30 a forecast is hardly more than a guess.",
        )
    assert judge(case(signals=signals(n=20), labelled=20), Gates(accuracy=0.99)).verdict == "no-go"
    low = PLAIN.estimate(signals(n=12))[1]
    near = judge(case(signals=signals(n=12), labelled=12), Gates(accuracy=low + 1e-6))
    assert near.more_anchors is not None
    assert near.more_anchors >= 18


@pytest.mark.parametrize("called", ["accuracy", "retention", "recall"])
@pytest.mark.parametrize("value", [float("nan"), -0.1])
def test_gates_that_mean_nothing(called: str, value: float) -> None:
    with pytest.raises(UsageError) as caught:
        Gates(**{called: value}).check()
    assert str(caught.value) == f"A gate for the {called} must be a share such as 0.8; {value} was given."


def test_gates_of_two_quantities() -> None:
    Gates(retention=1.2).check()
    with pytest.raises(UsageError) as caught:
        Gates(accuracy=0.5, recall=0.5).check()
    assert str(caught.value) == (
        "--min-recall is for a forecast of recall, --min-accuracy and --min-retention for one of accuracy. Give the "
        "gates of one of them."
    )


def test_notes_on_anchors() -> None:
    rng = np.random.default_rng(0)
    assert list(anchor_notes(rng.normal(size=(30, 4)).astype(np.float32), "x")) == []
    twice = np.repeat(rng.normal(size=(3, 4)), 5, axis=0).astype(np.float32)
    assert next(anchor_notes(twice, "x")) == (
        "The anchors span only 2 of 4 dimensions in x: some repeat others. Pick anchors that differ."
    )
    thin = (rng.normal(size=(30, 2)) * [1, 2e-5]).astype(np.float32)
    found = next(anchor_notes(thin, "x"))
    assert found.startswith("The anchors are badly conditioned in x (")
    assert found.endswith("): maps fitted on them amplify noise. Take more anchors.")
    cone = (rng.normal(size=(30, 4)) + 20).astype(np.float32)
    assert list(anchor_notes(cone, "x")) == [
        "x is a narrow cone: the mean cosine between its anchors is 1.00, so that ways without centring fail here."
    ]


def test_notes_on_classes() -> None:
    known = Targets.from_labels(["a", "b", "c"]).take(np.array([0, 1]))
    told = list(class_notes(known, np.array([[0.9, 0.1, 0.0], [0.4, 0.4, 0.2]])))
    assert told == [
        "1 of 3 classes has no anchor, so nothing is known of it: c.",
        "The answers are spread over the classes otherwise than the training rows (50 % would have to move): other "
        "data, or a map that fails.",
    ]
    assert list(class_notes(known, np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]))) == []


def test_notes_on_rows_from_elsewhere() -> None:
    assert list(shift_notes(0.4, "one")) == []
    assert list(shift_notes(0.97, "one")) == [
        "The rows of one that will be answered are not like its others (their mean lies 1.0 standard deviations away): "
        "they may be easier or harder, so the interval is wider."
    ]


def world(noise: float = 0.0) -> tuple[Target, Source, NDArray[np.float32]]:
    X, labels = blobs(n=300)
    Y = X @ rotation(10) + noise * np.random.default_rng(3).normal(size=X.shape)
    targets = Targets.from_labels(labels)
    which = np.where(np.arange(200) < 60, np.arange(200), -1)
    here, there = Y.astype(np.float32), X.astype(np.float32)
    target = Target(there[:200], targets.take(np.arange(200)), which, there[:60], targets.take(np.arange(60)))
    return target, Source(here[:60], here[:200]), here[200:]


def evidence_of(target: Target, source: Source, asked: NDArray[np.float32]) -> Any:
    chosen = DecoderSettings("ridge", strength=0.3)
    choice = choose_ways(target, {"": source}, chosen, [way_of("procrustes")])[""]
    return gather_evidence(target, source, asked, choice, chosen)


def test_evidence_of_two_alike_and_of_two_strangers() -> None:
    target, source, asked = world()
    good = evidence_of(target, source, asked)
    assert min(good.parts.share, good.halves.share, good.agreement) > 0.85
    assert ceiling_of(target, DecoderSettings("ridge")).share > 0.9
    rng = np.random.default_rng(0)
    strangers = replace(source, anchors=rng.permutation(source.anchors))
    bad = evidence_of(target, strangers, asked)
    assert bad.parts.share < 0.6
    assert bad.agreement < 0.8 * good.agreement
    assert good.shares.sum(axis=1) == pytest.approx([1, 1])
    assert good.crossed.answers.share == pytest.approx(good.parts.share, abs=0.1)
    assert bad.crossed.answers.share == pytest.approx(bad.parts.share, abs=0.15)
    assert good.shift < 0.6


def test_decoders_that_agree_on_nonsense_are_not_believed() -> None:
    """Two decoders that give one answer for every row agree wholly; the ceiling says what that is worth."""
    right, margin = np.arange(50) < 12, np.linspace(0.0, 1.0, 50)
    held_out = Answers(right, margin)
    moved = Crossed(held_out, 0.004)
    evidence = Evidence(held_out, held_out, moved, moved, margin, 1.0, np.array([[1.0, 0.0], [0.5, 0.5]]), 0.0)
    ceiling = Answers(np.arange(200) < 52, np.zeros(200))
    seen = signals_of(evidence, ceiling)
    assert seen.free == log_odds(0.26, 200)
    assert ACCURACY.estimate(seen)[0] < 0.3
    less = signals_of(replace(evidence, agreement=0.1), ceiling)
    assert less.free == log_odds(0.1, 50)


def test_agreement_of_halves_is_raised_by_the_step_to_all_anchors() -> None:
    margin = np.linspace(0.0, 1.0, 100)
    held_out, half = Answers(np.arange(100) < 80, margin), Answers(np.arange(100) < 70, margin)
    moved, before = Crossed(held_out, 0.001), Crossed(half, 0.002)
    evidence = Evidence(held_out, half, moved, before, margin, 0.6, np.full((2, 2), 0.5), 0.7)
    seen = signals_of(evidence, Answers(np.arange(200) < 199, np.zeros(200)))
    assert seen.free == pytest.approx(log_odds(0.6, 100) + 1.4 * (log_odds(0.8, 100) - log_odds(0.7, 100)))
    assert seen.shift == 0.7
    assert seen.noise == pytest.approx(0.001 / (0.797 * 0.203) ** 2, rel=0.01)
    falling = signals_of(
        replace(evidence, crossed=before, crossed_halves=moved), Answers(np.ones(9, bool), np.zeros(9))
    )
    assert falling.free == log_odds(0.6, 100)


def test_a_held_out_anchor_does_not_judge_itself() -> None:
    """With labels drawn by lot nothing can be right but by chance; a decoder that had seen the anchors would be."""
    target, source, asked = world()
    lots = Targets.from_labels([str(code) for code in np.random.default_rng(5).integers(4, size=200)])
    drawn = replace(target, targets=lots, known=lots.take(np.arange(60)))
    found = evidence_of(drawn, source, asked)
    assert max(found.parts.share, found.halves.share) < 0.45


def plain_hits(places: Places, out: NDArray[Any]) -> list[bool]:
    """Orthogonal Procrustes, as wide as it is, and cosines one by one."""
    kept = [at for at in range(len(places.source)) if at not in set(out.tolist())]
    A, B = places.source[kept].astype(float), places.target[kept].astype(float)
    left, s, right = np.linalg.svd((A - A.mean(0)).T @ (B - B.mean(0)))
    turn, scale = left @ right, s.sum() / np.square(A - A.mean(0)).sum()
    hits = []
    for at in out:
        query = scale * (places.source[at] - A.mean(0)) @ turn
        rows = np.concatenate([places.target[[at]], places.target[[o for o in out if o != at]], places.rows])
        near = [row @ query / np.linalg.norm(row) / np.linalg.norm(query) for row in rows - B.mean(0)]
        hits.append(int(np.argmax(near)) == 0)
    return hits


def test_search_is_what_a_plain_search_finds() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5)).astype(np.float32)
    Y = (X @ rotation(5) + 0.6 * rng.normal(size=X.shape)).astype(np.float32)
    places = Places(Y[:40], X[:40], Y[40:], X[40:])
    found = search_evidence(places, TranslatorSettings("procrustes"), seed=3)
    order = np.random.default_rng(3).permutation(40)
    expected = np.concatenate([plain_hits(places, order[part::5]) for part in range(5)])
    assert found.parts.tolist() == expected.tolist()
    assert 0.1 < found.parts.mean() < 0.9
    assert found.candidates == found.asked == 80
    assert search_evidence(places, TranslatorSettings("procrustes"), seed=3).agreement == found.agreement
    copies = replace(places, rows=np.concatenate([places.rows, places.target, places.rows]))
    assert search_evidence(copies, TranslatorSettings("procrustes"), seed=3).parts.tolist() == expected.tolist()


def test_a_forecast_of_accuracy_finds_the_figure_and_ignores_the_sources_labels() -> None:
    source, target = sides()
    forecast = advise(source, target, RIDGE)
    assert forecast.quantity == "accuracy"
    assert forecast.verdict == "go"
    assert forecast.low < forecast.value < forecast.high
    assert forecast.value > 0.8
    assert forecast.retention is not None
    assert forecast.retention[0] == pytest.approx(forecast.value / (forecast.ceiling or 0))
    assert forecast.rows == {"anchors": 40, "asked": 80, "train": 160}
    blind = advise(replace(source, space=sides(source_labels=False)[0].space), target, RIDGE)
    assert blind.to_json() == forecast.to_json()


@pytest.mark.parametrize("recall", [False, True])
def test_the_order_of_rows_decides_nothing(recall: bool) -> None:
    options = AdviseOptions(way="procrustes", recall=recall)
    source, target = sides()
    moved = [
        replace(side, space=side.space.take(np.random.default_rng(at).permutation(len(side.rows))))
        for at, side in enumerate((source, target))
    ]
    assert advise(moved[0], moved[1], options).to_json() == advise(source, target, options).to_json()


def test_strangers_are_a_no_go() -> None:
    source, target = sides()
    mixed = np.random.default_rng(0).permutation(source.anchors.vectors)
    stranger = replace(source, anchors=AnchorVectors(source.anchors.anchors, mixed))
    forecast = advise(stranger, target, replace(RIDGE, gates=Gates(retention=0.9)))
    assert forecast.verdict == "no-go"
    assert forecast.value < advise(source, target, RIDGE).low


def test_without_labels_recall_is_forecast() -> None:
    source, target = sides(labels=False)
    forecast = advise(source, target, AdviseOptions(way="procrustes"))
    assert forecast.quantity == "recall@1"
    assert forecast.ceiling is None
    assert forecast.retention is None
    assert forecast.value > 0.9
    assert forecast.rows == {"anchors": 40, "asked": 80, "candidates": 200}
    assert forecast.floor == pytest.approx(1 / 200)
    assert advise(*sides(), AdviseOptions(way="procrustes", recall=True)).value == forecast.value
    assert advise(*sides(), AdviseOptions(way="procrustes", gates=Gates(recall=0.5))).verdict == "go"


def test_rows_of_one_split_and_few_anchors() -> None:
    X, labels = blobs(n=120)
    targets = Targets.from_labels(labels)
    files = [
        Embeddings(Rows.build([f"r{at}" for at in range(120)], targets=targets), Y.astype(np.float32), one.encoder)
        for one, Y in ((sides()[1].space, X), (sides()[0].space, X @ rotation(10)))
    ]
    at = np.arange(12)
    forecast = advise(side_of("two", files[1], at), side_of("one", files[0], at), RIDGE)
    assert forecast.rows == {"anchors": 12, "asked": 108, "train": 120}
    assert forecast.verdict != "go"
    assert "Only 12 anchors could be asked; below 30 a forecast is hardly more than a guess." in forecast.reasons


def refusal(source: Side, target: Side, options: AdviseOptions = RIDGE) -> str:
    with pytest.raises((UsageError, MismatchError)) as caught:
        advise(source, target, options)
    return str(caught.value)


def test_sides_that_do_not_fit() -> None:
    source, other = sides()[0], sides(k=30)[1]
    assert refusal(source, other) == (
        f"two and one were given different anchors ({', '.join(source.anchors.anchors.ids[:2])} … and 38 more; "
        f"{', '.join(other.anchors.anchors.ids[:2])} … and 28 more). Take both sides from one draw of one anchors file."
    )
    assert refusal(*sides(k=9)) == (
        "A forecast was asked for with 9 anchors; at least 10 are needed, and some hundred make it sharp. Pick more "
        "anchors."
    )


def test_rows_that_are_missing() -> None:
    source, target = sides()
    anchors_only = source.space.take(source.space.rows.in_splits("train") & ~source.free())
    assert refusal(replace(source, space=anchors_only), target) == (
        "two holds 40 rows, and all of those to be answered are anchors. A forecast asks rows that are none; they need "
        "no labels. Encode some."
    )
    small = replace(target, space=target.space.take(~target.free()))
    assert refusal(source, small, AdviseOptions(recall=True)) == (
        "Every row of the target is an anchor or equals one: there is nothing to find among them. Encode the rows "
        "that will be searched."
    )


def test_splits_that_were_named_and_are_not_there() -> None:
    for options, name, option in (
        (replace(RIDGE, train_split="trian"), "one", "--train-split"),
        (replace(RIDGE, test_split="trian"), "two", "--test-split"),
    ):
        assert refusal(*sides(), options) == (
            f"There is no split called trian in {name}; its splits are: train, test. Name one of them with {option}, "
            "or leave it out."
        )


def relabelled(side: Side, labels: list[str | None]) -> Side:
    rows = replace(side.space.rows, targets=Targets.from_labels(labels))
    return replace(side, space=replace(side.space, rows=rows))


def test_labels_that_will_not_do() -> None:
    source, target = sides()
    anchors, n = ~target.free(), len(target.rows)
    assert refusal(
        source, relabelled(target, [None if anchor else "ab"[at % 2] for at, anchor in enumerate(anchors)])
    ) == (
        "0 of 40 anchors have a label in one, of 0 classes. A forecast of accuracy needs 10 or more, of 2 classes. "
        "Pick more anchors among labelled rows, or ask for recall instead (--recall)."
    )
    assert refusal(
        source, relabelled(target, ["ab"[at % 2] if anchor else "a" for at, anchor in enumerate(anchors)])
    ) == (
        "The training rows of one that are no anchors are of fewer than 2 classes (160 labels in all): there is "
        "nothing to forecast. Name the split that is learned from with --train-split."
    )
    heights = Targets("real", np.ones((n, 1), dtype=np.float32), np.ones(n, dtype=bool), ("height",))
    numbers = replace(target, space=replace(target.space, rows=replace(target.space.rows, targets=heights)))
    assert refusal(source, numbers) == (
        "The targets of one are of kind 'real'; accuracy is forecast for classes. Ask for recall instead (--recall)."
    )


def test_gates_and_ways_that_do_not_go_with_recall() -> None:
    gated = AdviseOptions(gates=Gates(accuracy=0.5))
    assert refusal(*sides(labels=False), gated) == (
        "--min-accuracy and --min-retention are for a forecast of accuracy, and one has no labels. Give --min-recall, "
        "or labels."
    )
    assert refusal(*sides(), replace(gated, recall=True)) == (
        "--min-accuracy and --min-retention are for a forecast of accuracy, and recall was asked for. Give "
        "--min-recall, or labels."
    )
    for options in (AdviseOptions(recall=True, decoder="knn"), AdviseOptions(gates=Gates(recall=0.5), strength=1.0)):
        assert refusal(*sides(), options) == (
            "--decoder and --strength are for a forecast of accuracy, and recall was asked for: no decoder takes part "
            "in a search. Leave them out."
        )
    assert refusal(*sides(), AdviseOptions(way="rotate", recall=True)) == (
        "There is no method 'rotate' for recall. Choose one of: auto, procrustes, ridge, affine, low-rank, inverse, "
        "kernel, smoothing, mlp."
    )


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    pair, anchors = turned_pair()
    for name, one in pair.items():
        storage.save(one, tmp_path / f"{name}.safetensors")
    storage.save(anchors, tmp_path / "anchors.json")
    return [str(tmp_path / name) for name in ("two.safetensors", "one.safetensors")] + [
        "--anchors", str(tmp_path / "anchors.json"), "--method", "procrustes",
    ]  # fmt: skip


def test_the_verb(files: list[str]) -> None:
    done = CliRunner().invoke(app, ["advise", *files, "--decoder", "ridge", "--min-accuracy", "0.5"])
    assert done.exit_code == 0, done.output
    facts = dict(line.split("\t") for line in done.stdout.splitlines())
    assert facts["verdict"] == "go"
    assert facts["anchors"] == "40"
    assert "is above the gate of 0.500." in done.stderr


def test_the_verb_as_json_and_its_gate(files: list[str]) -> None:
    done = CliRunner().invoke(app, ["advise", *files, "-d", "ridge", "--json", "-k", "30", "--min-retention", "2"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["rows"]["anchors"] == 30
    assert found["verdict"] == "no-go"
    assert done.stderr == (
        f"Error: Gate failed: the accuracy of two in one is forecast as {found['value']:.4f} ({found['low']:.4f} to "
        f"{found['high']:.4f}); at least {found['settings']['gate']:.4f} was asked for.\n"
    )


def test_the_verb_forecasts_recall(files: list[str]) -> None:
    done = CliRunner().invoke(app, ["advise", *files, "--min-recall", "0.5", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["quantity"] == "recall@1"


def test_json_has_no_nan() -> None:
    forecast = advise(*sides(labels=False), AdviseOptions(way="procrustes"))
    assert isinstance(forecast, Forecast)
    json.dumps(forecast.to_json(), allow_nan=False)


def real_side(folder: Path, encoder: str, k: int = 100) -> Side:
    held = np.load(folder / "embeddings" / f"bbc-{encoder}.npz")
    vectors = np.concatenate([held["train"], held["test"]]).astype(np.float32)
    labels = np.concatenate([held["train_labels"], held["test_labels"]]).tolist()
    ids = [f"{split}:{at}" for split in ("train", "test") for at in range(len(held[split]))]
    splits = [name.partition(":")[0] for name in ids]
    rows = Rows.build(ids, splits=splits, targets=Targets.from_labels(labels))
    space = Embeddings(rows, vectors, EncoderStamp(f"st:{encoder}", "text", vectors.shape[1]))
    return side_of(encoder, space, np.random.default_rng(0).permutation(len(held["train"]))[:k])


def test_on_real_texts_the_interval_holds_what_a_stitch_measures(test_data: Path) -> None:
    source, target = real_side(test_data, "minilm"), real_side(test_data, "mpnet")
    forecast = advise(source, target, AdviseOptions(decoder="ridge", strength=0.3, way="smoothing"))
    sides = tuple(AnchorSide("main", "", (side.anchors.anchors,)) for side in (source,))
    report = stitch(
        {side.name: side.space for side in (source, target)}, Anchors("uniform", 0, sides),
        StitchOptions(method="ridge", strength=0.3, way="smoothing", absolute=False),
    )  # fmt: skip
    measured = next(
        cell.scores["accuracy"].mean for cell in report.cells if (cell.decoder, cell.encoder) == ("mpnet", "minilm")
    )
    assert measured is not None
    assert forecast.low <= measured <= forecast.high
    assert forecast.high - forecast.low < 0.1
