"""Anchors from rows that were matched by their vectors: what both ways to match share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relstitch.anchors.candidates import Index, check_numbers, find_candidates, listed
from relstitch.anchors.neighbours import Mutual
from relstitch.anchors.picking import DEFAULT_K
from relstitch.artifacts import Anchors, AnchorSide, Embeddings, Rows
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import MismatchError, UsageError, counted, some

MIN_CONFIDENCE = 0.5
_POOL = 0.75


@dataclass(frozen=True)
class MatchOptions:
    """What decides the anchors among matched rows.

    Attributes:
        k: How many; None: 300.
        seed: Of the first draw, and of all chance in matching; draw i takes its pairs by seed + i.
        draws: How many lists to make of one matching.
        splits: The splits to match, of those each side has; None: ``train`` where it exists, else the only split.
        min_confidence: Below it the result is refused, in [0, 1].
    """

    k: int | None = None
    seed: int = 0
    draws: int = 1
    splits: tuple[str, ...] | None = None
    min_confidence: float = MIN_CONFIDENCE


@dataclass(frozen=True, eq=False)
class TwoSides:
    """Two spaces about to be matched.

    Attributes:
        names: What they are called.
        sides: The embeddings of each.
        at: intp [n] each, which of their rows may be anchors.
        noted: For the anchors' options.
    """

    names: tuple[str, str]
    sides: tuple[Embeddings, Embeddings]
    at: tuple[Index, Index]
    noted: Mapping[str, Any]

    @property
    def vectors(self) -> tuple[Matrix, Matrix]:
        """The vectors of these rows, float32 [n, d] each."""
        return self.sides[0].vectors[self.at[0]], self.sides[1].vectors[self.at[1]]


def two_sides(sides: Mapping[str, Embeddings | Rows], strategy: str, options: MatchOptions) -> TwoSides:
    """Find the rows of two sides that may be anchors, each side's in an order of its own.

    Two files of one dataset have the same rows in the same order: shuffled, the order can pair nothing.

    Raises:
        UsageError: Other than two sides, a side without vectors, numbers that cannot be, unknown splits.
    """
    check_numbers(options.k, options.seed, options.draws)
    if not 0 <= options.min_confidence <= 1:
        raise UsageError(f"The minimum confidence is {options.min_confidence:g}; expected a number from 0 to 1.")
    embedded = {name: side for name, side in sides.items() if isinstance(side, Embeddings)}
    bare = [name for name in sides if name not in embedded]
    if bare:
        raise UsageError(
            f"The strategy {strategy!r} matches vectors, and these sides have none: {some(bare)}. Encode them first, "
            "with relstitch encode."
        )
    if len(embedded) != 2:
        raise UsageError(
            f"The strategy {strategy!r} matches the rows of two embeddings files; found {len(sides)}: "
            f"{some(sides) or 'none'}."
        )
    shuffle = np.random.default_rng(options.seed)
    at, noted = [], {}
    for name, side in embedded.items():
        own = tuple(split for split in options.splits or () if split in side.rows.split_names) or options.splits
        found = find_candidates(side, splits=own)
        at.append(shuffle.permutation(found.at))
        noted[name] = {"splits": list(found.splits), "candidates": len(found.at), "excluded": dict(found.excluded)}
    (one, first), (other, second) = embedded.items()
    return TwoSides((one, other), (first, second), (at[0], at[1]), noted)


def check_confidence(strategy: str, met: TwoSides, confidence: float, *, least: float, way_out: str) -> None:
    """Refuse a matching that is more likely wrong than right.

    Raises:
        MismatchError: Confidence below the least.
    """
    if confidence < least:
        raise MismatchError(
            f"The rows of {met.names[0]} and {met.names[1]} were matched with confidence {confidence:.2f}; at "
            f"least {least:g} is needed. The pairs of the strategy {strategy!r} are probably wrong here: the spaces "
            f"are too unlike, or hold different items. {way_out}, or take the pairs as they are with "
            "--min-confidence 0."
        )


def matched_anchors(
    strategy: str,
    met: TwoSides,
    sure: tuple[Index, Index],
    matched: Mutual,
    options: MatchOptions,
    evidence: Mapping[str, Any],
) -> Anchors:
    """Draw parallel anchors from matched rows: the sure pairs first, then others in a random order.

    Of the matched rows the quarter of smallest margin is left out where enough remain.

    Args:
        strategy: ``bootstrap`` or ``unsupervised``.
        met: The two sides.
        sure: intp [s] each, pairs that come first.
        matched: Rows that are each other's nearest.
        options: How many, and the seeds.
        evidence: What is noted beside the numbers of rows, the confidence among it.

    Raises:
        UsageError: Fewer pairs than k, or several draws that could not differ.
    """
    k = DEFAULT_K if options.k is None else options.k
    most = max(k - len(sure[0]), int(_POOL * len(matched)))
    pool = matched.best(most, apart_from=sure)
    available = len(sure[0]) + len(pool[0])
    if k > available:
        raise UsageError(
            f"{counted(k, 'anchor was', 'anchors were')} asked for, and "
            f"{counted(available, 'pair of rows is', 'pairs of rows are')} each other's nearest. Choose a k of at "
            f"most {available}."
        )
    if options.draws > 1 and not len(sure[0]) < k < available:
        raise UsageError(
            f"{options.draws} draws of {counted(k, 'anchor')} were asked for, and all would hold the same pairs: "
            f"{len(sure[0])} are given and {available} known in all. Take one draw, or a k between the two."
        )
    orders = []
    for seed in range(options.seed, options.seed + options.draws):
        others = np.random.default_rng(seed).permutation(len(pool[0]))
        orders.append([np.r_[sure[side], pool[side][others]][:k] for side in (0, 1)])
    made = tuple(
        AnchorSide(name, one.rows.fingerprint, tuple(listed(one.rows, at[order[side]]) for order in orders))
        for side, (name, one, at) in enumerate(zip(met.names, met.sides, met.at, strict=True))
    )
    noted = {"splits": {name: facts["splits"] for name, facts in met.noted.items()}, "sides": dict(met.noted)}
    return Anchors(strategy, options.seed, made, {**noted, "pairs_found": available, **evidence})
