"""How files meet: rows by id and content, anchors by content, nothing ever by position alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, Anchors, AnchorVectors, Rows, Targets
from relstitch.errors import MismatchError, UsageError, counted, some

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Meeting:
    """The rows two files share.

    Attributes:
        left: intp [m], where the shared rows stand in the left file, in its own order.
        right: intp [m], where the same rows stand in the right file.
        left_only: How many rows only the left file has.
        right_only: How many rows only the right file has.
    """

    left: Index
    right: Index
    left_only: int
    right_only: int

    def __len__(self) -> int:
        return len(self.left)


def meet(left: Rows, right: Rows, *, names: tuple[str, str] = ("left", "right"), strict: bool = False) -> Meeting:
    """Find the rows two files share: those of equal id, with equal content where both sides know it.

    Order, shards and rows that one side left out do not matter; what is missing is counted.

    Args:
        left: n rows; their order is kept.
        right: n' rows, in any order.
        names: What to call the two files in a message.
        strict: Refuse files that do not hold exactly the same rows.

    Returns:
        The positions of the m shared rows in each file, and how many rows each has alone.

    Raises:
        MismatchError: No id is shared; an id stands for different content; or, if strict, rows are missing.

    Example:
        >>> meeting = meet(Rows.build(["a", "b", "c"]), Rows.build(["c", "a"]))
        >>> meeting.left.tolist(), meeting.right.tolist(), meeting.left_only
        ([0, 2], [1, 0], 1)
    """
    at = np.fromiter((right.position.get(name, -1) for name in left.ids.tolist()), dtype=np.intp, count=len(left))
    here = np.flatnonzero(at >= 0)
    there = at[here]
    if not len(here):
        raise MismatchError(
            f"{names[0]} and {names[1]} share no id: {counted(len(left), 'row')} ({some(left.ids)}) met "
            f"{counted(len(right), 'row')} ({some(right.ids)}). Files meet on ids: encode the same dataset, with the "
            "same id column, for both."
        )
    _check_content(left.take(here), right.take(there), names)
    meeting = Meeting(here, there, len(left) - len(here), len(right) - len(there))
    if strict and (meeting.left_only or meeting.right_only):
        alone = (left.ids[at < 0], np.delete(right.ids, there))
        parts = [
            f"{len(ids)} only in {name} ({some(ids)})" for name, ids in zip(names, alone, strict=True) if len(ids)
        ]
        raise MismatchError(
            f"{names[0]} and {names[1]} do not hold the same rows: {len(here)} in both, {', '.join(parts)}. "
            "Leave out --strict to go on with the rows they share."
        )
    return meeting


def _check_content(left: Rows, right: Rows, names: tuple[str, str]) -> None:
    known = (left.hashes != "") & (right.hashes != "")
    changed = known & (left.hashes != right.hashes)
    if changed.any():
        raise MismatchError(
            f"{counted(int(changed.sum()), 'id stands', 'ids stand')} for different content in {names[0]} and "
            f"{names[1]}: {some(left.ids[changed])}. Rows of equal id must hold the same item: encode both files "
            "from the same dataset, or give an id column that tells the items apart."
        )


def meet_all(rows: Mapping[str, Rows], *, strict: bool = False) -> tuple[Index, ...]:
    """Find the rows that all files share.

    Args:
        rows: The rows of each file, by the name to call it in a message.
        strict: Refuse files that do not hold exactly the same rows.

    Returns:
        For each file the positions of the shared rows, intp [m], in the first file's order.

    Raises:
        MismatchError: As `meet`, for any two of the files; or no id stands in all of them.

    Example:
        >>> [at.tolist() for at in meet_all({"x": Rows.build(["a", "b"]), "y": Rows.build(["b", "a"])})]
        [[0, 1], [1, 0]]
    """
    # Every pair is checked, not only pairs with the first: a first file without content could hide a conflict.
    for one, other in combinations(rows, 2):
        meet(rows[one], rows[other], names=(one, other), strict=strict)
    files = list(rows.values())
    if not files:
        return ()
    shared = reduce(lambda kept, file: [name for name in kept if name in file.position], files, files[0].ids.tolist())
    if not shared:
        raise MismatchError(
            f"No id stands in all of {some(rows)}, though any two of them share some. "
            "Stitch them in pairs, or encode the same dataset for all."
        )
    return tuple(np.array([file.position[name] for name in shared], dtype=np.intp) for file in files)


def draw_of(anchors: Anchors, draw: int = 0, side: str | None = None) -> AnchorList:
    """Take one draw of one side out of an anchors file.

    Args:
        anchors: The anchors file.
        draw: Which draw, from 0.
        side: Which side of parallel anchors; None for ordinary ones.

    Raises:
        UsageError: No such draw or side.

    Example:
        >>> from relstitch.artifacts import AnchorSide
        >>> draw_of(Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(("b",), ("",)),)),))).ids
        ('b',)
    """
    draws = anchors.side(side).draws
    if not 0 <= draw < len(draws):
        raise UsageError(
            f"Draw {draw} was asked for; these anchors have {len(draws)}, numbered from 0. "
            "Ask for one of them, or pick anchors with more --draws."
        )
    return draws[draw]


def locate(anchors: AnchorList, rows: Rows, *, name: str) -> Index:
    """Find anchors among the rows of a file, by what they are.

    Content decides: an anchor is the row with its content hash, whatever that row is called; where several rows
    repeat the content, the one with the anchor's id, else the first in the order of ids. Where either side has no
    content (vectors, word tables), the id decides. An id that stands for other content is not the anchor.

    Args:
        anchors: The k anchors.
        rows: Where to look.
        name: What to call the file in a message.

    Returns:
        intp [k]: the row of each anchor.

    Raises:
        MismatchError: Some anchors are not there: how many, which, and the way out.

    Example:
        >>> locate(AnchorList(("b",), ("",)), Rows.build(["a", "b"]), name="a.safetensors").tolist()
        [1]
    """
    holders: dict[str, list[int]] = {}
    sought = np.array([content for content in anchors.hashes if content], dtype=rows.hashes.dtype)
    for row in np.flatnonzero(np.isin(rows.hashes, sought)).tolist():
        holders.setdefault(str(rows.hashes[row]), []).append(row)
    found = [
        _row_of(anchor, holders.get(content, []) if content else None, rows)
        for anchor, content in zip(anchors.ids, anchors.hashes, strict=True)
    ]
    missing = [anchor for anchor, row in zip(anchors.ids, found, strict=True) if row is None]
    if missing:
        changed = sum(anchor in rows.position for anchor in missing)
        other = f" {changed} of them have an id that stands there for other content." if changed else ""
        raise MismatchError(
            f"{len(missing)} of {counted(len(anchors), 'anchor')} {'is' if len(missing) == 1 else 'are'} not in "
            f"{name}: {some(missing)}.{other} Anchors are found by content, or by id where there is no content. Pick "
            "anchors from rows that this file has too; `relstitch encode` also takes them from elsewhere, with "
            "--anchors-from."
        )
    return np.array(found, dtype=np.intp)


def _row_of(anchor: str, holders: list[int] | None, rows: Rows) -> int | None:
    row = rows.position.get(anchor)
    if holders is None:  # the anchor has no content: only its id can say what it is
        return row
    if not holders:
        return row if row is not None and not rows.hashes[row] else None
    return row if row in holders else min(holders, key=lambda at: str(rows.ids[at]))


def in_id_order(rows: Mapping[str, Rows], shared: Sequence[Index]) -> tuple[Index, ...]:
    """The shared rows in the order of their ids: what order a file has them in must not decide a figure.

    Args:
        rows: The rows of each file.
        shared: Where the shared ones stand in each (`meet_all`).

    Example:
        >>> rows = {"x": Rows.build(["b", "a"]), "y": Rows.build(["a", "b"])}
        >>> [at.tolist() for at in in_id_order(rows, meet_all(rows))]
        [[1, 0], [0, 1]]
    """
    first = next(iter(rows.values()))
    order = np.argsort(first.ids[shared[0]], kind="stable")
    return tuple(at[order] for at in shared)


def anchor_of(rows: Rows, anchors: AnchorList) -> Index:
    """Which anchor each row is: by content where both sides have it, else by id.

    Returns:
        intp [n], the anchor's position in the list, -1 for a row that is none.

    Example:
        >>> anchor_of(Rows.build(["a", "b"]), AnchorList(("b",), ("",))).tolist()
        [-1, 0]
    """
    by_content = {content: at for at, content in enumerate(anchors.hashes) if content}
    by_id = {name: at for at, name in enumerate(anchors.ids)}
    found = np.full(len(rows), -1, dtype=np.intp)
    for row, (name, content) in enumerate(zip(rows.ids.tolist(), rows.hashes.tolist(), strict=True)):
        at = by_content.get(content) if content else None
        if at is None:
            at = by_id.get(name)
            if at is None or (content and anchors.hashes[at]):
                continue
        found[row] = at
    return found


def anchors_of_rows(rows: Rows, targets: Targets, anchors: AnchorList) -> tuple[Targets, Index]:
    """The anchors' targets as the rows of one file have them, and which anchor each row is.

    Args:
        rows: n rows.
        targets: Of the rows.
        anchors: The k anchors.

    Returns:
        Of the k anchors, without a label where no row is the anchor; and intp [n], as `anchor_of`.

    Example:
        >>> rows, labels = Rows.build(["a", "b"]), Targets.from_labels(["cat", "dog"])
        >>> known, among = anchors_of_rows(rows, labels, AnchorList(("b", "c"), ("", "")))
        >>> known.present.tolist(), among.tolist()
        ([True, False], [-1, 0])
    """
    among = anchor_of(rows, anchors)
    where = np.full(len(anchors), -1, dtype=np.intp)
    standing = np.flatnonzero(among >= 0)
    where[among[standing]] = standing
    known = targets.take(where)
    return replace(known, present=known.present & (where >= 0)), among


def rows_where(rows: Rows, chosen: NDArray[np.bool_]) -> Index:
    """Where the chosen rows stand, in the order of their ids: a file's own order must not decide a figure.

    Example:
        >>> rows_where(Rows.build(["b", "a", "c"]), np.array([True, True, False])).tolist()
        [1, 0]
    """
    at = np.flatnonzero(chosen)
    return at[np.argsort(rows.ids[at], kind="stable")]


def same_anchors(left: AnchorVectors, right: AnchorVectors) -> bool:
    """Whether two spaces can meet: the same ordered list, or corresponding sides of parallel anchors."""
    if len(left.anchors) != len(right.anchors):
        return False
    if left.anchors.digest == right.anchors.digest:
        return True
    return left.correspondence != "" and left.correspondence == right.correspondence
