"""How files meet: rows by id and content, anchors by content, nothing by position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Rows
from relstitch.artifacts.rows import content_hash
from relstitch.errors import DatasetError, MismatchError, UsageError
from relstitch.meeting import draw_of, locate, meet, meet_all


def rows(ids: str, contents: str | None = None) -> Rows:
    """Rows called by one letter each; `contents` gives one letter of content each, a space for none."""
    if contents is None:
        return Rows.build(ids)
    return Rows.build(ids, hashes=["" if letter == " " else content_hash(letter.encode()) for letter in contents])


def anchors(ids: str, contents: str | None = None) -> AnchorList:
    made = rows(ids, contents)
    return AnchorList(tuple(made.ids.tolist()), tuple(made.hashes.tolist()))


# --- meet ------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    left=st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=30),
    right=st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=30),
)
def test_meet_pairs_ids_in_the_left_order(left: list[int], right: list[int]) -> None:
    expected = [(a, b) for a, x in enumerate(left) for b, y in enumerate(right) if x == y]
    one = Rows.build([str(i) for i in left])
    other = Rows.build([str(i) for i in right])
    if not expected:
        with pytest.raises(MismatchError):
            meet(one, other)
        return
    meeting = meet(one, other)
    assert list(zip(meeting.left.tolist(), meeting.right.tolist(), strict=True)) == expected
    assert len(meeting) == len(expected)
    assert meeting.left_only == len(set(left) - set(right))
    assert meeting.right_only == len(set(right) - set(left))
    assert meeting.left.dtype == meeting.right.dtype == np.intp


def test_meet_by_position_would_be_wrong() -> None:
    """Negative control: the same rows in another order do not pair position by position."""
    meeting = meet(rows("abc", "xyz"), rows("cab", "zxy"))
    assert meeting.right.tolist() == [1, 2, 0] != meeting.left.tolist()


def test_two_encoders_runs_skipped_different_bad_pictures() -> None:
    """They meet on the rows both have, counted; strict refuses."""
    lite0, lite2 = (
        rows("abcdef", "uvwxyz").take(np.array([0, 1, 3, 4, 5])),
        rows("abcdef", "uvwxyz").take(np.array([5, 0, 1, 2, 4])),
    )
    meeting = meet(lite0, lite2)
    assert (len(meeting), meeting.left_only, meeting.right_only) == (4, 1, 1)
    assert lite0.ids[meeting.left].tolist() == lite2.ids[meeting.right].tolist() == ["a", "b", "e", "f"]
    with pytest.raises(MismatchError) as caught:
        meet(lite0, lite2, names=("lite0.safetensors", "lite2.safetensors"), strict=True)
    assert str(caught.value) == (
        "lite0.safetensors and lite2.safetensors do not hold the same rows: 4 in both, 1 only in lite0.safetensors "
        "(d), 1 only in lite2.safetensors (c). Leave out --strict to go on with the rows they share."
    )


def test_strict_names_only_the_side_that_has_more_and_passes_equal_rows() -> None:
    with pytest.raises(MismatchError) as caught:
        meet(rows("abcdefgh"), rows("ab"), strict=True)
    assert str(caught.value) == (
        "left and right do not hold the same rows: 2 in both, 6 only in left (c, d, e, f, g … and 1 more). "
        "Leave out --strict to go on with the rows they share."
    )
    assert len(meet(rows("ab"), rows("ba"), strict=True)) == 2


def test_torchgeo_bench_176_ids_that_differ() -> None:
    with pytest.raises(MismatchError) as caught:
        meet(rows("abc"), rows("xy"), names=("one.safetensors", "two.safetensors"))
    assert str(caught.value) == (
        "one.safetensors and two.safetensors share no id: 3 rows (a, b, c) met 2 rows (x, y). "
        "Files meet on ids: encode the same dataset, with the same id column, for both."
    )


def test_torchgeo_bench_176_duplicate_ids() -> None:
    with pytest.raises(DatasetError, match=r"2 ids stand more than once: a, b\."):
        rows("abcba")


def test_meet_refuses_an_id_that_stands_for_other_content() -> None:
    with pytest.raises(MismatchError) as caught:
        meet(rows("abcd", "wxyz"), rows("dabc", "zxw "), names=("one", "two"))
    assert str(caught.value) == (
        "2 ids stand for different content in one and two: a, b. Rows of equal id must hold the same item: encode "
        "both files from the same dataset, or give an id column that tells the items apart."
    )


def test_rows_without_content_meet_on_ids_alone() -> None:
    assert len(meet(rows("abc", "xyz"), rows("abc"))) == 3
    assert len(meet(rows("abc"), rows("cba"), strict=True)) == 3


# --- meet_all --------------------------------------------------------------------------------------------------------


def test_meet_all_takes_the_rows_every_file_has_in_the_first_order() -> None:
    files = {"x": rows("dcba"), "y": rows("abcx"), "z": rows("cyaz")}
    found = meet_all(files)
    names = [file.ids[at].tolist() for file, at in zip(files.values(), found, strict=True)]
    assert names == [["c", "a"]] * 3
    assert [at.tolist() for at in meet_all({"x": rows("ab")})] == [[0, 1]]
    assert meet_all({}) == ()


def test_meet_all_checks_files_that_the_first_cannot_tell_apart() -> None:
    """Vectors know ids only; the two files of content behind them still may not contradict each other."""
    with pytest.raises(MismatchError, match=r"1 id stands for different content in y and z: b\."):
        meet_all({"x": rows("ab"), "y": rows("ab", "pq"), "z": rows("ab", "pr")})


def test_meet_all_strict_names_the_pair() -> None:
    with pytest.raises(MismatchError, match=r"^x and z do not hold the same rows: 1 in both, 1 only in x \(b\)\."):
        meet_all({"x": rows("ab"), "y": rows("ab"), "z": rows("a")}, strict=True)


def test_meet_all_needs_an_id_in_all_files() -> None:
    with pytest.raises(MismatchError) as caught:
        meet_all({"x": rows("ab"), "y": rows("bc"), "z": rows("ca")})
    assert str(caught.value) == (
        "No id stands in all of x, y, z, though any two of them share some. Stitch them in pairs, or encode the same "
        "dataset for all."
    )


# --- locate ----------------------------------------------------------------------------------------------------------


def test_anchors_are_found_by_content_whatever_the_rows_are_called() -> None:
    assert locate(anchors("ab", "xy"), rows("12ab", "yxpq"), name="f").tolist() == [1, 0]


def test_the_id_decides_where_content_repeats() -> None:
    assert locate(anchors("b", "x"), rows("abc", "xxx"), name="f").tolist() == [1]
    # Without the id, the first id in order: the same in every file, whatever the order of its rows.
    assert locate(anchors("z", "x"), rows("cab", "xxx"), name="f").tolist() == [1]
    assert locate(anchors("z", "x"), rows("bca", "xxx"), name="f").tolist() == [2]


def test_rows_or_anchors_without_content_are_found_by_id() -> None:
    assert locate(anchors("b", "x"), rows("ab"), name="f").tolist() == [1]
    assert locate(anchors("b"), rows("ab", "xy"), name="f").tolist() == [1]
    assert locate(anchors("ba"), rows("ab"), name="f").tolist() == [1, 0]


def test_an_id_with_other_content_is_not_the_anchor() -> None:
    with pytest.raises(MismatchError) as caught:
        locate(anchors("abcd", "wxyz"), rows("abe", "wqz"), name="new.safetensors")
    assert str(caught.value) == (
        "2 of 4 anchors are not in new.safetensors: b, c. 1 of them have an id that stands there for other content. "
        "Anchors are found by content, or by id where there is no content. Pick anchors from rows that this file has "
        "too; `relstitch encode` also takes them from elsewhere, with --anchors-from."
    )


def test_missing_anchors_are_counted() -> None:
    with pytest.raises(MismatchError) as caught:
        locate(anchors("pqrstu"), rows("ab"), name="f")
    assert str(caught.value) == (
        "6 of 6 anchors are not in f: p, q, r, s, t … and 1 more. Anchors are found by content, or by id where there "
        "is no content. Pick anchors from rows that this file has too; `relstitch encode` also takes them from "
        "elsewhere, with --anchors-from."
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_locate_does_not_depend_on_the_order_of_rows(seed: int) -> None:
    """Property: shuffling a file changes where the anchors stand, not which rows they are."""
    rng = np.random.default_rng(seed)
    contents = [content_hash(bytes([value])) for value in rng.integers(0, 12, size=20)]
    source = Rows.build([str(i) for i in range(20)], hashes=contents)
    wanted = AnchorList(("99", "98"), tuple(source.hashes[:2].tolist()))
    order = rng.permutation(20)
    shuffled = source.take(order)
    straight, mixed = locate(wanted, source, name="f"), locate(wanted, shuffled, name="f")
    assert source.ids[straight].tolist() == shuffled.ids[mixed].tolist()
    assert source.hashes[straight].tolist() == list(wanted.hashes)


# --- draws -----------------------------------------------------------------------------------------------------------


def test_draw_of_takes_the_draw_asked_for() -> None:
    made = Anchors("uniform", 0, (AnchorSide("main", "", (anchors("ab"), anchors("cd"))),))
    assert draw_of(made, 1).ids == ("c", "d")
    with pytest.raises(UsageError) as caught:
        draw_of(made, 2)
    assert str(caught.value) == (
        "Draw 2 was asked for; these anchors have 2, numbered from 0. "
        "Ask for one of them, or pick anchors with more --draws."
    )
    with pytest.raises(UsageError, match=r"^Draw -1 was asked for; these anchors have 2, numbered from 0\."):
        draw_of(made, -1)


def test_shuffled_anchors_are_another_list() -> None:
    """Second encoder's anchors shuffled: the digest tells, and so does the correspondence."""
    straight, shuffled = anchors("abc", "xyz"), anchors("acb", "xzy")
    assert straight.digest == anchors("abc", "xyz").digest
    assert straight.digest != shuffled.digest
    sides = [Anchors("uniform", 0, (AnchorSide("main", "", (one,)),)) for one in (straight, shuffled)]
    assert sides[0].correspondence() != sides[1].correspondence()
