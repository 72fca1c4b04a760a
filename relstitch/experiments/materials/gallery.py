"""All picture datasets that are there, and which of their pictures are the anchors."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors import pick_anchors
from relstitch.errors import DatasetError
from relstitch.experiments.materials.cifar10 import cifar10
from relstitch.experiments.materials.fashion import fashion_mnist
from relstitch.experiments.materials.mnist import mnist
from relstitch.experiments.materials.pictures import LabelledPictures
from relstitch.meeting import locate

READERS: Mapping[str, Callable[[Path | None], LabelledPictures]] = {
    "MNIST": mnist,
    "Fashion-MNIST": fashion_mnist,
    "CIFAR-10": cifar10,
}


def gallery(data: Path | None) -> tuple[list[LabelledPictures], list[str]]:
    """Read every picture dataset that is there.

    Args:
        data: A folder of the user's with more data, or None.

    Returns:
        The datasets, and a sentence or two on each that is left out.

    Raises:
        DatasetError: None is there.
    """
    found, notes = [], []
    for name, reader in READERS.items():
        try:
            found.append(reader(data))
        except DatasetError as error:
            notes.append(f"{name} is left out. {error}")
    if not found:
        raise DatasetError(f"There are no pictures to train on. {' '.join(notes)}")
    return found, notes


def picture_anchors(pictures: LabelledPictures, k: int, seed: int = 0) -> NDArray[np.intp]:
    """Positions of k training pictures, each class in its share: the anchors of every network."""
    anchors = pick_anchors(pictures.rows, k, strategy="stratified", seed=seed)
    return np.asarray(locate(anchors.side().draws[0], pictures.rows, name=pictures.name), dtype=np.intp)
