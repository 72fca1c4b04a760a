"""Lists of anchors: samples (an id and a content hash each), never bare vectors."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from relstitch.errors import MismatchError, UsageError, counted, some


def _sha256(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class AnchorList:
    """One draw of anchors on one side, in order: a smaller k is the beginning of it.

    Attributes:
        ids: The k ids, distinct.
        hashes: The k content hashes, ``""`` where a sample has no content (vectors).
    """

    ids: tuple[str, ...]
    hashes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.hashes):
            hashes = counted(len(self.hashes), "content hash", "content hashes")
            raise MismatchError(f"An anchors list has {counted(len(self.ids), 'id')} and {hashes}.")
        if len(set(self.ids)) != len(self.ids):
            repeated = sorted(name for name, times in Counter(self.ids).items() if times > 1)
            raise MismatchError(
                f"An anchors list names {counted(len(repeated), 'id')} more than once: {some(repeated)}."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ordered list: which anchors, in which order."""
        return _sha256([self.ids, self.hashes])


@dataclass(frozen=True)
class AnchorSide:
    """The anchors in one dataset. Parallel anchors have several sides that correspond position by position.

    Attributes:
        name: ``main`` for ordinary anchors; a domain's name (a language, a modality) for parallel ones.
        dataset: The fingerprint of the dataset they were picked from.
        draws: One list per draw.
    """

    name: str
    dataset: str
    draws: tuple[AnchorList, ...]


@dataclass(frozen=True)
class Anchors:
    """An anchors file: one or more draws, on one or more corresponding sides.

    Attributes:
        strategy: How they were chosen (`relstitch.names.STRATEGIES`).
        seed: The seed of the first draw; draw i was made with seed + i.
        sides: At least one; every side has the same number of draws and of anchors in each.
        options: What else decided the choice (splits, the encoder whose vectors were used …).
    """

    strategy: str
    seed: int
    sides: tuple[AnchorSide, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {side.name: [len(draw) for draw in side.draws] for side in self.sides}
        if not shapes or not all(shapes.values()):
            raise MismatchError("An anchors file needs at least one side with at least one draw.")
        if len({tuple(shape) for shape in shapes.values()}) > 1:
            raise MismatchError(f"The sides of parallel anchors must match draw by draw; anchors found: {shapes}.")
        if len(shapes) != len(self.sides):
            names = [side.name for side in self.sides]
            raise MismatchError(f"The sides of parallel anchors need names of their own; found: {some(names)}.")

    @property
    def k(self) -> int:
        """How many anchors the smallest draw holds."""
        return min(len(draw) for draw in self.sides[0].draws)

    @property
    def n_draws(self) -> int:
        """How many draws there are."""
        return len(self.sides[0].draws)

    def side(self, name: str | None = None) -> AnchorSide:
        """The side called `name`; without a name, the only one.

        Raises:
            UsageError: No such side, or several and none named.
        """
        names = [side.name for side in self.sides]
        if name is None:
            if len(self.sides) > 1:
                raise UsageError(f"These anchors have {len(names)} sides ({some(names)}): say which one with --side.")
            return self.sides[0]
        for side in self.sides:
            if side.name == name:
                return side
        raise UsageError(f"These anchors have no side {name!r}; they have: {some(names)}.")

    def correspondence(self, draw: int = 0) -> str:
        """SHA-256 over all sides of one draw: spaces of different data meet on it."""
        return _sha256([[side.draws[draw].ids, side.draws[draw].hashes] for side in self.sides])

    def prefix(self, k: int) -> "Anchors":
        """The first k anchors of every draw.

        Raises:
            UsageError: k is below 1 or larger than the file's lists.
        """
        if not 1 <= k <= self.k:
            raise UsageError(f"{k} anchors were asked for; this file's lists hold {self.k}. Choose 1 to {self.k}.")
        if all(len(draw) == k for side in self.sides for draw in side.draws):
            return self
        sides = tuple(
            replace(side, draws=tuple(AnchorList(draw.ids[:k], draw.hashes[:k]) for draw in side.draws))
            for side in self.sides
        )
        return replace(self, sides=sides)


@dataclass(frozen=True)
class AnchorHealth:
    """How good a set of anchors is for one encoder. What needs vectors is None for a dataset that has none.

    Attributes:
        k: Number of anchors.
        d: Width of the encoder's embeddings, or None.
        rank: Rank of the centred anchor matrix, at most min(k - 1, d), or None.
        condition: Its condition number: largest over smallest nonzero singular value; None where it has neither.
        coverage: Mean over the training rows of the centred cosine to the nearest anchor, in [-1, 1], or None.
        duplicates: Anchors that equal an earlier one: in vector, or, without vectors, in content.
        mean_cosine: Mean cosine between different anchors, uncentred: near 1 means a narrow cone (anisotropy); or
            None.
        classes_hit: Classes that have at least one anchor, or None without labels.
        classes_total: Classes in the training rows, or None without labels.
        warnings: What is bad about the set, in words; empty when nothing is.
    """

    k: int
    d: int | None
    rank: int | None
    condition: float | None
    coverage: float | None
    duplicates: int
    mean_cosine: float | None
    classes_hit: int | None
    classes_total: int | None
    warnings: tuple[str, ...] = ()
