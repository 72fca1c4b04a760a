"""Who may be an anchor, and what is refused in words."""

import csv
import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from relstitch.anchors import STRATEGIES, PickOptions, pick_anchors
from relstitch.artifacts import Anchors, Embeddings, EncoderStamp, Rows, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.errors import UsageError
from relstitch.names import StrategyName


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def embedded(vectors: NDArray[Any], spec: str = "st:x", **rows: Any) -> Embeddings:
    ids = rows.pop("ids", [f"r{i}" for i in range(len(vectors))])
    stamp = EncoderStamp(spec, "text", vectors.shape[1])
    return Embeddings(Rows.build(ids, **rows), vectors.astype(np.float32), stamp)


def picks(anchors: Anchors, draw: int = 0) -> list[str]:
    return list(anchors.side("main").draws[draw].ids)


def at(anchors: Anchors) -> list[int]:
    return [int(name[1:]) for name in picks(anchors)]


# --- who may be an anchor --------------------------------------------------------------------------------------------


def hashed(contents: str, **rows: Any) -> Rows:
    return Rows.build(
        [f"r{i}" for i in range(len(contents))], hashes=[content_hash(c.encode()) for c in contents], **rows
    )


def test_anchors_come_from_training_rows_unless_told_otherwise() -> None:
    rows = Rows.build([f"r{i}" for i in range(6)], splits=["train", "val", "train", "test", "train", "val"])
    assert sorted(at(pick_anchors(rows, 3))) == [0, 2, 4]
    both = pick_anchors(rows, 5, options=PickOptions(splits=("train", "val")))
    assert sorted(at(both)) == [0, 1, 2, 4, 5]
    assert both.options["splits"] == ["train", "val"]
    assert pick_anchors(Rows.build("ab", splits="test"), 2).options["splits"] == ["test"], "the only split"


def test_content_of_other_splits_is_never_an_anchor() -> None:
    rows = hashed("abcdeaf", splits=["train"] * 5 + ["test"] * 2)
    anchors = pick_anchors(rows, 4)
    assert sorted(at(anchors)) == [1, 2, 3, 4]
    assert anchors.options == {"splits": ["train"], "candidates": 4, "excluded": {"content_in_other_splits": 1}}


def test_vectors_without_content_of_other_splits_are_never_anchors_either() -> None:
    X = normal(1, 5, 3)
    X[4] = X[0]
    source = embedded(X, splits=["train"] * 4 + ["test"])
    assert sorted(at(pick_anchors(source, 3))) == [1, 2, 3]


def test_repeated_content_and_identical_vectors_count_once() -> None:
    X = normal(1, 6, 3)
    X[1], X[2], X[3] = X[0], X[4], [0, 0, 0]
    X[5, 0] = 0.0
    hashes = [content_hash(letter.encode()) for letter in "aabcde"]
    source = embedded(X, hashes=hashes)
    anchors = pick_anchors(source, 3)
    assert sorted(at(anchors)) == [0, 2, 5], "the first row of each"
    assert anchors.options["excluded"] == {"zero_vectors": 1, "repeated_content": 1, "repeated_vectors": 1}
    signed = embedded(np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 2.0]]))
    assert pick_anchors(signed, 2).options["candidates"] == 2, "-0 is 0"


def test_sklearn_10059_fewer_distinct_rows_than_k() -> None:
    source = embedded(np.repeat(normal(2, 4, 3), 5, axis=0), splits="train")
    for strategy in ("uniform", "farthest", "kmeans"):
        with pytest.raises(UsageError) as caught:
            pick_anchors(source, 6, strategy=strategy)
        assert str(caught.value) == (
            "6 anchors were asked for, of 4 distinct candidates in the splits train (left out: "
            "16 repeated content). Choose a k of at most 4."
        )
    assert len(set(picks(pick_anchors(source, 4, strategy="kmeans")))) == 4
    with pytest.raises(UsageError, match=r"^3 anchors .* 2 distinct candidates .* \(left out: none\)\."):
        pick_anchors(Rows.build("ab"), 3)


def test_trec_never_an_anchor_and_a_test_row_at_once() -> None:
    """71 training texts stand twice, 10 test texts stand in train."""
    folder = os.environ.get("RELSTITCH_TEST_DATA")
    if not folder:
        pytest.skip("RELSTITCH_TEST_DATA is not set")
    texts, splits = [], []
    for split in ("train", "test"):
        with Path(folder, "trec", f"{split}.csv").open(encoding="utf-8", newline="") as file:
            found = [row["text"] for row in csv.DictReader(file)]
        texts += found
        splits += [split] * len(found)
    ids = [f"r{i}" for i in range(len(texts))]
    rows = Rows.build(ids, hashes=[content_hash(text.encode()) for text in texts], splits=splits)
    tested = {text for text, split in zip(texts, splits, strict=True) if split == "test"}
    distinct = {text for text, split in zip(texts, splits, strict=True) if split == "train"} - tested
    anchors = pick_anchors(rows, len(distinct))
    assert {texts[row] for row in at(anchors)} == distinct
    assert len(at(anchors)) == len(distinct)
    assert anchors.options["excluded"]["content_in_other_splits"] == sum(t in tested for t in texts[:5452])
    with pytest.raises(UsageError, match=f"^{len(distinct) + 1} anchors were asked for, of {len(distinct)} "):
        pick_anchors(rows, len(distinct) + 1)


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(error: type[Exception], call: Any) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_numbers_that_cannot_be() -> None:
    rows = Rows.build("abc")
    assert refused(UsageError, lambda: pick_anchors(rows, 0)) == "0 anchors were asked for; at least 1 is needed."
    assert refused(UsageError, lambda: pick_anchors(rows, 2, draws=0)) == (
        "0 draws were asked for; at least 1 is needed."
    )
    assert refused(UsageError, lambda: pick_anchors(rows, 2, seed=-1)) == (
        "The seed is -1, for 1 draw; seeds go from 0 to 4294967295."
    )
    assert pick_anchors(rows, 2, seed=2**32 - 1).k == 2
    with pytest.raises(UsageError, match=r"^The seed is 4294967295, for 2 draws;"):
        pick_anchors(rows, 2, seed=2**32 - 1, draws=2)


def test_splits_that_are_not_there() -> None:
    rows = Rows.build("abc", splits=["fit", "val", "test"])
    assert refused(UsageError, lambda: pick_anchors(rows, 1)) == (
        "Anchors come from training rows, and no split of the source is called 'train': fit, val, test. "
        "Say which splits to pick from with --splits."
    )
    assert refused(UsageError, lambda: pick_anchors(rows, 1, options=PickOptions(splits=("fit", "tran")))) == (
        "There is no split called tran in the source; its splits are: fit, val, test. Name one of them with --splits."
    )


def test_strategies_that_lack_what_they_need() -> None:
    rows = Rows.build("abc")
    real = Targets("real", np.zeros((3, 1), dtype=np.float32), np.ones(3, dtype=bool), ("y",))
    assert refused(UsageError, lambda: pick_anchors(rows, 1, strategy="stratified")) == (
        "Stratified anchors need one class label per row; found: no labels. "
        "Name the label column with --label, or choose another strategy."
    )
    assert refused(UsageError, lambda: pick_anchors(Rows.build("abc", targets=real), 1, strategy="stratified")) == (
        "Stratified anchors need one class label per row; found: targets of kind 'real'. "
        "Name the label column with --label, or choose another strategy."
    )
    for strategy in ("farthest", "kmeans", "d-optimal"):
        assert refused(UsageError, lambda name=strategy: pick_anchors(rows, 1, strategy=name)) == (
            "This strategy chooses anchors by their vectors; a dataset has none. Give an embeddings file (made with "
            "relstitch encode), or choose another strategy."
        )
    assert refused(UsageError, lambda: pick_anchors(rows, 1, strategy="frequent")) == (
        "The most frequent rows were asked for, and this source has no counts. "
        "Name the column that holds them with --count, or choose another strategy."
    )


def test_strategies_that_cannot_be_asked_so() -> None:
    source = Rows.build("abcd")
    assert refused(UsageError, lambda: pick_anchors(source, 3, strategy="parallel")) == (
        "Anchors cannot be picked by the strategy 'parallel'. "
        "Choose one of: uniform, stratified, farthest, kmeans, d-optimal, frequent, explicit; pairs are 'parallel'."
    )
    for strategy in ("frequent", "explicit"):
        message = refused(UsageError, lambda name=strategy: pick_anchors(source, 3, strategy=name, draws=4))
        assert message == (
            f"The strategy '{strategy}' gives the same anchors every time, and 4 draws were asked for. "
            "Take one draw, or choose a strategy with chance in it (uniform, stratified, farthest, kmeans)."
        )
    assert refused(UsageError, lambda: pick_anchors(source, 3, options=PickOptions(ids=("r1",)))) == (
        "Ids of anchors go with the strategy 'explicit'; the strategy asked for is 'uniform'."
    )


def test_every_name_of_the_help_is_known() -> None:
    assert {*STRATEGIES, "explicit", "parallel", "bootstrap", "unsupervised"} == set(get_args(StrategyName))


# --- explicit --------------------------------------------------------------------------------------------------------


def explicit(
    source: Embeddings | Rows, *ids: str, k: int | None = None, splits: tuple[str, ...] | None = None
) -> Anchors:
    return pick_anchors(source, k, strategy="explicit", options=PickOptions(splits, ids))


def test_explicit_keeps_the_ids_in_order() -> None:
    rows = hashed("abcdef", splits=["train"] * 4 + ["test"] * 2)
    anchors = explicit(rows, "r3", "r0", "r2")
    assert picks(anchors) == ["r3", "r0", "r2"]
    assert anchors.side().draws[0].hashes == tuple(rows.hashes[[3, 0, 2]])
    assert anchors.options == {"splits": ["train"]}
    assert picks(explicit(rows, "r3", "r0", "r2", k=2)) == ["r3", "r0"]
    assert picks(explicit(rows, "r5", splits=("test",))) == ["r5"]


def test_explicit_refuses_what_no_strategy_would_pick() -> None:
    rows = hashed("abcadb", splits=["train"] * 5 + ["test"])
    assert refused(UsageError, lambda: explicit(rows)) == (
        "The strategy 'explicit' needs the ids of the anchors; none were given."
    )
    assert refused(UsageError, lambda: explicit(rows, "r0", "r2", "r0")) == (
        "1 anchor is named more than once: r0. Name each once."
    )
    assert refused(UsageError, lambda: explicit(rows, "r0", "x", "y")) == (
        "2 of the 3 ids named as anchors are not in the source: x, y. Its ids look like: r0, r1, r2 … and 3 more."
    )
    assert refused(UsageError, lambda: explicit(rows, "r0", "r2", k=3)) == (
        "3 anchors were asked for, and 2 ids were given. Give 3, or a smaller k."
    )
    assert refused(UsageError, lambda: explicit(rows, "r0", "r5")) == (
        "1 of the ids named as anchors is not in the splits train: r5. "
        "Anchors come from training rows: name others, or allow their split with --splits."
    )
    assert refused(UsageError, lambda: explicit(rows, "r0", "r1")) == (
        "The content of 1 id named as anchors also stands in another split than train: r1. "
        "No row may be an anchor and a test row at once: name others."
    )
    assert refused(UsageError, lambda: explicit(rows, "r0", "r2", "r3")) == (
        "3 ids were named as anchors, and 2 of them are distinct: the content or vector of r3 repeats an earlier "
        "one. Name each content once."
    )
    X = normal(3, 4, 2)
    X[1], X[3] = 0.0, X[0]
    assert refused(UsageError, lambda: explicit(embedded(X), "r0", "r1")) == (
        "1 of the ids named as anchors has the zero vector: r1. Leave them out."
    )
    assert refused(UsageError, lambda: explicit(embedded(X), "r0", "r3")).startswith(
        "2 ids were named as anchors, and 1"
    )
