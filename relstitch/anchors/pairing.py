"""Parallel anchors: samples of different data that correspond, such as a sentence and its translation."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors.candidates import (
    Index,
    check_numbers,
    content_keys,
    first_of_each,
    listed,
    nonzero,
    rows_of,
    training_splits,
)
from relstitch.artifacts import Anchors, AnchorSide, Embeddings, Rows
from relstitch.errors import MismatchError, UsageError, counted, some


def pair_anchors(
    sides: Mapping[str, Embeddings | Rows],
    pairs: Sequence[Sequence[str]],
    *,
    k: int | None = None,
    seed: int = 0,
    draws: int = 1,
    splits: tuple[str, ...] | None = None,
) -> Anchors:
    """Make parallel anchors from a table whose rows pair the ids of two domains (or more).

    A pair may be an anchor if each of its rows is a training row of its side, is no zero vector, and holds content
    that stands in no other split there; a pair whose content on some side repeats an earlier pair's is left out. What
    was left out is counted in the result's ``options``.

    Args:
        sides: The rows of each domain, by its name; at least two.
        pairs: One id for each side, in the order of `sides`; no id twice on a side.
        k: How many; None: all pairs, in the order given.
        seed: Of the first draw; draw i is made with seed + i. Not used without k.
        draws: How many lists to make: beginnings of random orders, so a smaller k is the beginning of a larger.
        splits: The splits to pick from, of those that each side has; None: ``train`` where it exists, else the only
            split.

    Returns:
        Anchors with one side a domain, of strategy ``parallel``; position i corresponds on all sides.

    Raises:
        UsageError: Fewer than two sides, no pairs, fewer usable pairs than k, or several draws of all of them.
        MismatchError: Pairs of the wrong length, ids a side does not have, ids that are paired twice.

    Source: Moschella et al. 2023 (arXiv 2209.15430), section 3, parallel anchors.

    Example:
        >>> anchors = pair_anchors({"en": Rows.build(["dog"]), "es": Rows.build(["perro"])}, [("dog", "perro")])
        >>> [side.draws[0].ids for side in anchors.sides]
        [('dog',), ('perro',)]
    """
    check_numbers(k, seed, draws)
    columns = _columns(sides, pairs)
    chosen = {
        name: training_splits(rows_of(side), _its_own(rows_of(side), splits), name=name)
        for name, side in sides.items()
    }
    rows = {name: _located(name, rows_of(sides[name]), ids) for name, ids in columns.items()}
    usable, excluded = _usable(sides, rows, chosen)
    orders = _orders(usable, k, range(seed, seed + draws), excluded)
    made = tuple(
        AnchorSide(
            name, rows_of(side).fingerprint, tuple(listed(rows_of(side), rows[name][order]) for order in orders)
        )
        for name, side in sides.items()
    )
    noted = {
        "splits": {name: list(used) for name, used in chosen.items()},
        "pairs": len(pairs),
        "candidates": len(usable),
        "excluded": excluded,
    }
    return Anchors("parallel", seed, made, noted)


def _its_own(rows: Rows, splits: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The named splits that one side has. The sides of two domains need not be divided alike."""
    return tuple(split for split in splits or () if split in rows.split_names) or splits


def _columns(sides: Mapping[str, Embeddings | Rows], pairs: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    if len(sides) < 2:
        raise UsageError(f"Parallel anchors need at least two sides; found: {some(sides) or 'none'}.")
    if not pairs:
        raise UsageError(f"Parallel anchors need pairs of ids ({some(sides)}); the table of pairs is empty.")
    for number, pair in enumerate(pairs, start=1):
        if len(pair) != len(sides):
            raise MismatchError(
                f"Pair {number} names {counted(len(pair), 'id')} ({some(pair)}); expected {len(sides)}, one for each "
                f"of: {some(sides)}."
            )
    columns = {name: [pair[place] for pair in pairs] for place, name in enumerate(sides)}
    for name, ids in columns.items():
        repeated = [anchor for anchor, times in Counter(ids).items() if times > 1]
        if repeated:
            raise MismatchError(
                f"{counted(len(repeated), f'id of {name} is', f'ids of {name} are')} paired more than once: "
                f"{some(repeated)}. Each row can be one anchor: leave one pair of each."
            )
    return columns


def _located(name: str, rows: Rows, ids: list[str]) -> Index:
    unknown = [anchor for anchor in ids if anchor not in rows.position]
    if unknown:
        raise MismatchError(
            f"{len(unknown)} of the {len(ids)} ids paired for {name} {'is' if len(unknown) == 1 else 'are'} not "
            f"among its rows: {some(unknown)}. Its ids look like: {some(rows.ids, 3)}."
        )
    return np.array([rows.position[anchor] for anchor in ids], dtype=np.intp)


def _usable(
    sides: Mapping[str, Embeddings | Rows], rows: Mapping[str, Index], chosen: Mapping[str, tuple[str, ...]]
) -> tuple[Index, dict[str, int]]:
    """Find the pairs that may be anchors, and count the others by the first reason that holds for them."""
    n = len(next(iter(rows.values())))
    reasons = {
        name: np.zeros(n, dtype=bool) for name in ("outside_splits", "zero_vectors", "content_in_other_splits")
    }
    keys = {name: content_keys(side) for name, side in sides.items()}
    for name, side in sides.items():
        inside, at = rows_of(side).in_splits(*chosen[name]), rows[name]
        elsewhere = set(keys[name][~inside].tolist())
        reasons["outside_splits"] |= ~inside[at]
        reasons["content_in_other_splits"] |= [key in elsewhere for key in keys[name][at]]
        if isinstance(side, Embeddings):
            reasons["zero_vectors"] |= ~nonzero(side.vectors[at])
    left, excluded = np.ones(n, dtype=bool), {}
    for reason, flags in reasons.items():
        excluded[reason] = int(np.count_nonzero(left & flags))
        left &= ~flags
    usable = np.flatnonzero(left)
    distinct = _distinct([keys[name][rows[name][usable]] for name in sides])
    excluded["repeated_content"] = int(np.count_nonzero(~distinct))
    return usable[distinct], {reason: count for reason, count in excluded.items() if count}


def _distinct(columns: Sequence[NDArray[np.object_]]) -> NDArray[np.bool_]:
    flags = np.ones(len(columns[0]), dtype=bool)
    for keys in columns:
        flags &= first_of_each(keys)
    return flags


def _orders(usable: Index, k: int | None, seeds: range, excluded: Mapping[str, int]) -> list[Index]:
    available = len(usable)
    if available < (k or 1):
        left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in excluded.items())
        raise UsageError(
            f"{k or 'All'} pairs were asked for, and {available} of them may be anchors (left out: "
            f"{left_out or 'none'}). Give more pairs, a smaller k, or other splits with --splits."
        )
    if len(seeds) > 1 and k in (None, available):
        raise UsageError(
            f"{len(seeds)} draws were asked for, and all {available} pairs are in each of them. "
            f"Take one draw, or a k below {available}."
        )
    if k is None:
        return [usable]
    return [usable[np.random.default_rng(seed).permutation(available)[:k]] for seed in seeds]
