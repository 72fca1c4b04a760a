"""Which rows may be anchors: training rows, once each, never what also stands in a test row."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, Embeddings, Rows
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import UsageError, counted, some
from relstitch.meeting import meet_all

Index = NDArray[np.intp]
Source = Embeddings | Rows | Mapping[str, Embeddings]
"""What anchors are picked from: one source, or the embeddings of several encoders by name."""

LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, eq=False)
class Candidates:
    """The rows anchors are chosen from.

    Attributes:
        at: intp [c], where they stand in the source, ascending.
        rows: The same rows.
        source: Where they are from.
        splits: The splits they are from.
        excluded: Rows of these splits that may not be anchors, by reason; only what occurred.
        further: The vectors of the same rows in further encoders, float32 [c, d] each.
    """

    at: Index
    rows: Rows
    source: Embeddings | Rows
    splits: tuple[str, ...]
    excluded: Mapping[str, int]
    further: tuple[Matrix, ...] = ()

    @property
    def vectors(self) -> Matrix | None:
        """float32 [c, d], a copy; None where the source has no vectors."""
        return self.source.vectors[self.at] if isinstance(self.source, Embeddings) else None


def check_numbers(k: int | None, seed: int, draws: int) -> None:
    """Refuse a number of anchors, a seed or a number of draws that cannot be.

    Raises:
        UsageError: k or draws below 1, or a seed (of any draw) outside 0 to 2³² − 1.
    """
    if k is not None and k < 1:
        raise UsageError(f"{k} anchors were asked for; at least 1 is needed.")
    if draws < 1:
        raise UsageError(f"{draws} draws were asked for; at least 1 is needed.")
    if not 0 <= seed <= LARGEST_SEED + 1 - draws:
        raise UsageError(f"The seed is {seed}, for {counted(draws, 'draw')}; seeds go from 0 to {LARGEST_SEED}.")


def listed(rows: Rows, at: Index) -> AnchorList:
    """The rows at `at`, in that order, as an anchors list."""
    return AnchorList(tuple(map(str, rows.ids[at])), tuple(map(str, rows.hashes[at])))


def rows_of(source: Embeddings | Rows) -> Rows:
    """The rows of a source, with or without vectors."""
    return source.rows if isinstance(source, Embeddings) else source


def training_splits(rows: Rows, asked: tuple[str, ...] | None, *, name: str = "the source") -> tuple[str, ...]:
    """Decide which splits anchors may come from: those asked for, else ``train``, else the only one.

    Raises:
        UsageError: A split that does not exist; or several, none called ``train``, and none asked for.
    """
    if asked:
        unknown = [split for split in asked if split not in rows.split_names]
        if unknown:
            raise UsageError(
                f"There is no split called {some(unknown)} in {name}; its splits are: {some(rows.split_names)}. "
                "Name one of them with --splits."
            )
        return tuple(dict.fromkeys(asked))
    if "train" in rows.split_names:
        return ("train",)
    if len(rows.split_names) > 1:
        raise UsageError(
            f"Anchors come from training rows, and no split of {name} is called 'train': {some(rows.split_names)}. "
            "Say which splits to pick from with --splits."
        )
    return rows.split_names


def content_keys(source: Embeddings | Rows) -> NDArray[np.object_]:
    """What each row holds, as something that can be compared: object [n].

    The content hash; without one, a digest of the vector; without either, the id.
    """
    rows = rows_of(source)
    keys = rows.hashes.astype(object)
    bare = np.flatnonzero(rows.hashes == "")
    keys[bare] = vector_keys(source.vectors[bare]) if isinstance(source, Embeddings) else rows.ids[bare]
    return keys


def vector_keys(vectors: Matrix) -> NDArray[np.object_]:
    """A digest of each vector, equal for equal vectors: object [n]."""
    keys = np.empty(len(vectors), dtype=object)
    # Adding 0 turns -0.0 into 0.0, the same number in other bytes.
    keys[:] = [hashlib.blake2b((vector + 0.0).tobytes(), digest_size=16).digest() for vector in vectors]
    return keys


def nonzero(vectors: Matrix) -> NDArray[np.bool_]:
    """Which vectors are not the zero vector: bool [n]."""
    flags: NDArray[np.bool_] = np.any(vectors != 0, axis=1)
    return flags


def first_of_each(keys: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Mark the first row of each key: bool [n]."""
    first: dict[object, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    flags = np.zeros(len(keys), dtype=bool)
    flags[list(first.values())] = True
    return flags


class _Sieve:
    """Narrows rows down and counts what falls out, by reason."""

    def __init__(self, at: Index) -> None:
        self.at = at
        self.excluded: dict[str, int] = {}

    def keep(self, flags: NDArray[np.bool_], reason: str) -> None:
        dropped = int(np.count_nonzero(~flags))
        if dropped:
            self.excluded[reason] = dropped
        self.at = self.at[flags]


def find_candidates(
    source: Embeddings | Rows, *, splits: tuple[str, ...] | None = None, labelled: bool = False
) -> Candidates:
    """Find the rows that may be anchors.

    They are the rows of the training splits, less zero vectors, less content that also stands in another split, each
    content and each vector once (its first row).

    Args:
        source: A dataset's rows, or embeddings.
        splits: The splits to take them from; None: see `training_splits`.
        labelled: Whether a row needs a class label.

    Returns:
        The candidates, with what was left out and why.

    Raises:
        UsageError: See `training_splits`.
    """
    rows = rows_of(source)
    chosen = training_splits(rows, splits)
    inside = rows.in_splits(*chosen)
    keys = content_keys(source)
    sieve = _Sieve(np.flatnonzero(inside))
    if labelled and rows.targets is not None:
        sieve.keep(rows.targets.present[sieve.at], "unlabelled")
    if isinstance(source, Embeddings):
        sieve.keep(nonzero(source.vectors[sieve.at]), "zero_vectors")
    elsewhere = set(keys[~inside].tolist())
    sieve.keep(np.array([key not in elsewhere for key in keys[sieve.at]], dtype=bool), "content_in_other_splits")
    sieve.keep(first_of_each(keys[sieve.at]), "repeated_content")
    if isinstance(source, Embeddings):
        sieve.keep(first_of_each(vector_keys(source.vectors[sieve.at])), "repeated_vectors")
    return Candidates(sieve.at, rows.take(sieve.at), source, chosen, sieve.excluded)


def first_source(source: Source) -> Embeddings | Rows:
    """The source itself; of several, the first: its rows name the anchors.

    Raises:
        UsageError: An empty mapping.
    """
    if not isinstance(source, Mapping):
        return source
    if not source:
        raise UsageError("Anchors are to be picked from the embeddings of several encoders, and none were given.")
    return next(iter(source.values()))


def all_candidates(source: Source, *, splits: tuple[str, ...] | None = None, labelled: bool = False) -> Candidates:
    """As `find_candidates`; of several encoders' embeddings, the rows that may be anchors in each of them.

    Raises:
        UsageError: See `training_splits`.
        MismatchError: The encoders share no rows, or an id stands for different content.
    """
    first = first_source(source)
    if not isinstance(source, Mapping):
        return find_candidates(first, splits=splits, labelled=labelled)
    meet_all({name: one.rows for name, one in source.items()})
    found = find_candidates(first, splits=splits, labelled=labelled)
    kept = np.ones(len(found.at), dtype=bool)
    others = list(source.values())[1:]
    for other in others:
        # In the first one's order, so that of repeated rows each keeps the same one; its own rows come last.
        order = sorted(range(len(other.rows)), key=lambda row: _place(rows_of(first), str(other.rows.ids[row])))
        allowed = find_candidates(other.take(np.array(order, dtype=np.intp)), splits=splits, labelled=labelled)
        kept &= np.isin(found.rows.ids.astype(str), allowed.rows.ids.astype(str))
    excluded = dict(found.excluded)
    if not kept.all():
        excluded["not_in_every_encoder"] = int(np.count_nonzero(~kept))
    rows = found.rows.take(kept)
    places = [[other.rows.position[name] for name in rows.ids] for other in others]
    further = tuple(other.vectors[np.array(at, dtype=np.intp)] for other, at in zip(others, places, strict=True))
    return replace(found, at=found.at[kept], rows=rows, excluded=excluded, further=further)


def _place(rows: Rows, name: str) -> int:
    return rows.position.get(name, len(rows))
