"""CIFAR-10 as a folder of the user's: no package holds it."""

from pathlib import Path

import numpy as np

from relstitch.dataset import read_dataset
from relstitch.dataset.contents import ImageRef
from relstitch.dataset.pictures import open_image
from relstitch.errors import DatasetError, counted
from relstitch.experiments.materials.pictures import LabelledPictures


def cifar10(data: Path | None) -> LabelledPictures:
    """Read CIFAR-10: coloured pictures, 32 × 32, ten classes.

    Args:
        data: A folder with ``cifar10/train/CLASS/*.jpg`` and ``cifar10/test/CLASS/*.jpg`` in it, or PNG files.

    Raises:
        DatasetError: It is not there, lacks a split, or its pictures are not all of one size.

    Source: Krizhevsky 2009.
    """
    folder = None if data is None else data / "cifar10"
    if folder is None or not folder.is_dir():
        raise DatasetError(
            "CIFAR-10 is in no package. Give a folder with cifar10/train/CLASS/*.jpg and cifar10/test/CLASS/*.jpg: "
            "--data FOLDER"
        )
    found = read_dataset([str(folder)])
    targets, splits = found.rows.targets, found.rows.splits
    order = np.concatenate([np.flatnonzero(splits == split) for split in ("train", "test")])
    items = [found.items[at] for at in order]
    images = [np.asarray(open_image(item)) for item in items if isinstance(item, ImageRef)]
    sizes = {image.shape for image in images}
    if len(sizes) != 1 or targets is None or targets.kind != "class" or set(splits) != {"train", "test"}:
        raise DatasetError(
            f"{folder} has pictures of {counted(len(sizes), 'size')} in the splits {', '.join(sorted(set(splits)))}, "
            f"with {'no ' if targets is None else ''}folders for classes; expected one size, a folder train and a "
            "folder test, and in each a folder a class."
        )
    pixels = (np.stack(images).transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
    labels = np.asarray(targets.values)[order].astype(np.intp)
    return LabelledPictures("CIFAR-10", str(folder), pixels, labels, targets.names, int((splits == "train").sum()))
