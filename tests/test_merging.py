"""Shards of any data, joined in any order and in any groups, are the whole: rows, vectors, labels, counts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from storage_samples import assert_same

from relstitch import storage
from relstitch.artifacts import Embeddings, EncoderStamp, ProjectionSpec, Relative, Rows, Shard, Skipped, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.artifacts.shards import Portion, run_words
from relstitch.dataset import Dataset, ImageRef
from relstitch.encoders import EncodedBatch
from relstitch.encoding import EmbedOptions, embed
from relstitch.encoding.sharding import shard_of
from relstitch.errors import DatasetError, MismatchError, UsageError
from relstitch.merging import MergeOptions, merge

QUICK = settings(max_examples=40, deadline=None)


class Sizes:
    """An encoder of pictures: how bright they are. Of those that are wide it says that it reads a part."""

    stamp = EncoderStamp("python:toy:Sizes", "image", 2)

    def encode(self, items: Sequence[Any]) -> EncodedBatch:
        vectors = [[float(np.asarray(item).max()), float(item.width)] for item in items]
        return EncodedBatch(np.array(vectors, dtype=np.float32), np.zeros(len(items), dtype=np.bool_))


@cache
def picture(row: int, bad: bool) -> bytes:
    file = BytesIO()
    Image.new("RGB", (3 + row % 4, 4), (9 * row, 0, 0)).save(file, "PNG")
    return file.getvalue()[:45] if bad else file.getvalue()


def pictures(bad: Sequence[bool]) -> Dataset:
    """One picture a row; labels, splits, and what reading left out and counted."""
    n = len(bad)
    contents = [picture(row, broken) for row, broken in enumerate(bad)]
    rows = Rows.build(
        [f"{row}.png" for row in range(n)],
        hashes=[content_hash(content) for content in contents],
        splits=["test" if row % 3 == 2 else "train" for row in range(n)],
        targets=Targets.from_labels([None if row % 5 == 4 else "xyz"[row * row % 3] for row in range(n)]),
        counts=np.arange(n, dtype=np.float64),
    )
    items = [ImageRef(f"{row}.png", data=content) for row, content in enumerate(contents)]
    left_out = (Skipped("gone.png", "train", "no such file"),)
    return Dataset(rows, items, "image", left_out, {"duplicate_content": n // 2}, source="pets")


OPTIONS = EmbedOptions(batch_size=3, on_bad="skip")


def part(dataset: Dataset, index: int, of: int) -> Embeddings:
    """One shard, encoded."""
    taken = shard_of(dataset, Shard(index, of), name="pets")
    assert isinstance(taken, Dataset)
    return embed(taken, Sizes(), OPTIONS)


@st.composite
def cut(draw: st.DrawFn) -> tuple[Dataset, int]:
    """A dataset and a number of shards, in each of which a picture is good."""
    n = draw(st.integers(1, 14))
    of = draw(st.integers(1, n))
    bad = [draw(st.booleans()) for _ in range(n)]
    for index in range(1, of + 1):
        span = Shard(index, of).span(n)
        bad[draw(st.sampled_from(span))] = False
    return pictures(bad), of


@QUICK
@given(cut(), st.randoms(use_true_random=False))
def test_shards_in_any_order_and_in_any_groups_are_the_whole(given: tuple[Dataset, int], random: Any) -> None:
    dataset, of = given
    whole = embed(dataset, Sizes(), OPTIONS)
    shards = [part(dataset, i, of) for i in range(1, of + 1)]
    random.shuffle(shards)
    assert_same(merge(shards), whole)
    groups: list[list[Embeddings | Relative]] = [[] for _ in range(1 + of // 2)]
    for shard in shards:
        random.choice(groups).append(shard)
    partial = [merge(group, MergeOptions(partial=True)) for group in groups if group]
    joined = merge(partial) if len(partial) > 1 else partial[0]  # one group holds all: it is the whole already
    assert_same(joined, whole)
    assert joined.rows.portion is None
    assert joined.rows.fingerprint == whole.rows.fingerprint
    assert joined.rows.order_fingerprint == whole.rows.order_fingerprint


@QUICK
@given(st.integers(1, 30), st.integers(1, 30))
def test_spans_cover_every_row_once_and_are_even(of: int, n: int) -> None:
    spans = [Shard(index, of).span(n) for index in range(1, of + 1)]
    assert [row for span in spans for row in span] == list(range(n))
    assert max(map(len, spans)) - min(map(len, spans)) <= 1


@QUICK
@given(st.integers(1, 12).flatmap(lambda of: st.tuples(st.just(of), st.sets(st.integers(1, of), min_size=1))))
def test_runs_of_shards_against_a_plain_list(case: tuple[int, set[int]]) -> None:
    of, present = case
    shards = tuple(sorted(present))
    portion = Portion(of, of, "", "", shards, (1,) * len(shards), (0,) * len(shards))
    for runs, expected in ((portion.present, present), (portion.missing, set(range(1, of + 1)) - present)):
        listed = [index for first, last in runs for index in range(first, last + 1)]
        assert listed == sorted(expected)
        assert all(one[1] + 1 < other[0] for one, other in pairwise(runs))
    assert run_words([(1, 3), (5, 5)]) == "1-3,5"


def test_any_number_of_shards_is_described_at_once() -> None:
    """A file may claim a billion shards: nothing is listed that is not there."""
    portion = Portion(10**9, 10**9, "", "", (5, 10**8), (1, 1), (0, 0))
    assert portion.missing == ((1, 4), (6, 10**8 - 1), (10**8 + 1, 10**9))


@pytest.mark.parametrize("text", ["", "3", "3/", "/8", "a/b", "-1/8", "1/8/9", "٣/٨", "1 / 8", "1/9999999999"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(UsageError) as e:
        Shard.parse(text)
    assert str(e.value) == f"--shard is {text!r}; expected i/n, such as 3/8 for the third of eight shards."


@pytest.mark.parametrize("text", ["0/8", "9/8", "0/0", "1/0"])
def test_a_shard_that_is_not_there(text: str) -> None:
    with pytest.raises(UsageError) as e:
        Shard.parse(text)
    assert str(e.value) == f"There is no shard {text}: in i/n, n is at least 1 and i runs from 1 to n."


def test_more_shards_than_rows() -> None:
    with pytest.raises(UsageError) as e:
        shard_of(pictures([False] * 3), Shard(1, 4), name="pets")
    assert str(e.value) == (
        "--shard 1/4 of pets: there are 4 shards and 3 rows, and no shard may be empty. Choose at most 3 shards."
    )


def test_a_shard_is_not_cut_again() -> None:
    half = shard_of(pictures([False] * 4), Shard(2, 2), name="pets")
    with pytest.raises(UsageError) as e:
        shard_of(half, Shard(1, 2), name="half.safetensors")
    assert str(e.value) == (
        "half.safetensors holds shards (2 of 2) already, and a shard is not cut again: join all of them with "
        "`relstitch merge` first, or leave out --shard."
    )


def test_some_rows_of_a_shard_are_no_shard() -> None:
    half = part(pictures([False] * 4), 2, 2)
    assert half.rows.portion is not None
    assert half.take(np.array([0])).rows.portion is None


def portion(**changes: Any) -> Portion:
    return replace(Portion(4, 10, "d", "o", (2, 3), (3, 1), (0, 1)), **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shards": (3, 2)}, "Of 4 shards these were named: (3, 2), with (3, 1) rows and (0, 1) skipped ones;"),
        ({"shards": (2, 2)}, "Of 4 shards these were named: (2, 2), with (3, 1) rows and (0, 1) skipped ones;"),
        ({"shards": (0, 2)}, "Of 4 shards these were named: (0, 2), with (3, 1) rows and (0, 1) skipped ones;"),
        ({"shards": (2, 5)}, "Of 4 shards these were named: (2, 5), with (3, 1) rows and (0, 1) skipped ones;"),
        ({"shards": ()}, "Of 4 shards these were named: (), with (3, 1) rows and (0, 1) skipped ones;"),
        ({"rows": (3,)}, "Of 4 shards these were named: (2, 3), with (3,) rows and (0, 1) skipped ones;"),
        ({"of": 1}, "Of 1 shard these were named: (2, 3), with (3, 1) rows and (0, 1) skipped ones;"),
    ],
)
def test_shards_that_are_named_wrongly(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MismatchError) as e:
        portion(**changes)
    assert str(e.value) == f"{words} expected rising numbers from 1, and two counts for each."


@pytest.mark.parametrize("counts", [(2, 0), (4, 0), (3, 1), (4, -1)])
def test_a_shard_that_lacks_rows(counts: tuple[int, int]) -> None:
    assert portion().rows == (3, 1)
    with pytest.raises(MismatchError) as e:
        portion(rows=(counts[0], 1), skipped=(counts[1], 1))
    rows = "1 row" if counts[0] == 1 else f"{counts[0]} rows"
    assert str(e.value) == f"Shard 2/4 of 10 rows came with {rows} and {counts[1]} skipped; expected 3 in all."
    # Only the first one may list more: what was left out before the rows were cut.
    assert portion(shards=(1,), rows=(2,), skipped=(7,)).skipped == (7,)


def test_rows_and_shards_that_do_not_fit() -> None:
    with pytest.raises(DatasetError) as e:
        replace(Rows.build("abc"), portion=portion())
    assert str(e.value) == "3 rows came as 4 rows of shards; every row must belong to one."
    rows = replace(Rows.build("abcd"), portion=portion())
    with pytest.raises(MismatchError) as m:
        Embeddings(rows, np.ones((4, 2), dtype=np.float32), Sizes.stamp)
    assert str(m.value) == "0 skipped rows came with shards that say 1; every skipped row must belong to one."


def relative(space: Embeddings) -> Relative:
    from relstitch.artifacts import AnchorList, AnchorVectors
    from relstitch.relative import relative_representation

    chosen = AnchorVectors(AnchorList(("x", "y"), ("", "")), np.array([[1, 2], [3, 1]], dtype=np.float32))
    return relative_representation(space, chosen, ProjectionSpec("cosine", False))


def test_relative_representations_through_files(tmp_path: Path) -> None:
    """What is made of a shard is one as well; and nothing is left beside the files."""
    dataset = pictures([False, True] * 5)
    whole = relative(embed(dataset, Sizes(), OPTIONS))
    files = [tmp_path / f"{index}.safetensors" for index in (2, 3, 1)]
    for index, file in zip((2, 3, 1), files, strict=True):
        storage.save(relative(part(dataset, index, 3)), file)
    done: list[tuple[int, int]] = []
    made = merge(files, MergeOptions(output=tmp_path / "all.safetensors", progress=lambda *n: done.append(n)))
    assert_same(replace(made, rows=whole.rows), whole)  # the vectors are a view of the disk, and yet the same
    assert_same(storage.load(tmp_path / "all.safetensors"), whole)
    assert done[-1] == (5, 5)
    storage.save(whole, tmp_path / "whole.safetensors")
    assert (tmp_path / "all.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert len(list(tmp_path.iterdir())) == 5


def test_a_shard_on_the_disk_comes_back_and_says_what_it_is(tmp_path: Path) -> None:
    dataset = pictures([False, True, False, True, False, False, False])
    third = part(dataset, 3, 4)
    first = part(dataset, 1, 4)
    storage.save(third, tmp_path / "3.safetensors")
    assert_same(storage.load(tmp_path / "3.safetensors"), third)
    assert third.rows.portion == Portion(
        4, 7, dataset.rows.fingerprint, dataset.rows.order_fingerprint, (3,), (1,), (1,)
    )
    assert storage.inspect(tmp_path / "3.safetensors").facts["shard"] == {
        "shards": "3", "of": 4, "rows": "3 to 4", "total": 7, "dataset": dataset.rows.fingerprint
    }  # fmt: skip
    storage.save(merge([third, first], MergeOptions(partial=True)), tmp_path / "some.safetensors")
    assert storage.inspect(tmp_path / "some.safetensors").facts["shard"] == {
        "shards": "1,3", "of": 4, "rows": "0 to 0, 3 to 4", "total": 7, "dataset": dataset.rows.fingerprint,
        "missing": "2,4",
    }  # fmt: skip
    storage.save(embed(dataset, Sizes(), OPTIONS), tmp_path / "whole.safetensors")
    assert "shard" not in storage.inspect(tmp_path / "whole.safetensors").facts


def test_more_files_than_may_be_open_at_once(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits of that kind")
    dataset = pictures([False] * 40)
    files = []
    for index in range(1, 41):
        files.append(tmp_path / f"{index}.safetensors")
        storage.save(part(dataset, index, 40), files[-1])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/dev/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        made = merge(files, MergeOptions(output=tmp_path / "all.safetensors"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(made.rows) == 40
