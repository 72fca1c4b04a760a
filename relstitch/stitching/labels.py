"""One set of targets for all files: labels meet by id, classes and columns by name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Rows, Targets
from relstitch.errors import MismatchError, UsageError, counted, some

Index = NDArray[np.intp]


def known_targets(rows: Mapping[str, Rows], label_map: Mapping[str, str]) -> dict[str, Targets]:
    """The targets that files hold, with their classes under the names they are to be read as.

    Args:
        rows: Of each file, by its name.
        label_map: Name found → name to read it as.

    Returns:
        The targets of the files that have any.

    Raises:
        UsageError: No file has a label, or the map names a class that no file has.
        MismatchError: Targets of different kinds.

    Example:
        >>> rows = Rows.build(["x"], targets=Targets.from_labels(["dog"]))
        >>> known_targets({"a": rows}, {"dog": "hound"})["a"].labels().tolist()
        ['hound']
    """
    found = {
        name: file.targets for name, file in rows.items() if file.targets is not None and file.targets.present.any()
    }
    if not found:
        raise UsageError(
            f"None of the files has a label ({some(rows)}): a stitch trains and scores on labels. Encode at least "
            "one of them with --label or --target."
        )
    kinds = {name: targets.kind for name, targets in found.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise MismatchError(f"The files hold targets of different kinds ({listed}); a stitch needs one kind.")
    unknown = sorted(set(label_map) - {name for targets in found.values() for name in targets.names})
    if unknown:
        names = dict.fromkeys(name for targets in found.values() for name in targets.names)
        raise UsageError(f"The label map names {some(unknown)}, which no file has; their classes: {some(names)}.")
    return {name: _renamed(targets, label_map) for name, targets in found.items()}


def _renamed(targets: Targets, label_map: Mapping[str, str]) -> Targets:
    names = tuple(label_map.get(name, name) for name in targets.names)
    return _laid_out(replace(targets, names=names), sorted(set(names)))


def _laid_out(targets: Targets, names: Sequence[str]) -> Targets:
    """The same targets with codes or columns in the order of `names`; pictures have neither."""
    if targets.kind == "image":
        return targets
    at = {name: position for position, name in enumerate(names)}
    where = [at[name] for name in targets.names]
    if targets.kind == "class":
        codes = np.append(np.array(where, dtype=np.int32), np.int32(-1))
        return Targets("class", np.where(targets.present, codes[targets.values], -1), targets.present, tuple(names))
    values = np.zeros((len(targets), len(names)), dtype=targets.values.dtype)
    for column, position in enumerate(where):
        if targets.kind == "multilabel":
            values[:, position] |= targets.values[:, column]
        else:
            values[:, position] = targets.values[:, column]
    return Targets(targets.kind, values, targets.present, tuple(names))


def common_layout(found: Mapping[str, Targets]) -> dict[str, Targets]:
    """The targets of several files with the same names in the same order.

    Raises:
        MismatchError: Numbers whose columns, or pictures whose shapes are not the same.

    Example:
        >>> found = {"x": Targets.from_labels(["b"]), "y": Targets.from_labels(["a"])}
        >>> [targets.names for targets in common_layout(found).values()]
        [('a', 'b'), ('a', 'b')]
    """
    first, *others = found
    for other in others:
        if found[first].kind == "real" and sorted(found[other].names) != sorted(found[first].names):
            raise MismatchError(
                f"{first} holds the target columns {some(found[first].names)} and {other} the columns "
                f"{some(found[other].names)}. Columns meet by name: encode both with the same --target columns."
            )
        one, two = (found[name].values.shape[1:] for name in (first, other))
        if found[first].kind == "image" and one != two:
            raise MismatchError(
                f"{first} holds pictures of {' × '.join(map(str, one))} as targets and {other} of "
                f"{' × '.join(map(str, two))} (height × width × channels). Give all files targets of one size."
            )
    names = sorted({name for targets in found.values() for name in targets.names})
    return {name: _laid_out(targets, names) for name, targets in found.items()}


def agreed_targets(
    rows: Mapping[str, Rows], shared: Sequence[Index], label_map: Mapping[str, str]
) -> dict[str, Targets]:
    """Every file's targets, completed by the other files' where a shared row has no label of its own.

    Args:
        rows: Of each file, by its name.
        shared: For each file, where the rows that all share stand (`relstitch.meeting.meet_all`).
        label_map: As `known_targets`.

    Returns:
        For every file, targets of all its rows, all with the same names.

    Raises:
        UsageError: As `known_targets`.
        MismatchError: As `known_targets`, or a shared row that two files label differently.

    Example:
        >>> one = Rows.build(["p", "q"], targets=Targets.from_labels(["a", None]))
        >>> two = Rows.build(["q"], targets=Targets.from_labels(["b"]))
        >>> agreed = agreed_targets({"x": one, "y": two}, [np.array([1]), np.array([0])], {})
        >>> agreed["x"].labels().tolist()
        ['a', 'b']
    """
    found = common_layout(known_targets(rows, label_map))
    at = dict(zip(rows, shared, strict=True))
    for one, other in combinations(found, 2):
        _check_equal(found, at, rows[one].ids[at[one]], (one, other))
    some_file = next(iter(found.values()))
    values = np.zeros((len(shared[0]), *some_file.values.shape[1:]), dtype=some_file.values.dtype)
    present = np.zeros(len(shared[0]), dtype=bool)
    for name, targets in found.items():
        new = targets.present[at[name]] & ~present
        values[new] = targets.values[at[name]][new]
        present |= new
    return {
        name: _completed(found.get(name), some_file, len(file), at[name], (values, present))
        for name, file in rows.items()
    }


def _completed(
    own: Targets | None, like: Targets, n: int, at: Index, agreed: tuple[NDArray[Any], NDArray[np.bool_]]
) -> Targets:
    shape = (n, *like.values.shape[1:])
    values = (
        np.full(shape, -1 if like.kind == "class" else 0, like.values.dtype) if own is None else own.values.copy()
    )
    present = np.zeros(n, dtype=bool) if own is None else own.present.copy()
    values[at[agreed[1]]] = agreed[0][agreed[1]]
    present[at] = agreed[1]
    return Targets(like.kind, values, present, like.names)


def _check_equal(
    found: Mapping[str, Targets], at: Mapping[str, Index], ids: NDArray[np.object_], names: tuple[str, str]
) -> None:
    one, other = (found[name].take(at[name]) for name in names)
    both = one.present & other.present
    different = both & (one.values != other.values).reshape(len(ids), -1).any(axis=1)
    if different.any():
        row = int(np.flatnonzero(different)[0])
        raise MismatchError(
            f"{names[0]} and {names[1]} label {int(different.sum())} of {counted(int(both.sum()), 'row')} "
            f"differently: {ids[row]!r} is {_told(one, row)} in {names[0]} and {_told(other, row)} in {names[1]}. "
            "Encode both from the same labels, or give a label map where only the names differ."
        )


def _told(targets: Targets, row: int) -> str:
    if targets.kind == "class":
        return repr(targets.names[targets.values[row]])
    if targets.kind == "multilabel":
        return repr([name for name, has in zip(targets.names, targets.values[row], strict=True) if has])
    if targets.kind == "image":
        return f"a picture of mean {targets.take(np.array([row])).numbers().mean():.4f}"
    return repr([round(float(value), 6) for value in targets.values[row]])
