"""Hub datasets, against a stand-in for the package `datasets`: the real one needs a network."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from dataset_samples import ids, labels, picture, read, refusal, skipped, splits, write

from relstitch.dataset import open_image


class Value:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class ClassLabel:
    dtype = "int64"

    def int2str(self, value: int) -> str:
        return ["neg", "pos"][value]


class Image:
    dtype = "PIL.Image.Image"

    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


class Part:
    """One split: the few methods of `datasets.Dataset` that are used."""

    def __init__(self, features: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        self.features = features
        self.rows = rows

    def select_columns(self, names: list[str]) -> "Part":
        return Part({name: self.features[name] for name in names}, [{n: row[n] for n in names} for row in self.rows])

    def cast_column(self, name: str, feature: Any) -> "Part":
        return Part({**self.features, name: feature}, self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for name, feature in self.features.items():
            assert type(feature).__name__ != "Image" or not feature.decode, f"{name} would be decoded"
        return iter(self.rows)


class DatasetsError(Exception):
    pass


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def install(monkeypatch: pytest.MonkeyPatch, parts: dict[str, Part] | Exception) -> list[tuple[str, str | None]]:
    """Put a stand-in for `datasets` in place; gives the list of what is asked of it."""
    asked: list[tuple[str, str | None]] = []

    def load_dataset(name: str, config: str | None = None) -> dict[str, Part]:
        asked.append((name, config))
        if isinstance(parts, Exception):
            raise parts
        return parts

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    module.exceptions = SimpleNamespace(DatasetsError=DatasetsError)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def reviews() -> dict[str, Part]:
    features = {"text": Value("string"), "label": ClassLabel(), "stars": Value("int64")}
    rows = [{"text": f"t{at}", "label": at % 2, "stars": at} for at in range(3)]
    return {"train": Part(features, rows), "test": Part(features, [{"text": "u", "label": -1, "stars": 1}])}


def test_splits_are_splits_and_class_numbers_are_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = install(monkeypatch, reviews())
    dataset = read("hf:org/reviews:en")
    assert asked == [("org/reviews", "en")]
    assert ids(dataset) == ["train:0", "train:1", "train:2", "test:0"]
    assert labels(dataset) == ["neg", "pos", "neg", None]
    assert dataset.items == ["t0", "t1", "t2", "u"]


def test_one_split_or_another_name_for_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, reviews())
    assert splits(read("test=hf:reviews")) == ["test"]
    assert refusal("dev=hf:reviews") == ("hf:reviews has no split 'dev'; it has: train, test. Name one of these.")
    install(monkeypatch, {"train": reviews()["train"]})
    assert set(splits(read("dev=hf:reviews"))) == {"dev"}


def test_pictures_come_undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    write("cache/b.png", picture((0, 0, 255)))
    rows: list[dict[str, Any]] = [
        {"image": {"bytes": picture((255, 0, 0)), "path": "a.png"}, "label": 0},
        {"image": {"bytes": None, "path": str(Path("cache/b.png").resolve())}, "label": 1},
        {"image": {"bytes": None, "path": "/nowhere/c.png"}, "label": 1},
        {"image": None, "label": 1},
    ]
    install(monkeypatch, {"train": Part({"image": Image(), "label": ClassLabel()}, rows)})
    dataset = read("hf:x", on_bad="skip")
    assert (ids(dataset), labels(dataset)) == (["train:0", "train:1"], ["neg", "pos"])
    assert [open_image(ref).getpixel((0, 0)) for ref in dataset.items] == [(255, 0, 0), (0, 0, 255)]
    assert skipped(dataset) == [
        ("train:2", "train", "/nowhere/c.png: no such file"),
        ("train:3", "train", "no picture in the cell"),
    ]


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert refusal("train=hf:imdb") == (
        "hf:imdb needs the package 'datasets', which is not installed. Install it with: pip install 'relstitch[hub]'"
    )


@pytest.mark.parametrize("kind", [DatasetsError, ConnectionError, ValueError, RuntimeError])
def test_a_dataset_that_cannot_be_had(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, kind("Couldn't reach it.\nLong story."))
    assert refusal("hf:imdb") == (
        "hf:imdb cannot be loaded (Couldn't reach it). Check the name (hf:NAME or hf:NAME:CONFIGURATION) and the "
        "network; what was loaded once is also found with HF_HUB_OFFLINE=1."
    )
    install(monkeypatch, kind())
    assert refusal("hf:imdb").startswith(f"hf:imdb cannot be loaded ({kind.__name__}). Check the name")


def test_a_file_whose_name_begins_like_a_hub_name() -> None:
    assert read(write("hf:a.csv", "text\na\n")).items == ["a"]
