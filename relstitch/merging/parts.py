"""What is joined: everything about a file but its vectors, which may be larger than memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from relstitch.artifacts import (
    AnchorVectors,
    Counts,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Relative,
    Rows,
    Skipped,
)
from relstitch.artifacts.spaces import Matrix
from relstitch.encoding.anchoring import stamp_difference, stamp_in_words
from relstitch.errors import MismatchError
from relstitch.storage import load_spaces

Joinable = str | Path | Embeddings | Relative


@dataclass(frozen=True, eq=False)
class Part:
    """One of the files.

    Attributes:
        source: Where its vectors are.
        name: What to call it in a message.
        kind: ``embeddings`` or ``relative``.
        rows: Who its n rows are; in memory, whatever becomes of the file.
        width: How many values a row has.
        encoder: The stamp of the encoder.
        skipped: Rows that were left out of it.
        counts: What happened on the way.
        projection: How relative representations were computed; None for embeddings.
        anchors: Their anchors; None for embeddings.
    """

    source: Joinable
    name: str
    kind: str
    rows: Rows
    width: int
    encoder: EncoderStamp
    skipped: tuple[Skipped, ...]
    counts: Counts
    projection: ProjectionSpec | None = None
    anchors: AnchorVectors | None = None

    def vectors(self) -> Matrix:
        """float32 [n, width]; of a file a view, which keeps the file open."""
        space = _opened(self.source)
        return space.vectors if isinstance(space, Embeddings) else space.values


def open_part(source: Joinable, position: int) -> Part:
    """Read a file, check it whole, and let go of its vectors: there may be more files than can be open at once.

    Args:
        source: An embeddings or relative file, or what was read of one.
        position: Its place among the files, for the name of what has none.

    Raises:
        ArtifactError: It is neither, or damaged.
    """
    name = str(source) if isinstance(source, str | Path) else f"part {position}"
    space = _opened(source)
    rows = _in_memory(space.rows)
    if isinstance(space, Embeddings):
        width = space.vectors.shape[1]
        return Part(source, name, "embeddings", rows, width, space.encoder, space.skipped, space.counts)
    return Part(
        source, name, "relative", rows, space.values.shape[1], space.encoder, space.skipped, space.counts,
        space.projection, space.anchors,
    )  # fmt: skip


def _opened(source: Joinable) -> Embeddings | Relative:
    return source if isinstance(source, Embeddings | Relative) else load_spaces(source)


def _in_memory(rows: Rows) -> Rows:
    targets = None if rows.targets is None else replace(rows.targets, values=np.array(rows.targets.values),
                                                        present=np.array(rows.targets.present))  # fmt: skip
    return replace(rows, targets=targets, counts=None if rows.counts is None else np.array(rows.counts))


def check_alike(parts: Sequence[Part]) -> None:
    """Refuse parts that are not all of one kind, one encoder, one projection and one list of anchors.

    Raises:
        MismatchError: Two of them differ, and in what.
    """
    first = parts[0]
    for part in parts[1:]:
        names = (first.name, part.name)
        if part.kind != first.kind:
            raise MismatchError(
                f"{first.name} is of the kind {first.kind} and {part.name} of the kind {part.kind}; only files of "
                "one kind can be joined. Make both alike with `relstitch encode`."
            )
        _check_encoder(first.encoder, part.encoder, names)
        if part.projection != first.projection:
            raise MismatchError(
                f"{first.name} and {part.name} are not of the same projection: {first.projection} and "
                f"{part.projection}. Encode both alike."
            )
        if first.anchors is not None and part.anchors is not None:
            _check_anchors(first.anchors, part.anchors, names)


def ready_made(stamp: EncoderStamp) -> bool:
    """Whether nobody knows the encoder: then who joins two files says that it is the same."""
    return stamp.modality == "vectors" and stamp.spec.startswith("vectors:")


def _check_encoder(one: EncoderStamp, other: EncoderStamp, names: tuple[str, str]) -> None:
    alike = one.dimension == other.dimension if ready_made(one) and ready_made(other) else False
    if not alike and one.identity != other.identity:
        raise MismatchError(
            f"{names[0]} and {names[1]} are not from the same encoder: {stamp_in_words(one)}, and "
            f"{stamp_in_words(other)}.{stamp_difference(one, other)} Encode both alike."
        )


def _check_anchors(one: AnchorVectors, other: AnchorVectors, names: tuple[str, str]) -> None:
    if (one.anchors, one.correspondence, one.side) != (other.anchors, other.correspondence, other.side):
        raise MismatchError(
            f"{names[0]} and {names[1]} are not relative to the same anchors: {_anchors_in_words(one)}, and "
            f"{_anchors_in_words(other)}. Encode both with one anchors file and one draw."
        )
    lengths = np.maximum(np.linalg.norm(one.vectors, axis=1), 1e-30)
    far = np.linalg.norm(one.vectors - other.vectors, axis=1) / lengths
    # One model on two machines rounds otherwise, in half precision by some thousandths; other data is further apart.
    if far.max() > 0.02:
        raise MismatchError(
            f"The anchors have other vectors in {names[0]} than in {names[1]}: {one.anchors.ids[int(far.argmax())]} "
            f"differs by {far.max():.2g} of its length. Encode both from the same data with the same model."
        )
    # Both have them or neither, since the projection is the same.
    if one.columns is not None and other.columns is not None and not np.array_equal(one.columns, other.columns):
        raise MismatchError(
            f"The similarities in {names[0]} and {names[1]} were scaled by the mean and spread of different rows "
            "(zscore). Join the embeddings, and make relative representations of the whole."
        )


def _anchors_in_words(anchors: AnchorVectors) -> str:
    return f"{anchors.anchors.digest[:12]} (side {anchors.side}, draw {anchors.draw})"
