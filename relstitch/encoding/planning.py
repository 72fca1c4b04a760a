"""What `encode` would do, and what it would take: nothing is written and next to nothing encoded."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from relstitch.artifacts import Anchors, Embeddings
from relstitch.dataset import Columns, Dataset
from relstitch.encoders import Encoder
from relstitch.encoding.disk import count_anchors, output_bytes
from relstitch.encoding.embedding import embed
from relstitch.encoding.jobs import EncodeOptions, Job, load_for, open_job
from relstitch.encoding.kept_work import rows_kept
from relstitch.encoding.sources import Source, some_rows

_SAMPLE = 8
_DEFAULTS = EncodeOptions()


@dataclass(frozen=True)
class EncodingPlan:
    """What an encoding would take. Sizes and times are estimates.

    Attributes:
        source: What would be read.
        columns: Which column of its tables each role is read from (`relstitch.dataset.Dataset.columns`).
        modality: What its items are.
        splits: Rows of each split.
        skipped: Rows that reading left out already.
        model: The model, or None where everything is vectors already.
        dimension: The width of its embeddings.
        anchors: Anchors k, or None for plain embeddings.
        to_encode: Items that would go through the model, anchors from elsewhere included.
        taken_over: Rows that would be taken over from a run that was stopped.
        bytes_written: About how large the output would be.
        bytes_scratch: About how much room is needed beside it meanwhile.
        bytes_free: Room on the disk of the output (of the working directory, without one).
        seconds: About how long the model would take, from a timed sample; None where nothing is encoded.
        sampled: Items that were encoded for that.
        shard: Which part of the rows of the source, or None for all of them.
    """

    source: str
    columns: Columns
    modality: str
    splits: Mapping[str, int]
    skipped: int
    model: str | None
    dimension: int
    anchors: int | None
    to_encode: int
    taken_over: int
    bytes_written: int
    bytes_scratch: int
    bytes_free: int
    seconds: float | None
    sampled: int
    shard: str | None = None

    @property
    def fits(self) -> bool:
        """Whether the disk has the room."""
        return self.bytes_written + self.bytes_scratch <= self.bytes_free


def plan_encoding(
    sources: Source,
    model: str | None = None,
    *,
    anchors: Anchors | str | Path | None = None,
    anchors_from: Source | None = None,
    options: EncodeOptions = _DEFAULTS,
) -> EncodingPlan:
    """Say what `relstitch.encoding.encode` would do with the same arguments, and write nothing.

    Sources are read, anchors found, the model loaded, and at most eight items encoded to measure time.

    Args:
        sources: As `encode` takes them.
        model: As `encode` takes it.
        anchors: As `encode` takes them.
        anchors_from: As `encode` takes it.
        options: As `encode` takes them.

    Returns:
        The plan.

    Raises:
        RelstitchError: What `encode` would raise before it encodes.

    Example:
        >>> from relstitch.artifacts import EncoderStamp, Rows
        >>> rows = Rows.build(["a", "b"], splits="train")
        >>> space = Embeddings(rows, np.eye(2, dtype=np.float32), EncoderStamp("st:x", "text", 2))
        >>> plan_encoding(space).splits
        {'train': 2}
    """
    job = open_job(sources, model, anchors, anchors_from, options)
    encoder = load_for(job)
    kept, there = (0, 0) if encoder is None else rows_kept(job, encoder.stamp)
    seconds, sampled, dimension = _measure(job, encoder)
    rows = job.source.rows
    scratch = 4 * len(rows) * dimension if job.to_encode and options.embedding.scratch is not None else 0
    to_encode = sum(len(dataset) for dataset in job.to_encode) - kept
    place = Path() if options.output is None else Path(options.output).parent
    return EncodingPlan(
        job.name,
        job.source.columns if isinstance(job.source, Dataset) else {},
        job.source.modality if isinstance(job.source, Dataset) else job.source.encoder.modality,
        {split: int(rows.in_splits(split).sum()) for split in rows.split_names},
        len(job.source.skipped),
        job.model,
        dimension,
        count_anchors(job),
        to_encode,
        kept,
        output_bytes(job, dimension),
        max(0, scratch - there),
        shutil.disk_usage(place).free,
        None if seconds is None else seconds * to_encode,
        sampled,
        None if options.shard is None else str(options.shard),
    )


def _measure(job: Job, encoder: Encoder | None) -> tuple[float | None, int, int]:
    """Seconds an item, how many were tried, and the width."""
    datasets = job.to_encode
    if encoder is None or not datasets:
        width = job.source.encoder.dimension if isinstance(job.source, Embeddings) else 0
        return None, 0, width
    dataset = datasets[0]
    picked = np.unique(np.linspace(0, len(dataset) - 1, _SAMPLE).astype(np.intp))
    options = replace(job.options.embedding, scratch=None, progress=None, note=None, fail_on_truncation=False)
    # The first call pays for what is set up once, so it is not the one that is timed.
    embed(some_rows(dataset, picked[:1]), encoder, options)
    begin = time.perf_counter()
    width = embed(some_rows(dataset, picked), encoder, options).vectors.shape[1]
    # A graph is encoded whole, however few of its nodes are wanted.
    timed = len(dataset) if dataset.modality == "graph" else len(picked)
    return (time.perf_counter() - begin) / timed, len(picked), width
