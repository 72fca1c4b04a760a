"""Labelled pictures as files to be encoded: Fashion-MNIST from packages, CIFAR from a folder of the user's."""

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.experiments import Size
from relstitch.dataset import Dataset, ImageRef, ReadOptions, read_dataset
from relstitch.demo.catalogue import FASHION
from relstitch.demo.preparing import unpack_materials
from relstitch.errors import DatasetError
from relstitch.experiments.materials.fashion import fashion_mnist
from relstitch.experiments.materials.sources import Found, Source, found, ready_files

_CIFAR = {"CIFAR-10": "cifar10", "CIFAR-100 coarse": "cifar100-coarse"}
_HUB = {"CIFAR-100 coarse": ("hf:uoft-cs/cifar100", ReadOptions(image="img", label="coarse_label"))}
"""What the hub has in a form that needs no code; for the size full."""


def picture_sources(size: Size, data: Path | None, encoders: Sequence[str]) -> Found:
    """Which pictures there are.

    Args:
        size: full: Fashion-MNIST complete where it is installed; else the sample that comes with relstitch. toy: the
            sample only.
        data: A folder of the user's: ``cifar10/train/CLASS/*.jpg`` and ``cifar10/test``, ``cifar100-coarse`` the
            same way, ``fashion-mnist``; ``embeddings/cifar10-ENCODER.npz`` are taken as they are.
        encoders: What the encoders are called there.
    """
    fashion = partial(_fashion, size, data)
    if size == "toy":
        return found([fashion])
    own = [partial(_of_folder, name, data, encoders, hub=size == "full") for name in _CIFAR]
    return found([fashion, *own])


def _fashion(size: Size, data: Path | None) -> Source:
    if size == "full":
        try:
            whole = fashion_mnist(data)
        except DatasetError:
            pass
        else:
            items = [
                ImageRef(f"{whole.origin}:{at}", data=png((picture[0] * 255).round().astype(np.uint8)))
                for at, picture in enumerate(whole.pictures)
            ]
            return Source("Fashion-MNIST", whole.origin, lambda: Dataset(whole.rows, items, "image"))
    place = unpack_materials((FASHION,)) / FASHION.place
    return Source("Fashion-MNIST", "a sample that comes with relstitch", partial(read_dataset, [str(place)]))


def _of_folder(name: str, data: Path | None, encoders: Sequence[str], *, hub: bool) -> Source:
    key = _CIFAR[name]
    ready = ready_files(data, key, encoders)
    if ready:
        return Source(name, f"{data}/embeddings", None, ready)
    place = Path(key) if data is None else data / key
    there = data is not None and place.is_dir()
    if hub and not there and name in _HUB:
        location, options = _HUB[name]
        return Source(name, location, partial(read_dataset, [location], options))
    if not there:
        raise DatasetError(
            f"{name} is in no package. Give a folder with {key}/train/CLASS/*.jpg and {key}/test/CLASS/*.jpg in it: "
            "--data FOLDER"
        )
    return Source(name, str(place), partial(read_dataset, [str(place)]))


def png(grey: NDArray[np.uint8]) -> bytes:
    """A grey picture as a PNG file.

    Args:
        grey: uint8 [h, w].

    Source: PNG specification (ISO/IEC 15948), colour type 0, filter 0.

    Example:
        >>> png(np.zeros((2, 2), dtype=np.uint8))[:8].hex()
        '89504e470d0a1a0a'
    """
    height, width = grey.shape
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 0, 0, 0, 0))
    lines = np.hstack([np.zeros((height, 1), dtype=np.uint8), grey]).tobytes()
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in parts
    )
