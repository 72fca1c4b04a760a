"""What a stitch finds: on spaces where the answer is known, and on spaces where there is nothing to find."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stitching_samples import anchors_in, blobs, rotation, space, turned_pair

from relstitch.artifacts import Embeddings, Score, StitchReport, Targets
from relstitch.errors import GateError, UsageError
from relstitch.names import DECODERS
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.stitching import StitchOptions, check_gates, stitch

FORMS = ("absolute", "relative", "relative, paper")


def means(report: StitchReport, form: str = "relative", metric: str | None = None) -> list[float]:
    """Stitched means of one form, pair by pair."""
    cells = [cell for cell in report.cells if cell.form == form and cell.stitched]
    return [cell.scores[metric or report.metric].mean or 0.0 for cell in cells]


@pytest.mark.parametrize("method", DECODERS)
def test_a_rotated_space_is_stitched_without_loss(method: str) -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions(method))
    for form in ("relative", "relative, paper"):
        for decoder in files:
            ceiling = report.cell(form, decoder, decoder).scores["accuracy"].mean or 0.0
            for cell in report.cells:
                if (cell.form, cell.decoder) == (form, decoder) and cell.stitched:
                    assert cell.scores["accuracy"].mean == pytest.approx(ceiling, abs=1.01 / 80)
                    assert cell.retention.mean == pytest.approx(1.0, abs=0.03)
    assert min(means(report)) > 0.85
    assert max(means(report, "absolute")) < 0.3


def test_unrelated_spaces_are_near_the_floor() -> None:
    """Negative control: a space that knows nothing of the other has nothing to give.

    The anchors have no labels here. With them, even a decoder of pure noise learns what class each anchor is, and
    reads a good encoder's similarities to labelled anchors rightly.
    """
    X, labels = blobs()
    known: list[str | None] = [None] * 100 + list(labels[100:])
    noise = np.random.default_rng(9).normal(size=X.shape)
    report = stitch({"one": space(X, known, "one"), "two": space(noise, known, "two")}, anchors_in(space(X, known)))
    assert max(means(report)) < 0.45
    assert report.cell("relative", "one", "one").scores["accuracy"].mean > 0.85  # type: ignore[operator]
    assert "Centred, these pairs keep less than half of their ceiling: decoder of one on two." in report.notes
    labelled = {"one": space(X, labels, "one"), "two": space(noise, labels, "two")}
    assert means(stitch(labelled, anchors_in(labelled["one"])))[0] < 0.45


def test_a_shift_is_mended_by_centring_only() -> None:
    """2605.30596: rotation and a constant shift. Centred the stitch is whole; in the paper's form it is lost."""
    X, labels = blobs(spread=0.3)
    one = space(X, labels, "one")
    shifted = X @ rotation(10) + 40 * np.random.default_rng(3).normal(size=10)
    report = stitch({"one": one, "two": space(shifted, labels, "two")}, anchors_in(one))
    assert means(report) == [1.0, 1.0]
    assert report.cell("relative", "one", "two").retention.mean == 1.0
    assert min(means(report, "relative, paper")) < 0.4
    lift = next(note for note in report.notes if note.startswith("Centring on the anchors' mean lifts"))
    paper = report.stitched_mean("relative, paper")
    assert lift == f"Centring on the anchors' mean lifts the stitched mean from {paper:.3f} to 1.000."


def test_different_widths_have_relative_figures_and_no_absolute_ones() -> None:
    """fabric-dw #831: a score that does not exist is null, never NaN."""
    X, labels = blobs()
    wide = np.hstack([X, np.zeros((240, 5))]) @ rotation(15)
    report = stitch({"one": space(X, labels, "one"), "two": space(wide, labels, "two")}, anchors_in(space(X, labels)))
    empty = report.cell("absolute", "one", "two")
    assert (dict(empty.scores), empty.retention, empty.n_test) == ({}, Score(), 0)
    assert report.cell("absolute", "one", "one").scores["accuracy"].mean > 0.85  # type: ignore[operator]
    assert min(means(report)) > 0.85
    written = report.to_json()
    assert written["stitched_mean"]["absolute"] is None
    assert np.isfinite(_numbers(written)).all()


def _numbers(value: Any) -> list[float]:
    if isinstance(value, Mapping):
        return [number for inner in value.values() for number in _numbers(inner)]
    if isinstance(value, list | tuple):
        return [number for inner in value for number in _numbers(inner)]
    return [value] if isinstance(value, float) else []


def test_the_matrix_is_complete_and_in_order() -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions("ridge"))
    assert report.forms == FORMS
    assert [(cell.form, cell.decoder, cell.encoder) for cell in report.cells] == [
        (form, decoder, encoder) for form in FORMS for decoder in files for encoder in files
    ]
    assert {cell.n_test for cell in report.cells} == {80}
    assert (report.metric, report.method, report.encoders) == ("accuracy", "ridge", ("one", "two"))
    assert report.rows == {
        "train": 160, "test": 80, "unlabelled_train": 0, "unlabelled_test": 0, "test_in_train": 0,
        "test_in_anchors": 0, "shared": 240, "not_shared": 0,
    }  # fmt: skip
    labels = files["one"].rows.targets
    assert labels is not None
    commonest = np.bincount(labels.values[:160]).argmax()
    assert report.floor == pytest.approx(np.mean(labels.values[160:] == commonest))


def test_forms_can_be_asked_for() -> None:
    files, anchors = turned_pair()

    def forms(**options: Any) -> tuple[str, ...]:
        return stitch(files, anchors, StitchOptions("ridge", strength=1.0, **options)).forms

    assert forms(center=True) == ("absolute", "relative")
    assert forms(center=False, absolute=False) == ("relative, paper",)
    both = stitch(files, anchors, StitchOptions("mlp", absolute=False, center=True, transductive=True))
    assert both.forms == ("relative", "relative, transductive")
    assert both.cell("relative, transductive", "one", "two").scores["accuracy"].mean > 0.8  # type: ignore[operator]


def test_the_published_protocol_absorbs_a_shift() -> None:
    """The trap: test-set statistics hide in the transductive score what the inductive one shows."""
    X, labels = blobs(spread=0.3)
    one = space(X, labels, "one")
    shifted = X @ rotation(10) + 40 * np.random.default_rng(3).normal(size=10)
    options = StitchOptions("mlp", absolute=False, center=False, transductive=True)
    report = stitch({"one": one, "two": space(shifted, labels, "two")}, anchors_in(one), options)
    inductive, transductive = (means(report, form) for form in report.forms)
    assert np.mean(transductive) > np.mean(inductive) + 0.1


def test_same_inputs_same_figures() -> None:
    files, anchors = turned_pair(spread=1.4)
    more = StitchOptions(draws=2, absolute=False)
    wide = anchors_in(files["one"], draws=2)
    assert stitch(files, wide, more).to_json() == stitch(files, wide, more).to_json()
    assert stitch(files, anchors).cells[0].scores.keys() == {"accuracy", "macro_f1", "weighted_f1"}


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_of_rows_is_of_no_account(seed: int) -> None:
    """Nothing is paired by position: a shuffled file gives the same figures."""
    files, anchors = turned_pair(spread=1.4)
    order = np.random.default_rng(seed).permutation(240)
    shuffled = {"one": files["one"], "two": files["two"].take(order)}
    options = StitchOptions("ridge")
    one, other = stitch(files, anchors, options), stitch(shuffled, anchors, options)
    assert one.to_json() == other.to_json()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_rotating_and_rescaling_an_encoder_is_of_no_account(seed: int, scale: float) -> None:
    files, anchors = turned_pair(spread=1.0)
    turned = Embeddings(
        files["two"].rows,
        (scale * files["two"].vectors @ rotation(10, seed)).astype(np.float32),
        files["two"].encoder,
    )
    options = StitchOptions("ridge", strength=0.3, absolute=False)
    one, other = stitch(files, anchors, options), stitch({**files, "two": turned}, anchors, options)
    for cell, twin in zip(one.cells, other.cells, strict=True):
        assert cell.scores["accuracy"].mean == pytest.approx(twin.scores["accuracy"].mean, abs=1.01 / 80)


def test_a_sheared_encoder_is_of_account() -> None:
    """Negative control of the property above."""
    files, anchors = turned_pair(spread=1.0)
    shear = np.diag(np.array([30.0, 10.0, 5.0] + [0.05] * 7))
    sheared = replace(files["two"], vectors=(files["two"].vectors @ shear).astype(np.float32))
    options = StitchOptions("ridge", strength=0.3, absolute=False)
    assert stitch({**files, "two": sheared}, anchors, options).stitched_mean("relative") < (  # type: ignore[operator]
        stitch(files, anchors, options).stitched_mean("relative") or 0.0
    )


def test_draws_and_seeds_are_repetitions() -> None:
    files, _ = turned_pair(spread=1.4)
    anchors = anchors_in(files["one"], draws=2)
    report = stitch(files, anchors, StitchOptions("mlp", seeds=(0, 1), absolute=False, center=True))
    cell = report.cell("relative", "one", "two")
    assert len(cell.scores["accuracy"].values) == len(cell.retention.values) == 4
    assert (report.settings["draws"], report.settings["seeds"]) == (2, [0, 1])
    alone = stitch(files, anchors, StitchOptions("mlp", seeds=(1,), draws=1, absolute=False, center=True))
    assert alone.cell("relative", "one", "two").scores["accuracy"].values == (cell.scores["accuracy"].values[1],)
    ceiling = report.cell("relative", "one", "one").scores["accuracy"].values
    expected = [value / top for value, top in zip(cell.scores["accuracy"].values, ceiling, strict=True)]
    assert list(cell.retention.values) == pytest.approx(expected)


def test_a_decoder_without_randomness_uses_one_seed_and_says_so() -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions("ridge", strength=1.0, seeds=(4, 5, 6)))
    assert report.settings["seeds"] == [4]
    assert "The ridge decoder has no randomness: 3 seeds give one result." in report.notes


def test_the_chosen_strength_is_told_by_form_and_decoder() -> None:
    files, _ = turned_pair()
    report = stitch(files, anchors_in(files["one"], draws=2))
    assert {form: set(by) for form, by in report.settings["strength"].items()} == {
        form: {"one", "two"} for form in FORMS
    }
    assert len(report.settings["strength"]["relative"]["one"]) == 2
    assert report.settings["chosen_on"]["relative"]["two"] == ["held-out anchors"]
    assert report.settings["strength_name"] == "C"


def test_few_anchors_take_the_default_strength_and_say_so() -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions(k=12))
    assert report.settings["k"] == 12
    assert report.settings["strength"]["relative"] == {"one": [0.01], "two": [0.01]}
    assert (
        "The regularisation of one, two was not chosen but is the logistic decoder's default: 12 labelled anchors, "
        "fewer than 30." in report.notes
    )


@pytest.mark.parametrize("projection", ["angular", "euclidean", "l1", "polynomial"])
def test_other_projections(projection: str) -> None:
    files, anchors = turned_pair()
    turned = replace(files["two"], vectors=(files["one"].vectors[:, ::-1] * np.float32(-1)))
    report = stitch({**files, "two": turned}, anchors, StitchOptions("ridge", projection=projection))
    assert min(means(report)) > 0.85
    assert report.settings["projection"] == projection


def test_relative_files_give_what_embeddings_and_anchors_give() -> None:
    files, anchors = turned_pair(spread=1.4)
    general = stitch(files, anchors)
    relatives = {name: relative_representation(one, anchor_vectors(one, anchors)) for name, one in files.items()}
    plain = stitch(relatives)
    assert plain.forms == ("relative",)
    for cell in plain.cells:
        assert cell == general.cell("relative", cell.decoder, cell.encoder)
    assert plain.settings["strength"]["relative"] == general.settings["strength"]["relative"]
    assert (plain.settings["k"], plain.settings["strategy"]) == (40, "uniform")


@pytest.mark.parametrize("method", ["ridge", "knn"])
def test_numbers_as_targets(method: str) -> None:
    X, _ = blobs()
    heights = (X @ np.random.default_rng(0).normal(size=(10, 2))).astype(np.float32)
    targets = Targets("real", heights, np.ones(240, dtype=bool), ("height", "depth"))
    one, two = space(X, targets, "one"), space(X @ rotation(10), targets, "two")
    report = stitch({"one": one, "two": two}, anchors_in(one), StitchOptions(method))
    assert (report.metric, report.floor) == ("r2", 0.0)
    cell = report.cell("relative", "one", "two")
    assert set(cell.scores) == {"r2", "rmse"}
    assert cell.scores["r2"].mean > 0.6  # type: ignore[operator]
    assert cell.retention.mean == pytest.approx(1.0, abs=0.02)
    assert report.cell("absolute", "one", "two").scores["r2"].mean < 0.3  # type: ignore[operator]


def test_numbers_that_do_not_vary_have_no_r2() -> None:
    X, _ = blobs()
    heights = X[:, :1].astype(np.float32)
    heights[160:] = 1.0
    targets = Targets("real", heights, np.ones(240, dtype=bool), ("height",))
    one, two = space(X, targets, "one"), space(X @ rotation(10), targets, "two")
    report = stitch({"one": one, "two": two}, anchors_in(one), StitchOptions("ridge"))
    cell = report.cell("relative", "one", "two")
    assert (cell.scores["r2"].mean, cell.retention.mean) == (None, None)
    assert cell.scores["rmse"].mean is not None


def test_several_labels_as_targets() -> None:
    X, labels = blobs()
    values = np.array([[label in ("ant", "bee"), label in ("bee", "cat")] for label in labels])
    targets = Targets("multilabel", values, np.ones(240, dtype=bool), ("small", "loud"))
    one, two = space(X, targets, "one"), space(X @ rotation(10), targets, "two")
    report = stitch({"one": one, "two": two}, anchors_in(one), StitchOptions())
    assert report.metric == "subset_accuracy"
    assert min(means(report)) > 0.85
    assert set(report.cells[-1].scores) == {"subset_accuracy", "macro_f1", "weighted_f1"}


def test_a_test_label_that_training_lacks() -> None:
    """scikit-learn #19830: wrong, listed, and the score without such rows beside it."""
    X, labels = blobs(spread=0.3)
    named: list[str | None] = [*labels[:160], *["newt"] * 8, *labels[168:]]
    files = {"one": space(X, named, "one"), "two": space(X @ rotation(10), named, "two")}
    report = stitch(files, anchors_in(files["one"]))
    assert means(report) == [0.9, 0.9]
    assert report.settings["without_unseen"]["relative"]["one"]["two"] == 1.0
    assert report.notes[0] == (
        "Test rows hold labels that the training rows lack, and count as wrong: newt (8). Without those rows the "
        "accuracy is: one on one 1.000, one on two 1.000, two on one 1.000, two on two 1.000."
    )


def test_a_class_without_test_rows_is_said() -> None:
    """ultralytics #13936: a class that one split lacks. Classes meet by name, so the others are scored as ever."""
    X, labels = blobs(spread=0.3)
    named: list[str | None] = [*labels[:160], *(None if label == "dog" else label for label in labels[160:])]
    files = {"one": space(X, named, "one"), "two": space(X @ rotation(10), named, "two")}
    report = stitch(files, anchors_in(files["one"]))
    assert means(report) == [1.0, 1.0]
    assert "Classes without a test row: dog." in report.notes
    assert report.rows["unlabelled_test"] == labels[160:].count("dog")


def test_two_files_of_one_encoder_are_noted() -> None:
    files, anchors = turned_pair()
    same = replace(files["two"], encoder=files["one"].encoder)
    notes = stitch({**files, "two": same}, anchors, StitchOptions("ridge")).notes
    assert "one, two are of the same encoder: a stitch between them says nothing about two encoders." in notes


def test_a_pair_below_the_floor_is_named() -> None:
    X, labels = blobs(spread=0.3)
    one = space(X, labels, "one")
    shifted = X @ rotation(10) + 40 * np.random.default_rng(3).normal(size=10)
    report = stitch({"one": one, "two": space(shifted, labels, "two")}, anchors_in(one))
    below = [cell for cell in report.cells if cell.form == "relative, paper" and cell.stitched]
    named = [f"decoder of {c.decoder} on {c.encoder}" for c in below if means_of(c) <= report.floor]
    assert named
    assert (
        f"Not centred (the paper's form), these pairs do no better than the floor of {report.floor:.3f}: "
        f"{', '.join(named)}." in report.notes
    )


def means_of(cell: Any) -> float:
    return float(cell.scores["accuracy"].mean)


def test_gates() -> None:
    files, anchors = turned_pair(spread=0.3)
    report = stitch(files, anchors)
    check_gates(report, min_accuracy=0.9, min_retention=0.9)
    halved = replace(report, cells=tuple(replace(c, scores={"accuracy": Score((0.5,))}) for c in report.cells))
    with pytest.raises(GateError) as caught:
        check_gates(halved, min_accuracy=0.75)
    assert str(caught.value) == (
        "Gate failed: the accuracy of the decoder of one on two (relative) is 0.5000; at least 0.75 was asked for."
    )
    with pytest.raises(GateError) as caught:
        check_gates(report, min_retention=1.5)
    assert str(caught.value) == (
        "Gate failed: the retention of the decoder of one on two (relative) is 1.0000; at least 1.5 was asked for."
    )
    empty = replace(report, cells=tuple(replace(cell, retention=Score()) for cell in report.cells))
    with pytest.raises(GateError) as caught:
        check_gates(empty, min_retention=0.5)
    assert str(caught.value) == (
        "Gate failed: the retention of the decoder of one on two (relative) does not exist; at least 0.5 was asked for."
    )
    with pytest.raises(UsageError) as error:
        check_gates(report, min_accuracy=float("nan"))
    assert str(error.value) == "A gate must be a finite number; nan was given for the accuracy."
    with pytest.raises(UsageError) as error:
        check_gates(report, min_accuracy=95)
    assert str(error.value) == (
        "No accuracy is above 1, and at least 95 was asked for. Give a share, for example 0.8."
    )
