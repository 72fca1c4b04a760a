"""Relative representations of the files that are compared."""

from collections.abc import Mapping
from itertools import combinations

from relstitch.artifacts import Anchors, Embeddings, Relative
from relstitch.errors import MismatchError, UsageError, some
from relstitch.meeting import same_anchors
from relstitch.relative import anchor_vectors, relative_representation

Space = Embeddings | Relative


def relatives_of(files: Mapping[str, Space], anchors: Anchors | None) -> dict[str, Relative]:
    """The files' relative representations: theirs, or made with the anchors; none for embeddings without anchors.

    Args:
        files: By name, all of one kind.
        anchors: For embeddings: the first draw is used, with the centred cosine.

    Raises:
        UsageError: Anchors beside relative files, or anchors with several sides.
        MismatchError: Files of both kinds; relative files of different projections or anchors; anchors not there.
    """
    relative = {name: file for name, file in files.items() if isinstance(file, Relative)}
    if relative and len(relative) < len(files):
        other = next(name for name in files if name not in relative)
        raise MismatchError(
            f"{next(iter(relative))} holds relative representations and {other} embeddings. Compare files of one "
            "kind: embeddings files, with --anchors if you like, or relative files."
        )
    if relative:
        if anchors is not None:
            raise UsageError("Relative files carry their anchors: compare them without --anchors.")
        _check_same(relative)
        return relative
    if anchors is None:
        return {}
    if len(anchors.sides) > 1:
        raise UsageError(
            f"These anchors have {len(anchors.sides)} sides ({some(side.name for side in anchors.sides)}), one for "
            "the items of each file; files are compared on the rows that they share. Give anchors with one side, or "
            "compare without --anchors."
        )
    return {
        name: relative_representation(file, anchor_vectors(file, anchors, name=name))
        for name, file in files.items()
        if isinstance(file, Embeddings)
    }


def _check_same(files: Mapping[str, Relative]) -> None:
    for (one, left), (other, right) in combinations(files.items(), 2):
        if left.projection != right.projection:
            raise MismatchError(
                f"{one} was projected with {left.projection} and {other} with {right.projection}; only one "
                "projection can be compared column by column. Encode both the same way, or compare their embeddings."
            )
        if not same_anchors(left.anchors, right.anchors):
            raise MismatchError(
                f"{one} and {other} were made with different anchors, {len(left.anchors.anchors)} and "
                f"{len(right.anchors.anchors)} of them; their columns do not correspond. Encode both with the same "
                "anchors file."
            )
