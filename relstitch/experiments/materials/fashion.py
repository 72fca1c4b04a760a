"""Fashion-MNIST, complete: from Debian's package, or from a folder of the user's."""

from pathlib import Path

from relstitch.errors import DatasetError
from relstitch.experiments.materials.idx import find_idx, read_pictures
from relstitch.experiments.materials.pictures import LabelledPictures

_CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(data: Path | None) -> LabelledPictures:
    """Read Fashion-MNIST: 60 000 and 10 000 grey pictures of clothes, 28 × 28, ten classes.

    Args:
        data: A folder of the user's with ``fashion-mnist`` (or torchvision's ``FashionMNIST/raw``) in it, looked into
            first; None: only Debian's place is.

    Raises:
        DatasetError: It is in neither place, or damaged.

    Source: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747).
    """
    own = [] if data is None else [data / "fashion-mnist", data / "FashionMNIST" / "raw"]
    folder = find_idx([*own, _DEBIAN])
    if folder is None:
        raise DatasetError(
            "Fashion-MNIST is not on this machine. Install the Debian package that holds it: apt-get install "
            "dataset-fashion-mnist. Or give a folder with fashion-mnist/train-images-idx3-ubyte.gz and the three "
            "files that belong to it: --data FOLDER"
        )
    return read_pictures(folder, "Fashion-MNIST", _CLASSES)
