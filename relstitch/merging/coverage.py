"""Which shards of a whole are there, which are missing, and in what order their rows stand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise

from relstitch.artifacts import Portion, Shard
from relstitch.artifacts.shards import run_words
from relstitch.errors import MismatchError, counted, some
from relstitch.merging.parts import Part


@dataclass(frozen=True)
class Segment:
    """Rows that stay together: a shard, or all rows of a file that is none.

    Attributes:
        part: Which of the parts they are in.
        rows: Where they stand in it.
        skipped: Where the rows that were left out of them stand among those of the part.
        shard: Which shard they are; 0 for none.
    """

    part: int
    rows: slice
    skipped: slice
    shard: int = 0


def segments(parts: Sequence[Part]) -> list[Segment]:
    """The rows of all parts in the order of the whole: of shards their own, else as the parts were given.

    Raises:
        MismatchError: Shards beside files that are none, shards of different wholes, or one shard twice.
    """
    found: list[Segment] = []
    for position, part in enumerate(parts):
        portion = part.rows.portion
        _check_whole(parts[0], part)
        if portion is None:
            found.append(Segment(position, slice(0, len(part.rows)), slice(0, len(part.skipped))))
            continue
        rows, skipped = ([0, *accumulate(sizes)] for sizes in (portion.rows, portion.skipped))
        found += [
            Segment(position, slice(*rows[at : at + 2]), slice(*skipped[at : at + 2]), shard)
            for at, shard in enumerate(portion.shards)
        ]
    found.sort(key=lambda segment: segment.shard)
    twice = [(one, other) for one, other in pairwise(found) if one.shard == other.shard != 0]
    if twice:
        names = [f"{one.shard} ({parts[one.part].name}, {parts[other.part].name})" for one, other in twice]
        raise MismatchError(
            f"{counted(len(names), 'shard is', 'shards are')} there more than once: {some(names)}. Name one file for "
            "each."
        )
    return found


def _check_whole(first: Part, part: Part) -> None:
    one, other = first.rows.portion, part.rows.portion
    if one is None and other is None:
        return
    if one is None or other is None:
        names = (first.name, part.name) if other is None else (part.name, first.name)
        raise MismatchError(
            f"{names[0]} holds shards of a whole and {names[1]} is no shard. Join the shards first, then the result "
            "with the other file."
        )
    wholes = [replace(portion, shards=(1,), rows=(size,), skipped=(0,)) for portion in (one, other)
              for size in [len(Shard(1, portion.of).span(portion.total))]]  # fmt: skip
    if wholes[0] != wholes[1]:
        raise MismatchError(
            f"{first.name} and {part.name} are not shards of the same whole: {_difference(one, other)}. Encode all "
            "shards from the same sources with the same options."
        )
    _check_labels(first, part)


def _difference(one: Portion, other: Portion) -> str:
    if one.of != other.of:
        return f"shards {one.shards[0]}/{one.of} and {other.shards[0]}/{other.of}"
    if one.total != other.total:
        return f"one of {counted(one.total, 'row')} and one of {counted(other.total, 'row')}"
    if one.dataset != other.dataset:
        return f"their data differ ({one.dataset[:12]} and {other.dataset[:12]})"
    return "their rows stand in another order or in other splits"


def _check_labels(first: Part, part: Part) -> None:
    # All shards know all classes of the whole, whether they have a row of them or not.
    both = [first.rows.targets, part.rows.targets]
    if len({None if targets is None else (targets.kind, targets.names) for targets in both}) > 1:
        labels = [
            "none" if targets is None else f"{targets.kind} ({some(targets.names) or 'no names'})" for targets in both
        ]
        raise MismatchError(
            f"{first.name} and {part.name} were read with different labels: {labels[0]}, and {labels[1]}. Encode all "
            "shards with the same options."
        )


def covered(parts: Sequence[Part], found: Sequence[Segment]) -> Portion | None:
    """What the parts hold of the whole together, or None where they are no shards.

    Args:
        parts: The parts.
        found: Their `segments`.
    """
    portion = parts[0].rows.portion
    if portion is None:
        return None
    sizes = [
        tuple(place.stop - place.start for place in places)
        for places in ([segment.rows for segment in found], [segment.skipped for segment in found])
    ]
    return replace(portion, shards=tuple(segment.shard for segment in found), rows=sizes[0], skipped=sizes[1])


def missing_words(portion: Portion) -> str:
    """Which shards and rows are missing, in words; empty where none is.

    Example:
        >>> missing_words(Portion(4, 10, "", "", (1, 4), (2, 3), (0, 0)))
        '2 of 4 shards are missing: shard 2/4 (rows 2 to 4), shard 3/4 (rows 5 to 6), counted from 0'
    """
    number = portion.of - len(portion.shards)
    if not number:
        return ""
    first = islice((index for run in portion.missing for index in range(run[0], run[1] + 1)), 5)
    spans = [(index, portion.rows_of((index, index))) for index in first]
    named = ", ".join(f"shard {index}/{portion.of} (rows {span.start} to {span.stop - 1})" for index, span in spans)
    more = f" … and {number - len(spans)} more" if number > len(spans) else ""
    are = "is" if number == 1 else "are"
    return f"{number} of {counted(portion.of, 'shard')} {are} missing: {named}{more}, counted from 0"


def check_complete(portion: Portion) -> None:
    """Refuse to call a whole what is none.

    Raises:
        MismatchError: With the rows that are missing, and what makes them.
    """
    words = missing_words(portion)
    if words:
        first = portion.missing[0][0]
        raise MismatchError(
            f"{words}. Run the command that made the others with --shard {first}/{portion.of} (as a Slurm array: "
            f"--array={run_words(portion.missing)}), or write what is there with --partial."
        )
