"""IDX files: how MNIST and Fashion-MNIST are published, four of them to a dataset."""

import gzip
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relstitch.errors import DatasetError
from relstitch.experiments.materials.pictures import LabelledPictures

_BYTES = 8  # the code for unsigned bytes
_SPLITS = ("train", "t10k")


def find_idx(folders: Sequence[Path]) -> Path | None:
    """The first of some folders that holds ``train-images-idx3-ubyte``, packed as ``.gz`` or not."""
    return next((folder for folder in folders if _file(folder, "train-images-idx3-ubyte") is not None), None)


def read_pictures(folder: Path, name: str, classes: tuple[str, ...]) -> LabelledPictures:
    """Read the four files of a dataset.

    Args:
        folder: Where they are.
        name: What the dataset is called.
        classes: Its class names, in the order of its labels.

    Raises:
        DatasetError: A file is missing, damaged, or does not fit the others.
    """
    pictures, labels = [], []
    for split in _SPLITS:
        pictures.append(_read(folder, f"{split}-images-idx3-ubyte", 3))
        labels.append(_read(folder, f"{split}-labels-idx1-ubyte", 1))
        if len(pictures[-1]) != len(labels[-1]) or labels[-1].max(initial=0) >= len(classes):
            raise DatasetError(
                f"{folder} holds {len(pictures[-1])} pictures and {len(labels[-1])} labels of {split}, up to "
                f"{labels[-1].max(initial=0)}; expected as many labels as pictures, below {len(classes)}. Download "
                "the four files again."
            )
    own, test = (images.shape for images in pictures)
    if own[1:] != test[1:] or not all((*own, *test)):
        raise DatasetError(
            f"{folder} holds pictures of train of shape {list(own)} and of t10k of shape {list(test)}; expected one "
            "size, and pictures in both. Download the four files again."
        )
    values = (np.concatenate(pictures)[:, None] / np.float32(255)).astype(np.float32)
    return LabelledPictures(
        name, str(folder), values, np.concatenate(labels).astype(np.intp), classes, len(pictures[0])
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((place for place in (folder / f"{name}.gz", folder / name) if place.is_file()), None)


def _read(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    place = _file(folder, name)
    if place is None:
        raise DatasetError(f"{folder} lacks the file {name}.gz. Download it: four files belong to the dataset.")
    try:
        data = gzip.decompress(place.read_bytes()) if place.suffix == ".gz" else place.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError(f"{place} can't be unpacked: {error}. Download it again.") from error
    head, values = data[4 : 4 + 4 * dimensions], data[4 + 4 * dimensions :]
    sizes = tuple(int.from_bytes(head[at : at + 4], "big") for at in range(0, len(head), 4))
    if data[:4] != bytes((0, 0, _BYTES, dimensions)) or len(values) != prod(sizes):
        raise DatasetError(
            f"{place} is no whole IDX file of bytes in {dimensions} dimensions: its sizes say {list(sizes)}, and "
            f"{len(values)} bytes follow. Download it again."
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(sizes)
