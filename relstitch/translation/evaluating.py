"""How well carried rows find themselves among the target's own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Embeddings, Evaluation, Rows, Translator
from relstitch.artifacts.stamps import CARRIED_FROM
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import anchor_of, meet
from relstitch.relative import unit_rows
from relstitch.translation.carrying import is_two_sided, side_of, translate
from relstitch.translation.likeness import note_on_likeness
from relstitch.translation.registry import Side
from relstitch.translation.vectors import search_ranks

Index = NDArray[np.intp]


@dataclass(frozen=True)
class RoundTrip:
    """What came back from a round trip.

    Attributes:
        mean_cosine: Between a row and what came back of it, in [-1, 1].
        recall: The share of rows that are nearest to themselves, in [0, 1].
        rows: How many.
    """

    mean_cosine: float
    recall: float
    rows: int


@dataclass(frozen=True)
class EvaluateOptions:
    """Which rows are looked up, and how many answers count.

    Attributes:
        neighbours: For which n to give recall@n.
        split: The split of the source whose rows are the queries; None: ``test`` where there is such a split, else
            every row.
        names: What to call source and target in a message.
    """

    neighbours: tuple[int, ...] = (1, 10)
    split: str | None = None
    names: tuple[str, str] = ("the source", "the target")


def cosines(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """Row by row: float64 [n], 0 where a row is zero."""
    found: NDArray[np.float64] = (unit_rows(left.astype(np.float64)) * unit_rows(right.astype(np.float64))).sum(
        axis=1
    )
    return np.clip(found, -1.0, 1.0)


def evaluate_translator(
    translator: Translator, source: Embeddings, target: Embeddings, options: EvaluateOptions | None = None
) -> Evaluation:
    """Let rows of the source look for themselves among the rows of the target, both through the translator.

    The queries are rows of the source that the target has too and that are no anchors; the candidates are all rows
    of the target that are no anchors. The mean that the target's anchors have after carrying is taken off both, then
    the cosine decides: in a narrow cone every row is near every other. A rival that is just as near comes first, so
    that a map that sends everything to one point finds nothing.

    Args:
        translator: From source to target.
        source: n rows of the source's encoder, in any order: rows meet by id and content.
        target: m rows of the target's encoder.
        options: Which rows, and which recalls.

    Returns:
        Recall@n, mean reciprocal rank, mean cosine of a carried row and itself. Of candidates that repeat a content
        under several ids only one counts.

    Raises:
        UsageError: A recall below 1, or no such split.
        MismatchError: Rows of other encoders, no shared rows, or none that is no anchor.

    Example:
        >>> from relstitch.artifacts import AnchorList, AnchorVectors, EncoderStamp, Rows
        >>> from relstitch.translation import TranslatorSettings, fit_translator
        >>> one, X = EncoderStamp("st:x", "text", 2), np.array([[1, 0], [0, 2], [3, 1], [1, 1], [2, 0]], np.float32)
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), X[:3])
        >>> same = fit_translator(A, A, (one, one), TranslatorSettings("affine"))
        >>> space = Embeddings(Rows.build("abcde"), X, one)
        >>> evaluate_translator(same, space, space).recall[1]
        1.0
    """
    asked = options or EvaluateOptions()
    if not asked.neighbours or min(asked.neighbours) < 1:
        raise UsageError(
            f"Recall was asked for at {some(asked.neighbours) or 'nothing'}; expected whole numbers from 1."
        )
    told = _check_encoders(translator, source, target, asked)
    queries, right, candidates, notes = _lookup(translator, source, target, asked)
    all_found = [n for n in asked.neighbours if n >= len(candidates)]
    if all_found:
        among = counted(len(candidates), "candidate")
        notes = (*notes, f"With {among}, recall at {some(all_found)} is 1 whatever is found.")
    Q = translate(translator, source.vectors[queries])
    two_sided = is_two_sided(translator)
    C = translate(translator, target.vectors[candidates], side="target") if two_sided else target.vectors[candidates]
    center = translate(translator, translator.anchors[-1].vectors, side="target").mean(axis=0)
    ranks = search_ranks(Q, C, right, center=center)
    return Evaluation(
        {n: float((ranks <= n).mean()) for n in asked.neighbours}, float((1.0 / ranks).mean()),
        float(cosines(Q - center, C[right] - center).mean()), len(queries), len(candidates), (*told, *notes),
    )  # fmt: skip


def _check_encoders(
    translator: Translator, source: Embeddings, target: Embeddings, options: EvaluateOptions
) -> tuple[str, ...]:
    """Refuse rows of another encoder; say what had to be taken on trust."""
    notes = []
    sides: tuple[tuple[Side, Embeddings], ...] = (("source", source), ("target", target))
    for name, (side, space) in zip(options.names, sides, strict=True):
        side_of(translator, space.encoder, side)
        expected = translator.source if side == "source" else translator.target
        if space.encoder.identity != expected.identity:
            notes.append(
                f"Nobody knows the encoder of {name} ({space.encoder.spec}): its rows were taken for those of "
                f"{expected.spec}, the translator's {side}."
            )
            odd = note_on_likeness(translator, space.vectors, name, side=side)
            notes += [] if odd is None else [odd]
        if CARRIED_FROM in space.encoder.extra:
            origin = space.encoder.extra[CARRIED_FROM]
            notes.append(
                f"The rows of {name} are not the encoder's own: they were carried from {origin.get('encoder')} by "
                f"{origin.get('method')}, and these figures are about them."
            )
    return tuple(notes)


def _lookup(
    translator: Translator, source: Embeddings, target: Embeddings, options: EvaluateOptions
) -> tuple[Index, Index, Index, tuple[str, ...]]:
    """Queries (rows of the source), the candidate that each is (a position among them), candidates, and notes."""
    fresh = [_no_anchor(translator, space) for space in (source, target)]
    candidates, place = _different(target.rows, np.flatnonzero(fresh[1]))
    meeting = meet(source.rows, target.rows, names=options.names)
    new = fresh[0][meeting.left] & fresh[1][meeting.right]
    asked = _queried(source, options)[meeting.left]
    kept, anchors = new & asked, int((~new).sum())
    if not kept.any():
        raise MismatchError(
            f"Of the {len(meeting)} rows that {options.names[0]} and {options.names[1]} share, {int(asked.sum())} "
            f"are of the split to be looked up and {anchors} are anchors: none is left. Evaluate on rows that the "
            "translator was not fitted on."
        )
    known = counted(anchors, "row is an anchor", "rows are anchors")
    notes = [f"{known} of the translator and left out."] if anchors else []
    return meeting.left[kept], place[meeting.right[kept]], candidates, tuple(notes)


def _different(rows: Rows, index: Index) -> tuple[Index, Index]:
    """Each content once, since copies of one item are no rivals; and by row, which of them holds its item (or -1)."""
    items = [content or f"id {name}" for name, content in zip(rows.ids[index], rows.hashes[index], strict=True)]
    first: dict[str, int] = {}
    for at, item in zip(index.tolist(), items, strict=True):
        first.setdefault(item, at)
    position = {item: here for here, item in enumerate(first)}
    place = np.full(len(rows), -1, dtype=np.intp)
    place[index] = [position[item] for item in items]
    return np.fromiter(first.values(), dtype=np.intp, count=len(first)), place


def _no_anchor(translator: Translator, space: Embeddings) -> NDArray[np.bool_]:
    found = np.ones(len(space.rows), dtype=np.bool_)
    for listed in dict.fromkeys(anchors.anchors for anchors in translator.anchors):
        found &= anchor_of(space.rows, listed) < 0
    return found


def _queried(source: Embeddings, options: EvaluateOptions) -> NDArray[np.bool_]:
    names = source.rows.split_names
    split = ("test" if "test" in names else None) if options.split is None else options.split
    if split is None:
        return np.ones(len(source.rows), dtype=np.bool_)
    if split not in names:
        raise UsageError(f"{options.names[0]} has no split {split!r}; it has: {some(names)}.")
    return source.rows.in_splits(split)
