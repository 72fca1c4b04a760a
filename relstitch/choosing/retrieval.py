"""Choosing a translator where no labels are needed: held-out anchors look for themselves among the target's rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts.spaces import Matrix
from relstitch.choosing.folds import MIN_ANCHORS, folds_for, mean_scores, preferred
from relstitch.errors import MismatchError, UsageError
from relstitch.translation import TranslatorSettings, apply_arrays, fit_arrays
from relstitch.translation.registry import check_anchors
from relstitch.translation.vectors import search_ranks, unlike

_SMALL = 400
_DISTRACTORS = 2000
_DETERMINED = 2


def _smoothing(**params: Any) -> TranslatorSettings:
    return TranslatorSettings("smoothing", params)


TRANSLATOR_CANDIDATES: Mapping[str, TranslatorSettings] = {
    "smoothing on both, γ=0.5": _smoothing(targets="both", gamma=0.5),
    "smoothing on both, γ=0.5, λ=0.03": _smoothing(targets="both", gamma=0.5, penalty=0.03),
    "smoothing, γ=0.5": _smoothing(gamma=0.5),
    "procrustes": TranslatorSettings("procrustes"),
    "inverse": TranslatorSettings("inverse"),
    # Leave-one-out shrinks for the least squared error, which is more than a ranking likes.
    "ridge, λ=0.1": TranslatorSettings("ridge", {"penalty": 0.1}),
    "ridge": TranslatorSettings("ridge"),
}
"""What is tried, the preferred ones first, unless the anchors determine a rotation (see `choose_translator`). With
the two-sided ones (smoothing) the target's rows are carried too."""


@dataclass(frozen=True)
class TranslatorChoice:
    """A translator, and why.

    Attributes:
        settings: The chosen one.
        how: ``held-out anchors``, ``given`` (one candidate), or why the first candidate was taken.
        scores: The mean reciprocal rank of the held-out anchors, by candidate, in (0, 1]; empty where none was tried.
    """

    settings: TranslatorSettings
    how: str
    scores: Mapping[str, float] = field(default_factory=dict)


def choose_translator(
    source: Matrix,
    target: Matrix,
    *,
    candidates: Mapping[str, TranslatorSettings] | None = None,
    seed: int = 0,
    target_rows: Matrix | None = None,
) -> TranslatorChoice:
    """Choose a translator by what it finds: no labels, no rows of the source beside the anchors.

    The anchors are dealt into folds. For each fold every candidate is fitted on the other anchors; those of the
    fold, carried from the source, look for themselves among the fold's anchors and other rows of the target. The
    candidate with the best mean reciprocal rank wins, unless an earlier one of the list is at most two standard
    errors of the paired difference behind it: the best of many is best by luck as well.

    From twice as many anchors as the wider side has dimensions on, k ≥ 2·max(d_A, d_B), Procrustes stands before
    the others. With k ≤ d anchors a rotation is fitted to what they span and knows nothing of the rest, and what
    smooths over the anchors has the better guess. With twice as many every direction is seen, and its noise averaged;
    smoothing then has little to add but its own bias, and the map that leaves the target's rows as they are is the
    one to take unless it is clearly behind.

    Args:
        source: float32 [k, d_A], the anchors in the source's space.
        target: float32 [k, d_B], the same anchors in the target's space.
        candidates: What to try, by the name to call it in a report, preferred ones first (Procrustes moves up as
            said above); default: `TRANSLATOR_CANDIDATES`.
        seed: Deals the folds, and picks 2000 of the other rows where there are more.
        target_rows: float32 [n, d_B], other rows of the target to be confused with; anchors among them are left out.

    Returns:
        The winner and every candidate's score, in the order of preference. With fewer than 30 anchors the first
        candidate, untried.

    Raises:
        UsageError: No candidates; an unknown translator or parameter, or a parameter out of its range.
        MismatchError: Anchors that do not fit together, are too few, not finite, or all alike; other rows of another
            width, or not finite.

    Source: ours; cross-validation over anchors, after the one-standard-error rule of Breiman et al. 1984, section
    3.4, with two.

    Example:
        >>> A = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
        >>> choose_translator(A, -A).scores["procrustes"]
        1.0
    """
    offered = TRANSLATOR_CANDIDATES if candidates is None else candidates
    if not offered:
        raise UsageError("A translator was to be chosen among no candidates; give at least one.")
    check_anchors(source, target)
    offered = _by_preference(offered, len(source), max(source.shape[1], target.shape[1]))
    first = next(iter(offered.values()))
    if len(offered) == 1:
        return TranslatorChoice(first, "given")
    if len(source) < MIN_ANCHORS:
        return TranslatorChoice(first, f"default: {len(source)} anchors, fewer than {MIN_ANCHORS}")
    rows = _others(target, target_rows, seed)
    # One BLAS thread while the matrices are small: threads that wait for each other are slower.
    with threadpool_limits(1 if len(source) <= _SMALL else None):
        found = {name: _found(source, target, settings, rows, seed) for name, settings in offered.items()}
    return TranslatorChoice(offered[preferred(found, errors=2.0)], "held-out anchors", mean_scores(found))


def _by_preference(offered: Mapping[str, TranslatorSettings], k: int, width: int) -> Mapping[str, TranslatorSettings]:
    """The candidates in the order of preference: rotations first where k anchors of this width determine one."""
    if k < _DETERMINED * width:
        return offered
    return dict(sorted(offered.items(), key=lambda one: one[1].method != "procrustes"))


def _others(target: Matrix, target_rows: Matrix | None, seed: int) -> Matrix:
    """The rows to be confused with: no anchors, nor their copies, which would stand beside the right answer."""
    if target_rows is None:
        return target[:0]
    bad = int((~np.isfinite(target_rows)).any(axis=-1).sum())
    if target_rows.ndim != 2 or target_rows.shape[1] != target.shape[1] or bad:
        raise MismatchError(
            f"The target's other rows have the shape {list(target_rows.shape)}, {bad} of them with NaN or infinite "
            f"values; expected finite rows [n, {target.shape[1]}], as the anchors are in the target."
        )
    rows = target_rows.astype(target.dtype)
    kept = unlike(rows, target)
    if len(kept) > _DISTRACTORS:
        kept = np.sort(np.random.default_rng(seed).choice(kept, _DISTRACTORS, replace=False))
    return rows[kept]


def _found(
    source: Matrix, target: Matrix, settings: TranslatorSettings, others: Matrix, seed: int
) -> NDArray[np.float64]:
    """The reciprocal rank of every anchor when it is held out: float64 [k]."""
    folds = folds_for(len(source))
    found = np.zeros(len(source))
    order = np.random.default_rng(seed).permutation(len(source))
    for fold in range(folds):
        out, kept = order[fold::folds], np.setdiff1d(order, order[fold::folds])
        arrays = fit_arrays(source[kept], target[kept], settings)
        # Anchors of equal vectors are one answer.
        asked, truth = np.unique(target[out], axis=0, return_inverse=True)
        queries = apply_arrays(settings.method, arrays, source[out])
        rows, center = (
            apply_arrays(settings.method, arrays, X, side="target")
            for X in (np.concatenate([asked, others]), target[kept])
        )
        found[out] = 1.0 / search_ranks(queries, rows, truth.ravel(), center=center.mean(axis=0))
    return found
