"""Which files may be stitched, how their rows and labels meet, and what is said where they do not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stitching_samples import anchors_in, blobs, rotation, space, turned_pair

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, ProjectionSpec, Relative, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.stitching import StitchOptions, stitch, stitch_pair
from relstitch.stitching.labels import agreed_targets

RIDGE = StitchOptions("ridge", strength=0.3)


def refusal(*arguments: Any) -> str:
    with pytest.raises((UsageError, MismatchError)) as caught:
        stitch(*arguments)
    return str(caught.value)


def relatives(spec: ProjectionSpec | None = None, k: int = 40) -> dict[str, Relative]:
    files, anchors = turned_pair()
    return {
        name: relative_representation(one, anchor_vectors(one, anchors.prefix(k)), spec or ProjectionSpec())
        for name, one in files.items()
    }


def numbers(names: tuple[str, ...]) -> Targets:
    return Targets("real", np.ones((240, 2), dtype=np.float32), np.ones(240, dtype=bool), names)


def test_one_file_is_no_stitch() -> None:
    files, anchors = turned_pair()
    assert refusal({"one": files["one"]}, anchors) == (
        "A stitch needs at least two files, one per encoder; 1 given (one)."
    )
    assert refusal({}, anchors) == "A stitch needs at least two files, one per encoder; 0 given (none)."


def test_options_that_ask_for_nothing() -> None:
    with pytest.raises(UsageError) as caught:
        StitchOptions(seeds=())
    assert str(caught.value) == "No decoder seed was given: at least one is needed, for example seeds=(0,)."
    with pytest.raises(UsageError) as caught:
        StitchOptions(draws=0)
    assert str(caught.value) == "0 anchor draws were asked for; at least one is needed."


def test_an_unknown_decoder_is_refused_before_any_work() -> None:
    assert refusal({"one": relatives()["one"], "two": turned_pair()[0]["two"]}, None, StitchOptions("forest")) == (
        "There is no decoder 'forest'. Choose one of: logistic, svm, ridge, knn, mlp."
    )


def test_files_of_two_kinds() -> None:
    files, anchors = turned_pair()
    assert refusal({"one": files["one"], "two": relatives()["two"]}, anchors) == (
        "Embeddings files and relative files cannot be stitched to each other (one is embeddings, two is relative). "
        "Give files of one kind: embeddings files with --anchors, or relative files made with the same anchors."
    )


def test_embeddings_need_anchors_and_relative_files_bring_theirs() -> None:
    files, anchors = turned_pair()
    assert refusal(files) == (
        "one, two are embeddings files: stitching them needs an anchors file. Pick one with `relstitch anchors`, and "
        "give it with --anchors."
    )
    assert refusal(relatives(), anchors) == (
        "Relative files carry their anchors: leave --anchors out, or give embeddings files."
    )
    text = "Relative files hold one draw of all its anchors: -k and --draws need the embeddings files and --anchors."
    assert refusal(relatives(), None, StitchOptions(k=10)) == text
    assert refusal(relatives(), None, StitchOptions(draws=2)) == text


def test_relative_files_of_other_projections() -> None:
    plain = relatives(ProjectionSpec("cosine", center=False))["two"]
    assert refusal({"one": relatives()["one"], "two": plain}) == (
        "one and two were projected differently: one with cosine, centred, two with cosine, not centred. "
        "Encode both with the same projection and the same centring."
    )
    assert refusal(relatives(), None, StitchOptions(center=False)) == (
        "one and the others were projected with cosine, centred; the other form needs the embeddings files. "
        "Leave --center and --no-center out, or encode anew."
    )
    assert stitch(relatives(ProjectionSpec("cosine", center=False)), None, RIDGE).forms == ("relative, paper",)


def test_relative_files_of_other_anchors() -> None:
    """The second encoder's anchors shuffled: refused, by the anchors' digest."""
    files, anchors = turned_pair()
    draw = anchors.sides[0].draws[0]
    shuffled = AnchorList(draw.ids[::-1], draw.hashes[::-1])
    other = Anchors("uniform", 0, (AnchorSide("main", "", (shuffled,)),))
    two = relative_representation(files["two"], anchor_vectors(files["two"], other))
    assert refusal({"one": relatives()["one"], "two": two}) == (
        f"one and two were made with different anchors: one with 40 anchors ({draw.ids[0]}, {draw.ids[1]} … and 38 "
        f"more; sha256 {draw.digest[:12]}), two with 40 anchors ({draw.ids[39]}, {draw.ids[38]} … and 38 more; "
        f"sha256 {shuffled.digest[:12]}). Encode both with the same anchors file."
    )
    fewer = relatives(k=30)["two"]
    assert refusal({"one": relatives()["one"], "two": fewer}).startswith(
        "one and two were made with different anchors"
    )


def test_more_draws_than_the_file_holds_are_drawn_anew() -> None:
    from relstitch.anchors import pick_anchors

    files, _ = turned_pair()
    picked = pick_anchors(files["one"], 40, draws=1)
    report = stitch(files, picked, replace(RIDGE, draws=3))
    again = stitch(files, pick_anchors(files["one"], 40, draws=3), RIDGE)
    assert report.to_json() == again.to_json()
    assert report.settings["draws"] == 3
    assert stitch(files, pick_anchors(files["one"], 40, draws=3), replace(RIDGE, draws=1)).settings["draws"] == 1


def test_files_without_labels() -> None:
    files, anchors = turned_pair()
    bare = {name: replace(one, rows=replace(one.rows, targets=None)) for name, one in files.items()}
    assert refusal(bare, anchors) == (
        "None of the files has a label (one, two): a stitch trains and scores on labels. Encode at least one of them "
        "with --label or --target."
    )
    half = stitch({"one": files["one"], "two": bare["two"]}, anchors, RIDGE)
    assert half.to_json() == stitch(files, anchors, RIDGE).to_json()


def test_targets_of_two_kinds() -> None:
    files, anchors = turned_pair()
    other = space(blobs()[0], numbers(("a", "b")), "two")
    assert refusal({"one": files["one"], "two": other}, anchors) == (
        "The files hold targets of different kinds (one: class, two: real); a stitch needs one kind."
    )


def test_targets_that_are_images() -> None:
    X, _ = blobs()
    pictures = Targets("image", np.zeros((240, 2, 2, 1), dtype=np.uint8), np.ones(240, dtype=bool))
    files = {"one": space(X, pictures, "one"), "two": space(-X, pictures, "two")}
    assert refusal(files, anchors_in(files["one"])) == (
        "The logistic decoder learns classes, and these targets are pictures. Choose one of: ridge, knn, mlp."
    )
    large = Targets("image", np.zeros((240, 3, 2, 1), dtype=np.uint8), np.ones(240, dtype=bool))
    assert refusal({"one": files["one"], "two": space(-X, large, "two")}, anchors_in(files["one"])) == (
        "one holds pictures of 2 × 2 × 1 as targets and two of 3 × 2 × 1 (height × width × channels). Give all "
        "files targets of one size."
    )
    white = Targets("image", np.full((240, 2, 2, 1), 255, dtype=np.uint8), np.ones(240, dtype=bool))
    assert refusal({"one": files["one"], "two": space(-X, white, "two")}, anchors_in(files["one"])) == (
        "one and two label 240 of 240 rows differently: 'test:0' is a picture of mean 0.0000 in one and a picture of "
        "mean 1.0000 in two. Encode both from the same labels, or give a label map where only the names differ."
    )


def test_numbers_meet_by_column_name() -> None:
    X, _ = blobs()
    heights = (X @ np.random.default_rng(0).normal(size=(10, 2))).astype(np.float32)
    both = Targets("real", heights, np.ones(240, dtype=bool), ("height", "depth"))
    turned = Targets("real", heights[:, ::-1].copy(), np.ones(240, dtype=bool), ("depth", "height"))
    one, two = space(X, both, "one"), space(X @ rotation(10), turned, "two")
    report = stitch({"one": one, "two": two}, anchors_in(one), replace(RIDGE, strength=0.001))
    assert report.cell("relative", "one", "two").scores["r2"].mean > 0.9  # type: ignore[operator]
    files = {"one": space(X, numbers(("a", "b")), "one"), "two": space(X, numbers(("a", "c")), "two")}
    assert refusal(files, anchors_in(one)) == (
        "one holds the target columns a, b and two the columns a, c. Columns meet by name: encode both with the same "
        "--target columns."
    )


def test_class_orders_may_differ() -> None:
    """cleanlab #997: the same labels under other codes are the same labels."""
    files, anchors = turned_pair(spread=1.2)
    targets = files["two"].rows.targets
    assert targets is not None
    turned = Targets("class", (3 - targets.values).astype(np.int32), targets.present, targets.names[::-1])
    other = {**files, "two": replace(files["two"], rows=replace(files["two"].rows, targets=turned))}
    assert stitch(other, anchors, RIDGE).to_json() == stitch(files, anchors, RIDGE).to_json()


def test_labels_that_contradict_each_other() -> None:
    X, labels = blobs()
    wrong: list[str | None] = [*labels]
    wrong[0] = wrong[7] = "newt"
    files = {"one": space(X, labels, "one"), "two": space(-X, wrong, "two")}
    assert refusal(files, anchors_in(files["one"])) == (
        f"one and two label 2 of 240 rows differently: 'train:0' is '{labels[0]}' in one and 'newt' in two. Encode "
        "both from the same labels, or give a label map where only the names differ."
    )


def test_numbers_and_several_labels_that_contradict_each_other() -> None:
    X, _ = blobs()
    two = numbers(("a", "b"))
    two.values[3] = 2.5
    files = {"one": space(X, numbers(("a", "b")), "one"), "two": space(-X, two, "two")}
    assert "'train:3' is [1.0, 1.0] in one and [2.5, 2.5] in two" in refusal(files, anchors_in(files["one"]))
    values = np.ones((240, 2), dtype=bool)
    other = values.copy()
    other[5, 0] = False
    present = np.ones(240, dtype=bool)
    files = {
        "one": space(X, Targets("multilabel", values, present, ("x", "y")), "one"),
        "two": space(-X, Targets("multilabel", other, present, ("x", "y")), "two"),
    }
    assert "'train:5' is ['x', 'y'] in one and ['y'] in two" in refusal(files, anchors_in(files["one"]))


def test_label_map_reads_two_naming_schemes_as_one() -> None:
    _, labels = blobs()
    german = {"ant": "Ameise", "bee": "Biene", "cat": "Katze", "dog": "Hund"}
    files, anchors = turned_pair()
    named = {**files, "two": space(files["two"].vectors, [german[label] for label in labels], "two")}
    back = {value: key for key, value in german.items()}
    report = stitch(named, anchors, replace(RIDGE, label_map=back))
    assert report.to_json() == stitch(files, anchors, RIDGE).to_json()
    assert refusal(files, anchors, replace(RIDGE, label_map={"Hund": "dog"})) == (
        "The label map names Hund, which no file has; their classes: ant, bee, cat, dog."
    )


def test_labels_are_completed_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    X, labels = blobs()
    holes = {name: [None if rng.random() < 0.4 else label for label in labels] for name in ("one", "two", "three")}
    files = {name: space(X, held, name) for name, held in holes.items()}
    orders = {name: rng.permutation(240) for name in files}
    rows = {name: one.rows.take(orders[name]) for name, one in files.items()}
    shared = [np.argsort(orders[name]) for name in files]
    agreed = agreed_targets(rows, shared, {})
    for name, file in rows.items():
        for at, row in enumerate(orders[name]):
            known = [held[row] for held in holes.values() if held[row] is not None]
            assert agreed[name].labels()[at] == (known[0] if known else None)
        assert len(agreed[name]) == len(file)


def test_files_with_different_skipped_rows_meet_and_are_counted() -> None:
    """Two encoders skipped different rows: they meet on what both have; strict refuses."""
    files, anchors = turned_pair()
    anchored = set(anchors.sides[0].draws[0].ids)
    free = [row for row in range(160) if f"train:{row}" not in anchored]
    cut = {
        "one": files["one"].take(np.delete(np.arange(240), [free[0], 200])),
        "two": files["two"].take(np.delete(np.arange(240), [free[1], 201, 202])),
    }
    report = stitch(cut, anchors, RIDGE)
    assert {name: report.rows[name] for name in ("train", "test", "shared", "not_shared")} == {
        "train": 158, "test": 77, "shared": 235, "not_shared": 5,
    }  # fmt: skip
    assert "3 rows of one are not in all files and were left out." in report.notes
    assert "2 rows of two are not in all files and were left out." in report.notes
    assert refusal(cut, anchors, replace(RIDGE, strict=True)) == (
        f"one and two do not hold the same rows: 235 in both, 3 only in one (train:{free[1]}, test:41, test:42), "
        f"2 only in two (train:{free[0]}, test:40). Leave out --strict to go on with the rows they share."
    )


def test_splits_that_contradict_each_other() -> None:
    files, anchors = turned_pair()
    moved = files["two"].rows.splits.copy()
    moved[3] = "test"
    other = {**files, "two": replace(files["two"], rows=replace(files["two"].rows, splits=moved))}
    assert refusal(other, anchors) == (
        "one and two put 1 shared row into different splits: 'train:3' is in 'train' in one and in 'test' in two. "
        "Encode both from the same splits."
    )


def test_a_split_that_is_not_there() -> None:
    files, anchors = turned_pair()
    assert refusal(files, anchors, replace(RIDGE, test_split="val")) == (
        "No labelled row to use in split 'val' of all files: 0 rows in it, of 240 in splits test, train. "
        "Name the splits with --train-split and --test-split."
    )


def test_anchors_among_the_test_rows_are_not_scored() -> None:
    """Never an anchor and a test row at once: by id, and by content under another id."""
    X, labels = blobs()
    texts = [content_hash(str(row).encode()) for row in range(240)]
    texts[170] = texts[0]
    files = {"one": space(X, labels, "one", hashes=texts), "two": space(-X, labels, "two", hashes=texts)}
    rows = files["one"].rows
    at = np.array([0, 1, 2, 3, 4, 5, 239])
    draw = AnchorList(tuple(rows.ids[at]), tuple(rows.hashes[at].tolist()))
    report = stitch(files, Anchors("explicit", 0, (AnchorSide("main", "", (draw,)),)), RIDGE)
    assert (report.rows["test_in_anchors"], report.rows["test"]) == (2, 78)
    assert "2 test rows are anchors (by id or content) and not scored." in report.notes


def test_test_content_that_stands_in_train_is_counted() -> None:
    """TREC: 10 test texts stand in train. They are kept, counted and said."""
    X, labels = blobs()
    texts = [content_hash(str(row).encode()) for row in range(240)]
    texts[200:204] = texts[120:124]
    files = {"one": space(X, labels, "one"), "two": space(-X, labels, "two", hashes=texts)}
    report = stitch(files, anchors_in(files["one"]), RIDGE)
    assert (report.rows["test_in_train"], report.rows["test"]) == (4, 80)
    assert (
        "4 of 80 test rows hold content that also stands in the training rows; they are scored with the rest."
        in report.notes
    )


def test_training_and_test_split_may_be_one() -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, replace(RIDGE, test_split="train"))
    assert report.rows["test"] == report.rows["test_in_train"] == 120
    assert report.rows["test_in_anchors"] == 40


def languages() -> tuple[Embeddings, Embeddings, Anchors]:
    """Two datasets of their own, whose first hundred rows correspond."""
    X, labels = blobs(n=440, spread=0.4)
    there = np.r_[0:100, 240:440]
    left = space(X[:240], labels[:240], "one", hashes=[content_hash(f"en {row}".encode()) for row in range(240)])
    right = space(
        X[there] @ rotation(10) + 2,
        [labels[row] for row in there],
        "two",
        train=220,
        hashes=[content_hash(f"es {row}".encode()) for row in range(300)],
    )
    return left, right, anchors_in(left, right)


SIDES = StitchOptions(train_side="left", test_side="right")


def test_two_languages_meet_on_parallel_anchors() -> None:
    left, right, anchors = languages()
    report = stitch_pair(("en", left), ("es", right), anchors, SIDES)
    assert [(c.form, c.decoder, c.encoder) for c in report.cells] == [
        (form, "en", encoder) for form in ("absolute", "relative", "relative, paper") for encoder in ("en", "es")
    ]
    assert report.cell("relative", "en", "es").scores["accuracy"].mean > 0.95  # type: ignore[operator]
    assert report.cell("relative", "en", "es").retention.mean == pytest.approx(1.0, abs=0.05)
    assert report.rows == {"train": 160, "test": 80, "test_in_train": 0, "test_in_anchors": 0}
    assert report.settings["chosen_on"]["relative"] == {"en": ["held-out anchors"]}
    assert {cell.n_test for cell in report.cells} == {80}


def test_wrongly_paired_anchors_give_nothing() -> None:
    """Negative control: the same files, the second side in another order."""
    left, right, anchors = languages()
    draw = anchors.sides[1].draws[0]
    order = np.random.default_rng(0).permutation(len(draw))
    torn = AnchorList(tuple(draw.ids[at] for at in order), tuple(draw.hashes[at] for at in order))
    wrong = replace(anchors, sides=(anchors.sides[0], replace(anchors.sides[1], draws=(torn,))))
    report = stitch_pair(("en", left), ("es", right), wrong, replace(SIDES, strength=0.01))
    assert report.cell("relative", "en", "es").scores["accuracy"].mean < 0.6  # type: ignore[operator]


def test_relative_files_of_two_languages_meet_on_their_correspondence() -> None:
    left, right, anchors = languages()
    one = relative_representation(left, anchor_vectors(left, anchors, side="left"))
    two = relative_representation(right, anchor_vectors(right, anchors, side="right"))
    plain = stitch_pair(("en", one), ("es", two))
    general = stitch_pair(("en", left), ("es", right), anchors, SIDES)
    assert plain.cells == tuple(cell for cell in general.cells if cell.form == "relative")
    apart = replace(two, anchors=replace(two.anchors, correspondence="other"))
    with pytest.raises(MismatchError) as caught:
        stitch_pair(("en", one), ("es", apart))
    assert str(caught.value).startswith("en and es were made with different anchors: en with 40 anchors (")


def test_a_pair_whose_first_file_has_no_test_rows_has_no_ceiling() -> None:
    left, right, anchors = languages()
    only_train = left.take(np.arange(160))
    report = stitch_pair(("en", only_train), ("es", right), anchors, SIDES)
    assert [(cell.decoder, cell.encoder) for cell in report.cells] == [("en", "es")] * 3
    assert report.cell("relative", "en", "es").retention.mean is None
    assert report.notes[0] == "en has no labelled rows in split 'test', so there is no ceiling."


def test_a_pair_of_one_dataset_is_a_cell_of_the_matrix() -> None:
    files, anchors = turned_pair()
    matrix = stitch(files, anchors, RIDGE)
    pair = stitch_pair(("one", files["one"]), ("two", files["two"]), anchors, RIDGE)
    for cell in pair.cells:
        assert cell == matrix.cell(cell.form, "one", cell.encoder)
    assert pair.floor == matrix.floor


def test_pairs_that_do_not_work() -> None:
    left, right, anchors = languages()
    with pytest.raises(UsageError) as caught:
        stitch_pair(("en", left), ("en", right), anchors, SIDES)
    assert str(caught.value) == "Both files are called 'en'; give the decoder's and the encoder's file two names."
    bare = replace(right, rows=replace(right.rows, targets=None))
    with pytest.raises(UsageError) as caught:
        stitch_pair(("en", left), ("es", bare), anchors, SIDES)
    assert str(caught.value) == "es has no labels; with --train and --test both files need them."
    with pytest.raises(UsageError) as caught:
        stitch_pair(("en", left), ("es", right), anchors)
    assert str(caught.value) == (
        "These anchors have 2 sides (left, right), and it is not said which one en, es is on. Say so with --train-side "
        "and --test-side."
    )
