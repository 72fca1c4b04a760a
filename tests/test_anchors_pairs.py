"""Parallel anchors: samples of different data that correspond position by position."""

import json
from typing import Any

import numpy as np
import pytest

from relstitch.anchors import pair_anchors
from relstitch.artifacts import Anchors, Embeddings, EncoderStamp, Rows
from relstitch.artifacts.rows import content_hash
from relstitch.errors import MismatchError, UsageError


def side(prefix: str, contents: str, test: int = 0) -> Rows:
    """Rows called prefix0, prefix1 …; the last `test` of them are test rows."""
    n = len(contents)
    hashes = [content_hash(f"{prefix}{letter}".encode()) for letter in contents]
    splits = ["train"] * (n - test) + ["test"] * test
    return Rows.build([f"{prefix}{i}" for i in range(n)], hashes=hashes, splits=splits)


def pairs(n: int) -> list[tuple[str, str]]:
    """Row i of English with row n - 1 - i of Spanish: never by position."""
    return [(f"en{i}", f"es{n - 1 - i}") for i in range(n)]


def languages(n: int = 8) -> dict[str, Rows]:
    return {"en": side("en", "abcdefgh"[:n]), "es": side("es", "abcdefgh"[:n])}


def listed(anchors: Anchors, draw: int = 0) -> list[tuple[str, ...]]:
    return list(zip(*(one.draws[draw].ids for one in anchors.sides), strict=True))


def refused(error: type[Exception], call: Any) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_all_pairs_in_the_order_given() -> None:
    sides = languages()
    anchors = pair_anchors(sides, pairs(8))
    assert listed(anchors) == pairs(8)
    assert (anchors.strategy, [one.name for one in anchors.sides]) == ("parallel", ["en", "es"])
    assert [one.dataset for one in anchors.sides] == [rows.fingerprint for rows in sides.values()]
    assert anchors.side("es").draws[0].hashes == tuple(sides["es"].hashes[::-1])
    assert anchors.options == {
        "splits": {"en": ["train"], "es": ["train"]}, "pairs": 8, "candidates": 8, "excluded": {}
    }  # fmt: skip
    assert json.loads(json.dumps(anchors.options)) == anchors.options


def test_fewer_than_all_are_drawn_by_the_seed_and_nested() -> None:
    sides = languages()
    anchors = pair_anchors(sides, pairs(8), k=5, seed=3, draws=3)
    assert all(set(listed(anchors, draw)) <= set(pairs(8)) for draw in range(3)), "partners stay together"
    assert len({tuple(listed(anchors, draw)) for draw in range(3)}) == 3
    assert listed(anchors, 1) == listed(pair_anchors(sides, pairs(8), k=5, seed=4))
    assert listed(anchors.prefix(2)) == listed(pair_anchors(sides, pairs(8), k=2, seed=3))
    assert anchors.correspondence(0) != anchors.correspondence(1)


def test_three_domains() -> None:
    sides = {**languages(2), "fr": side("fr", "ab")}
    anchors = pair_anchors(sides, [("en0", "es1", "fr0"), ("en1", "es0", "fr1")])
    assert listed(anchors) == [("en0", "es1", "fr0"), ("en1", "es0", "fr1")]


def test_pairs_that_may_not_be_anchors_are_left_out_and_counted() -> None:
    # en: row 5 repeats row 4; es: row 1 stands in test too (row 7); row 7 is a test row on either side.
    sides = {"en": side("en", "abcdeefg", test=1), "es": side("es", "abcdefgb", test=1)}
    straight = [(f"en{i}", f"es{i}") for i in range(8)]
    anchors = pair_anchors(sides, straight)
    assert listed(anchors) == [straight[i] for i in (0, 2, 3, 4, 6)]
    assert anchors.options["excluded"] == {"outside_splits": 1, "content_in_other_splits": 1, "repeated_content": 1}
    assert len(listed(pair_anchors(sides, straight, splits=("train", "test")))) == 6


def test_zero_vectors_are_no_anchors() -> None:
    X = np.eye(3, dtype=np.float32)
    X[1] = 0
    embedded = Embeddings(Rows.build("abc"), X, EncoderStamp("st:x", "text", 3))
    anchors = pair_anchors({"x": embedded, "y": Rows.build("pqr")}, ["ap", "bq", "cr"])
    assert listed(anchors) == [("a", "p"), ("c", "r")]
    assert anchors.options["excluded"] == {"zero_vectors": 1}


def test_tables_that_do_not_fit() -> None:
    sides = languages(3)
    assert refused(UsageError, lambda: pair_anchors({"en": sides["en"]}, [("en0",)])) == (
        "Parallel anchors need at least two sides; found: en."
    )
    assert refused(UsageError, lambda: pair_anchors(sides, [])) == (
        "Parallel anchors need pairs of ids (en, es); the table of pairs is empty."
    )
    assert refused(MismatchError, lambda: pair_anchors(sides, [("en0", "es0"), ("en1",)])) == (
        "Pair 2 names 1 id (en1); expected 2, one for each of: en, es."
    )
    assert refused(MismatchError, lambda: pair_anchors(sides, [("en0", "es0"), ("en9", "es1"), ("en8", "es2")])) == (
        "2 of the 3 ids paired for en are not among its rows: en9, en8. Its ids look like: en0, en1, en2."
    )
    with pytest.raises(MismatchError, match=r"^1 of the 1 ids paired for es is not among its rows: en0\."):
        pair_anchors(sides, [("en0", "en0")])
    assert refused(MismatchError, lambda: pair_anchors(sides, [("en0", "es0"), ("en1", "es0")])) == (
        "1 id of es is paired more than once: es0. Each row can be one anchor: leave one pair of each."
    )
    with pytest.raises(UsageError, match=r"^There is no split called val in en; its splits are: train\."):
        pair_anchors(sides, pairs(3), splits=("val",))


def test_numbers_that_do_not_fit() -> None:
    sides = {"en": side("en", "abca"), "es": side("es", "abcd")}
    assert refused(UsageError, lambda: pair_anchors(sides, pairs(4), k=4)) == (
        "4 pairs were asked for, and 3 of them may be anchors (left out: 1 repeated content). "
        "Give more pairs, a smaller k, or other splits with --splits."
    )
    for k in (None, 3):
        assert refused(UsageError, lambda k=k: pair_anchors(sides, pairs(4), k=k, draws=2)) == (
            "2 draws were asked for, and all 3 pairs are in each of them. Take one draw, or a k below 3."
        )
    with pytest.raises(UsageError, match=r"^0 anchors were asked for; at least 1 is needed\.$"):
        pair_anchors(sides, pairs(4), k=0)
    tested = {name: side(name, "ab", test=1) for name in ("en", "es")}
    with pytest.raises(
        UsageError, match=r"^All pairs were asked for, and 0 of them may be anchors \(left out: 1 out"
    ):
        pair_anchors(tested, [("en1", "es1")])
