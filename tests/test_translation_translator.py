"""The translator: fitted, applied, composed, sent there and back, evaluated; and what it refuses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translation_samples import K, anchors_in, fitted, stamp, world

from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, Rows, Translator
from relstitch.artifacts.translator import SHAPES
from relstitch.errors import MismatchError, RelstitchError, UsageError
from relstitch.translation import (
    TRANSLATORS,
    EvaluateOptions,
    TranslatorSettings,
    apply_arrays,
    compose,
    evaluate_translator,
    fit_arrays,
    fit_translator,
    is_two_sided,
    place_of,
    round_trip,
    translate,
    translate_embeddings,
)

WORLD = world()
NOISY = world(noise=0.3)
A, B, C = WORLD["a"], WORLD["b"], WORLD["c"]


def said(kind: type[RelstitchError], call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("method", list(TRANSLATORS))
def test_a_translator_carries_as_its_arrays_do(method: str) -> None:
    made = fitted(A, B, method)
    arrays = fit_arrays(anchors_in(A).vectors, anchors_in(B).vectors, TranslatorSettings(method))
    np.testing.assert_array_equal(translate(made, A.vectors), apply_arrays(method, arrays, A.vectors))
    assert translate(made, A.vectors).dtype == np.float32
    assert translate(made, A.vectors).shape[1] == made.width
    assert translate(made, A.vectors[:0]).shape == (0, made.width)
    assert set(SHAPES) == set(TRANSLATORS)


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(0, 80), method=st.sampled_from(["procrustes", "ridge", "smoothing"]))
def test_rows_are_carried_each_by_itself(cut: int, method: str) -> None:
    made = fitted(NOISY["a"], NOISY["c"], method)
    X = NOISY["a"].vectors
    parts = np.concatenate([translate(made, X[:cut]), translate(made, X[cut:])])
    np.testing.assert_allclose(parts, translate(made, X), atol=1e-5)


def test_what_leave_one_out_chose_is_told() -> None:
    made = fitted(NOISY["a"], NOISY["b"], "low-rank")
    assert set(made.settings["fitted"]) == {"penalty", "rank"}
    assert made.settings["penalty"] is None
    assert "fitted" not in fitted(NOISY["a"], NOISY["b"], "ridge", penalty=0.1).settings


def test_one_sided_rows_carry_the_targets_identity() -> None:
    moved = translate_embeddings(fitted(A, C), A)
    assert moved.rows is A.rows
    assert moved.encoder.identity == C.encoder.identity
    assert moved.encoder.extra["carried_from"] == {"encoder": "st:a", "method": "procrustes"}
    np.testing.assert_allclose(moved.vectors, C.vectors, atol=1e-4)


def test_both_sides_of_a_two_sided_translator_meet_in_one_place() -> None:
    made = fitted(A, C, "smoothing", targets="both")
    one, other = (translate_embeddings(made, space) for space in (A, C))
    assert one.encoder.identity == other.encoder.identity
    assert one.encoder.identity not in (A.encoder.identity, C.encoder.identity)
    assert one.encoder.extra["carried_from"] != other.encoder.extra["carried_from"]
    assert one.vectors.shape == other.vectors.shape == (80, 14)
    again = replace(made, arrays={**made.arrays, "gamma": np.array(2.0)})
    assert place_of(again, A.encoder).identity != one.encoder.identity


def test_whose_rows_they_are() -> None:
    made = fitted(A, B, "smoothing")
    ready = replace(A.encoder, spec="vectors:x.npz", modality="vectors")
    unknown = Embeddings(A.rows, A.vectors, ready)
    known = translate_embeddings(made, unknown, side="target").vectors
    np.testing.assert_array_equal(known, translate(made, A.vectors, side="target"))
    one, other = f"6 wide, {A.encoder.identity[:8]}", f"6 wide, {B.encoder.identity[:8]}"
    assert said(MismatchError, translate_embeddings, made, unknown) == (
        f"These rows are of vectors:x.npz (6 wide, {ready.identity[:8]}); this translator goes from st:a ({one}) to st:b ({other}). Of "
        "ready-made vectors nobody knows the encoder: say whose they are with --side. Encode the rows as those it was "
        "fitted on, or fit a translator for this encoder."
    )
    assert said(MismatchError, translate_embeddings, made, C) == (
        f"These rows are of st:c (8 wide, {C.encoder.identity[:8]}); this translator goes from st:a ({one}) to st:b ({other}). Encode the "
        "rows as those it was fitted on, or fit a translator for this encoder."
    )
    assert said(MismatchError, translate_embeddings, made, B, side="source") == (
        f"These rows are of st:b ({other}), the target of this translator, and were given as its source. It goes from "
        f"st:a ({one}) to st:b ({other}): give each side its own rows."
    )
    assert said(UsageError, translate_embeddings, fitted(A, B), B) == (
        "These rows are of st:b, the target of a procrustes translator, which leaves the target's rows as they are: "
        "use them without translating."
    )


def test_ready_vectors_that_are_known_are_not_taken_for_others() -> None:
    ready = {
        name: replace(space.encoder, spec=f"vectors:{name}.npz", modality="vectors")
        for name, space in (("a", A), ("b", B))
    }
    one, other = (Embeddings(space.rows, space.vectors, ready[name]) for name, space in (("a", A), ("b", B)))
    made = fitted(one, other)
    words = {name: f"vectors:{name}.npz (6 wide, {encoder.identity[:8]})" for name, encoder in ready.items()}
    assert said(MismatchError, evaluate_translator, made, other, one) == (
        f"These rows are of {words['b']}, the target of this translator, and were given as its source. It goes from "
        f"{words['a']} to {words['b']}: give each side its own rows."
    )
    met = translate_embeddings(fitted(one, other, "smoothing"), one)
    assert said(MismatchError, evaluate_translator, made, met, other) == (
        f"These rows are of vectors:b.npz (6 wide, {met.encoder.identity[:8]}); this translator goes from "
        f"{words['a']} to {words['b']}. Encode the rows as those it was fitted on, or fit a translator for this "
        "encoder."
    )


def test_evaluation_says_what_it_took_on_trust() -> None:
    made, left_out = fitted(A, B), f"{K} rows are anchors of the translator and left out."
    ready = replace(A.encoder, spec="vectors:x.npz", modality="vectors")
    asked = EvaluateOptions(names=("x.npz", "b.safetensors"))
    assert evaluate_translator(made, Embeddings(A.rows, A.vectors, ready), B, asked).notes == (
        "Nobody knows the encoder of x.npz (vectors:x.npz): its rows were taken for those of st:a, the translator's "
        "source.",
        left_out,
    )
    carried = translate_embeddings(made, A)
    assert evaluate_translator(made, A, carried, EvaluateOptions((1, 40))).notes == (
        "The rows of the target are not the encoder's own: they were carried from st:a by procrustes, and these "
        "figures are about them.",
        left_out,
        "With 40 candidates, recall at 40 is 1 whatever is found.",
    )


def test_rows_that_cannot_be_carried() -> None:
    made, bad = fitted(A, C), A.vectors.copy()
    bad[[3, 7], 1] = [np.nan, np.inf]
    assert said(MismatchError, translate, made, C.vectors) == (
        "Rows of shape [80, 8] met a translator whose source (st:a) is 6 wide; expected [n, 6]. Both must come from "
        "the same encoder."
    )
    assert said(MismatchError, translate, made, A.vectors[0]) == (
        "Rows of shape [6] met a translator whose source (st:a) is 6 wide; expected [n, 6]. Both must come from the "
        "same encoder."
    )
    assert said(MismatchError, translate, made, bad) == (
        "2 of 80 rows hold NaN or infinite values (rows 3, 7). Only finite values can be carried: leave these rows "
        "out, or make them again."
    )


def test_anchors_of_different_draws_are_refused() -> None:
    sides = (anchors_in(A), anchors_in(B, start=1))
    assert said(MismatchError, fit_translator, *sides, (A.encoder, B.encoder)) == (
        "The anchors of st:a (r00, r01, r02 … and 37 more) and of st:b (r01, r02, r03 … and 37 more) are not the same "
        "ones in the same order. A translator is fitted on pairs: take both sides from one anchors file and one draw."
    )


def test_composed_is_one_after_the_other() -> None:
    first, second = fitted(NOISY["a"], NOISY["b"], "ridge"), fitted(NOISY["b"], NOISY["c"], "kernel")
    third = fitted(NOISY["c"], NOISY["a"], "smoothing")
    whole, X = compose(first, second), NOISY["a"].vectors
    two = translate(second, translate(first, X))
    np.testing.assert_array_equal(translate(whole, X), two)
    assert (whole.method, [one.spec for one in whole.through]) == ("ridge+kernel", ["st:b"])
    assert not is_two_sided(whole)
    left, right = compose(whole, third), compose(first, compose(second, third))
    np.testing.assert_array_equal(translate(left, X), translate(third, two))
    assert left.digest == right.digest
    assert left.settings == right.settings == {"steps": [dict(one.settings) for one in (first, second, third)]}
    assert len(left.anchors) == 6
    np.testing.assert_array_equal(translate(left, X, side="target"), translate(third, X, side="target"))


def test_what_does_not_follow_each_other_is_refused() -> None:
    assert said(UsageError, compose, fitted(A, B, "smoothing"), fitted(B, C)) == (
        "A smoothing translator is two-sided: it carries rows of st:a to a place of its own, not to where st:b has "
        "its rows, so that nothing can follow it. Fit the first step with a one-sided method, such as kernel or ridge."
    )
    assert said(MismatchError, compose, fitted(A, B), fitted(A, C)) == (
        "The first translator goes to st:b (6 wide) and the second starts from st:a (6 wide), which is another "
        "encoder. Compose A to B with B to C."
    )


def test_there_and_back_again() -> None:
    there, back = fitted(A, C), fitted(C, A)
    found = round_trip(there, back, A.vectors)
    assert (found.recall, found.rows) == (1.0, 80)
    assert found.mean_cosine == pytest.approx(1, abs=1e-5)
    wrong = fit_translator(
        anchors_in(C),
        replace(anchors_in(A), vectors=np.roll(anchors_in(A).vectors, 1, axis=0)),
        (C.encoder, A.encoder),
        TranslatorSettings("affine"),
    )
    assert round_trip(there, wrong, A.vectors).recall < 0.3
    assert said(UsageError, round_trip, there, fitted(C, A, "smoothing"), A.vectors) == (
        "A round trip must end where it began: these go from st:a to st:a, the second by smoothing. Give a one-sided "
        "translator from A to B and one from B to A."
    )
    assert said(UsageError, round_trip, there, fitted(C, B), A.vectors) == (
        "A round trip must end where it began: these go from st:a to st:b, the second by procrustes. Give a one-sided "
        "translator from A to B and one from B to A."
    )
    assert said(MismatchError, round_trip, there, back, A.vectors[:0]) == (
        "A round trip was asked for with no rows; at least 1 is needed."
    )


def plain(made: Translator, source: Embeddings, target: Embeddings) -> tuple[list[int], float]:
    """Ranks and mean cosine of the test rows, one query and one candidate after the other."""
    carried, other = translate(made, source.vectors), translate(made, target.vectors, side="target")
    center = translate(made, made.anchors[1].vectors, side="target").mean(axis=0)
    names = [name for name in target.rows.ids if name not in made.anchors[1].anchors.ids]
    ranks, near = [], []
    for name in names:
        if source.rows.splits[source.rows.position[name]] != "test":
            continue
        query = carried[source.rows.position[name]] - center
        cosine = {}
        for rival in names:
            row = other[target.rows.position[rival]] - center
            cosine[rival] = float(query @ row / np.linalg.norm(query) / np.linalg.norm(row))
        ranks.append(sum(value >= cosine[name] - 1e-6 for value in cosine.values()))
        near.append(cosine[name])
    return ranks, float(np.mean(near))


@pytest.mark.parametrize("method", ["ridge", "smoothing"])
def test_evaluation_agrees_with_looking_one_by_one(method: str) -> None:
    made = fitted(NOISY["a"], NOISY["c"], method)
    order = np.random.default_rng(1).permutation(80)
    found = evaluate_translator(made, NOISY["a"].take(order), NOISY["c"], EvaluateOptions((1, 3)))
    ranks, near = plain(made, NOISY["a"], NOISY["c"])
    assert found.recall == {n: np.mean([rank <= n for rank in ranks]) for n in (1, 3)}
    assert found.mrr == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert found.mean_cosine == pytest.approx(near, abs=1e-5)
    assert (found.queries, found.candidates) == (20, 80 - K)
    assert found.notes == (f"{K} rows are anchors of the translator and left out.",)
    assert found.to_json()["recall"] == {"1": found.recall[1], "3": found.recall[3]}


def test_what_was_paired_wrongly_or_falls_together_finds_nothing() -> None:
    """The negative controls: one that pairs at random, and one that sends all rows to one point."""
    swapped = replace(anchors_in(C), vectors=anchors_in(C).vectors[np.random.default_rng(0).permutation(K)])
    wrong = fit_translator(anchors_in(A), swapped, (A.encoder, C.encoder), TranslatorSettings("affine"))
    assert evaluate_translator(wrong, A, C).recall[1] < 0.3
    right = fitted(A, C, "affine")
    assert evaluate_translator(right, A, C).recall[1] == 1
    flat = replace(right, arrays={**right.arrays, "weights": np.zeros((6, 8))})
    assert evaluate_translator(flat, A, C).recall[10] <= 0.3  # by chance a quarter


def test_copies_of_an_item_are_no_rivals() -> None:
    made, rows = fitted(A, C), C.rows
    twice = Embeddings(
        Rows.build([*rows.ids, "copy", "bare"], hashes=[*rows.hashes, rows.hashes[70], ""], splits=[*rows.splits, "x", "x"]),
        np.concatenate([C.vectors, C.vectors[[70, 71]]]), C.encoder,
    )  # fmt: skip
    found = evaluate_translator(made, A, twice)
    assert found.candidates == 80 - K + 1  # the copy is the same item, the row without content is one of its own
    assert found.recall == {1: 19 / 20, 10: 1.0}  # it lies exactly where row 71 does


def test_anchors_of_every_step_take_no_part() -> None:
    second = fit_translator(
        anchors_in(B, 20, 50), anchors_in(C, 20, 50), (B.encoder, C.encoder), TranslatorSettings("procrustes")
    )
    found = evaluate_translator(compose(fitted(A, B), second), A, C)
    assert (found.queries, found.candidates) == (10, 80 - K - 20)


def test_evaluations_that_cannot_be() -> None:
    made = fitted(A, C)
    assert said(UsageError, evaluate_translator, made, A, C, EvaluateOptions(())) == (
        "Recall was asked for at nothing; expected whole numbers from 1."
    )
    assert said(UsageError, evaluate_translator, made, A, C, EvaluateOptions((1, 0))) == (
        "Recall was asked for at 1, 0; expected whole numbers from 1."
    )
    assert said(UsageError, evaluate_translator, made, A, C, EvaluateOptions(split="dev")) == (
        "the source has no split 'dev'; it has: train, test."
    )
    assert said(UsageError, evaluate_translator, made, A, C, EvaluateOptions(split="")) == (
        "the source has no split ''; it has: train, test."
    )
    few = A.take(np.arange(K))
    assert said(MismatchError, evaluate_translator, made, few, C) == (
        "Of the 40 rows that the source and the target share, 40 are of the split to be looked up and 40 are anchors: "
        "none is left. Evaluate on rows that the translator was not fitted on."
    )
    assert said(MismatchError, evaluate_translator, made, C, C).startswith("These rows are of st:c (8 wide, ")


def without(made: Translator, name: str) -> Mapping[str, Any]:
    return {key: array for key, array in made.arrays.items() if key != name}


def test_translators_that_contradict_themselves() -> None:
    made = fitted(A, C, "ridge")
    three = np.full((6, 8), np.nan)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"method": "magic"}, f"There is no translator 'magic'. Choose one of: {', '.join(SHAPES)}."),
        ({"method": "ridge+ridge"},
         "A translator of 2 steps (ridge+ridge) came with 0 encoders between them and 2 sets of anchors; expected 1 "
         "and 4."),
        ({"arrays": without(made, "bias")}, "The arrays of a ridge translator lack bias. Fit it again."),
        ({"arrays": {**made.arrays, "weights": three}},
         "The arrays weights of a ridge translator hold values that are not finite."),
        ({"arrays": {**made.arrays, "weights": np.zeros((6, 7))}},
         "The array 'weights' of a ridge translator has the shape [6, 7]; expected [6, 8]. Fit it again."),
        ({"arrays": {**made.arrays, "weights": np.zeros(6)}},
         "The array 'weights' of a ridge translator has the shape [6]; expected [6, 8]. Fit it again."),
        ({"anchors": (made.anchors[0], made.anchors[0])},
         "The anchors' vectors of st:c are 6 wide; the encoder's stamp says 8."),
    ]  # fmt: skip
    for change, message in cases:
        assert said(MismatchError, replace, made, **change) == message


def test_parallel_anchors_meet_by_correspondence() -> None:
    one = AnchorVectors(AnchorList(("x", "y", "z"), ("",) * 3), A.vectors[:3], "en", "c0" * 32)
    other = AnchorVectors(AnchorList(("u", "v", "w"), ("",) * 3), C.vectors[:3], "fr", "c0" * 32)
    assert fit_translator(one, other, (A.encoder, C.encoder)).width == 8
    assert stamp("a", 6).identity == A.encoder.identity
