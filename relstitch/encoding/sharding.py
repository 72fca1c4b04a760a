"""One part of many of a source's rows."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Embeddings, Portion, Rows, Shard
from relstitch.dataset import Dataset
from relstitch.encoding.sources import some_rows
from relstitch.errors import UsageError, counted


def shard_of(source: Dataset | Embeddings, shard: Shard, *, name: str) -> Dataset | Embeddings:
    """Take one shard of the rows that were read.

    What happened to rows before (those left out by reading, and its counts) goes into the first shard, so that the
    sums over all shards are right.

    Args:
        source: n rows, read.
        shard: Which part of them.
        name: What to call the source in a message.

    Returns:
        Its rows, which know their place in the whole (`relstitch.artifacts.Rows.portion`).

    Raises:
        UsageError: More shards than rows, or a source that is a shard itself.
    """
    whole = source.rows
    if whole.portion is not None:
        raise UsageError(
            f"{name} holds shards ({whole.portion}) already, and a shard is not cut again: join all of them with "
            "`relstitch merge` first, or leave out --shard."
        )
    if shard.of > len(whole):
        raise UsageError(
            f"--shard {shard} of {name}: there are {counted(shard.of, 'shard')} and {counted(len(whole), 'row')}, "
            f"and no shard may be empty. Choose at most {counted(len(whole), 'shard')}."
        )
    span = shard.span(len(whole))
    skipped, counts = (source.skipped, source.counts) if shard.index == 1 else ((), {})
    portion = Portion(
        shard.of,
        len(whole),
        whole.fingerprint,
        whole.order_fingerprint,
        (shard.index,),
        (len(span),),
        (len(skipped),),
    )
    if isinstance(source, Embeddings):
        rows = replace(whole.take(np.arange(span.start, span.stop)), portion=portion)
        vectors = source.vectors[span.start : span.stop]
        return replace(source, rows=rows, vectors=vectors, skipped=skipped, counts=counts)
    taken = some_rows(source, np.arange(span.start, span.stop))
    return replace(taken, rows=replace(taken.rows, portion=portion), skipped=skipped, counts=counts)


def without_skipped(rows: Rows, kept: NDArray[np.intp]) -> Rows:
    """The rows that are left where some were skipped; a shard is still one, and counts them.

    Args:
        rows: All rows.
        kept: intp [m], those that are left.
    """
    left, portion = rows.take(kept), rows.portion
    if portion is None:
        return left
    skipped = portion.skipped[0] + len(rows) - len(kept)
    return replace(left, portion=replace(portion, rows=(len(kept),), skipped=(skipped,)))
