"""The verb `merge`: several files of one encoder to one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from relstitch.artifacts import Embeddings, Portion, Relative, Rows, Skipped
from relstitch.artifacts.spaces import Matrix
from relstitch.encoding.scratch import vector_room
from relstitch.errors import MismatchError, UsageError, counted
from relstitch.merging.coverage import Segment, check_complete, covered, missing_words, segments
from relstitch.merging.joining import join_counts, join_notes, join_rows
from relstitch.merging.parts import Joinable, Part, check_alike, open_part, ready_made
from relstitch.storage import check_output, embeddings_from_vectors, save

_BLOCK = 2**16
_VECTORS = "vectors:"


@dataclass(frozen=True)
class MergeOptions:
    """How files are joined.

    Attributes:
        partial: Whether a result that lacks shards is wanted; it can be joined with them later.
        output: A file to write the result to, whole or not at all; None only returns it.
        force: Whether a file that stands there may be replaced.
        progress: Called with the rows copied and their total.
        note: Called with each sentence a user should read.
    """

    partial: bool = False
    output: str | Path | None = None
    force: bool = False
    progress: Callable[[int, int], None] | None = None
    note: Callable[[str], None] | None = None


_DEFAULTS = MergeOptions()


def merge(sources: Sequence[Joinable], options: MergeOptions = _DEFAULTS) -> Embeddings | Relative:
    """Join embeddings, or relative representations, of one encoder.

    Shards of a whole (`relstitch.encoding.EncodeOptions.shard`), in any order, give what the whole would have given:
    the same rows in the same order, with the same labels, splits, counts and skipped rows. Every row must be there
    once. Other files must hold different rows, and are joined in the order they were given; classes meet by name.

    With an output the vectors never stand in memory: they go through a file without a name beside it.

    Args:
        sources: Embeddings or relative files, or what was read of them; not both kinds.
        options: Where to write, and whether shards may be missing.

    Returns:
        All rows.

    Raises:
        UsageError: An output that may not be written, or nothing to join.
        MismatchError: Other encoders, projections, anchors or data; ids or shards that stand twice; missing shards,
            with the rows that they hold.
        ArtifactError: A file that is neither of the two kinds, or damaged.

    Example:
        >>> from relstitch.artifacts import EncoderStamp
        >>> stamp = EncoderStamp("st:x", "text", 1)
        >>> halves = [Embeddings(Rows.build(ids), np.full((2, 1), i, np.float32), stamp) for i, ids in
        ...           enumerate([["a", "b"], ["c", "d"]])]
        >>> merge(halves).rows.ids.tolist()
        ['a', 'b', 'c', 'd']
    """
    if options.output is not None:
        files = [source for source in sources if isinstance(source, str | Path)]
        check_output(options.output, force=options.force, inputs=files)
    parts = [open_part(source, position) for position, source in enumerate(sources, start=1)]
    if len(parts) < 2 and not any(part.rows.portion for part in parts):
        raise UsageError(
            f"There is nothing to join: {counted(len(parts), 'file was', 'files were')} named and no shard among "
            "them. Name at least two files."
        )
    check_alike(parts)
    found = segments(parts)
    portion = covered(parts, found)
    if portion is not None and not options.partial:
        check_complete(portion)
    for note in (*join_notes(parts), *([missing_words(portion) + "."] if portion and portion.missing else ())):
        if options.note is not None:
            options.note(note)
    rows = join_rows(parts, found, portion if portion and portion.missing else None)
    _check_order(rows, portion)
    result = _result(parts, found, rows, _filled(parts, found, options))
    if options.output is not None:
        save(result, options.output, force=options.force)
    return result


def _check_order(rows: Rows, portion: Portion | None) -> None:
    """Where all rows of the whole are there, they must be those the shards speak of."""
    if portion is not None and len(rows) == portion.total and rows.order_fingerprint != portion.order:
        raise MismatchError(
            f"The {counted(len(rows), 'row')} of the shards are not the whole that they say they are shards of. "
            "Encode the shards again."
        )


def _filled(parts: Sequence[Part], found: Sequence[Segment], options: MergeOptions) -> Matrix:
    """The vectors of all segments, one file after another."""
    sizes = [segment.rows.stop - segment.rows.start for segment in found]
    starts = [0, *np.cumsum(sizes).tolist()]
    folder = None if options.output is None else Path(options.output).parent
    room, done = vector_room(starts[-1], parts[0].width, folder), 0
    for position, part in enumerate(parts):
        vectors = part.vectors()
        for segment, start in zip(found, starts, strict=False):
            if segment.part != position:
                continue
            for block in _blocks(segment.rows):
                at = start + block.start - segment.rows.start
                room[at : at + block.stop - block.start] = vectors[block]
                done += block.stop - block.start
                if options.progress is not None:
                    options.progress(done, starts[-1])
    return room


def _blocks(rows: slice) -> Iterator[slice]:
    for start in range(rows.start, rows.stop, _BLOCK):
        yield slice(start, min(start + _BLOCK, rows.stop))


def _result(parts: Sequence[Part], found: Sequence[Segment], rows: Rows, vectors: Matrix) -> Embeddings | Relative:
    first = parts[found[0].part]
    ordered = [parts[position] for position in dict.fromkeys(segment.part for segment in found)]
    skipped: tuple[Skipped, ...] = tuple(
        row for segment in found for row in parts[segment.part].skipped[segment.skipped]
    )
    counts = join_counts(ordered)
    if first.projection is not None and first.anchors is not None:
        return Relative(rows, vectors, first.encoder, first.projection, first.anchors, skipped, counts)
    stamps = {part.encoder.identity: part.encoder for part in ordered}
    if len(stamps) == 1 or not ready_made(first.encoder):
        return Embeddings(rows, vectors, first.encoder, skipped, counts)
    names = " ".join(stamp.spec.removeprefix(_VECTORS) for stamp in stamps.values())
    return replace(embeddings_from_vectors(vectors, rows, names), skipped=skipped, counts=counts)
