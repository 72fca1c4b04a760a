"""A decoder that is trained already answers for encoders it has never seen, through translators."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from stitching_samples import CLASSES, anchors_in, blobs, rotation, space, turned_pair

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, ProjectionSpec, Targets
from relstitch.choosing import Source
from relstitch.choosing.ready import ReadyTarget, choose_ready_way, ready_ways
from relstitch.decoders.ready import ReadyDecoder, ReadyStatement, ready_linear, ready_predict
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.stitching import StitchOptions, decoder_of, predict_with
from relstitch.stitching.options import Space
from relstitch.stitching.ready import absolute_decoder_of, owner_of, ready_of, stitch_ready
from relstitch.translation import TRANSLATORS
from relstitch.ways import cross, rescaled, way_of

ONE_SIDED = sorted(name for name, method in TRANSLATORS.items() if not method.two_sided)
AUTO = StitchOptions(way="auto", absolute=False)


def trained_on(file: Embeddings, names: tuple[str, ...] = CLASSES) -> ReadyDecoder:
    """What somebody trained on a file's training rows with scikit-learn, long ago."""
    assert file.rows.targets is not None
    train = file.rows.in_splits("train") & file.rows.targets.present
    model = LogisticRegression().fit(file.vectors[train], file.rows.targets.labels()[train].astype(str))
    arrays = {"weights": model.coef_, "bias": model.intercept_}
    return ready_linear(arrays, ReadyStatement("head.npz", names, "raw"))


def accuracy(report: Any, encoder: str, form: str = "auto") -> float:
    mean = report.cell(form, "one", encoder).scores["accuracy"].mean
    assert isinstance(mean, float)
    return mean


@pytest.mark.parametrize("way", [*(name for name in ONE_SIDED if name != "mlp"), "auto"])
def test_every_way_serves_a_decoder_that_absolute_vectors_mislead(way: str) -> None:
    files, anchors = turned_pair()
    report = stitch_ready(trained_on(files["one"]), "one", files, anchors, StitchOptions(way=way))
    assert report.forms == ("absolute", way)
    assert accuracy(report, "two", way) > 0.85 > accuracy(report, "two", "absolute")
    assert report.cell(way, "one", "one").scores["accuracy"].mean == accuracy(report, "one", "absolute")
    kept = report.cell(way, "one", "two").retention.mean
    assert kept == pytest.approx(accuracy(report, "two", way) / accuracy(report, "one", way))


def test_a_rotated_and_rescaled_space_loses_nothing() -> None:
    X, labels = blobs()
    files = {"one": space(X, labels, "one"), "two": space(4 * X @ rotation(10) + 2, labels, "two")}
    report = stitch_ready(
        trained_on(files["one"]), "one", files, anchors_in(files["one"]), StitchOptions(way="procrustes")
    )
    assert report.cell("procrustes", "one", "two").retention.mean == 1.0
    assert "Carried rows differ from the ceiling no more than by chance: +0.000" in report.notes[-1]


def test_anchors_that_do_not_correspond_serve_no_better_than_chance() -> None:
    """The control: the same files, the sides of the anchors shuffled."""
    X, labels = blobs()
    one, two = space(X, labels, "one"), space(-3 * X, labels, "two")
    right = anchors_in(one, two)
    mixed = [AnchorList(draw.ids[7:] + draw.ids[:7], draw.hashes) for draw in right.sides[1].draws]
    wrong = replace(right, sides=(right.sides[0], replace(right.sides[1], draws=tuple(mixed))))
    options = StitchOptions(way="procrustes", absolute=False, train_side="left", test_side="right")
    scores = [
        accuracy(
            stitch_ready(trained_on(one), "one", {"one": one, "two": two}, anchors, options, pair=True),
            "two",
            "procrustes",
        )
        for anchors in (right, wrong)
    ]
    assert scores[0] > 0.85
    assert scores[1] < 0.6


def test_a_pair_of_different_data_has_no_paired_numbers() -> None:
    X, labels = blobs()
    one, two = space(X, labels, "one"), space(-3 * X, labels, "two", train=150)
    files = {"one": one, "two": two}
    options = replace(AUTO, train_side="left", test_side="right")
    report = stitch_ready(trained_on(one), "one", files, anchors_in(one, two), options, pair=True)
    assert accuracy(report, "two") > 0.85
    assert report.comparisons == ()


def test_the_report_says_what_answered_how_rows_were_carried_and_what_it_cost() -> None:
    files, anchors = turned_pair(spread=1.2)
    report = stitch_ready(trained_on(files["one"]), "one", files, anchors, AUTO)
    assert report.method == "ready"
    assert report.settings["decoder"] == {
        "file": "head.npz", "of": "one", "names": list(CLASSES),
        "told": "a linear decoder of 4 classes that reads rows of 10 values as the encoder gives them",
    }  # fmt: skip
    assert "strength" not in report.settings
    (way,) = report.settings["ways"]
    assert sorted(way["held_out"]) == sorted(one.name for one in ready_ways())
    said = "\n".join(report.notes)
    assert (
        "head.npz is a linear decoder of 4 classes that reads rows of 10 values as the encoder gives them; nothing in "
        "it was changed. All of its 4 class names are among the labels."
    ) in said
    assert f"The rows of two were carried to the space of one by {way['way']} (held-out accuracy 0." in said
    (loss,) = report.comparisons
    assert (loss.form, loss.other, loss.rows, loss.draws) == ("auto", "ceiling", 80, 1)
    gap = accuracy(report, "two") - accuracy(report, "one")
    assert loss.result.difference == pytest.approx(gap)


def test_draws_give_a_spread_and_the_same_ceiling() -> None:
    files, _ = turned_pair(spread=1.2)
    report = stitch_ready(trained_on(files["one"]), "one", files, anchors_in(files["one"], k=12, draws=3), AUTO)
    values = report.cell("auto", "one", "two").scores["accuracy"].values
    assert len(values) == 3
    assert len(set(report.cell("auto", "one", "one").scores["accuracy"].values)) == 1
    assert any(
        "It was not chosen but is the default: 12 labelled anchors, fewer than 30." in note for note in report.notes
    )


def test_classes_that_the_decoder_does_not_know_are_counted_and_named() -> None:
    X, labels = blobs()
    known = space(X, [label if label != "dog" else None for label in labels], "one")
    files = {"one": space(X, labels, "one"), "two": space(-3 * X, labels, "two")}
    decoder = trained_on(known, CLASSES[:3])
    report = stitch_ready(decoder, "one", files, anchors_in(files["one"]), AUTO)
    count = sum(label == "dog" for label in labels[160:])
    said = next(note for note in report.notes if "does not know" in note)
    assert said.startswith(
        f"Test rows hold labels that the decoder does not know, and count as wrong: dog ({count}). Without those rows "
        "the accuracy is: two "
    )
    assert not any("training rows lack" in note for note in report.notes)
    more = ReadyDecoder(
        "head.npz", (*CLASSES[:3], "eel"), 10, lambda X: np.hstack([decoder.values(X), -9 + 0 * X[:, :1]]), "x"
    )
    report = stitch_ready(more, "one", files, anchors_in(files["one"]), AUTO)
    assert any("3 of its 4 class names are among the labels; these are not: eel." in note for note in report.notes)


def test_what_carried_rows_hold_in_columns_that_stand_still_drowns_nothing() -> None:
    X, labels = blobs()
    X[:, 9] *= 1e-9
    turn = np.random.default_rng(3).normal(size=X.shape)
    files = {"one": space(X, labels, "one"), "two": space(X @ rotation(10) + 0.3 * turn, labels, "two")}
    scaled = StandardScaler().fit(X[:160])
    model = LogisticRegression().fit(scaled.transform(X[:160]), labels[:160])
    arrays = {"weights": model.coef_, "bias": model.intercept_, "mean": scaled.mean_, "scale": scaled.scale_}
    decoder = ready_linear(arrays, ReadyStatement("head.npz", CLASSES))
    options = StitchOptions(way="procrustes", absolute=False)
    report = stitch_ready(decoder, "one", files, anchors_in(files["one"]), options)
    assert accuracy(report, "two", "procrustes") > 0.8
    said = (
        "1 of the 10 columns that head.npz reads all but stands still: it divides it by less than a ten-thousandth of "
        "what it divides the median column by, which would make a large value of the smallest error. So carried rows "
        "are put at its mean there; the rows of its own encoder are read as they are."
    )
    assert said in report.notes
    # The negative control: read as they come, these rows get answers that their noise has chosen.
    plain = stitch_ready(replace(decoder, still=None), "one", files, anchors_in(files["one"]), options)
    assert accuracy(plain, "two", "procrustes") < 0.6
    assert accuracy(plain, "one", "procrustes") == accuracy(report, "one", "procrustes")
    assert said not in plain.notes


def test_a_decoder_that_is_read_wrongly_is_noticed_where_it_was_at_home() -> None:
    files, anchors = turned_pair()
    right = trained_on(files["one"])
    wrong = replace(right, names=CLASSES[::-1])
    said = [note for note in stitch_ready(wrong, "one", files, anchors, AUTO).notes if note.startswith("On the test")]
    found = accuracy(stitch_ready(wrong, "one", files, anchors, AUTO), "one")
    X, truth = files["one"].vectors.astype(np.float64), files["one"].rows.targets
    assert truth is not None
    centred = X - X[:160].mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    means = [unit[:160][truth.values[:160] == code].mean(axis=0) for code in range(4)]
    near = [max(range(4), key=lambda code: row @ means[code] / np.linalg.norm(means[code])) for row in unit[160:]]
    usual = float(np.mean(near == truth.values[160:]))
    assert said == [
        f"On the test rows of one, its own encoder, head.npz gives {found:.3f} of the answers rightly, where the "
        f"nearest of the classes' means gives {usual:.3f}. Check that it is a decoder of one, the order of its class "
        "names, the form of its input, and that its arrays were written row by row (safetensors garbles numpy arrays "
        "that are not: numpy.ascontiguousarray)."
    ]
    assert not any(note.startswith("On the test") for note in stitch_ready(right, "one", files, anchors, AUTO).notes)


def test_rows_that_were_carried_already_are_named() -> None:
    files, anchors = turned_pair()
    origin = {"encoder": "st:zero", "method": "ridge"}
    one = replace(files["one"], encoder=replace(files["one"].encoder, extra={"carried_from": origin}))
    report = stitch_ready(trained_on(one), "one", {**files, "one": one}, anchors, AUTO)
    assert (
        "The rows of one are not those of st:one itself: they were carried there from st:zero, and what is said of one "
        "is said of them."
    ) in report.notes


def test_a_decoder_that_does_no_better_than_the_floor_is_named() -> None:
    X, labels = blobs()
    noise = np.random.default_rng(5).normal(size=X.shape)
    files = {"one": space(X, labels, "one"), "two": space(noise, labels, "two")}
    common = CLASSES.index(max(CLASSES, key=labels[:160].count))
    constant = ReadyDecoder("head.npz", CLASSES, 10, lambda X: np.tile(np.eye(4)[common], (len(X), 1)), "constant")
    report = stitch_ready(constant, "one", files, anchors_in(files["one"]), AUTO)
    assert accuracy(report, "two") == report.floor
    assert report.notes[-1] == f"The decoder does no better than the floor of {report.floor:.3f} on: two."


def test_labels_meet_by_the_label_map() -> None:
    X, labels = blobs()
    files = {"one": space(X, labels, "one"), "two": space(-3 * X, labels, "two")}
    decoder = replace(trained_on(files["one"]), names=("ANT", "BEE", "CAT", "DOG"))
    with pytest.raises(MismatchError) as error:
        stitch_ready(decoder, "one", files, anchors_in(files["one"]), AUTO)
    assert str(error.value) == (
        "head.npz answers with the classes ANT, BEE, CAT, DOG; the files hold the labels ant, bee, cat, dog, and none of "
        "them is one of those. Where they only differ in name, say how with --label-map (the files' name → the decoder's)."
    )
    mapped = replace(AUTO, label_map={name: name.upper() for name in CLASSES})
    assert accuracy(stitch_ready(decoder, "one", files, anchors_in(files["one"]), mapped), "two") > 0.85


def test_neither_test_labels_nor_other_labels_of_the_encoder_decide() -> None:
    X, labels = blobs(spread=1.2)
    one, two = space(X, labels, "one"), space(-3 * X, labels, "two")
    decoder = trained_on(one)
    other = [*labels[:160], *labels[160:][::-1]]
    changed = {"one": space(X, other, "one"), "two": space(-3 * X, other, "two")}
    first = stitch_ready(decoder, "one", {"one": one, "two": two}, anchors_in(one), AUTO)
    second = stitch_ready(decoder, "one", changed, anchors_in(one), AUTO)
    chosen = [
        [{key: told for key, told in way.items() if key != "test"} for way in report.settings["ways"]]
        for report in (first, second)
    ]
    assert chosen[0] == chosen[1]
    assert accuracy(first, "two") != accuracy(second, "two")


def hits_by_hand(target: ReadyTarget, source: Source, name: str, *, rescale: bool) -> list[bool]:
    """The plain oracle: three folds, dealt class by class, each carried by a map of the others."""
    codes = target.known.values
    order = np.random.default_rng(0).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    hits = []
    for fold in range(3):
        out = sorted(order[fold::3].tolist())
        kept = [at for at in range(len(codes)) if at not in out]
        carry = cross(way_of(name), source.anchors[kept], target.anchors[kept]).source
        if rescale:
            carry = rescaled(carry, source.rows, target.rows)
        for at in out:
            answer = ready_predict(target.decoder, carry(source.anchors[at : at + 1])).labels()[0]
            hits.append(answer == target.known.names[codes[at]])
    return hits


def test_held_out_scores_are_those_of_a_plain_loop() -> None:
    X, labels = blobs(n=300, spread=1.5)
    one, two = X.astype(np.float32), np.tanh(X @ rotation(10)).astype(np.float32)
    decoder = trained_on(space(X, labels, "one"))
    target = ReadyTarget(decoder, one[:200], one[:110], Targets.from_labels(labels[:110]))
    source = Source(two[:110], two[:200])
    choice = choose_ready_way(target, source, ready_ways())
    for name in ("ridge", "kernel", "procrustes"):
        for rescale in (False, True):
            expected = np.mean(hits_by_hand(target, source, name, rescale=rescale))
            assert choice.scores[f"{name}, rescaled" if rescale else name] == pytest.approx(expected)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 50), st.floats(0.2, 20))
def test_the_choice_does_not_change_when_the_source_is_turned_and_rescaled(seed: int, scale: float) -> None:
    X, labels = blobs(n=120, d=5, spread=1.0)
    vectors = np.tanh(X)
    decoder = trained_on(space(X, labels, "one", train=100))
    target = ReadyTarget(decoder, X.astype(np.float32), X[:60].astype(np.float32), Targets.from_labels(labels[:60]))
    turned = scale * vectors @ rotation(5, seed)
    ways = tuple(way_of(name) for name in ("ridge", "kernel", "procrustes"))
    one, other = (
        choose_ready_way(target, Source(A[:60].astype(np.float32), A.astype(np.float32)), ways)
        for A in (vectors, turned)
    )
    assert one.way == other.way


def test_a_source_without_other_rows_is_not_rescaled() -> None:
    X, labels = blobs()
    rows = X.astype(np.float32)
    target = ReadyTarget(trained_on(space(X, labels)), rows, rows[:40], Targets.from_labels(labels[:40]))
    choice = choose_ready_way(target, Source(-rows[:40], rows[:0]), ready_ways())
    assert not any("rescaled" in name for name in choice.scores)
    alone = choose_ready_way(target, Source(-rows[:40], rows), (way_of("ridge"),))
    assert (alone.how, dict(alone.scores)) == ("given", {})


def test_too_few_anchors_or_one_class_take_the_first_way() -> None:
    X, labels = blobs()
    rows = X.astype(np.float32)
    decoder = trained_on(space(X, labels))
    few = ReadyTarget(decoder, rows, rows[:20], Targets.from_labels(labels[:20]))
    choice = choose_ready_way(few, Source(-rows[:20], rows), ready_ways())
    assert (choice.way, choice.how) == (ready_ways()[0], "default: 20 labelled anchors, fewer than 30")
    same = ReadyTarget(decoder, rows, rows[:40], Targets.from_labels(["ant"] * 40))
    choice = choose_ready_way(same, Source(-rows[:40], rows), ready_ways())
    assert choice.how == "default: the anchors are all of one class"


def test_numbers_are_chosen_by_their_error() -> None:
    X, _ = blobs()
    rows = X.astype(np.float32)
    values = rows[:, :2].astype(np.float64)
    targets = Targets("real", values[:60].astype(np.float32), np.ones(60, dtype=bool), ("p", "q"))
    swapped = ReadyDecoder("head", ("q", "p"), 10, lambda X: X[:, [1, 0]].astype(np.float64), "two columns", "real")
    choice = choose_ready_way(ReadyTarget(swapped, rows, rows[:60], targets), Source(-rows[:60], rows), ready_ways())
    assert choice.scores["procrustes"] == pytest.approx(0.0, abs=1e-9)
    assert min(choice.scores.values()) < 0


@pytest.mark.parametrize("absolute", [True, False])
def test_our_own_decoders_absolute_or_relative_are_taken_along(absolute: bool) -> None:
    files, anchors = turned_pair()
    options = StitchOptions("ridge", "procrustes", absolute=False)
    made = (
        absolute_decoder_of("one", files, anchors, options)
        if absolute
        else decoder_of("one", files, anchors, StitchOptions("ridge"))
    )
    decoder = ready_of(made, "d.safetensors")
    assert owner_of(decoder, files) == "one"
    own = predict_with(made, files["one"]).values
    np.testing.assert_array_equal(ready_predict(decoder, files["one"].vectors).values, own)
    assert accuracy(stitch_ready(decoder, "one", files, anchors, options), "two", "procrustes") > 0.85


def test_a_decoder_of_bare_arrays_is_nobodys() -> None:
    files, anchors = turned_pair()
    made = absolute_decoder_of("one", files, anchors, StitchOptions("ridge"))
    with pytest.raises(UsageError) as error:
        ready_of(replace(made, encoder=None), "d.safetensors")
    assert str(error.value) == (
        "d.safetensors is a decoder of bare arrays, which does not say whose embeddings it reads. Save one from a "
        "stitch, with --save-decoder."
    )


def test_whose_decoder_it_is() -> None:
    files, anchors = turned_pair()
    decoder = trained_on(files["one"])
    assert owner_of(decoder, files, "two") == "two"
    with pytest.raises(UsageError) as several:
        owner_of(decoder, files)
    assert str(several.value) == (
        "head.npz reads 10 values per row, as one, two have. Say whose decoder it is, with --decoder-of."
    )
    # A relative file of that width is none that it could read.
    ten = anchor_vectors(files["one"], anchors_in(files["one"], k=10))
    given: dict[str, Space] = {"one": files["one"], "two": relative_representation(files["two"], ten)}
    assert owner_of(decoder, given) == "one"
    with pytest.raises(UsageError) as missing:
        owner_of(decoder, files, "three")
    assert str(missing.value) == (
        "There is no file 'three' in this stitch for the decoder to be of; there are: one, two."
    )
    with pytest.raises(MismatchError) as width:
        owner_of(replace(decoder, width=7), files)
    assert str(width.value) == (
        "head.npz reads 7 values per row; one has 10, two has 10. Give embeddings of the encoder it was trained on among "
        "the files."
    )
    with pytest.raises(MismatchError) as other:
        owner_of(ready_of(absolute_decoder_of("one", files, anchors, StitchOptions("ridge")), "d"), files, "two")
    assert str(other.value) == (
        "d reads embeddings of st:one (10 values per row); two is of st:two. Give embeddings of that very encoder, with "
        "its revision, prompt and settings, among the files."
    )


def refused(
    files: dict[str, Any], anchors: Anchors | None, options: StitchOptions, own: str = "one", **more: Any
) -> str:
    decoder = ReadyDecoder("head.npz", CLASSES, 10, lambda X: X[:, :4].astype(np.float64), "four values")
    with pytest.raises((UsageError, MismatchError)) as error:
        stitch_ready(decoder, own, files, anchors, options, **more)
    return str(error.value)


def test_ways_that_move_the_decoders_own_space_are_refused() -> None:
    files, anchors = turned_pair()
    assert refused(files, anchors, StitchOptions(way="smoothing")) == (
        "A decoder that is trained already reads its own encoder's embeddings as they are, and --method smoothing moves "
        "the rows of the decoder's own encoder too. Choose one of: auto, procrustes, ridge, affine, low-rank, inverse, "
        "kernel, mlp."
    )
    assert refused(files, anchors, StitchOptions(way="relative")) == (
        "A decoder that is trained already reads its own encoder's embeddings as they are, and --method relative does "
        "not carry rows to the space of the decoder's encoder. Choose one of: auto, procrustes, ridge, affine, low-rank, "
        "inverse, kernel, mlp."
    )


def test_files_that_cannot_be_carried_are_refused() -> None:
    files, anchors = turned_pair()
    assert refused({"one": files["one"]}, anchors, AUTO) == (
        "A decoder that is trained already needs two or more files, its own encoder's among them; 1 given (one)."
    )
    relatives: dict[str, Any] = {
        name: relative_representation(file, anchor_vectors(file, anchors), ProjectionSpec())
        for name, file in files.items()
    }
    assert refused(relatives, None, AUTO) == (
        "one, two: relative files hold no embeddings that could be carried to the decoder's space. Give embeddings files "
        "with --anchors."
    )
    assert refused(files, anchors, AUTO, "two", pair=True) == (
        "The decoder is of two, which was given to --test. Give its encoder's file to --train and the other to --test."
    )
    assert refused(files, anchors, replace(AUTO, test_side="es")) == (
        "A side of its own for the tested file ('es') goes with --train and --test: name the side that all files are on "
        "with --train-side."
    )


def anchored(ids: NDArray[np.object_], k: int) -> Anchors:
    picked = np.random.default_rng(0).permutation(np.flatnonzero([name.startswith("train") for name in ids]))[:k]
    draw = AnchorList(tuple(ids[picked]), ("",) * k)
    return Anchors("uniform", 0, (AnchorSide("main", "", (draw,)),))


def test_an_old_decoder_of_mpnet_keeps_working_on_minilm(test_data: Path) -> None:
    """Real questions: far above the floor and above .8 of the ceiling with 300 anchors."""
    files: dict[str, Embeddings] = {}
    for name in ("mpnet", "minilm"):
        held = np.load(test_data / "embeddings" / f"trec-{name}.npz")
        n = len(held["train"])
        files[name] = space(
            np.concatenate([held["train"], held["test"]]),
            [*held["train_labels"].tolist(), *held["test_labels"].tolist()], name, train=n,
        )  # fmt: skip
    train = files["mpnet"].rows.in_splits("train")
    X, y = files["mpnet"].vectors[train], np.concatenate([held["train_labels"]])
    model = LogisticRegression(C=1.0, tol=1e-3).fit(X[::3], y[::3])
    decoder = ready_linear(
        {"weights": model.coef_, "bias": model.intercept_},
        ReadyStatement("old.npz", tuple(map(str, model.classes_)), "raw"),
    )
    report = stitch_ready(
        decoder, "mpnet", files, anchored(files["mpnet"].rows.ids, 300), StitchOptions(way="kernel")
    )
    cell = report.cell("kernel", "mpnet", "minilm")
    reached, kept = cell.scores["accuracy"].mean, cell.retention.mean
    assert reached is not None
    assert kept is not None
    assert reached > report.floor + 0.4
    assert kept > 0.8
