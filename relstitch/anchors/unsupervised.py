"""Anchors without any pairs: rows of two spaces matched by the shape of the spaces alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from relstitch.anchors.assignment import assign_rows
from relstitch.anchors.candidates import Index
from relstitch.anchors.growing import MOST_PAIRS, grow_pairs, meet_through
from relstitch.anchors.matching import MatchOptions, check_confidence, matched_anchors, two_sides
from relstitch.anchors.neighbours import Mutual, mutual_neighbours
from relstitch.anchors.profiles import profile_costs, shaped_rows, soft_assignment
from relstitch.artifacts import Anchors, Embeddings, Rows
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import UsageError, counted
from relstitch.relative import unit_rows
from relstitch.translation.linear import orthogonal

FEWEST_ROWS = 50
MOST_ROWS = 6000
_ATTEMPTS = ((0.15, 0.1), (0.25, 0.03), (0.0, 0.3))
_ENOUGH = 0.75
_ROWS_FOR_CHANCE = 1000
_FEWEST_PAIRS = 10
# Twice from few to many: wrong pairs of a half-right beginning fall out on the way.
_SIZES = (100, 200, 300, 300, 100, 200, 300, 300)
_EMPTY = np.empty(0, dtype=np.intp)
_PLAIN = MatchOptions()


@dataclass(frozen=True, eq=False)
class Matching:
    """Two spaces matched without pairs.

    Attributes:
        pairs: Rows that are each other's nearest at the end.
        held_out: Of half of the pairs, the share that the other half finds again.
        chance: The same where there was nothing to match: pairs at random, or a space whose shape was taken away.
        attempts: How many beginnings were tried.
    """

    pairs: Mutual
    held_out: float
    chance: float
    attempts: int

    @property
    def confidence(self) -> float:
        """How far the held-out share is from chance to all, in [0, 1]."""
        return float(np.clip((self.held_out - self.chance) / max(1.0 - self.chance, 1e-6), 0.0, 1.0))


def unsupervised_anchors(sides: Mapping[str, Embeddings | Rows], options: MatchOptions = _PLAIN) -> Anchors:
    """Make parallel anchors of two encoders' embeddings of the same items, when no pair is known.

    Neither ids, nor content, nor the order of rows take part. It succeeds where the two spaces are alike enough, and
    fails wholly where they are not; the confidence says which.

    Args:
        sides: Embeddings of the two encoders by name; each 50 to 6000 rows that may be anchors, of (mostly) the same
            items.
        options: How many anchors and the rest.

    Returns:
        Anchors with two sides, of strategy ``unsupervised``; ``confidence`` stands in the options.

    Raises:
        UsageError: See `two_sides` and `matched_anchors`; too few or too many rows.
        MismatchError: A confidence below the least.

    Source: ours; profiles (`profile_costs`), quadratic assignment (`assign_rows`), then growth (`grow_pairs`).

    Example:
        >>> from relstitch.artifacts import EncoderStamp
        >>> X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
        >>> def seen(X: Matrix, names: list[str]) -> Embeddings:
        ...     return Embeddings(Rows.build(names), X, EncoderStamp("st:x", "text", 5))
        >>> one = seen(X, [f"a{i}" for i in range(60)])
        >>> other = seen(-X[::-1], [f"b{i}" for i in range(60)][::-1])
        >>> made = unsupervised_anchors({"one": one, "other": other}, MatchOptions(k=3))
        >>> [[name[1:] for name in side.draws[0].ids] for side in made.sides][0] == [
        ...     name[1:] for name in made.sides[1].draws[0].ids]
        True
    """
    met = two_sides(sides, "unsupervised", options)
    for name, found in zip(met.names, met.vectors, strict=True):
        if not FEWEST_ROWS <= len(found) <= MOST_ROWS:
            excluded = met.noted[name]["excluded"].items()
            left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in excluded)
            raise UsageError(
                f"{name} has {counted(len(found), 'row')} that may be anchors (left out: {left_out or 'none'}); "
                f"matching without pairs takes {FEWEST_ROWS} to {MOST_ROWS}. Give both files of such a number of the "
                "same items, or a few pairs with --strategy bootstrap."
            )
    matching = match_rows(*met.vectors, seed=options.seed)
    check_confidence(
        "unsupervised", met, matching.confidence, least=options.min_confidence,
        way_out="Give some pairs you are sure of, with --strategy bootstrap --pairs TABLE",
    )  # fmt: skip
    evidence = {
        "confidence": round(matching.confidence, 4), "held_out": round(matching.held_out, 4),
        "chance": round(matching.chance, 4), "attempts": matching.attempts,
    }  # fmt: skip
    return matched_anchors("unsupervised", met, (_EMPTY, _EMPTY), matching.pairs, options, evidence)


def match_rows(A: Matrix, B: Matrix, *, seed: int = 0) -> Matching:
    """Match the rows of two spaces, as far as their shapes allow.

    Args:
        A: float32 [n, d_A], distinct rows, in an order that says nothing.
        B: float32 [m, d_B], likewise.
        seed: Decides the halves that are held out, and what chance is measured on.

    Returns:
        The best of up to three attempts by confidence; an attempt with a confidence of .75 is the last.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
        >>> match_rows(X, -X[::-1]).confidence > 0.5
        True
    """
    draw = np.random.default_rng([seed, 1])
    chance = _chance(A, B, draw)
    costs = profile_costs(A, B)
    found: list[Matching] = []
    for attempt in _ATTEMPTS:
        pairs = grow_pairs(A, B, *_assigned(A, B, costs, attempt), sure=0, sizes=_SIZES)
        found.append(Matching(pairs, _held_out(A, B, pairs, draw), chance, len(found) + 1))
        if found[-1].confidence >= _ENOUGH:
            break
    return replace(max(found, key=lambda one: one.held_out), attempts=len(found))


def _chance(A: Matrix, B: Matrix, draw: np.random.Generator) -> float:
    """What matching finds again where there is nothing to find: the most of two ways to have nothing.

    Growth from random pairs; and the first attempt on at most 1000 rows per side, with each principal axis of B
    shuffled for itself. Fewer rows are found again more easily, which makes the figure a cautious one.
    """
    count = min(MOST_PAIRS, len(A), len(B))
    left, right = draw.permutation(len(A)), draw.permutation(len(B))
    blind = grow_pairs(A, B, left[:count], right[:count], sure=0, sizes=_SIZES)
    some, others = A[left[:_ROWS_FOR_CHANCE]], B[right[:_ROWS_FOR_CHANCE]]
    axes, spread, _ = np.linalg.svd(others - others.mean(axis=0), full_matrices=False)
    apart = (draw.permuted(axes, axis=0) * spread).astype(np.float32)
    assigned = _assigned(some, apart, profile_costs(some, apart), _ATTEMPTS[0])
    shapeless = grow_pairs(some, apart, *assigned, sure=0, sizes=_SIZES)
    return max(_held_out(A, B, blind, draw), _held_out(some, apart, shapeless, draw))


def _assigned(A: Matrix, B: Matrix, costs: Matrix, attempt: tuple[float, float]) -> tuple[Index, Index]:
    """The 300 surest pairs of a quadratic assignment: those that the rotation fitted to all confirms best."""
    power, temperature = attempt
    X, Y = shaped_rows(A, power), shaped_rows(B, power)
    if len(A) <= len(B):
        left = np.arange(len(A))
        right = assign_rows(X, Y, _start(costs, temperature))
    else:
        right = np.arange(len(B))
        left = assign_rows(Y, X, _start(costs.T, temperature))
    rotation = orthogonal(X[left].astype(np.float64), Y[right].astype(np.float64))[0].astype(np.float32)
    turned = unit_rows(X @ rotation).astype(np.float32)
    return mutual_neighbours(turned, Y).best(MOST_PAIRS, apart_from=(_EMPTY, _EMPTY))


def _start(costs: Matrix, temperature: float) -> Matrix:
    return np.float32(0.5) * soft_assignment(costs, temperature) + np.float32(0.5 / costs.shape[1])


def _held_out(A: Matrix, B: Matrix, pairs: Mutual, draw: np.random.Generator) -> float:
    """The share of one half of the pairs that are found again through at most 300 of the other half, both ways."""
    if len(pairs) < _FEWEST_PAIRS:
        return 0.0
    order = draw.permutation(len(pairs))
    halves = np.array_split(order, 2)
    shares = []
    for known, hidden in (halves, halves[::-1]):
        given = known[:MOST_PAIRS]
        met = mutual_neighbours(*meet_through(A, B, pairs.left[given], pairs.right[given]))
        shares.append(float(np.mean(met.nearest[pairs.left[hidden]] == pairs.right[hidden])))
    return float(np.mean(shares))
