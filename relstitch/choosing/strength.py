"""Choosing a decoder's regularisation: scored on held-out anchors, never on test rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Decoder, Targets
from relstitch.choosing.folds import folds_of, kinds_of, obstacle_among
from relstitch.decoders import DecoderSettings, fit_path, method_of, predict
from relstitch.scoring import merit, score

_TRAIN_ROWS = 2000


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The anchors, as what a decoder can be tried on: their vectors are known in every encoder.

    Attributes:
        targets: Of the k anchors, from the decoder's own side by id.
        rows: intp [n], which anchor a training row is (by id or by equal content), -1 for none.
        spaces: For every *other* encoder, the anchors' representations in it, [k, w]: relative to the anchors
            themselves, or absolute.
        relative: Whether the columns are the anchors, so that a held-out anchor's column leaves with its row.
        anew: For representations that depend on all anchors at once: from the anchors that are left out to the
            training rows, [n, w], and all anchors by encoder, [k, w], as the other anchors alone would have them.
        obstacle: Why these anchors cannot be asked, or None.
    """

    targets: Targets
    rows: NDArray[np.intp]
    spaces: Mapping[str, NDArray[Any]]
    relative: bool = True
    anew: Callable[[NDArray[np.intp]], tuple[NDArray[Any], Mapping[str, NDArray[Any]]]] | None = None
    obstacle: str | None = None


@dataclass(frozen=True)
class Choice:
    """A strength, and why.

    Attributes:
        strength: The chosen one; None for a method that has none.
        how: ``held-out anchors``, or why the method's own default was taken.
        scores: The mean leading metric on held-out anchors (minus the MSE of pictures), by strength.
    """

    strength: float | None
    how: str
    scores: Mapping[float, float] = field(default_factory=dict)


def choose_strength(
    X: NDArray[Any], targets: Targets, held_out: HeldOut, settings: DecoderSettings, *, folds: int = 3
) -> Choice:
    """Choose a decoder's regularisation by what it does on encoders it was not trained on.

    A decoder's own validation rows favour too little of it. So the anchors are dealt into folds; for each fold a
    decoder is trained on the rows that are not in it, on the other anchors' columns, and scored on the fold's anchors
    as the *other* encoders give them. The anchors' mean stays that of all anchors, so that nothing is projected anew,
    unless `HeldOut.anew` does: anchors that whiten are all alike to themselves, and say nothing about other rows.
    The strength with the best mean score wins; of equals, the stronger regularisation.

    Args:
        X: float32 [n, w], the decoder's training rows.
        targets: Of the n training rows.
        held_out: The anchors.
        settings: The decoder. A given strength is kept; the seed deals the folds and picks training rows where there
            are more than 2000 (C is then scaled, so that the share of the penalty is that of all rows).
        folds: How many folds, at least 2.

    Returns:
        The strength. The method's default where there is no other encoder, or there are fewer than 30 labelled
        anchors or only one class among them.

    Raises:
        UsageError: Settings that the method cannot work with.

    Source: ours; see the project's notes on numbers for what it is worth.

    Example:
        >>> anchors = Targets.from_labels(["a", "b"])
        >>> held_out = HeldOut(anchors, np.array([0, 1]), {})
        >>> choose_strength(np.eye(2, dtype=np.float32), anchors, held_out, DecoderSettings()).strength
        0.01
    """
    method = method_of(settings)
    if settings.strength is not None:
        return Choice(settings.strength, "given")
    if not method.grid:
        return Choice(None, "this decoder has no strength")
    why_not = held_out.obstacle or obstacle_of(held_out.targets, targets, held_out.rows)
    if not held_out.spaces:
        why_not = "default: no other encoder to try the anchors in"
    if why_not is not None:
        return Choice(method.strength, why_not)
    dealt = [_scores(X, targets, held_out, settings, out) for out in folds_of(held_out.targets, folds, settings.seed)]
    with threadpool_limits(1):
        # Rounded: equal scores summed in another order may differ in the last digit, and ties have a winner.
        means = [round(float(np.mean(of_folds)), 9) for of_folds in zip(*dealt, strict=True)]
    scores = dict(zip(method.grid, means, strict=True))
    return Choice(max(scores, key=lambda strength: scores[strength]), "held-out anchors", scores)


def obstacle_of(known: Targets, targets: Targets, rows: NDArray[np.intp]) -> str | None:
    """Why held-out anchors cannot be asked, or None.

    Args:
        known: Of the k anchors.
        targets: Of the n training rows.
        rows: intp [n], which anchor a training row is, -1 for none.
    """
    among = obstacle_among(known)
    if among is not None:
        return among
    if kinds_of(targets.take(targets.present & (rows < 0))) < 2:
        return "default: the training rows that are no anchors are all of one class"
    return None


def _scores(
    X: NDArray[Any], targets: Targets, held_out: HeldOut, settings: DecoderSettings, out: NDArray[np.intp]
) -> Iterator[float]:
    """The mean leading metric over the other encoders on one fold, for one strength of the grid after the other."""
    usable = np.flatnonzero(targets.present & ~np.isin(held_out.rows, out))
    rows = sample_of(usable, settings.seed)
    spaces = held_out.spaces
    if held_out.anew is not None:
        X, spaces = held_out.anew(out)
    kept = np.arange(X.shape[1])
    if held_out.relative and held_out.anew is None:
        # A product of spaces has a column of every anchor in each of them.
        kept = kept[~np.isin(kept % len(held_out.targets), out)]
    truth = held_out.targets.take(out)
    for decoder in draft_path(X[np.ix_(rows, kept)], targets.take(rows), settings, len(usable)):
        scored = [score(predict(decoder, space[np.ix_(out, kept)]), truth) for space in spaces.values()]
        yield float(np.mean([merit(one, truth.kind) for one in scored]))


def draft_path(
    X: NDArray[Any],
    targets: Targets,
    settings: DecoderSettings,
    usable: int,
    strengths: Sequence[float] | None = None,
) -> Iterator[Decoder]:
    """One coarse decoder for every strength, by default of the grid, on a sample of the usable rows."""
    # C weighs the sum of the losses against the penalty: with fewer rows, the same balance needs a larger C.
    share = usable / len(X) if settings.method in ("logistic", "svm") else 1.0
    asked = method_of(settings).grid if strengths is None else strengths
    return fit_path(X, targets, replace(settings, strength=None), [strength * share for strength in asked])


def sample_of(rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """At most 2000 of the rows, in their order: enough to choose by."""
    if len(rows) <= _TRAIN_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _TRAIN_ROWS, replace=False))


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """At most so many of n rows, evenly spread over all.

    Example:
        >>> evenly(10, 3).tolist()
        [0, 4, 9]
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))
