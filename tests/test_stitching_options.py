"""Options that a stitch cannot follow are refused, never passed over; what must not matter does not."""

from dataclasses import replace

import numpy as np
import pytest
from stitching_samples import anchors_in, blobs, space, turned_pair

from relstitch.artifacts import Embeddings, ProjectionSpec, Relative
from relstitch.artifacts.rows import content_hash
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.stitching import StitchOptions, check_gate_values, decoder_of, stitch, stitch_pair
from relstitch.stitching.parties import gather, gather_pair

RIDGE = StitchOptions("ridge", strength=0.3, center=True, absolute=False)


def relatives(spec: ProjectionSpec | None = None) -> dict[str, Relative]:
    files, anchors = turned_pair()
    return {
        name: relative_representation(one, anchor_vectors(one, anchors), spec or ProjectionSpec())
        for name, one in files.items()
    }


def shuffled(one: Embeddings, seed: int) -> Embeddings:
    return one.take(np.random.default_rng(seed).permutation(len(one.rows)))


def test_another_projection_than_the_relative_files_have() -> None:
    with pytest.raises(UsageError) as caught:
        stitch(relatives(), None, replace(RIDGE, projection="euclidean"))
    assert str(caught.value) == (
        "one was projected with cosine, centred, and 'euclidean' was asked for; another projection needs the "
        "embeddings files. Leave --projection out, or encode anew."
    )
    same = relatives(ProjectionSpec("euclidean"))
    assert stitch(same, None, replace(RIDGE, projection="euclidean")) is not None
    assert stitch(same, None, RIDGE).settings["projection"] == "euclidean"


def test_sides_where_there_are_none_to_choose() -> None:
    with pytest.raises(UsageError) as caught:
        stitch(relatives(), None, replace(RIDGE, train_side="en"))
    assert str(caught.value) == (
        "Relative files carry the side of their anchors: leave --train-side and --test-side out."
    )
    files, anchors = turned_pair()
    with pytest.raises(UsageError) as caught:
        stitch(files, anchors, replace(RIDGE, test_side="es"))
    assert str(caught.value) == (
        "A side of its own for the tested file ('es') goes with --train and --test; all files of this form hold the "
        "same data, and are on the side that --train-side names."
    )


def test_files_of_two_sides_are_sent_to_the_other_form() -> None:
    X, labels = blobs()
    one, two = space(X, labels, "one"), space(-X, labels, "two")
    parallel = anchors_in(one, two)
    with pytest.raises(UsageError) as caught:
        stitch({"one": one, "two": two}, parallel, RIDGE)
    assert str(caught.value) == (
        "These anchors have 2 sides (left, right). Stitch files of different sides with --train and --test; where "
        "all are on one side, name it with --train-side."
    )
    assert stitch({"one": one, "two": two}, parallel, replace(RIDGE, train_side="left")) is not None


def test_more_draws_of_parallel_anchors_say_why_not() -> None:
    X, labels = blobs()
    one, two = space(X, labels, "one"), space(-X, labels, "two")
    parallel = anchors_in(one, two, strategy="parallel")
    options = replace(RIDGE, draws=3, train_side="left", test_side="right")
    renamed = replace(two.rows, ids=np.array([f"es:{name}" for name in two.rows.ids], dtype=object))
    with pytest.raises(UsageError, match=r"^Parallel anchors are drawn from a table of pairs"):
        stitch_pair(("one", one), ("two", replace(two, rows=renamed)), parallel, options)


def test_strictness_means_nothing_for_a_pair() -> None:
    files, anchors = turned_pair()
    first, second = files.items()
    with pytest.raises(UsageError) as caught:
        stitch_pair(first, second, anchors, replace(RIDGE, strict=True))
    assert str(caught.value) == (
        "--strict demands the same rows of all files; --train and --test take other rows from each. "
        "Leave --strict out."
    )


def test_seeds_and_gates_that_cannot_be() -> None:
    with pytest.raises(UsageError) as caught:
        StitchOptions(seeds=(0, -1))
    assert str(caught.value) == "A decoder seed must be 0 or larger; -1 was given."
    with pytest.raises(UsageError) as caught:
        check_gate_values(min_retention=float("inf"))
    assert str(caught.value) == "A gate must be a finite number; inf was given for the retention."
    check_gate_values(min_accuracy=1, min_retention=1.2)


def test_files_of_different_data_are_told_so_and_not_sent_after_anchors() -> None:
    files, anchors = turned_pair()
    other = replace(files["two"].rows, ids=np.array([f"x{at}" for at in range(240)], dtype=object))
    with pytest.raises(MismatchError, match=r"^one and two share no id"):
        stitch({"one": files["one"], "two": replace(files["two"], rows=other)}, anchors, RIDGE)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    """Which training rows are tried when a strength is chosen, batches, ties: nothing may hang on a file's order."""
    files, anchors = turned_pair()
    mixed = {name: shuffled(one, seed + at) for at, (name, one) in enumerate(files.items())}
    lists = {name: [anchors.sides[0].draws[0]] for name in files}
    plain, again = (gather(given, lists, RIDGE).parties for given in (files, mixed))
    for left, right in zip(plain, again, strict=True):
        for rows in ("train", "test"):
            ids = [party.space.rows.ids[getattr(party, rows)].tolist() for party in (left, right)]
            assert ids[0] == ids[1]
    options = StitchOptions("knn", center=True)
    assert stitch(mixed, anchors, options).cells == stitch(files, anchors, options).cells
    one, two = (decoder_of("one", given, anchors, options) for given in (files, mixed))
    assert all(np.array_equal(one.arrays[name], two.arrays[name]) for name in one.arrays)


def test_the_order_of_rows_does_not_matter_for_a_pair() -> None:
    files, anchors = turned_pair()
    lists = {name: [anchors.sides[0].draws[0]] for name in files}
    first, second = files.items()
    plain = gather_pair(first, second, lists, RIDGE).parties
    again = gather_pair(("one", shuffled(first[1], 3)), ("two", shuffled(second[1], 4)), lists, RIDGE).parties
    for left, right in zip(plain, again, strict=True):
        for rows in ("train", "test"):
            ids = [party.space.rows.ids[getattr(party, rows)].tolist() for party in (left, right)]
            assert ids[0] == ids[1]


def test_notes_on_one_row_are_in_the_singular() -> None:
    X, labels = blobs()
    texts = [content_hash(str(row).encode()) for row in range(240)]
    texts[170] = texts[120]  # a test row that repeats a training row
    texts[180] = texts[0]  # a test row that repeats an anchor and a training row
    known: list[str | None] = [*labels]
    known[130] = None
    one, two = (space(sign * X, known, name, hashes=texts) for sign, name in ((1, "one"), (-1, "two")))
    fewer = two.take(np.arange(239))
    notes = stitch({"one": one, "two": fewer}, anchors_in(one, k=100), RIDGE).notes
    assert "1 row of one is not in all files and was left out." in notes
    assert "1 train row has no label in any file and was left out." in notes
    assert "1 test row is an anchor (by id or content) and not scored." in notes
    assert (
        "1 of 78 test rows holds content that also stands in the training rows; it is scored with the rest." in notes
    )


def test_classes_that_only_differ_in_name_are_pointed_out() -> None:
    X, labels = blobs()
    one = space(X, labels, "one")
    two = space(-X, [f"la {label}" for label in labels], "two")
    told = "Test rows hold labels that the training rows lack, and count as wrong: "
    notes = stitch_pair(("one", one), ("two", two), anchors_in(one), RIDGE).notes
    assert [note.partition("No test row")[2] for note in notes if note.startswith(told)] == [
        " holds a label that they learned: if the files only name their classes differently, say how with --label-map."
    ]


def test_the_score_without_unseen_labels_is_told_of_the_form_that_is_shown() -> None:
    X, labels = blobs()
    new = ["newt" if row >= 160 and row % 4 == 0 else label for row, label in enumerate(labels)]
    files = {"one": space(X, new, "one"), "two": space(-X, new, "two")}
    report = stitch(files, anchors_in(files["one"]), replace(RIDGE, center=False))
    assert any("Without those rows the accuracy is: one on one" in note for note in report.notes)
