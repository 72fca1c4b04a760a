"""Relative representations of the files that are compared."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, Anchors, Embeddings, Relative, Rows
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import anchor_vectors, relative_representation

Space = Embeddings | Relative


def relatives_of(files: Mapping[str, Space], anchors: Anchors | None) -> dict[str, Relative]:
    """The files' relative representations: theirs, or made with the anchors; none for embeddings without anchors.

    Args:
        files: By name, all of one kind.
        anchors: For embeddings: the first draw is used, with the centred cosine.

    Raises:
        UsageError: Anchors beside relative files.
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
        same = left.anchors.anchors.digest == right.anchors.anchors.digest
        paired = left.anchors.correspondence != "" and left.anchors.correspondence == right.anchors.correspondence
        if len(left.anchors.anchors) != len(right.anchors.anchors) or not (same or paired):
            raise MismatchError(
                f"{one} and {other} were made with different anchors, {len(left.anchors.anchors)} and "
                f"{len(right.anchors.anchors)} of them; their columns do not correspond. Encode both with the same "
                "anchors file."
            )


def are_anchors(rows: Rows, anchors: AnchorList) -> NDArray[np.bool_]:
    """Which rows are anchors: by content where both sides know it, else by id.

    Example:
        >>> are_anchors(Rows.build(["a", "b"]), AnchorList(("b",), ("",))).tolist()
        [False, True]
    """
    content = {known for known in anchors.hashes if known}
    by_id = dict(zip(anchors.ids, anchors.hashes, strict=True))
    found = [
        (known != "" and known in content) or (name in by_id and not (known and by_id[name]))
        for name, known in zip(rows.ids.tolist(), rows.hashes.tolist(), strict=True)
    ]
    return np.array(found, dtype=bool)
