"""Batches on their way to an encoder: texts by length, pictures decoded ahead, and memory that runs out."""

import os
import re
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.graphs import GraphNodes
from relstitch.dataset import MAX_PIXELS, Dataset, ImageRef, open_image
from relstitch.encoders import EncodedBatch, Encoder, Preparing, free_memory, is_out_of_memory
from relstitch.errors import DatasetError, EncoderError, UsageError, counted
from relstitch.names import OnProblem

_WINDOW = 64
"""Batches in a window: the texts within one are put in order of length, so that little padding is needed."""
_THREADS = 8


@dataclass(frozen=True)
class EmbedOptions:
    """How a dataset goes through an encoder.

    Attributes:
        batch_size: Items at once; halved where they do not fit the memory.
        on_bad: What to do with pictures that cannot be decoded: ``error`` or ``skip``.
        max_pixels: Pictures with more pixels are refused before they are decoded.
        fail_on_truncation: Refuse texts that are longer than the model reads, which are else cut and counted.
        scratch: A folder on whose disk the vectors stand while they are made (in a file without a name, which is
            gone when they are); None keeps them in memory.
        progress: Called with the rows done and their total, after every batch.
        note: Called with each sentence a user should read.
    """

    batch_size: int = 32
    on_bad: OnProblem = "error"
    max_pixels: int = MAX_PIXELS
    fail_on_truncation: bool = False
    scratch: str | Path | None = None
    progress: Callable[[int, int], None] | None = None
    note: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        for option, value in (("--batch-size", self.batch_size), ("--max-pixels", self.max_pixels)):
            if value < 1:
                raise UsageError(f"{option} is {value}; expected at least 1.")

    def say(self, text: str) -> None:
        """Tell the user something, if anyone listens."""
        if self.note is not None:
            self.note(text)


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a dataset.

    Attributes:
        rows: intp [b], where they stand in it.
        items: What the encoder is given: b items.
        skipped: Where rows stand, between the last batch and the end of this one, whose item is bad → why.
    """

    rows: NDArray[np.intp]
    items: Any
    skipped: Mapping[int, str] = field(default_factory=dict)


def batches(
    dataset: Dataset, left: NDArray[np.intp], encoder: Encoder, options: EmbedOptions
) -> Generator[Batch, None, None]:
    """Cut rows of a dataset into batches, every row once; pictures in their order, texts nearly so.

    Args:
        dataset: The dataset.
        left: intp [m], which of its rows, in order.
        encoder: What they are for.
        options: Batch size, and bad pictures.

    Raises:
        DatasetError: A picture cannot be decoded, and `options` does not say to skip it.
    """
    if dataset.modality == "text":
        return _texts(dataset.items, left, options.batch_size)
    if dataset.modality == "image":
        return _pictures(dataset, left, encoder, options)
    # A graph is encoded whole, however few of its nodes are wanted.
    return _slices(dataset.items, left, len(dataset) if dataset.modality == "graph" else options.batch_size)


def _texts(texts: Sequence[str], left: NDArray[np.intp], size: int) -> Generator[Batch, None, None]:
    for first in range(0, len(left), size * _WINDOW):
        window = left[first : first + size * _WINDOW].tolist()
        # Longest first: whatever does not fit the memory is met at once. Equal lengths stay in order.
        order = sorted(window, key=lambda row: -len(texts[row]))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            yield Batch(np.array(rows, dtype=np.intp), [texts[row] for row in rows])


def _slices(items: Any, left: NDArray[np.intp], size: int) -> Generator[Batch, None, None]:
    for start in range(0, len(left), size):
        rows = left[start : start + size]
        yield Batch(rows, items[rows])


def _pictures(
    dataset: Dataset, left: NDArray[np.intp], encoder: Encoder, options: EmbedOptions
) -> Generator[Batch, None, None]:
    """Pictures in order, decoded in other threads two batches ahead of the model."""
    prepare = encoder.prepare if isinstance(encoder, Preparing) else None

    def ready(ref: ImageRef) -> Any:
        picture = open_image(ref, max_pixels=options.max_pixels)
        return picture if prepare is None else prepare(picture)

    rows: list[int] = []
    items: list[Any] = []
    skipped: dict[int, str] = {}
    refs = (dataset.items[row] for row in left)
    for row, outcome in zip(left.tolist(), _ahead(refs, ready, 2 * options.batch_size), strict=True):
        try:
            items.append(outcome.result())
            rows.append(row)
        except DatasetError as error:
            if options.on_bad == "error":
                raise
            skipped[row] = _reason(error)
        if len(rows) == options.batch_size or row == left[-1]:
            yield Batch(np.array(rows, dtype=np.intp), items, skipped)
            rows, items, skipped = [], [], {}


def _reason(error: DatasetError) -> str:
    # What could be done about a bad picture is no news where it was done.
    return re.sub(r" [A-Z][^.]*--on-bad skip[^.]*\.$", "", str(error))


def _ahead(refs: Iterable[Any], work: Callable[[Any], Any], depth: int) -> Iterator[Future[Any]]:
    pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1))
    waiting: deque[Future[Any]] = deque()
    try:
        for ref in refs:
            waiting.append(pool.submit(work, ref))
            if len(waiting) > depth:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class PatientEncoder:
    """An encoder that is given smaller batches once one did not fit the memory."""

    def __init__(self, encoder: Encoder, options: EmbedOptions) -> None:
        self._encoder, self._options, self._limit = encoder, options, options.batch_size
        self._told = False

    def encode(self, items: Any, names: Sequence[str]) -> EncodedBatch:
        """Embed one batch, in as many parts as it takes, in order.

        Args:
            items: b items.
            names: Their ids, for a message.

        Raises:
            EncoderError: One item alone does not fit the memory.
        """
        if isinstance(items, GraphNodes):
            return self._encode_graph(items)
        parts: list[EncodedBatch] = []
        start = 0
        while start < len(items):
            chunk = items[start : start + self._limit]
            part = self._attempt(chunk)
            if part is None:
                self._halve(len(chunk), names[start])
                continue
            parts.append(part)
            start += len(chunk)
        if len(parts) == 1:
            return parts[0]
        return EncodedBatch(
            np.concatenate([part.vectors for part in parts]), np.concatenate([part.truncated for part in parts])
        )

    def _encode_graph(self, items: GraphNodes) -> EncodedBatch:
        encoded = self._attempt(items)
        if encoded is None:
            raise EncoderError(
                f"{self._encoder.stamp.spec}: there is not enough memory for the graph of "
                f"{counted(len(items.graph), 'node')}, which is encoded whole. Choose a smaller model or graph."
            )
        return encoded

    def _attempt(self, items: Any) -> EncodedBatch | None:
        try:
            # Standard output is for results only: whatever a model's own code prints goes to standard error.
            with redirect_stdout(sys.stderr):
                return self._encoder.encode(items)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Only here, where the error and what it holds on to is gone, can the memory be given back.
        free_memory()
        return None

    def _halve(self, tried: int, name: str) -> None:
        if tried == 1:
            raise EncoderError(
                f"{self._encoder.stamp.spec}: there is not enough memory for one item alone, {name}. Choose a "
                "smaller model, another --device, or --dtype bf16."
            )
        self._limit = tried // 2
        if not self._told:
            self._told = True
            self._options.say(f"A batch of {tried} did not fit the memory: smaller batches are used from here on.")
