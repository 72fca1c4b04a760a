"""Anchors from a few seed pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from relstitch.anchors.candidates import Index, content_keys, vector_keys
from relstitch.anchors.growing import grow_pairs, growth
from relstitch.anchors.matching import MatchOptions, TwoSides, check_confidence, matched_anchors, two_sides
from relstitch.anchors.pairing import pair_anchors
from relstitch.artifacts import Anchors, AnchorSide, Embeddings, Rows
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import UsageError, counted
from relstitch.meeting import locate

FEWEST_SEEDS = 5
_FOLDS = 5
_PLAIN = MatchOptions()


def bootstrap_anchors(
    sides: Mapping[str, Embeddings | Rows], seeds: Sequence[Sequence[str]], options: MatchOptions = _PLAIN
) -> Anchors:
    """Make many parallel anchors from a few pairs that are known.

    Args:
        sides: Embeddings of two encoders by name, of (mostly) the same items or of items that correspond.
        seeds: Pairs of ids, at least 5, in the order of `sides`; see `pair_anchors` for which may be anchors.
        options: How many anchors and the rest.

    Returns:
        Anchors with two sides, of strategy ``bootstrap``: the seeds first, then the pairs grown from them.
        ``confidence`` in the options is the share of seeds found again when they were held out.

    Raises:
        UsageError: See `two_sides`, `pair_anchors` and `matched_anchors`; fewer than 5 seeds.
        MismatchError: Seeds that are not there; a confidence below the least.

    Source: ours; see `grow_pairs`.

    Example:
        >>> from relstitch.artifacts import EncoderStamp
        >>> X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
        >>> def seen(X: Matrix, prefix: str) -> Embeddings:
        ...     return Embeddings(Rows.build([f"{prefix}{i}" for i in range(60)]), X, EncoderStamp("st:x", "text", 5))
        >>> sides = {"one": seen(X, "a"), "other": seen(-X, "b")}
        >>> made = bootstrap_anchors(sides, [(f"a{i}", f"b{i}") for i in range(20)], MatchOptions(k=30))
        >>> made.k, made.options["seeds"], made.options["confidence"] > 0.5
        (30, 20, True)
    """
    met = two_sides(sides, "bootstrap", options)
    given = pair_anchors(sides, seeds, splits=options.splits)
    count = len(given.sides[0].draws[0])
    if count < FEWEST_SEEDS:
        raise UsageError(
            f"{count} of {counted(len(seeds), 'seed pair')} may be anchors; growing pairs needs at least "
            f"{FEWEST_SEEDS}. Give more pairs you are sure of."
        )
    met, sure = _with_seeds(met, given.sides)
    A, B = met.vectors
    confidence = held_out_seeds(A, B, *sure, seed=options.seed)
    check_confidence(
        "bootstrap", met, confidence, least=options.min_confidence,
        way_out=f"Give more than these {count} pairs you are sure of",
    )  # fmt: skip
    matched = grow_pairs(A, B, *sure, sure=count, sizes=growth(count))
    return matched_anchors(
        "bootstrap", met, sure, matched, options, {"confidence": round(confidence, 4), "seeds": count}
    )


def held_out_seeds(A: Matrix, B: Matrix, left: Index, right: Index, *, seed: int = 0) -> float:
    """The share of seed pairs that are found among all rows when pairs are grown without them, over five folds.

    Args:
        A: float32 [n, d_A].
        B: float32 [m, d_B].
        left: intp [s], rows of A.
        right: intp [s], the rows of B that they pair with.
        seed: Decides the folds.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
        >>> held_out_seeds(X, -X, np.arange(30), np.arange(30)) > 0.8
        True
    """
    order = np.random.default_rng([seed, 1]).permutation(len(left))
    found = 0
    for fold in np.array_split(order, _FOLDS):
        known = np.setdiff1d(order, fold)
        grown = grow_pairs(A, B, left[known], right[known], sure=len(known), sizes=growth(len(known)))
        found += int(np.count_nonzero(grown.nearest[left[fold]] == right[fold]))
    return found / len(left)


def _with_seeds(met: TwoSides, seeds: Sequence[AnchorSide]) -> tuple[TwoSides, tuple[Index, Index]]:
    """The two sides with the seeds at the head, less the rows that repeat a seed's content or vector."""
    ats = []
    for side, at, given in zip(met.sides, met.at, seeds, strict=True):
        heads = locate(given.draws[0], side.rows, name=given.name)
        contents, vectors = content_keys(side), vector_keys(side.vectors)
        known = set(contents[heads].tolist()) | set(vectors[heads].tolist())
        fresh = [contents[row] not in known and vectors[row] not in known for row in at]
        ats.append(np.r_[heads, at[np.array(fresh, dtype=bool)]])
    first = np.arange(len(seeds[0].draws[0]))
    return replace(met, at=(ats[0], ats[1])), (first, first)
