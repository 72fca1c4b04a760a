"""The dataclasses that travel between rooms and files: what they refuse, and what stays equal."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import relstitch
from relstitch.artifacts import (
    AnchorList,
    Anchors,
    AnchorSide,
    AnchorVectors,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Relative,
    Rows,
    Targets,
)
from relstitch.artifacts.reports import Cell, Score, StitchReport
from relstitch.artifacts.rows import content_hash, texts_array
from relstitch.errors import DatasetError, MismatchError, UsageError

STAMP = EncoderStamp("st:model", "text", 2, weights_sha256="ab" * 32)
LIST = AnchorList(("a", "b"), ("", ""))


def anchors(*sides: AnchorSide) -> Anchors:
    return Anchors("explicit", 0, sides or (AnchorSide("main", "", (LIST,)),))


def vectors(*rows: list[float]) -> Any:
    return np.array(rows, dtype=np.float32)


REFUSED = [
    (
        lambda: Targets("class", np.array([0]), np.array([True, False])),
        DatasetError,
        "1 target values came with 2 presence flags; there must be one flag a row.",
    ),
    (
        lambda: Targets("real", vectors([1.0]), np.array([True])).labels(),
        DatasetError,
        "The targets are of kind 'real'; class names exist for kind 'class' only.",
    ),
    (
        lambda: Rows(texts_array("ab"), np.array([""]), texts_array("xx")),
        DatasetError,
        "Every row needs one of each, but there are 2 ids, 1 content hashes, 2 splits.",
    ),
    (
        lambda: Rows.build(["a", "b", "a"]),
        DatasetError,
        "1 id stands more than once: a. Ids must be unique: choose another id column, or leave it out to number the "
        "rows.",
    ),
    (
        lambda: Embeddings(Rows.build("ab"), vectors([1, 2]), STAMP),
        MismatchError,
        "2 rows came with vectors of shape [1, 2]; expected one vector per row, [n, d].",
    ),
    (
        lambda: Embeddings(Rows.build("a"), vectors([1, 2, 3]), STAMP),
        MismatchError,
        "The vectors are 3 wide; the encoder's stamp says 2.",
    ),
    (
        lambda: Embeddings(Rows.build("ab"), vectors([1, 2], [float("nan"), 0]), STAMP),
        MismatchError,
        "1 row of the embeddings holds NaN or infinite values: b. Only finite values can be compared: leave these "
        "rows out, or make them again.",
    ),
    (
        lambda: AnchorVectors(LIST, vectors([1, 2])),
        MismatchError,
        "2 anchors came with vectors of shape [1, 2]; expected one vector per anchor, [k, d].",
    ),
    (
        lambda: Relative(
            Rows.build("abc"), vectors([1, 2]), STAMP, ProjectionSpec(), AnchorVectors(LIST, vectors([1, 2], [3, 4]))
        ),
        MismatchError,
        "Relative representations of shape [1, 2] came with 3 rows and 2 anchors; expected [3, 2].",
    ),
    (
        lambda: AnchorList(("a",), ()),
        MismatchError,
        "An anchors list has 1 id and 0 content hashes.",
    ),
    (
        lambda: AnchorList(("a", "a"), ("", "")),
        MismatchError,
        "An anchors list names 1 id more than once: a.",
    ),
    (
        lambda: Anchors("explicit", 0, ()),
        MismatchError,
        "An anchors file needs at least one side with at least one draw.",
    ),
    (
        lambda: anchors(AnchorSide("en", "", (LIST,)), AnchorSide("es", "", (AnchorList(("c",), ("",)),))),
        MismatchError,
        "The sides of parallel anchors must match draw by draw; anchors found: {'en': [2], 'es': [1]}.",
    ),
    (
        lambda: anchors(AnchorSide("en", "", (LIST,)), AnchorSide("en", "", (LIST,))),
        MismatchError,
        "The sides of parallel anchors need names of their own; found: en, en.",
    ),
    (
        lambda: anchors(AnchorSide("en", "", (LIST,)), AnchorSide("es", "", (LIST,))).side(),
        UsageError,
        "These anchors have 2 sides (en, es): say which one with --side.",
    ),
    (lambda: anchors().side("es"), UsageError, "These anchors have no side 'es'; they have: main."),
    (
        lambda: anchors().prefix(3),
        UsageError,
        "3 anchors were asked for; this file's lists hold 2. Choose 1 to 2.",
    ),
    (lambda: relstitch.nothing, AttributeError, "module 'relstitch' has no attribute 'nothing'"),
]


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED, ids=[message[:40] for _, _, message in REFUSED])
def test_what_is_refused_and_how(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == message


def test_public_names_are_all_there() -> None:
    for name in relstitch.__all__:
        assert getattr(relstitch, name) is not None
    assert set(relstitch.__all__) == set(dir(relstitch))


def test_a_fingerprint_forgets_the_order_and_nothing_else() -> None:
    hashes = [content_hash(text.encode()) for text in ("x", "y")]
    one = Rows.build(["a", "b"], hashes=hashes)
    assert one.fingerprint == one.take(np.array([1, 0])).fingerprint
    assert one.fingerprint != Rows.build(["a", "b"], hashes=hashes[::-1]).fingerprint
    assert one.fingerprint != Rows.build(["ab", ""], hashes=hashes).fingerprint
    assert one.fingerprint == Rows.build(["a", "b"], hashes=hashes, splits=["train", "test"]).fingerprint
    assert one.split_fingerprint != Rows.build(["a", "b"], splits=["train", "test"]).split_fingerprint


def test_stamps_are_never_mistaken_for_each_other() -> None:
    """AutoIntent #337: two revisions, dtypes, prompts; the folder the same weights lie in does not matter."""
    assert STAMP.identity == replace(STAMP, spec="st:elsewhere", libraries={"torch": "9"}).identity
    for change in ({"weights_sha256": "cd" * 32}, {"dtype": "bfloat16"}, {"prompt": "query: "}, {"max_length": 64},
                   {"pooling": "cls"}, {"preprocessing": {"size": 240}}):  # fmt: skip
        assert replace(STAMP, **change).identity != STAMP.identity
    unknown = replace(STAMP, weights_sha256=None)
    assert unknown.identity != replace(unknown, revision="other").identity
    assert EncoderStamp.from_json({**STAMP.to_json(), "of the future": 1}) == STAMP


def test_anchors_are_known_by_their_order_and_their_content() -> None:
    """The second encoder's anchors shuffled are another list."""
    assert LIST.digest != AnchorList(("b", "a"), ("", "")).digest
    assert LIST.digest != AnchorList(("a", "b"), ("x", "")).digest
    assert anchors().correspondence() == anchors(AnchorSide("other name", "other data", (LIST,))).correspondence()
    assert anchors().prefix(1).side().draws[0].ids == ("a",)
    assert anchors().prefix(2) == anchors()


def test_labels_keep_their_text_and_their_gaps() -> None:
    targets = Targets.from_labels(["01", None, "1", "NA"])
    assert targets.labels().tolist() == ["01", None, "1", "NA"]
    assert targets.names == ("01", "1", "NA")


def test_a_score_without_values_is_none() -> None:
    """fabric-dw #831: null, never NaN."""
    assert Score().to_json() == {
        "mean": None, "spread": None, "n": 0, "values": [], "between_draws": None, "between_seeds": None,
    }  # fmt: skip
    assert Score((0.5,)).spread is None
    assert Score((0.25, 0.75)).spread == pytest.approx(0.3535533905932738)


def test_a_report_finds_its_cells() -> None:
    cells = tuple(
        Cell("relative", one, other, {"accuracy": Score((value,))}, Score(), 10)
        for one, other, value in (("a", "a", 0.9), ("a", "b", 0.5), ("b", "a", 0.7), ("b", "b", 0.8))
    )
    report = StitchReport("accuracy", "logistic", ("a", "b"), ("relative",), cells, 0.3, {}, {})
    assert report.stitched_mean("relative") == pytest.approx(0.6)
    assert report.stitched_mean("absolute") is None
    assert report.cell("relative", "b", "a").scores["accuracy"].mean == 0.7
    with pytest.raises(KeyError):
        report.cell("relative", "b", "c")
    assert [cell["stitched"] for cell in report.to_json()["cells"]] == [False, True, True, False]
