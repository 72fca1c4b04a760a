"""Who takes part in a stitch: files with the rows that decoders learn from and the rows that are scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, Rows, Targets
from relstitch.errors import MismatchError, UsageError, counted, left_out_words, some
from relstitch.meeting import anchor_of, anchors_of_rows, in_id_order, meet_all, rows_where
from relstitch.stitching.goals import goals_of
from relstitch.stitching.labels import Index, agreed_targets, common_layout, known_targets
from relstitch.stitching.options import Space, StitchOptions

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Party:
    """One file in a stitch.

    Attributes:
        name: What the file is called.
        space: The file.
        targets: Of all its rows.
        train: intp [n], the rows its decoder learns from; empty where it has no decoder.
        test: intp [m], the rows that are scored; empty where its encoder is not scored.
    """

    name: str
    space: Space
    targets: Targets
    train: Index
    test: Index


@dataclass(frozen=True, eq=False)
class Gathering:
    """All parties, and what happened to rows on the way.

    Attributes:
        parties: In the order given.
        rows: Counts, for the report.
        notes: The same in words, where a reader should know.
    """

    parties: tuple[Party, ...]
    rows: Mapping[str, int]
    notes: tuple[str, ...] = field(default_factory=tuple)


def gather(
    files: Mapping[str, Space], anchors: Mapping[str, Sequence[AnchorList]], options: StitchOptions
) -> Gathering:
    """Let all files meet on the rows they share.

    Args:
        files: By name.
        anchors: The draws as each file knows them. What is an anchor is not scored.
        options: Splits, strictness, label map, task.

    Returns:
        One party a file. All have the same training and test rows, in the order of their ids.

    Raises:
        UsageError: No labelled row to train on or to score.
        MismatchError: Files that do not meet, or that disagree on a row's split or label.
    """
    rows, met = goals_of(files, options)
    shared = in_id_order(rows, meet_all(rows, strict=options.strict))
    _check_splits(rows, shared)
    targets = agreed_targets(rows, shared, options.label_map)
    names = list(files)
    known = _with_all_hashes([rows[name].take(at) for name, at in zip(names, shared, strict=True)])
    labelled = targets[names[0]].present[shared[0]]
    train, test, counts, notes = _choose_rows(known, labelled, anchors[names[0]], options)
    left_out = {name: len(rows[name]) - len(at) for name, at in zip(names, shared, strict=True)}
    notes += [*(left_out_words(name, count) for name, count in left_out.items() if count), *met]
    parties = tuple(
        Party(name, files[name], targets[name], at[train], at[test]) for name, at in zip(names, shared, strict=True)
    )
    counts |= {"shared": len(shared[0]), "not_shared": sum(left_out.values())}
    return Gathering(parties, counts, tuple(notes))


def gather_pair(
    train: tuple[str, Space],
    test: tuple[str, Space],
    anchors: Mapping[str, Sequence[AnchorList]],
    options: StitchOptions,
) -> Gathering:
    """Take the training rows of one file and the test rows of another, of the same dataset or not.

    Args:
        train: The decoder's file. If it has labelled test rows of its own, they give the ceiling.
        test: The encoder's file.
        anchors: The draws as each file knows them.
        options: Splits, label map, task.

    Returns:
        The two parties; the second has no training rows.

    Raises:
        UsageError: No labelled row to train on or to score.
        MismatchError: Targets of different kinds or columns.
    """
    rows, met = goals_of(dict((train, test)), options)
    found = known_targets(rows, options.label_map)
    for name in rows:
        if name not in found:
            raise UsageError(f"{name} has no labels; with --train and --test both files need them.")
    targets = common_layout(found)
    learn, score = rows[train[0]], rows[test[0]]
    own = learn.in_splits(options.test_split) & targets[train[0]].present & ~_among(learn, anchors[train[0]])
    taught = learn.in_splits(options.train_split) & targets[train[0]].present
    there = score.in_splits(options.test_split) & targets[test[0]].present
    are_anchors = there & _among(score, anchors[test[0]])
    scored = there & ~are_anchors
    _check_some(learn, taught, options.train_split, train[0], options)
    _check_some(score, scored, options.test_split, test[0], options)
    same = learn.fingerprint == score.fingerprint
    repeated = scored & _repeats(score, learn.take(taught), by_id=same)
    counts = {"train": int(taught.sum()), "test": int(scored.sum())}
    parties = (
        Party(train[0], train[1], targets[train[0]], rows_where(learn, taught), rows_where(learn, own)),
        Party(test[0], test[1], targets[test[0]], np.empty(0, dtype=np.intp), rows_where(score, scored)),
    )
    notes = met
    if not own.any():
        notes.append(f"{train[0]} has no labelled rows in split {options.test_split!r}, so there is no ceiling.")
    more_counts, more_notes = _overlaps(repeated, are_anchors, scored)
    return Gathering(parties, counts | more_counts, (*notes, *more_notes))


def _choose_rows(
    rows: Rows, labelled: Mask, draws: Sequence[AnchorList], options: StitchOptions
) -> tuple[Index, Index, dict[str, int], list[str]]:
    in_train, in_test = rows.in_splits(options.train_split), rows.in_splits(options.test_split)
    are_anchors = in_test & _among(rows, draws)
    train, test = in_train & labelled, in_test & labelled & ~are_anchors
    _check_some(rows, train, options.train_split, "all files", options)
    _check_some(rows, test, options.test_split, "all files", options)
    repeated = test & _repeats(rows, rows.take(train), by_id=options.train_split == options.test_split)
    unlabelled = {"unlabelled_train": in_train & ~labelled, "unlabelled_test": in_test & ~labelled}
    counts = {"train": int(train.sum()), "test": int(test.sum())}
    counts |= {name: int(mask.sum()) for name, mask in unlabelled.items()}
    more_counts, notes = _overlaps(repeated, are_anchors, test)
    for which, mask in unlabelled.items():
        if mask.any():
            kind = which.removeprefix("unlabelled_")
            rows_lack = counted(int(mask.sum()), f"{kind} row has", f"{kind} rows have")
            notes.append(f"{rows_lack} no label in any file and {'was' if mask.sum() == 1 else 'were'} left out.")
    return np.flatnonzero(train), np.flatnonzero(test), counts | more_counts, notes


def _overlaps(repeated: Mask, are_anchors: Mask, scored: Mask) -> tuple[dict[str, int], list[str]]:
    """Counts and notes on test rows that stand among the training rows or the anchors."""
    counts = {"test_in_train": int(repeated.sum()), "test_in_anchors": int(are_anchors.sum())}
    notes = []
    if counts["test_in_train"]:
        one = counts["test_in_train"] == 1
        notes.append(
            f"{counts['test_in_train']} of {int(scored.sum())} test rows {'holds' if one else 'hold'} content that "
            f"also stands in the training rows; {'it is' if one else 'they are'} scored with the rest."
        )
    if counts["test_in_anchors"]:
        are = counted(counts["test_in_anchors"], "test row is an anchor", "test rows are anchors")
        notes.append(f"{are} (by id or content) and not scored.")
    return counts, notes


def _check_some(rows: Rows, chosen: Mask, split: str, name: str, options: StitchOptions) -> None:
    if chosen.any():
        return
    inside = int(rows.in_splits(split).sum())
    if inside and options.targets is not None:
        raise UsageError(
            f"The targets meet no row to use in split {split!r} of {name}: {counted(inside, 'row')} in it, of "
            f"{len(rows)} in splits {some(rows.split_names)}. Give targets of these rows too, with their ids."
        )
    raise UsageError(
        f"No labelled row to use in split {split!r} of {name}: {counted(inside, 'row')} in it, of {len(rows)} in "
        f"splits {some(rows.split_names)}. Name the splits with --train-split and --test-split."
    )


def _check_splits(rows: Mapping[str, Rows], shared: Sequence[Index]) -> None:
    first, *others = [(name, file.take(at)) for (name, file), at in zip(rows.items(), shared, strict=True)]
    for name, file in others:
        moved = np.flatnonzero(file.splits != first[1].splits)
        if len(moved):
            row = int(moved[0])
            raise MismatchError(
                f"{first[0]} and {name} put {counted(len(moved), 'shared row')} into different splits: "
                f"{file.ids[row]!r} is in {first[1].splits[row]!r} in {first[0]} and in {file.splits[row]!r} in "
                f"{name}. Encode both from the same splits."
            )


def _with_all_hashes(files: Sequence[Rows]) -> Rows:
    """The shared rows as the first file has them, with every content hash that any file knows."""
    hashes = files[0].hashes.copy()
    for file in files[1:]:
        hashes = np.where(hashes == "", file.hashes, hashes)
    return replace(files[0], hashes=hashes)


def _among(rows: Rows, draws: Iterable[AnchorList]) -> Mask:
    """Which rows are anchors of any draw."""
    which = np.zeros(len(rows), dtype=bool)
    for draw in draws:
        which |= anchor_of(rows, draw) >= 0
    return which


def _repeats(rows: Rows, others: Rows, *, by_id: bool) -> Mask:
    """Which rows hold content that also stands in the others (or are among them by id)."""
    same: Mask = (rows.hashes != "") & np.isin(rows.hashes, others.hashes)
    if by_id:
        same |= np.isin(rows.ids.astype(str), others.ids.astype(str))
    return same


def targets_of_anchors(party: Party, anchors: AnchorList) -> tuple[Targets, Index]:
    """The anchors' targets as one party knows them, and which anchor each of its rows is.

    As `relstitch.meeting.anchors_of_rows`.
    """
    return anchors_of_rows(party.space.rows, party.targets, anchors)
