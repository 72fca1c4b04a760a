"""Small labelled pictures as the experiments read them: IDX files and folders of pictures."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NAMES = ("images-idx3-ubyte", "labels-idx1-ubyte")


def pictures(seed: int, n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Ten classes in turn: a bright bar at a place of its own, its strength and some noise by chance."""
    random = np.random.default_rng(seed)
    labels = (np.arange(n) % 10).astype(np.uint8)
    values = random.integers(0, 30, size=(n, 28, 28))
    for at, label in enumerate(labels):
        place = 2 + 5 * (int(label) % 5)
        strength = random.integers(80, 200)
        bar = (at, slice(place, place + 4)) if label < 5 else (at, slice(None), slice(place, place + 4))
        values[bar] += strength
    return values.astype(np.uint8), labels


def idx(values: NDArray[np.uint8]) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def write_idx(folder: Path, train: int, test: int) -> Path:
    """The four files of a dataset."""
    folder.mkdir(parents=True)
    for split, n, seed in (("train", train, 0), ("t10k", test, 1)):
        for name, values in zip(NAMES, pictures(seed, n), strict=True):
            (folder / f"{split}-{name}.gz").write_bytes(gzip.compress(idx(values)))
    return folder


def write_folders(folder: Path, classes: tuple[str, ...], each: int, sides: tuple[int, int] = (32, 32)) -> Path:
    """Coloured pictures, a folder a split and in it one a class."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in classes:
            (folder / split / name).mkdir(parents=True)
            for at in range(each):
                pixels = random.integers(0, 255, size=(*sides, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{at}.png")
    return folder
