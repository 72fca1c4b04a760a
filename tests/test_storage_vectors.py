"""Safetensors files of bare vectors, and the stamp of vectors that came ready-made."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_samples as samples
from numpy.typing import NDArray

from relstitch import storage
from relstitch.artifacts import Rows
from relstitch.errors import ArtifactError, MismatchError

X, Y = samples.matrix(3, 2), samples.matrix(2, 2, 50)


def written(tmp_path: Path, **tensors: NDArray[Any]) -> Path:
    return samples.foreign(tmp_path / "raw.safetensors", tensors)


@pytest.mark.parametrize("name", ["vectors", "embeddings", "weight"])
def test_one_matrix_alone(name: str, tmp_path: Path) -> None:
    made = storage.load_vectors(written(tmp_path, **{name: X}))
    np.testing.assert_array_equal(made.vectors, X)
    assert made.rows.ids.tolist() == ["all:0", "all:1", "all:2"]
    assert made.rows.splits.tolist() == ["all"] * 3
    assert made.rows.hashes.tolist() == [""] * 3
    assert made.rows.targets is None
    assert made.encoder.spec == "vectors:raw.safetensors"
    assert made.encoder.modality == "vectors"
    assert made.encoder.dimension == 2
    assert made.encoder.extra == {"vectors_sha256": hashlib.sha256(X.tobytes()).hexdigest()}


def test_one_matrix_in_a_named_split(tmp_path: Path) -> None:
    made = storage.load_vectors(written(tmp_path, vectors=X), split="test")
    assert made.rows.ids.tolist() == ["test:0", "test:1", "test:2"]


@pytest.mark.parametrize("prefix", ["", "vectors_"])
def test_labels_and_ids_beside_one_matrix(prefix: str, tmp_path: Path) -> None:
    tensors = {
        "vectors": X,
        "other": Y,
        prefix + "labels": np.array([1, -1, 10]),
        prefix + "ids": np.array([7, 5, 6]),
    }
    made = storage.load_vectors(written(tmp_path, **tensors))
    assert made.rows.ids.tolist() == ["all:7", "all:5", "all:6"]
    assert made.rows.targets is not None
    assert made.rows.targets.labels().tolist() == ["1", "-1", "10"]


def test_a_matrix_a_split(tmp_path: Path) -> None:
    made = storage.load_vectors(
        written(
            tmp_path,
            train=X.astype(np.float16),
            test=Y.astype(np.float16),
            train_labels=np.array([0, 1, 0], dtype=np.uint8),
            train_ids=np.array([2, 4, 6]),
        )
    )
    by_split = {split: made.take(made.rows.in_splits(split)) for split in ("train", "test")}
    np.testing.assert_array_equal(by_split["train"].vectors, X)
    np.testing.assert_array_equal(by_split["test"].vectors, Y)
    assert made.vectors.dtype == np.float32
    assert by_split["train"].rows.ids.tolist() == ["train:2", "train:4", "train:6"]
    assert by_split["test"].rows.ids.tolist() == ["test:0", "test:1"]
    targets = by_split["test"].rows.targets
    assert targets is not None
    assert targets.labels().tolist() == [None, None]


@pytest.mark.parametrize("name", ["train", "test"])
def test_a_lone_split_keeps_its_name(name: str, tmp_path: Path) -> None:
    assert storage.load_vectors(written(tmp_path, **{name: X})).rows.split_names == (name,)


def test_a_lone_matrix_with_labels_of_its_own_is_a_split(tmp_path: Path) -> None:
    made = storage.load_vectors(written(tmp_path, dev=X, dev_labels=np.array([1, 2, 3])))
    assert made.rows.split_names == ("dev",)


def test_double_precision_and_bfloat16_become_float32(tmp_path: Path) -> None:
    assert storage.load_vectors(written(tmp_path, vectors=X.astype(np.float64))).vectors.dtype == np.float32
    # numpy has no bfloat16: its bits are written as uint16 and the type is renamed in the header, byte for byte.
    path = written(tmp_path, vectors=(X.view(np.uint32) >> 16).astype(np.uint16))
    path.write_bytes(path.read_bytes().replace(b'"U16"', b'"BF16"').replace(b"}} ", b"}}", 1))
    np.testing.assert_array_equal(storage.load_vectors(path).vectors, X)


def test_the_same_vectors_under_another_name_are_another_encoder_and_other_vectors_too(tmp_path: Path) -> None:
    rows = Rows.build(["a", "b", "c"])
    one = storage.embeddings_from_vectors(X, rows, "x.npy").encoder
    assert one.identity == storage.embeddings_from_vectors(X.astype(">f8").T.copy().T, rows, "x.npy").encoder.identity
    assert one.identity != storage.embeddings_from_vectors(X, rows, "y.npy").encoder.identity
    assert one.identity != storage.embeddings_from_vectors(X + 1, rows, "x.npy").encoder.identity


def test_the_hash_of_many_rows_is_that_of_all_their_bytes() -> None:
    many = np.arange(140_000, dtype=np.float32).reshape(-1, 1)
    made = storage.embeddings_from_vectors(many, Rows.build(map(str, range(140_000))), "x")
    assert made.encoder.extra["vectors_sha256"] == hashlib.sha256(many.tobytes()).hexdigest()
    assert np.shares_memory(made.vectors, many)


def test_vectors_must_be_one_a_row() -> None:
    with pytest.raises(MismatchError) as caught:
        storage.embeddings_from_vectors(np.zeros((2, 3, 4)), Rows.build(["a", "b"]), "x.npy")
    assert str(caught.value) == "The vectors of x.npy have the shape [2, 3, 4]; expected one vector per row, [n, d]."


def refused(path: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        storage.load_vectors(path)
    return str(caught.value)


def test_a_file_without_a_matrix(tmp_path: Path) -> None:
    path = written(tmp_path, labels=np.array([1]), kernel=np.zeros((2, 2, 2), np.float32))
    assert refused(path) == (
        f"{path} holds no matrix of vectors; its tensors: kernel, labels. Expected float vectors [n, d], called "
        "'vectors' or for their split."
    )
    path = written(tmp_path)
    assert refused(path) == (
        f"{path} holds no matrix of vectors; its tensors: none. Expected float vectors [n, d], called "
        "'vectors' or for their split."
    )


def test_matrices_of_different_widths(tmp_path: Path) -> None:
    path = written(tmp_path, train=X, test=samples.matrix(2, 5))
    assert refused(path) in (
        f"{path} holds matrices of different widths (train 2, test 5); all splits must have one width.",
        f"{path} holds matrices of different widths (test 5, train 2); all splits must have one width.",
    )


@pytest.mark.parametrize("labels", [np.array([1, 2]), np.array([1.5, 2, 3]), np.array([[1], [2], [3]])])
def test_labels_that_do_not_fit(labels: NDArray[Any], tmp_path: Path) -> None:
    path = written(tmp_path, train=X, train_labels=labels)
    assert refused(path) == (
        f"{path}: its tensor 'train_labels' is {labels.dtype} {list(labels.shape)}; expected whole numbers [3], one "
        "a vector."
    )


def test_vectors_that_are_not_finite_and_ids_that_repeat(tmp_path: Path) -> None:
    path = written(tmp_path, vectors=np.array([[1, 2], [np.nan, 0], [1e300, 0]]))
    assert refused(path) == (
        f"{path}: 2 rows of the embeddings hold NaN or infinite values: all:1, all:2. Only finite values can be "
        "compared: leave these rows out, or make them again."
    )
    path = written(tmp_path, vectors=X, ids=np.array([1, 1, 2]))
    assert refused(path) == (
        f"{path}: 1 id stands more than once: all:1. Ids must be unique: choose another id column, or leave it out "
        "to number the rows."
    )


def test_bare_vectors_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_args: object, **_options: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    path = written(tmp_path, vectors=X)
    monkeypatch.setattr(np, "memmap", denied)
    assert refused(path) == f"{path} could not be read: Cannot allocate memory."


def test_what_was_loaded_can_be_saved_and_loaded_again(tmp_path: Path) -> None:
    made = storage.load_vectors(written(tmp_path, vectors=X))
    storage.save(made, tmp_path / "ours.safetensors")
    samples.assert_same(storage.load(tmp_path / "ours.safetensors"), made)
