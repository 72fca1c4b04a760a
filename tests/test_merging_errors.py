"""What cannot be joined, said in words; and files of different data, which can."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_samples as samples

from relstitch import storage
from relstitch.artifacts import (
    AnchorList,
    AnchorVectors,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Relative,
    Rows,
    Shard,
    Skipped,
    Targets,
)
from relstitch.encoding.sharding import shard_of
from relstitch.errors import ArtifactError, MismatchError, UsageError
from relstitch.merging import MergeOptions, merge
from relstitch.storage import embeddings_from_vectors

STAMP = EncoderStamp("st:x", "text", 2, weights_sha256="a" * 64, libraries={"torch": "2.6"})


def space(ids: str, **rows: Any) -> Embeddings:
    vectors = np.array([[ord(name), 1] for name in ids], dtype=np.float32)
    return Embeddings(replace(Rows.build(ids, splits="train"), **rows), vectors, STAMP)


def shards(ids: str = "abcdefghij", of: int = 4, **rows: Any) -> list[Embeddings]:
    whole = space(ids, **rows)
    made = [shard_of(whole, Shard(index, of), name="x") for index in range(1, of + 1)]
    return [part for part in made if isinstance(part, Embeddings)]


def relative(ids: str, **changes: Any) -> Relative:
    chosen = AnchorVectors(AnchorList(("a", "b"), ("", "")), np.array([[1, 2], [3, 1]], dtype=np.float32))
    made = Relative(space(ids).rows, space(ids).vectors, STAMP, ProjectionSpec(), replace(chosen, **changes))
    return replace(made, projection=ProjectionSpec(params={"zscore": True})) if "columns" in changes else made


def refused(*sources: Embeddings | Relative, **options: Any) -> str:
    with pytest.raises(MismatchError) as e:
        merge(sources, MergeOptions(**options))
    return str(e.value)


def test_missing_shards_are_named_with_their_rows() -> None:
    made = shards()
    assert refused(made[3], made[0]) == (
        "2 of 4 shards are missing: shard 2/4 (rows 2 to 4), shard 3/4 (rows 5 to 6), counted from 0. Run the "
        "command that made the others with --shard 2/4 (as a Slurm array: --array=2-3), or write what is there with "
        "--partial."
    )
    assert refused(made[3], made[0], made[1]) == (
        "1 of 4 shards is missing: shard 3/4 (rows 5 to 6), counted from 0. Run the command that made the others with "
        "--shard 3/4 (as a Slurm array: --array=3), or write what is there with --partial."
    )
    assert refused(shards(of=10)[4]).startswith(
        "9 of 10 shards are missing: shard 1/10 (rows 0 to 0), shard 2/10 (rows 1 to 1), shard 3/10 (rows 2 to 2), "
        "shard 4/10 (rows 3 to 3), shard 6/10 (rows 5 to 5) … and 4 more, counted from 0."
    )


def test_a_partial_result_says_what_it_lacks() -> None:
    said: list[str] = []
    made = merge([shards()[3], shards()[0]], MergeOptions(partial=True, note=said.append))
    assert "".join(made.rows.ids) == "abhij"
    assert said == ["2 of 4 shards are missing: shard 2/4 (rows 2 to 4), shard 3/4 (rows 5 to 6), counted from 0."]
    said.clear()
    merge(shards(), MergeOptions(partial=True, note=said.append))
    assert said == []


def test_one_shard_twice() -> None:
    made = shards()
    assert refused(*made, made[1], partial=True) == (
        "1 shard is there more than once: 2 (part 2, part 5). Name one file for each."
    )
    assert refused(*made, *made) == (
        "4 shards are there more than once: 1 (part 1, part 5), 2 (part 2, part 6), 3 (part 3, part 7), 4 (part 4, "
        "part 8). Name one file for each."
    )


def claim(part: Embeddings, **changes: Any) -> Embeddings:
    assert part.rows.portion is not None
    return replace(part, rows=replace(part.rows, portion=replace(part.rows.portion, **changes)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: shards(of=3)[1], "shards 1/4 and 2/3"),
        (lambda: shards("abcdefghijk")[1], "one of 10 rows and one of 11 rows"),
        (lambda: shards("abcdefghiX")[1], "their data differ (… and …)"),
        (lambda: shards("jihgfedcba")[1], "their rows stand in another order or in other splits"),
        (
            lambda: shards(splits=np.array(["test"] * 10, dtype=object))[1],
            "their rows stand in another order or in other splits",
        ),
    ],
)
def test_shards_of_different_wholes(make: Callable[[], Embeddings], words: str) -> None:
    first, other = shards()[0], make()
    if "differ" in words:
        prints = [part.rows.portion.dataset[:12] for part in (first, other) if part.rows.portion]
        words = f"their data differ ({prints[0]} and {prints[1]})"
    assert refused(first, other) == (
        f"part 1 and part 2 are not shards of the same whole: {words}. Encode all shards from the same sources with "
        "the same options."
    )


def test_shards_beside_a_file_that_is_none() -> None:
    for order in ((shards()[0], space("xy")), (space("xy"), shards()[0])):
        one, other = ("1", "2") if order[0].rows.portion else ("2", "1")
        assert refused(*order) == (
            f"part {one} holds shards of a whole and part {other} is no shard. Join the shards first, then the result "
            "with the other file."
        )


def test_shards_that_were_read_with_different_labels() -> None:
    labelled = shards(targets=Targets.from_labels(["x", "y"] * 5))
    assert refused(labelled[0], shards()[1]) == (
        "part 1 and part 2 were read with different labels: class (x, y), and none. Encode all shards with the same "
        "options."
    )
    others = shards(targets=Targets.from_labels(["x", "z"] * 5))
    assert refused(labelled[0], others[1]) == (
        "part 1 and part 2 were read with different labels: class (x, y), and class (x, z). Encode all shards with "
        "the same options."
    )


def test_shards_that_do_not_hold_what_they_say() -> None:
    made = shards()
    forged = [*made[:3], claim(replace(made[3], rows=replace(made[3].rows, ids=np.array(["h", "i", "J"], object))))]
    assert refused(*forged) == (
        "The 10 rows of the shards are not the whole that they say they are shards of. Encode the shards again."
    )


def test_one_id_in_several_files() -> None:
    assert refused(space("abc"), space("cd")) == (
        "1 id stands in more than one of the files: c (part 1, part 2). A row is joined once: leave out a file, or "
        "encode with an id column (--id) that tells the rows apart."
    )
    assert refused(space("abcdefg"), space("gfedcba"), space("xa")).startswith(
        "7 ids stand in more than one of the files: a (part 1, part 2, part 3), b (part 1, part 2), c (part 1, part "
        "2), d (part 1, part 2), e (part 1, part 2) … and 2 more. A row is joined once:"
    )


@pytest.mark.parametrize(("sources", "files"), [([], "0 files were"), ([space("ab")], "1 file was")])
def test_nothing_to_join(sources: Sequence[Embeddings], files: str) -> None:
    with pytest.raises(UsageError) as e:
        merge(sources)
    assert str(e.value) == (
        f"There is nothing to join: {files} named and no shard among them. Name at least two files."
    )
    only = merge([shards(of=1)[0]])
    assert only.rows.portion is None


def test_different_kinds_encoders_and_projections() -> None:
    assert refused(space("ab"), relative("cd")) == (
        "part 1 is of the kind embeddings and part 2 of the kind relative; only files of one kind can be joined. Make "
        "both alike with `relstitch encode`."
    )
    assert refused(space("ab"), replace(space("cd"), encoder=replace(STAMP, prompt="query: "))) == (
        "part 1 and part 2 are not from the same encoder: st:x, width 2, weights aaaaaaaaaaaa, and st:x, width 2, "
        "weights aaaaaaaaaaaa. They differ in: prompt. Encode both alike."
    )
    assert refused(relative("ab"), replace(relative("cd"), projection=ProjectionSpec("l1"))) == (
        "part 1 and part 2 are not of the same projection: cosine, centred and l1, centred. Encode both alike."
    )


def test_different_anchors() -> None:
    other = AnchorList(("a", "c"), ("", ""))
    one = relative("ab").anchors.anchors.digest[:12]
    for changes, found in (
        ({"anchors": other, "draw": 1}, f"{other.digest[:12]} (side main, draw 1)"),
        ({"side": "fr"}, f"{one} (side fr, draw 0)"),
        ({"correspondence": "c"}, f"{one} (side main, draw 0)"),
    ):
        assert refused(relative("ab"), relative("cd", **changes)) == (
            f"part 1 and part 2 are not relative to the same anchors: {one} (side main, draw 0), and {found}. Encode "
            "both with one anchors file and one draw."
        )
    moved = np.array([[1, 2], [3, 2]], dtype=np.float32)
    assert refused(relative("ab"), relative("cd", vectors=moved)) == (
        "The anchors have other vectors in part 1 than in part 2: b differs by 0.32 of its length. Encode both from "
        "the same data with the same model."
    )
    # Rounding of another machine is no other vector.
    assert len(merge([relative("ab"), relative("cd", vectors=relative("cd").anchors.vectors + 1e-4)]).rows) == 4
    scaled = [relative(ids, columns=np.full((2, 2), value, np.float32)) for ids, value in (("ab", 1), ("cd", 2))]
    assert refused(*scaled) == (
        "The similarities in part 1 and part 2 were scaled by the mean and spread of different rows (zscore). Join "
        "the embeddings, and make relative representations of the whole."
    )


def real(n: int, *names: str) -> Targets:
    values = np.arange(n * len(names), dtype=np.float32).reshape(n, -1)
    return Targets("real", values, np.ones(n, dtype=bool), names)


def image(n: int, side: int) -> Targets:
    return Targets("image", np.full((n, side, side, 1), 7, dtype=np.uint8), np.ones(n, dtype=bool))


def test_targets_that_cannot_be_joined() -> None:
    classes = Targets.from_labels(["x", "y"])
    assert refused(space("ab", targets=classes), space("cd", targets=real(2, "t"))) == (
        "part 1 has targets of the kind class and part 2 of the kind real; only targets of one kind can be joined. "
        "Encode both with the same options, or without labels (--label '')."
    )
    assert refused(space("ab", targets=real(2, "t", "u")), space("cd", targets=real(2, "t"))) == (
        "part 1 has the target columns t, u and part 2 has t; both must have the same. Encode both with the same "
        "--target."
    )
    assert refused(space("ab", targets=image(2, 3)), space("cd", targets=image(2, 4))) == (
        "The target pictures of part 1 are [3, 3, 1] and those of part 2 [4, 4, 1] (height, width, channels); both "
        "must be of one size."
    )
    for order in ((space("ab", counts=np.ones(2)), space("cd")), (space("cd"), space("ab", counts=np.ones(2)))):
        one, other = ("1", "2") if order[0].rows.counts is not None else ("2", "1")
        assert refused(*order) == (
            f"part {one} says how often its rows occur and part {other} does not. Encode both with --count, or "
            "neither."
        )


def test_classes_meet_by_name_and_rows_without_labels_stay_so() -> None:
    said: list[str] = []
    one = space("abc", targets=Targets.from_labels(["y", None, "z"]))
    two = space("de", targets=Targets.from_labels(["x", "y"]))
    three = space("fg", splits=np.array(["test", "test"], dtype=object))
    made = merge([one, two, three], MergeOptions(note=said.append))
    targets = made.rows.targets
    assert targets is not None
    assert targets.names == ("x", "y", "z")
    assert targets.labels().tolist() == ["y", None, "z", "x", "y", None, None]
    assert targets.present.tolist() == [True, False, True, True, True, False, False]
    assert made.rows.split_names == ("train", "test")
    assert said == ["part 3 has no labels: its 2 rows stay without."]


def test_other_targets_meet_by_name_too() -> None:
    several = [
        Targets("multilabel", np.array([[True, False]]), np.array([True]), ("x", "y")),
        Targets("multilabel", np.array([[True, True]]), np.array([True]), ("y", "z")),
    ]
    made = merge([space("a", targets=several[0]), space("b", targets=several[1]), space("c")]).rows.targets
    assert made is not None
    assert made.names == ("x", "y", "z")
    assert made.values.tolist() == [[True, False, False], [False, True, True], [False] * 3]
    assert made.present.tolist() == [True, True, False]
    swapped = merge([space("a", targets=real(1, "t", "u")), space("b", targets=real(1, "u", "t"))]).rows.targets
    assert swapped is not None
    assert (swapped.names, swapped.values.tolist()) == (("t", "u"), [[0, 1], [1, 0]])
    seen = merge([space("ab", targets=image(2, 3)), space("c")]).rows.targets
    assert seen is not None
    assert (seen.values.shape, seen.values.max(axis=(1, 2, 3)).tolist()) == ((3, 3, 3, 1), [7, 7, 0])


def test_counts_and_skipped_rows_add_up() -> None:
    gone = (Skipped("x", "train", "empty"), Skipped("y", "train", "bad"))
    one = replace(space("ab"), skipped=gone[:1], counts={"truncated": 0, "skipped": 1})
    two = replace(space("cd"), skipped=gone[1:], counts={"truncated": 2, "skipped": 1, "zero_vectors": 3})
    made = merge([one, two])
    assert made.skipped == gone
    assert made.counts == {"truncated": 2, "skipped": 2, "zero_vectors": 3}


def test_other_versions_of_a_library_are_told_and_no_other_encoder() -> None:
    said: list[str] = []
    stamp = replace(STAMP, spec="st:elsewhere", libraries={"torch": "2.7", "timm": "1"})
    made = merge([space("ab"), replace(space("cd"), encoder=stamp)], MergeOptions(note=said.append))
    assert made.encoder == STAMP
    assert said == ["The files were made with different versions of timm, torch; the result names those of part 1."]


def test_ready_made_vectors_of_two_files() -> None:
    """Nobody knows their encoder: the stamp is that of the vectors together, as one file would have had."""
    X = np.arange(10, dtype=np.float32).reshape(5, 2)
    parts = [
        embeddings_from_vectors(X[:2], Rows.build("ab"), "a.npy"),
        embeddings_from_vectors(X[2:], Rows.build("cde"), "b.npy"),
    ]
    made = merge(parts)
    samples.assert_same(made, embeddings_from_vectors(X, Rows.build("abcde"), "a.npy b.npy"))
    wide = embeddings_from_vectors(np.ones((1, 3)), Rows.build("f"), "c.npy")
    assert refused(parts[0], wide).startswith(
        "part 1 and part 2 are not from the same encoder: vectors:a.npy, width 2, and vectors:c.npy, width 3."
    )


def test_files_of_other_kinds_and_outputs_that_may_not_be_written(tmp_path: Path) -> None:
    storage.save(samples.anchors(), tmp_path / "anchors.json")
    with pytest.raises(
        ArtifactError, match=r"anchors\.json is an anchors file; an embeddings file or a relative file"
    ):
        merge([tmp_path / "anchors.json"])
    for name, part in zip(("a", "b"), (space("ab"), space("cd")), strict=True):
        storage.save(part, tmp_path / f"{name}.safetensors")
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    with pytest.raises(UsageError, match="An input is never overwritten"):
        merge(files, MergeOptions(output=files[1], force=True))
    (tmp_path / "c.safetensors").touch()
    with pytest.raises(UsageError, match="exists already"):
        merge(files, MergeOptions(output=tmp_path / "c.safetensors"))
    merge(files, MergeOptions(output=tmp_path / "c.safetensors", force=True))
    assert storage.load_embeddings(tmp_path / "c.safetensors").rows.ids.tolist() == ["a", "b", "c", "d"]


def tampered(tmp_path: Path, **changes: Any) -> str:
    storage.save(shards()[1], tmp_path / "whole.safetensors", force=True)

    def change(_tensors: dict[str, Any], facts: dict[str, Any]) -> None:
        facts["rows"]["portion"].update(changes)

    samples.forge(tmp_path / "whole.safetensors", tmp_path / "bad.safetensors", change)
    with pytest.raises(ArtifactError) as e:
        storage.load(tmp_path / "bad.safetensors")
    return str(e.value).removeprefix(f"{tmp_path / 'bad.safetensors'} is damaged: ")


AGAIN = " Make it again, or copy it again whole."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shards": "2"}, "its entry 'shards' is missing or not of type list."),
        ({"of": None}, "its entry 'of' is missing or not of type int."),
        ({"order": 1}, "its entry 'order' is missing or not of type str."),
        ({"rows": [3.0]}, "its shards are not whole numbers."),
        ({"skipped": [False]}, "its shards are not whole numbers."),
        ({"rows": [2], "skipped": [1]}, "3 rows came as 2 rows of shards; every row must belong to one."),
        ({"shards": [9]}, "Of 4 shards these were named: (9,), with (3,) rows and (0,) skipped ones; expected rising "
         "numbers from 1, and two counts for each."),
        ({"of": 10**30}, "Shard 2/1000000000000000000000000000000 of 10 rows came with 3 rows and 0 skipped; expected "
         "0 in all."),
    ],
)  # fmt: skip
def test_shards_in_a_file_that_contradict_it(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert tampered(tmp_path, **changes) == words + AGAIN


def test_names_are_public() -> None:
    import relstitch

    assert (relstitch.merge, relstitch.MergeOptions, relstitch.Shard) == (merge, MergeOptions, Shard)
