"""Datasets of the Hugging Face hub, through the package `datasets` (the extra ``hub``)."""

import importlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from relstitch.dataset.contents import ImageRef
from relstitch.dataset.sources import HUB, Source
from relstitch.dataset.tables import Column, ColumnKind, Record, Table
from relstitch.errors import DatasetError, some

_KINDS: dict[str, ColumnKind] = {"Image": "picture", "List": "list", "Sequence": "list", "LargeList": "list",
                                 "ClassLabel": "text"}  # fmt: skip


def hub_tables(source: Source) -> list[tuple[str, Table]]:
    """The splits of a hub dataset as tables; class numbers become class names.

    Args:
        source: ``hf:NAME`` or ``hf:NAME:CONFIGURATION``; with a split given to it, only the split of that name.

    Returns:
        Split names and tables.

    Raises:
        DatasetError: The package is missing, the dataset cannot be had, or it has no such split.
    """
    name, _, config = source.name.removeprefix(HUB).partition(":")
    loaded = _load(source.name, name, config or None)
    tables = [(str(split), _table(f"{source.name} ({split})", part)) for split, part in loaded.items()]
    if source.split is None:
        return tables
    chosen = [(source.split, table) for split, table in tables if split == source.split or len(tables) == 1]
    if not chosen:
        names = some(split for split, _ in tables)
        raise DatasetError(f"{source.name} has no split {source.split!r}; it has: {names}. Name one of these.")
    return chosen


def _load(spec: str, name: str, config: str | None) -> Any:
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise DatasetError(
            f"{spec} needs the package 'datasets', which is not installed. Install it with: "
            "pip install 'relstitch[hub]'"
        ) from error
    try:
        return datasets.load_dataset(name, config)
    except (OSError, ValueError, KeyError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        found = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DatasetError(
            f"{spec} cannot be loaded ({found}). Check the name (hf:NAME or hf:NAME:CONFIGURATION) and the network; "
            "what was loaded once is also found with HF_HUB_OFFLINE=1."
        ) from error


def _table(name: str, part: Any) -> Table:
    features = part.features
    columns = tuple(Column(column, _kind(feature)) for column, feature in features.items())
    return Table(name, columns, partial(_records, part), unit="row", folder=Path())


def _kind(feature: Any) -> ColumnKind:
    dtype = str(getattr(feature, "dtype", ""))
    known = _KINDS.get(type(feature).__name__)
    if known is not None or "string" in dtype:
        return known or "text"
    return "number" if dtype.startswith(("int", "uint", "float", "bool")) else "other"


def _records(part: Any, wanted: Sequence[str]) -> Iterator[Record]:
    names = list(dict.fromkeys(wanted))
    features = {column: part.features[column] for column in names}
    selected = part.select_columns(names)
    for column, feature in features.items():
        if type(feature).__name__ == "Image":
            # The picture as the file's bytes: relstitch decodes pictures itself, and hashes them as they are.
            selected = selected.cast_column(column, type(feature)(decode=False))
    for row, values in enumerate(selected):
        yield row, tuple(_cell(values[column], features[column]) for column in wanted)


def _cell(value: Any, feature: Any) -> Any:
    """A class number as the name of its class (-1 is how the hub writes a missing label); a picture as its file."""
    kind = type(feature).__name__
    if kind == "Image" and value and not value["bytes"] and value["path"]:
        return ImageRef(value["path"], path=Path(value["path"]))
    if kind != "ClassLabel":
        return value
    return None if value is None or value < 0 else feature.int2str(value)
