"""What is to be encoded: a dataset, or vectors that are there already."""

import glob
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Embeddings
from relstitch.artifacts.graphs import GraphNodes
from relstitch.dataset import Dataset, ReadOptions, read_dataset
from relstitch.dataset.sources import split_and_location
from relstitch.encoders.hub import endpoint, unreachable
from relstitch.encoders.libraries import offline, user_is_offline
from relstitch.errors import UsageError
from relstitch.storage import embeddings_from_vectors, load_embeddings, load_vectors, peek

Source = str | Path | Sequence[str | Path] | Dataset | Embeddings
"""Paths as `relstitch.dataset.read_dataset` takes them, one of our embeddings files, safetensors vectors, or what
was read already."""

_HUB = "hf:"


def open_source(source: Source, options: ReadOptions) -> Dataset | Embeddings:
    """Read what was named.

    Args:
        source: What to read.
        options: How to read it, where it is a dataset.

    Returns:
        Embeddings for one of our files and for safetensors vectors; a dataset for everything else.

    Raises:
        UsageError: An embeddings file among several sources, or columns named for one.
        DatasetError, ArtifactError: It cannot be read.
    """
    if isinstance(source, Dataset | Embeddings):
        return source
    listed = source_list(source)
    located = [_locate(text) for text in listed]
    ready = [path for path, _ in located if path.is_file() and (path.suffix == ".safetensors" or peek(path))]
    if not ready:
        with _hub_if_there(located):
            return read_dataset(listed, options)
    if len(listed) > 1:
        raise UsageError(f"{ready[0]} holds vectors, and {len(listed)} sources were given. Name such a file alone.")
    if options.named_columns:
        raise UsageError(f"{ready[0]} holds vectors and has no columns; found {options.named_columns[0]}.")
    path, split = located[0]
    if options.format is not None:
        raise UsageError(f"{path} is a file of vectors, and --format {options.format} says otherwise. Leave it out.")
    ours = peek(path) is not None or path.suffix != ".safetensors"
    if ours and split is not None:
        raise UsageError(f"{path} says itself which splits it has. Name it alone, without {split}=.")
    embeddings = load_embeddings(path) if ours else load_vectors(path, split=split or "all")
    return _first_rows(embeddings, options.limit)


def source_list(source: Source) -> list[str]:
    """The paths among what was named."""
    if isinstance(source, Dataset | Embeddings):
        return []
    return [str(source)] if isinstance(source, str | Path) else [str(text) for text in source]


def source_files(source: Source) -> list[str]:
    """The files behind what was named: without the names of splits, patterns replaced by what they match.

    Example:
        >>> source_files(["train=a.csv", "b.csv"])
        ['a.csv', 'b.csv']
    """
    files: list[str] = []
    for path in (_locate(text)[0] for text in source_list(source)):
        found = [] if path.exists() else sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (may be absolute)
        files += found or [str(path)]
    return files


def source_name(source: Source, *, default: str) -> str:
    """What to call a source in a message."""
    return " ".join(source_list(source)) or (source.source if isinstance(source, Dataset) else "") or default


def ready_vectors(dataset: Dataset) -> Embeddings:
    """The vectors of a .npy or .npz file as embeddings of an encoder that nobody knows."""
    names = [_locate(text)[0].name for text in dataset.source.split(" ")]
    embeddings = embeddings_from_vectors(np.asarray(dataset.items), dataset.rows, " ".join(names))
    return replace(embeddings, skipped=dataset.skipped, counts=dataset.counts)


def some_rows(dataset: Dataset, index: NDArray[np.intp]) -> Dataset:
    """The rows of a dataset at `index`, with their items and without its history."""
    items: Any = dataset.items
    taken: Any = items[index] if isinstance(items, np.ndarray | GraphNodes) else [items[row] for row in index]
    return replace(dataset, rows=dataset.rows.take(index), items=taken, skipped=(), counts={}, notes=())


def _hub_if_there(located: Sequence[tuple[Path, str | None]]) -> AbstractContextManager[None]:
    """Where a hub dataset is wanted and the hub is away, only its cache is asked: at once, without retries."""
    wanted = any(str(path).startswith(_HUB) for path, _ in located)
    return offline() if wanted and not user_is_offline() and unreachable(endpoint()) else nullcontext()


def _locate(text: str) -> tuple[Path, str | None]:
    split, location = split_and_location(text)
    return Path(location).expanduser(), split


def _first_rows(embeddings: Embeddings, limit: int | None) -> Embeddings:
    if limit is None:
        return embeddings
    splits = embeddings.rows.split_names
    kept = np.concatenate([np.flatnonzero(embeddings.rows.in_splits(split))[:limit] for split in splits])
    return embeddings.take(np.sort(kept))
