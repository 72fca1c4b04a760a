"""The choice of a translator by what it finds: against a plain loop, what must not change it, and when it is not made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.choosing import TRANSLATOR_CANDIDATES, TranslatorChoice, choose_translator
from relstitch.errors import MismatchError, UsageError
from relstitch.translation import TRANSLATORS, TranslatorSettings, apply_arrays, fit_arrays
from relstitch.translation.vectors import search_ranks

Array = NDArray[Any]
RIDGE, PROCRUSTES = TranslatorSettings("ridge", {"penalty": 0.1}), TranslatorSettings("procrustes", {"scale": False})
TWO = {"ridge": RIDGE, "procrustes": PROCRUSTES}


def worlds(k: int = 45, seed: int = 0, noise: float = 0.4, others: int = 60) -> tuple[Array, Array, Array]:
    """Anchors in two encoders, the second a turned and noisy first, and other rows of the second."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(k + others, 8))
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    B = (base @ turn + noise * rng.normal(size=base.shape)).astype(np.float32)
    return base[:k].astype(np.float32), B[:k], B[k:]


def carried(method: str, A: Array, B: Array, X: Array) -> Array:
    """Ridge of penalty 0.1 and Procrustes, from their formulas."""
    a, b = A.mean(axis=0), B.mean(axis=0)
    if method == "procrustes":
        left, _, right = np.linalg.svd((A - a).T @ (B - b))
        return np.asarray((X - a) @ left @ right + b)
    U, Q = ((one - a) / np.linalg.norm(one - a, axis=1, keepdims=True) for one in (A, X))
    Z = U - U.mean(axis=0)
    penalty = 0.1 * np.square(Z).sum() / Z.shape[1]
    weights = np.linalg.inv(Z.T @ Z + penalty * np.eye(Z.shape[1])) @ Z.T @ (B - b)
    return np.asarray((Q - U.mean(axis=0)) @ weights + b)


def plain_score(method: str, A: Array, B: Array, others: Array, seed: int) -> float:
    """One held-out anchor after the other, and one rival after the other."""
    A, B, others = (one.astype(np.float64) for one in (A, B, others))
    order = np.random.default_rng(seed).permutation(len(A)).tolist()
    total = 0.0
    for fold in range(5):
        out = order[fold::5]
        kept = [at for at in range(len(A)) if at not in out]
        center = B[kept].mean(axis=0)
        rivals = [*B[out], *others]
        for place, at in enumerate(out):
            query = carried(method, A[kept], B[kept], A[[at]])[0] - center
            near = [
                query @ (rival - center) / np.linalg.norm(query) / np.linalg.norm(rival - center) for rival in rivals
            ]
            total += 1.0 / sum(one >= near[place] for one in near)
    return total / len(A)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_scores_against_a_plain_loop(seed: int) -> None:
    A, B, others = worlds(seed=seed)
    choice = choose_translator(A, B, candidates=TWO, seed=seed, target_rows=others)
    assert choice.how == "held-out anchors"
    for name, score in choice.scores.items():
        assert score == pytest.approx(plain_score(name, A, B, others, seed), abs=1e-6)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000))
def test_turning_and_moving_a_side_and_the_order_of_other_rows_change_nothing(seed: int) -> None:
    A, B, others = worlds(seed=seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))[0]
    first = choose_translator(A, B, candidates=TWO, target_rows=others)
    moved = (3.0 * A @ turn + 2.0).astype(np.float32)
    second = choose_translator(moved, B, candidates=TWO, target_rows=others[::-1])
    for name, score in first.scores.items():
        assert second.scores[name] == pytest.approx(score, abs=0.02)


def test_anchors_paired_wrongly_find_nothing() -> None:
    """The negative control: a held-out anchor then stands at any place among its rivals."""
    A, B, others = worlds()
    right = choose_translator(A, B, candidates=TWO, target_rows=others)
    wrong = choose_translator(np.roll(A, 7, axis=0), B, candidates=TWO, target_rows=others)
    assert min(right.scores.values()) > 0.6
    assert max(wrong.scores.values()) < 0.2


def test_the_best_wins_and_of_near_equals_the_first() -> None:
    A, B, others = worlds(noise=0.0)
    blunt = {"blunt": TranslatorSettings("low-rank", {"rank": 1}), "procrustes": PROCRUSTES}
    assert choose_translator(A, B, candidates=blunt, target_rows=others).settings == PROCRUSTES
    same = {"one": TranslatorSettings("affine"), "other": TranslatorSettings("ridge", {"penalty": 1e-9})}
    choice = choose_translator(A, B, candidates=same, target_rows=others)
    assert choice.scores == {"one": 1.0, "other": 1.0}
    assert choice.settings == same["one"]


@pytest.mark.parametrize(("k", "first"), [(31, "affine"), (32, "procrustes"), (33, "procrustes")])
@pytest.mark.parametrize("wide", ["source", "target"])
def test_of_equals_procrustes_comes_first_from_twice_the_larger_width_on(k: int, first: str, wide: str) -> None:
    B = worlds(k=k, noise=0.0)[1]
    wider = np.hstack([B, np.zeros_like(B)])
    sides = (wider, B) if wide == "source" else (B, wider)
    offered = {"affine": TranslatorSettings("affine"), "procrustes": PROCRUSTES, "ridge": RIDGE}
    choice = choose_translator(*sides, candidates=offered)
    assert choice.scores["affine"] == choice.scores["procrustes"] == 1.0
    assert choice.settings == offered[first]
    assert list(choice.scores) == [first, *(name for name in offered if name != first)]


def test_procrustes_first_does_not_win_where_it_is_clearly_behind() -> None:
    """The negative control: a stretched space is no turned one, however many anchors there are."""
    A, _, others = worlds(k=200, others=600)
    stretch = np.diag([30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]).astype(np.float32)
    offered = {"affine": TranslatorSettings("affine"), "procrustes": PROCRUSTES}
    choice = choose_translator(A, A @ stretch, candidates=offered, target_rows=others @ stretch)
    assert list(choice.scores) == ["procrustes", "affine"]
    assert choice.settings == offered["affine"]


def test_other_rows_make_it_harder_and_anchors_among_them_do_not_count() -> None:
    A, B, others = worlds(others=900)
    alone, among, twice = (
        choose_translator(A, B, candidates=TWO, target_rows=rows).scores["ridge"]
        for rows in (None, others, np.concatenate([others, B, B]))
    )
    assert among < alone
    assert twice == among


def test_anchors_that_repeat_a_vector_are_one_answer() -> None:
    A, B, _ = worlds(noise=0.0)
    doubled = choose_translator(np.tile(A, (2, 1)), np.tile(B, (2, 1)), candidates=TWO)
    assert doubled.scores["procrustes"] == 1.0


def test_many_other_rows_are_sampled_and_the_choice_repeats_itself() -> None:
    A, B, others = worlds(others=2600)
    first = choose_translator(A, B, candidates=TWO, target_rows=others)
    assert first == choose_translator(A, B, candidates=TWO, target_rows=others)


def test_when_nothing_is_tried() -> None:
    A, B, _ = worlds()
    first = next(iter(TRANSLATOR_CANDIDATES.values()))
    few = choose_translator(A[:15], B[:15])
    assert few == TranslatorChoice(first, "default: 15 anchors, fewer than 30")
    narrow = choose_translator(A[:29], B[:29])
    assert narrow == TranslatorChoice(TRANSLATOR_CANDIDATES["procrustes"], "default: 29 anchors, fewer than 30")
    assert choose_translator(A, B, candidates={"ridge": RIDGE}) == TranslatorChoice(RIDGE, "given")


def test_what_is_offered_by_default() -> None:
    A, B, others = worlds()
    choice = choose_translator(A, B, target_rows=others)
    assert sorted(choice.scores) == sorted(TRANSLATOR_CANDIDATES)
    assert next(iter(choice.scores)) == "procrustes"
    wide = choose_translator(np.hstack([A, A, A]), B, target_rows=others)
    assert list(wide.scores) == list(TRANSLATOR_CANDIDATES)
    assert TRANSLATORS[next(iter(TRANSLATOR_CANDIDATES.values())).method].two_sided
    assert any(not TRANSLATORS[one.method].two_sided for one in TRANSLATOR_CANDIDATES.values())


def test_what_cannot_be_chosen_with() -> None:
    A, B, others = worlds()
    with pytest.raises(UsageError) as usage:
        choose_translator(A, B, candidates={})
    assert str(usage.value) == "A translator was to be chosen among no candidates; give at least one."
    with pytest.raises(MismatchError) as shapes:
        choose_translator(A[1:], B)
    assert str(shapes.value) == (
        "The anchors' vectors have the shapes [44, 8] in the source and [45, 8] in the target; expected the same k "
        "anchors in the same order, [k, d]."
    )
    others[3, 2] = np.nan
    with pytest.raises(MismatchError) as rows:
        choose_translator(A, B, target_rows=others)
    assert str(rows.value) == (
        "The target's other rows have the shape [60, 8], 1 of them with NaN or infinite values; expected finite rows "
        "[n, 8], as the anchors are in the target."
    )
    with pytest.raises(MismatchError) as width:
        choose_translator(A, B, target_rows=others[4:, :5])
    assert str(width.value) == (
        "The target's other rows have the shape [56, 5], 0 of them with NaN or infinite values; expected finite rows "
        "[n, 8], as the anchors are in the target."
    )


def test_on_real_encoders_it_finds_more_than_any_map_with_settings_of_old(test_data: Path) -> None:
    """TREC, MiniLM to MPNet, 100 anchors: test texts among all that are no anchors."""
    files = [np.load(test_data / "embeddings" / f"trec-{name}.npz") for name in ("minilm", "mpnet")]
    A, B = (np.concatenate([one["train"], one["test"]]).astype(np.float32) for one in files)
    trained = len(files[0]["train"])
    order = np.random.default_rng(0).permutation(trained)
    anchors, rest = order[:100], np.sort(np.append(order[100:], np.arange(trained, len(A))))
    settings = choose_translator(A[anchors], B[anchors], target_rows=B[:trained]).settings
    recall = {}
    for name, one in (("chosen", settings), ("procrustes", TranslatorSettings("procrustes"))):
        arrays = fit_arrays(A[anchors], B[anchors], one)
        queries = apply_arrays(one.method, arrays, A[trained:])
        rows, known = (apply_arrays(one.method, arrays, X, side="target") for X in (B[rest], B[anchors]))
        truth = np.searchsorted(rest, np.arange(trained, len(A)))
        recall[name] = float((search_ranks(queries, rows, truth, center=known.mean(axis=0)) == 1).mean())
    assert recall["chosen"] > 0.74
    assert recall["chosen"] > recall["procrustes"] + 0.1
