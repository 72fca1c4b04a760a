"""Data set × encoder → embeddings."""

from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Embeddings, Skipped
from relstitch.dataset import Dataset, quiet_decoding
from relstitch.encoders import EncodedBatch, Encoder
from relstitch.encoding.batches import Batch, EmbedOptions, PatientEncoder, batches
from relstitch.encoding.journal import Finished, Record, places_of
from relstitch.encoding.kept_work import KeptWork
from relstitch.encoding.scratch import vector_room
from relstitch.encoding.sharding import without_skipped
from relstitch.errors import DatasetError, EncoderError, counted, some

_DEFAULTS = EmbedOptions()


@dataclass
class _Harvest:
    """The vectors so far, and what was noticed about their rows."""

    dataset: Dataset
    options: EmbedOptions
    finished: Finished
    work: KeptWork | None = None
    vectors: NDArray[np.float32] | None = None

    def add(self, batch: Batch, encoded: EncodedBatch | None) -> None:
        # Only pictures are ever skipped, and they come in order, so the rows that are kept close up.
        places = places_of(batch.rows, self.finished.filled, in_order=self.dataset.modality == "image")
        if self.work is not None:
            self.work.add(batch, places, encoded)
        elif encoded is not None:
            if self.vectors is None:
                self.vectors = vector_room(len(self.dataset), encoded.vectors.shape[1], self.options.scratch)
            self.vectors[places] = encoded.vectors
        truncated = np.empty(0, dtype=np.bool_) if encoded is None else encoded.truncated
        self.finished.add(Record(batch.rows, truncated, batch.skipped))

    def whole(self) -> NDArray[np.float32] | None:
        """The vectors of all rows that have one, or None where none has."""
        if self.work is not None and self.finished.filled:
            self.work.commit()
            self.vectors = self.work.array()
        return None if self.vectors is None else self.vectors[: self.finished.filled]


def embed(
    dataset: Dataset, encoder: Encoder, options: EmbedOptions = _DEFAULTS, *, work: KeptWork | None = None
) -> Embeddings:
    """Embed every item of a dataset.

    A vector does not depend on the batch its item was in (to 1e-5, in float32). Rows keep their order; bad pictures
    are an error or, if so wished, left out everywhere alike.

    Args:
        dataset: n rows with their items.
        encoder: A loaded encoder (`relstitch.encoders.load_encoder`), or anything of its form.
        options: Batch size, bad pictures, truncation, scratch space, progress.
        work: Where finished rows are kept on a disk, and taken over from; None keeps none.

    Returns:
        One vector per row, float32 [n, d]; ``truncated`` and ``skipped`` among its counts where there are any.

    Raises:
        EncoderError: The encoder fails, gives NaN or infinite values (with the rows' ids), or runs out of memory.
        DatasetError: A bad picture, or nothing but bad pictures.

    Example:
        >>> from relstitch.artifacts import EncoderStamp, Rows
        >>> class Lengths:
        ...     stamp = EncoderStamp("python:lengths:Lengths", "text", 1)
        ...     def encode(self, items):
        ...         return EncodedBatch(np.array([[len(x)] for x in items], np.float32), np.zeros(len(items), bool))
        >>> embed(Dataset(Rows.build("ab"), ["one", "three"], "text"), Lengths()).vectors.tolist()
        [[3.0], [5.0]]
    """
    _check_kind(dataset, encoder)
    finished = Finished.nothing(len(dataset)) if work is None else work.begin(dataset, encoder.stamp, options)
    harvest = _Harvest(dataset, options, finished, work)
    if options.progress is not None and finished.seen:
        options.progress(finished.seen, len(dataset))
    patient = PatientEncoder(encoder, options)
    with quiet_decoding(), closing(batches(dataset, finished.left, encoder, options)) as stream:
        for batch in stream:
            names = [str(name) for name in dataset.rows.ids[batch.rows]]
            encoded = None
            if names:
                encoded = patient.encode(batch.items, names)
                _check_vectors(encoder, encoded, names)
                _check_truncation(encoder, encoded, names, options)
            harvest.add(batch, encoded)
            if options.progress is not None:
                options.progress(finished.seen, len(dataset))
    _note_truncation(harvest, encoder)
    return _embeddings(harvest, encoder)


def _check_kind(dataset: Dataset, encoder: Encoder) -> None:
    if not len(dataset):
        raise DatasetError(f"{dataset.source or 'The dataset'} has no rows to encode; expected at least one.")
    if encoder.stamp.modality != dataset.modality:
        raise EncoderError(
            f"The encoder {encoder.stamp.spec} was loaded for items of kind {encoder.stamp.modality!r}, and "
            f"{dataset.source or 'the dataset'} holds {dataset.modality!r}. Load it for these."
        )


def _check_vectors(encoder: Encoder, encoded: EncodedBatch, names: list[str]) -> None:
    broken: NDArray[np.bool_] = np.logical_not(np.isfinite(encoded.vectors).all(axis=1))
    if broken.any():
        ids = [name for name, bad in zip(names, broken, strict=True) if bad]
        raise EncoderError(
            f"{encoder.stamp.spec} gave NaN or infinite values for {len(ids)} of the {len(names)} rows of a batch: "
            f"{some(ids)}. Nothing was written. Try --dtype fp32, or leave these rows out."
        )


def _check_truncation(encoder: Encoder, encoded: EncodedBatch, names: list[str], options: EmbedOptions) -> None:
    if options.fail_on_truncation and encoded.truncated.any():
        ids = [name for name, cut in zip(names, encoded.truncated, strict=True) if cut]
        raise EncoderError(
            f"{encoder.stamp.spec} reads {encoder.stamp.max_length} tokens of a text, and {len(ids)} of the "
            f"{len(names)} texts of a batch are longer: {some(ids)}. Shorten them, raise --max-length, or leave out "
            "--fail-on-truncation."
        )


def _note_truncation(harvest: _Harvest, encoder: Encoder) -> None:
    truncated = int(harvest.finished.truncated.sum())
    if not truncated:
        return
    tokens = encoder.stamp.max_length
    read = (
        "the encoder reads" if tokens is None else f"the {counted(tokens, 'token that is', 'tokens that are')} read"
    )
    are, were = ("is", "was") if truncated == 1 else ("are", "were")
    harvest.options.say(
        f"{truncated} of {counted(harvest.finished.filled, 'text')} {are} longer than {read}, and {were} cut "
        "(see --max-length)."
    )


def _embeddings(harvest: _Harvest, encoder: Encoder) -> Embeddings:
    dataset, finished, vectors = harvest.dataset, harvest.finished, harvest.whole()
    rows = dataset.rows
    left_out = tuple(Skipped(str(rows.ids[r]), str(rows.splits[r]), why) for r, why in finished.skipped.items())
    if vectors is None:
        first = left_out[0]
        raise DatasetError(
            f"All {len(left_out)} pictures are bad, the first one {first.id}: {first.reason} "
            "No row is left to encode: mend the files."
        )
    skipped = (*dataset.skipped, *left_out)
    counts = dict(dataset.counts)
    if dataset.modality == "text":
        counts["truncated"] = int(finished.truncated.sum())
    if skipped:
        counts["skipped"] = len(skipped)
    stamp = replace(encoder.stamp, dimension=encoder.stamp.dimension or vectors.shape[1])
    rows = without_skipped(rows, np.flatnonzero(finished.done)) if left_out else rows
    return Embeddings(rows, vectors, stamp, skipped, counts)
