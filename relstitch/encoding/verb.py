"""The verb `encode`: sources and a model to embeddings, or with anchors to relative representations."""

from dataclasses import replace
from pathlib import Path
from typing import cast, overload

from relstitch.artifacts import Anchors, Embeddings, Relative
from relstitch.dataset import Dataset
from relstitch.encoders import Encoder
from relstitch.encoding.batches import EmbedOptions
from relstitch.encoding.embedding import embed
from relstitch.encoding.jobs import Anchoring, EncodeOptions, Job, load_for, open_job
from relstitch.encoding.kept_work import KeptWork, kept_work
from relstitch.encoding.sources import Source
from relstitch.relative import anchor_vectors, relative_representation, with_columns
from relstitch.storage import save

_DEFAULTS = EncodeOptions()


@overload
def encode(
    sources: Source, model: str | None = ..., *, anchors: None = ..., options: EncodeOptions = ...
) -> Embeddings: ...
@overload
def encode(
    sources: Source,
    model: str | None = ...,
    *,
    anchors: Anchors | str | Path,
    anchors_from: Source | None = ...,
    options: EncodeOptions = ...,
) -> Relative: ...
@overload
def encode(
    sources: Source,
    model: str | None = ...,
    *,
    anchors: Anchors | str | Path | None = ...,
    anchors_from: Source | None = ...,
    options: EncodeOptions = ...,
) -> Embeddings | Relative: ...
def encode(
    sources: Source,
    model: str | None = None,
    *,
    anchors: Anchors | str | Path | None = None,
    anchors_from: Source | None = None,
    options: EncodeOptions = _DEFAULTS,
) -> Embeddings | Relative:
    """Encode a dataset with a frozen model; with anchors, make its relative representations.

    Everything is opened and checked first, the anchors found too; then the anchors are encoded, where they are in
    another source; then the rows.

    Args:
        sources: Paths as `relstitch.dataset.read_dataset` takes them (``train=a.csv``), one embeddings file, one
            safetensors file of vectors, or something that was read already.
        model: ``timm:NAME``, ``st:NAME_OR_FOLDER``, ``python:module:factory`` or a folder; None or ``-`` for sources
            that are vectors.
        anchors: Anchors, or the path of an anchors file.
        anchors_from: Where the anchors' items are, if they are not among the rows: a source, or embeddings of the
            same encoder.
        options: Everything else. With ``output`` the result is written too, whole or not at all; meanwhile finished
            rows are kept in a hidden folder beside it, so that the same call goes on from there if it was stopped.

    Returns:
        Embeddings, or relative representations where anchors were given.

    Raises:
        RelstitchError: Of the kind that fits: what was found, what was expected, and what to do.

    Source: Moschella et al. 2023, section 3.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name) / "vectors.npy"
        >>> np.save(path, np.eye(3, dtype=np.float32))
        >>> encode(str(path)).vectors.shape
        (3, 3)
        >>> folder.cleanup()
    """
    job = open_job(sources, model, anchors, anchors_from, options)
    with kept_work(job) as work:
        encoder = load_for(job)
        result: Embeddings | Relative
        if job.anchoring is not None:
            result = _relative(job, job.anchoring, encoder, work)
        else:
            result = _embedded(job.source, encoder, options.embedding, work)
        if options.output is not None:
            save(result, options.output, force=options.force)
    return result


def _embedded(
    source: Dataset | Embeddings, encoder: Encoder | None, options: EmbedOptions, work: KeptWork | None
) -> Embeddings:
    # A job with a dataset in it has an encoder (`load_for`).
    return source if isinstance(source, Embeddings) else embed(source, cast("Encoder", encoder), options, work=work)


def _relative(job: Job, anchoring: Anchoring, encoder: Encoder | None, work: KeptWork | None) -> Relative:
    place, options = anchoring.source, job.options
    if place is not None:
        # An anchor may not be skipped, and its few vectors need no scratch space and no progress.
        plain = replace(options.embed, on_bad="error", scratch=None, progress=None)
        place = _embedded(place, encoder, plain, None)
    embeddings = _embedded(job.source, encoder, options.embedding, work)
    vectors = anchor_vectors(
        embeddings if place is None else place,
        anchoring.anchors,
        draw=options.draw,
        side=anchoring.side,
        name=anchoring.name,
    )
    vectors = with_columns(vectors, embeddings, options.projection)
    return relative_representation(embeddings, vectors, options.projection)
