"""The rows of all parts as one: ids that stand once, labels that meet by name, counts that add up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Portion, Rows, Targets
from relstitch.errors import MismatchError, counted, some
from relstitch.merging.coverage import Segment
from relstitch.merging.parts import Part


def join_rows(parts: Sequence[Part], found: Sequence[Segment], portion: Portion | None) -> Rows:
    """The rows of all parts, in the order of their segments.

    Args:
        parts: The parts.
        found: Their `relstitch.merging.coverage.segments`.
        portion: Which shards of a whole the result is; None for none.

    Raises:
        MismatchError: An id stands more than once, or labels that cannot be joined.
    """
    _check_ids(parts)
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    order = np.concatenate([np.arange(s.rows.start, s.rows.stop) + starts[s.part] for s in found])
    rows = [part.rows for part in parts]
    counts = _joined_counts(parts)
    joined = Rows(
        np.concatenate([one.ids for one in rows]),
        np.concatenate([one.hashes for one in rows]),
        np.concatenate([one.splits for one in rows]),
        join_targets(parts),
        counts,
    )
    if (np.diff(order) != 1).any():
        joined = joined.take(order)
    return joined if portion is None else replace(joined, portion=portion)


def _check_ids(parts: Sequence[Part]) -> None:
    times = Counter(name for part in parts for name in part.rows.ids.tolist())
    if len(times) == sum(len(part.rows) for part in parts):
        return
    twice = [name for name, number in times.items() if number > 1]
    named = [f"{name} ({', '.join(part.name for part in parts if name in part.rows.position)})" for name in twice[:5]]
    more = f" … and {len(twice) - 5} more" if len(twice) > 5 else ""
    raise MismatchError(
        f"{counted(len(twice), 'id stands', 'ids stand')} in more than one of the files: {', '.join(named)}{more}. A "
        "row is joined once: leave out a file, or encode with an id column (--id) that tells the rows apart."
    )


def _joined_counts(parts: Sequence[Part]) -> NDArray[np.float64] | None:
    counts = [part.rows.counts for part in parts]
    known = [column for column in counts if column is not None]
    if known and len(known) < len(parts):
        names = [next(part.name for part in parts if (part.rows.counts is None) == lacks) for lacks in (False, True)]
        raise MismatchError(
            f"{names[0]} says how often its rows occur and {names[1]} does not. Encode both with --count, or neither."
        )
    return np.concatenate(known) if known else None


def join_targets(parts: Sequence[Part]) -> Targets | None:
    """The targets of all parts, one after another: classes by name, and none where a part has none.

    Raises:
        MismatchError: Targets of different kinds, names or sizes.
    """
    labelled = [(part, part.rows.targets) for part in parts if part.rows.targets is not None]
    if not labelled:
        return None
    (first, like), *others = labelled
    for part, targets in others:
        _check_targets((first.name, part.name), (like, targets))
    names = like.names
    if like.kind in ("class", "multilabel") and any(targets.names != names for _, targets in others):
        names = tuple(sorted({name for _, targets in labelled for name in targets.names}))
    columns = [_columns(part.rows.targets or _none_like(like, len(part.rows)), names) for part in parts]
    return Targets(
        like.kind,
        np.concatenate([targets.values for targets in columns]),
        np.concatenate([targets.present for targets in columns]),
        names,
    )


def _check_targets(names: tuple[str, str], pair: tuple[Targets, Targets]) -> None:
    one, other = pair
    if one.kind != other.kind:
        raise MismatchError(
            f"{names[0]} has targets of the kind {one.kind} and {names[1]} of the kind {other.kind}; only targets of "
            "one kind can be joined. Encode both with the same options, or without labels (--label '')."
        )
    if one.kind == "real" and set(one.names) != set(other.names):
        raise MismatchError(
            f"{names[0]} has the target columns {some(one.names)} and {names[1]} has {some(other.names)}; both must "
            "have the same. Encode both with the same --target."
        )
    if one.kind == "image" and one.values.shape[1:] != other.values.shape[1:]:
        shapes = [list(targets.values.shape[1:]) for targets in pair]
        raise MismatchError(
            f"The target pictures of {names[0]} are {shapes[0]} and those of {names[1]} {shapes[1]} (height, width, "
            "channels); both must be of one size."
        )


def _none_like(like: Targets, n: int) -> Targets:
    """Targets of n rows that have none."""
    values = np.zeros((n, *like.values.shape[1:]), dtype=like.values.dtype)
    if like.kind == "class":
        values -= 1
    return replace(like, values=values, present=np.zeros(n, dtype=bool))


def _columns(targets: Targets, names: tuple[str, ...]) -> Targets:
    """The same targets with other names, in another order."""
    if targets.names == names:
        return targets
    at = [names.index(name) for name in targets.names]
    if targets.kind == "class":
        # The last one is for rows without a label, whose code is -1.
        values = np.array([*at, -1], dtype=np.int32)[targets.values]
    else:
        values = np.zeros((len(targets), len(names)), dtype=targets.values.dtype)
        values[:, at] = targets.values
    return replace(targets, values=values, names=names)


def join_counts(parts: Sequence[Part]) -> dict[str, int]:
    """What happened to the rows of all parts together."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.counts)
    return dict(total)


def join_notes(parts: Sequence[Part]) -> list[str]:
    """What a user should know about the result, in words."""
    notes = []
    if any(part.rows.targets is not None for part in parts):
        notes += [
            f"{part.name} has no labels: its {counted(len(part.rows), 'row stays', 'rows stay')} without."
            for part in parts
            if part.rows.targets is None
        ]
    differing = {
        library
        for part in parts[1:]
        for library in {*part.encoder.libraries, *parts[0].encoder.libraries}
        if part.encoder.libraries.get(library) != parts[0].encoder.libraries.get(library)
    }
    if differing:
        notes.append(
            f"The files were made with different versions of {some(sorted(differing))}; the result names those of "
            f"{parts[0].name}."
        )
    return notes
