"""The anchors file: read by people, compared line by line, and not edited unnoticed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import storage_samples as samples

from relstitch import storage
from relstitch.artifacts import AnchorList
from relstitch.errors import ArtifactError
from relstitch.storage import anchors_json

REBUILD = (
    "Edit no anchors by hand: put the ids into a list and make the file with `relstitch anchors --strategy explicit`."
)
AGAIN = "Make it again, or copy it again whole."
Facts = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "anchors.json"
    storage.save(samples.anchors(), path)
    return path


def edit(path: Path, change: Callable[[Facts], Any]) -> str:
    """What is said of the file after a change to its JSON."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts)
    path.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        storage.load_anchors(path)
    return str(caught.value)


def test_one_anchor_stands_on_one_line_as_people_write_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert '            ["文:4", ""]\n' in text
    assert '            ["train:0", "6d7699b6ccc5595f26aaa234f577d05e"],\n' in text
    assert text.endswith("]\n}\n")
    assert list(json.loads(text)) == [
        "kind", "format", "strategy", "seed", "k", "options", "correspondence", "checksum", "sides",
    ]  # fmt: skip


def test_another_anchor_changes_one_line_and_the_digests(path: Path) -> None:
    whole = samples.anchors()
    draw = replace(whole.sides[0].draws[0], ids=("train:0", "other"))
    changed = replace(whole, sides=(replace(whole.sides[0], draws=(draw, whole.sides[0].draws[1])),))
    other = path.with_name("other.json")
    storage.save(changed, other)
    pairs = zip(path.read_text().splitlines(), other.read_text().splitlines(), strict=True)
    different = [line.strip()[:9] for line, _ in ((a, b) for a, b in pairs if a != b)]
    assert len(different) == 4  # the anchor, the digest of its draw, its correspondence, the checksum


def test_white_space_order_of_keys_and_a_byte_order_mark_do_not_matter(path: Path) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    for text in (
        json.dumps(facts),
        json.dumps(facts, indent=8, sort_keys=True, ensure_ascii=False),
        "\ufeff\n\n" + json.dumps(facts, ensure_ascii=False).replace(": ", "\t:\n"),
    ):
        path.write_text(text, encoding="utf-8")
        samples.assert_same(storage.load_anchors(path), samples.anchors())
        assert storage.peek(path) == "anchors"


def test_a_smaller_k_is_the_beginning_of_the_list(path: Path, tmp_path: Path) -> None:
    storage.save(storage.load_anchors(path).prefix(1), tmp_path / "small.json")
    assert storage.load_anchors(tmp_path / "small.json").sides[0].draws[0].ids == ("train:0",)


def test_anchors_edited_by_hand_are_found_and_the_draw_is_named(path: Path) -> None:
    def reorder(facts: Facts) -> None:
        facts["sides"][0]["draws"][1]["anchors"].reverse()

    assert (
        edit(path, reorder) == f"{path}: draw 1 of side 'main' does not hold the anchors it was made with. {REBUILD}"
    )


def test_an_anchor_named_twice(path: Path) -> None:
    def repeat(facts: Facts) -> None:
        facts["sides"][0]["draws"][0]["anchors"] *= 2

    assert edit(path, repeat) == (
        f"{path}, draw 0 of side 'main': An anchors list names 2 ids more than once: train:0, 文:4. {REBUILD}"
    )


def test_sides_that_no_longer_correspond(tmp_path: Path) -> None:
    path = tmp_path / "parallel.json"
    whole = samples.anchors()
    italian = replace(whole.sides[0], name="it", draws=(AnchorList(("x", "y"), ("", "")),) * 2)
    storage.save(replace(whole, strategy="parallel", sides=(whole.sides[0], italian)), path)

    def swap(facts: Facts) -> None:
        facts["sides"].reverse()

    assert (
        edit(path, swap) == f"{path}: the correspondence of the sides is not the one they were made with. {REBUILD}"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(seed=4),
        lambda facts: facts.update(strategy="kmeans"),
        lambda facts: facts.update(options={}),
        lambda facts: facts.update(note="mine"),
        lambda facts: facts["sides"][0].update(name="left"),
        lambda facts: facts["sides"][0].update(dataset=""),
    ],
)
def test_a_head_edited_by_hand(change: Callable[[Facts], None], path: Path) -> None:
    assert edit(path, change) == (
        f"{path}: the strategy, seed, options or names are not those it was made with. {REBUILD}"
    )


def test_a_k_that_is_not_that_of_the_lists(path: Path) -> None:
    assert edit(path, lambda facts: facts.update(k=3)) == (
        f"{path} says k = 3, and its shortest list holds 2 anchors. {REBUILD}"
    )


@pytest.mark.parametrize("key", ["strategy", "seed", "k", "options", "correspondence", "checksum", "sides"])
def test_a_missing_key(key: str, path: Path) -> None:
    types = {"seed": "int", "k": "int", "options": "dict", "correspondence": "list", "sides": "list"}
    assert edit(path, lambda facts: facts.pop(key)) == (
        f"{path} is damaged: its entry {key!r} is missing or not of type {types.get(key, 'str')}. {AGAIN}"
    )


@pytest.mark.parametrize("key", ["kind", "format"])
def test_a_file_that_no_longer_says_what_it_is(key: str, path: Path) -> None:
    assert edit(path, lambda facts: facts.pop(key)) == (
        f"{path} is a JSON text; an anchors file was expected. `relstitch anchors SOURCE -o FILE` makes one."
    )


DRAW = "draw 0 of side 'main'"
BROKEN: dict[str, tuple[Callable[[Facts], Any], str]] = {
    "format": (lambda f: f.update(format="1"), "its entry 'format' is missing or not of type int"),
    "seed": (lambda f: f.update(seed=True), "its entry 'seed' is missing or not of type int"),
    "no side": (lambda f: f.update(sides=[]), "An anchors file needs at least one side with at least one draw"),
    "no draw": (
        lambda f: f["sides"][0].update(draws=[]),
        "An anchors file needs at least one side with at least one draw",
    ),
    "side": (lambda f: f.update(sides=["x"]), "one of its sides is not an object"),
    "draw": (lambda f: f["sides"][0].update(draws=[1]), f"{DRAW} is not an object"),
    "anchors": (
        lambda f: f["sides"][0]["draws"][0].update(anchors={}),
        "its entry 'anchors' is missing or not of type list",
    ),
    "no hash": (
        lambda f: f["sides"][0]["draws"][0].update(anchors=[["a"]]),
        f"anchor 0 of {DRAW} is not an id and a content hash",
    ),
    "bare id": (
        lambda f: f["sides"][0]["draws"][0].update(anchors=["ab"]),
        f"anchor 0 of {DRAW} is not an id and a content hash",
    ),
    "number": (
        lambda f: f["sides"][0]["draws"][0].update(anchors=[["a", ""], [1, ""]]),
        f"anchor 1 of {DRAW} is not an id and a content hash",
    ),
    "other hash": (
        lambda f: f["sides"][0]["draws"][0].update(anchors=[["a", "abc"]]),
        f"anchor 0 of {DRAW} is not an id and a content hash",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_anchors_of_another_shape(name: str, path: Path) -> None:
    change, what = BROKEN[name]
    assert edit(path, change) == f"{path} is damaged: {what}. {AGAIN}"


def test_a_strategy_that_a_later_version_may_know(path: Path) -> None:
    assert edit(path, lambda facts: facts.update(strategy="wavelet")) == (
        f"{path} says strategy 'wavelet', which this version of relstitch does not know; it knows: uniform, "
        "stratified, farthest, kmeans, d-optimal, frequent, explicit, parallel, bootstrap, unsupervised. Upgrade relstitch to read it."
    )


def test_anchors_of_a_newer_relstitch(path: Path) -> None:
    assert edit(path, lambda facts: facts.update(format=12)) == (
        f"{path} was written by a newer relstitch: its file format is 12, and this version reads up to 1. Upgrade "
        "relstitch to read it."
    )


def test_anchors_that_are_not_json(path: Path) -> None:
    for content in (path.read_bytes()[:-30], path.read_bytes().replace("文".encode(), b"\xff")):
        path.write_bytes(content)
        with pytest.raises(ArtifactError) as caught:
            storage.load(path)
        assert str(caught.value) == f"{path} is damaged: it is not valid JSON ({caught.value.__cause__}). {AGAIN}"


def test_two_json_objects_or_nests_without_end(path: Path) -> None:
    nest = '{"kind": "anchors", "format": 1, "x": ' + "[" * 100_000
    for text in (path.read_text() + "{}", nest):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ArtifactError) as caught:
            storage.load(path)
        assert str(caught.value).startswith(f"{path} is damaged: it is not valid JSON (")


def test_a_json_list_of_anchors_is_no_anchors_file(path: Path) -> None:
    path.write_text('[{"kind": "anchors", "format": 1}]', encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        anchors_json.read_anchors(path)
    assert str(caught.value) == f"{path} is damaged: it is not one JSON object. {AGAIN}"
    assert storage.peek(path) is None


def test_an_anchors_file_without_end_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors_json, "MAX_BYTES", 100)
    with pytest.raises(ArtifactError) as caught:
        storage.load(path)
    assert str(caught.value) == (
        f"{path} is damaged: it is {path.stat().st_size} bytes long, and anchors files of at most 100 are read. {AGAIN}"
    )
