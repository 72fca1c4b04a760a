"""Vectors made elsewhere: .npy and .npz."""

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import ids, labels, read, refusal, splits, write

from relstitch.dataset import describe


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def vectors(n: int, d: int = 3, kind: str = "float16") -> np.ndarray:
    return np.arange(n * d).reshape(n, d).astype(kind)


def archive(name: str = "a.npz", **arrays: Any) -> str:
    np.savez(name, **arrays)
    return name


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "int64"])
def test_one_array(kind: str) -> None:
    np.save("a.npy", np.asfortranarray(vectors(4, kind=kind)))
    dataset = read("test=a.npy")
    assert (dataset.modality, ids(dataset)) == ("vectors", ["test:0", "test:1", "test:2", "test:3"])
    assert dataset.items.dtype == np.float32  # type: ignore[attr-defined]
    assert dataset.items.flags.c_contiguous  # type: ignore[attr-defined]
    np.testing.assert_array_equal(dataset.items, vectors(4))
    assert set(dataset.rows.hashes.tolist()) == {""}
    assert splits(read("a.npy")) == ["all"] * 4


def test_a_split_an_array_with_labels_and_ids() -> None:
    archive(
        train=vectors(3), test=vectors(2),
        train_labels=np.array(["a", "", "01"]), test_labels=np.array(["b", "a"]),
        train_ids=np.array([5, 7, 0]), test_ids=np.array(["x", "y"]),
    )  # fmt: skip
    dataset = read("a.npz")
    assert ids(dataset) == ["train:5", "train:7", "train:0", "x", "y"]
    assert splits(dataset) == ["train"] * 3 + ["test"] * 2
    assert labels(dataset) == ["a", None, "01", "b", "a"]
    assert describe(dataset) == "5 vectors (train 3, test 2), 3 classes, 1 row without a label"


@pytest.mark.parametrize("key", ["vectors", "embeddings", "arr_0", "whatever"])
def test_one_array_in_an_archive(key: str) -> None:
    np.savez("a.npz", allow_pickle=False, **{key: vectors(2), "other": np.arange(5)})
    assert (ids(read("a.npz")), splits(read("dev=a.npz"))) == (["all:0", "all:1"], ["dev", "dev"])


def test_one_array_with_labels_and_ids() -> None:
    archive(vectors=vectors(2), labels=np.array([3, 4]), ids=np.array(["p", "q"]))
    assert (ids(read("a.npz")), labels(read("a.npz"))) == (["p", "q"], ["3", "4"])
    archive(glove=vectors(2), glove_ids=np.array(["p", "q"]))
    assert (ids(read("a.npz")), splits(read("a.npz"))) == (["p", "q"], ["glove", "glove"])


def test_a_limit_and_parts_numbered_on() -> None:
    archive(train=vectors(3), test=vectors(3), train_labels=np.array(["a", "b", "c"]))
    limited = read("a.npz", limit=2)
    assert (ids(limited), limited.items.shape) == (["train:0", "train:1", "test:0", "test:1"], (4, 3))  # type: ignore[attr-defined]
    assert labels(limited) == ["a", "b", None, None]
    np.save("a.npy", vectors(2))
    np.save("b.npy", vectors(3))
    assert ids(read("train=a.npy", "train=b.npy")) == [f"train:{at}" for at in range(5)]
    assert ids(read("train=a.npy", "train=b.npy", limit=3)) == ["train:0", "train:1", "train:2"]


def test_large_files_are_mapped_not_copied() -> None:
    np.save("a.npy", vectors(4, kind="float32"))
    assert isinstance(read("a.npy").items.base, np.memmap)  # type: ignore[attr-defined]


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (os.mkdir, ("trapped",))


def test_pickles_are_refused_and_never_run() -> None:
    message = (
        "holds Python objects (a pickle), which are never loaded; expected plain arrays of numbers and text. "
        "Write it again with numpy."
    )
    np.save("a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    assert refusal("a.npy") == f"a.npy {message}"
    archive("b.npz", vectors=vectors(1), labels=np.array([Trap()], dtype=object))
    assert refusal("b.npz") == f"b.npz {message}"
    assert refusal(write("c.npy", pickle.dumps(Trap()))) == (
        "c.npy does not begin as a NumPy array does; expected a NumPy array (.npy)."
    )
    assert not Path("trapped").exists()


def test_damaged_files() -> None:
    np.save("a.npy", vectors(100))
    content = Path("a.npy").read_bytes()
    message = "is damaged or cut short; expected a whole .npy or .npz file. Write it again with numpy."
    assert refusal(write("b.npy", content[:200])) == f"b.npy {message}"
    assert refusal(write("b.npy", content[:20])) == f"b.npy {message}"
    archive("a.npz", train=vectors(100))
    content = Path("a.npz").read_bytes()
    assert refusal(write("b.npz", content[:200])) == f"b.npz {message}"
    flipped = bytearray(content)
    flipped[300] ^= 0xFF
    assert refusal(write("b.npz", bytes(flipped))) == f"b.npz {message}"


def test_something_else_under_the_name_of_vectors() -> None:
    assert refusal(write("a.npz", "")) == (
        "a.npz is empty (0 bytes); expected NumPy arrays (.npz). Check how it was written."
    )
    assert refusal(write("a.npz", "<html>")) == "a.npz is an HTML page; expected NumPy arrays (.npz)."
    assert refusal(write("a.npz", "hello")) == (
        "a.npz does not begin as an archive of NumPy arrays does; expected NumPy arrays (.npz)."
    )
    assert refusal(write("a.npy", "<html>")) == "a.npy is an HTML page; expected a NumPy array (.npy)."


def test_arrays_that_are_no_vectors() -> None:
    np.save("a.npy", np.arange(3.0))
    assert refusal("a.npy") == (
        "a.npy holds vectors [3] float64; expected vectors [n, d] of numbers: one array, or one per split "
        "(train, test …)."
    )
    archive(edges=np.zeros((2, 9), dtype=np.int32), y=np.arange(4))
    assert refusal("a.npz").startswith("a.npz holds edges [2, 9] int32, y [4] int64; expected vectors [n, d]")
    archive(vectors=vectors(2), embeddings=vectors(2))
    assert refusal("a.npz").startswith("a.npz holds vectors [2, 3] float16, embeddings [2, 3] float16; expected")
    archive()
    assert refusal("a.npz").startswith("a.npz holds nothing; expected")


def test_widths_that_differ() -> None:
    archive(train=vectors(2, 3), test=vectors(2, 4))
    assert refusal("a.npz") == (
        "a.npz holds arrays of several widths: train [2, 3], test [2, 4]; expected one width. Vectors that belong "
        "together must come from one encoder: keep the others in another file."
    )
    np.save("a.npy", vectors(2, 3))
    np.save("b.npy", vectors(2, 4))
    assert refusal("train=a.npy", "test=b.npy") == (
        "train=a.npy test=b.npy: the vectors have 2 widths: train [2, 3], test [2, 4]; expected one. Vectors that "
        "belong together must come from one encoder."
    )


def test_labels_and_ids_that_do_not_fit() -> None:
    archive(train=vectors(3), train_labels=np.array(["a"]))
    assert refusal("a.npz") == "a.npz: train_labels has shape [1]; expected [3], one per row of train."
    archive(vectors=vectors(2), labels=np.zeros((2, 2)))
    assert refusal("a.npz") == "a.npz: labels has shape [2, 2]; expected [2], one per row of vectors."
    archive(train=vectors(2), train_ids=np.array(["a", ""]))
    assert refusal("a.npz") == "a.npz: 1 id of train is empty, at rows 1; expected one per row."
    archive(train=vectors(2), train_labels=np.array([1.0, np.nan]))
    assert refusal("a.npz") == ("a.npz: one of the labels holds NaN; expected text, a number, or an empty cell.")
    archive(train=vectors(2), train_ids=np.array(["a", "a"]))
    assert refusal("a.npz").startswith("a.npz: 1 id found more than once: a.")


def test_options_that_vectors_do_not_have() -> None:
    archive(train=vectors(2), test=vectors(2))
    assert refusal("a.npz", label="y") == "a.npz holds vectors and has no columns; found --label y."
    assert refusal("dev=a.npz") == (
        "a.npz was given as the split 'dev' and holds the splits train, test itself. Name the file alone."
    )
    assert refusal("a.npz", write("a.csv", "text\na\n")) == (
        "a.npz holds vectors and a.csv does not; expected items of one kind. Read them in two runs."
    )
    np.save("a.npy", vectors(0))
    assert refusal("a.npy") == "a.npy: there are no rows in the vectors; expected at least one."


def test_vectors_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    np.save(stream, vectors(2))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream.getvalue())))
    assert ids(read("-", format="npy")) == ["all:0", "all:1"]


def test_vectors_without_any_width() -> None:
    np.save("a.npy", np.zeros((3, 0)))
    assert refusal("a.npy") == (
        "a.npy holds vectors [3, 0] float64; expected vectors [n, d] of numbers: one array, or one per split "
        "(train, test …)."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_named_with_their_file(value: float) -> None:
    values = np.zeros((3, 2))
    values[1] = value
    np.save("a.npy", values)
    assert refusal("a.npy") == (
        "a.npy: 1 row with NaN or infinite values: all:1; expected finite numbers of float32. Leave these rows out, "
        "or make them again."
    )


def test_ids_that_stand_twice() -> None:
    archive(vectors=vectors(3), ids=["a", "a", "b"])
    assert refusal("a.npz") == (
        "a.npz: 1 id found more than once: a. Ids must be unique: mend the ids in the file, or leave them out of it "
        "to number the rows."
    )


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_vectors_on_standard_input_are_seen_through(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    np.save(sink, vectors(2)) if kind == "npy" else np.savez(sink, vectors=vectors(2))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sink.getvalue())))
    dataset = read("-")
    assert (len(dataset), dataset.notes) == (
        2,
        (f"Standard input was read as {kind} (say otherwise with --format).",),
    )
