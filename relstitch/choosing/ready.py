"""Choosing how rows are carried to a decoder that is trained already: asked on anchors held out of the fitting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing.folds import folds_for, folds_of, mean_scores, obstacle_among, preferred
from relstitch.choosing.sides import Source
from relstitch.choosing.strength import Choice, sample_of
from relstitch.choosing.way import WayChoice
from relstitch.decoders.ready import ReadyDecoder, held_still, ready_predict
from relstitch.scoring import score
from relstitch.translation import TRANSLATORS
from relstitch.ways import Carry, Way, cross, rescaled, way_of

_PREFERRED = ("kernel", "ridge", "procrustes", "low-rank", "inverse", "affine")


def ready_ways() -> tuple[Way, ...]:
    """What is tried for a ready decoder: the translators that leave the target's rows as they are.

    Each with the source's columns rescaled to the target's, which undoes the shrinking of a penalty, and without.

    Example:
        >>> [way.name for way in ready_ways()][:3]
        ['kernel, rescaled', 'ridge, rescaled', 'procrustes, rescaled']
    """
    plain = [way_of(name) for name in _PREFERRED if not TRANSLATORS[name].two_sided]
    return (*(replace(way, name=f"{way.name}, rescaled", rescale=True) for way in plain), *plain)


@dataclass(frozen=True, eq=False)
class ReadyTarget:
    """The side of a ready decoder.

    Attributes:
        decoder: What answers.
        rows: float32 [n, d_B], rows of the target's training split; their labels are not asked for.
        anchors: float32 [k, d_B].
        known: The targets of the k anchors, from this side.
    """

    decoder: ReadyDecoder
    rows: Matrix
    anchors: Matrix
    known: Targets


def choose_ready_way(target: ReadyTarget, source: Source, candidates: Sequence[Way], *, seed: int = 0) -> WayChoice:
    """Choose how a source's rows are carried to a ready decoder.

    The anchors are dealt into folds. For each fold every candidate is fitted on the other anchors and carries the
    fold's anchors, as the source gives them, to the target's space, where the decoder answers. The candidate with the
    most right answers wins, unless an earlier one is less than one standard error of the paired difference behind it.
    Nothing is trained, and no test row is looked at.

    Args:
        target: The side whose decoder answers. Its labels of the anchors are the only ones looked at.
        source: The side whose rows are carried.
        candidates: The ways to try, preferred ones first; one is taken as it is.
        seed: Deals the folds.

    Returns:
        The choice; its scores are the shares of right answers (of numbers: minus the squared error in units of the
        variance). The first candidate where there are fewer than 30 labelled anchors, or one class among them.

    Raises:
        MismatchError: As `relstitch.ways.cross` and `ready_predict`.

    Source: ours; cross-validation over anchors, with the one-standard-error rule of Breiman et al. 1984, section 3.4.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) + [[3, 0, 0], [-3, 0, 0]] * 30
        >>> X = X.astype(np.float32)
        >>> sign = ReadyDecoder("sign", ("a", "b"), 3, lambda X: X[:, :1] * [1.0, -1.0], "the sign of a value")
        >>> target = ReadyTarget(sign, X, X, Targets.from_labels(["a", "b"] * 30))
        >>> choose_ready_way(target, Source(-X, -X), ready_ways()).scores["procrustes"]
        1.0
    """
    usable = [way for way in candidates if not way.rescale or len(source.rows) > 1]
    none = Choice(None, "the decoder is trained already")
    if len(usable) == 1:
        return WayChoice(usable[0], none, "given")
    obstacle = obstacle_among(target.known)
    if obstacle is not None:
        return WayChoice(usable[0], none, obstacle)
    hits: dict[str, list[NDArray[np.float64]]] = {way.name: [] for way in usable}
    # One BLAS thread: the matrices are small, and threads that wait for each other are slower.
    with threadpool_limits(1):
        for out in folds_of(target.known, folds_for(len(target.anchors)), seed):
            for name, carry in _fitted(usable, source, target, out, seed):
                hits[name].append(_goodness(target.decoder, carry(source.anchors[out]), target.known.take(out)))
    goodness = {name: np.concatenate(parts) for name, parts in hits.items()}
    name = preferred(goodness, errors=1.0)
    won = next(way for way in usable if way.name == name)
    return WayChoice(won, none, "held-out anchors", mean_scores(goodness))


def carry_to_ready(way: Way, source: Source, target: ReadyTarget) -> Carry:
    """Fit a way on all anchors.

    Args:
        way: One that leaves the target's rows as they are.
        source: The side whose rows are carried.
        target: The side of the decoder.

    Returns:
        From float32 [n, d_A] to [n, d_B], rescaled where the way says so, and put at the decoder's mean where its
        columns all but stand still.

    Example:
        >>> sign = ReadyDecoder("sign", ("a", "b"), 2, lambda X: X.astype(np.float64), "as it is")
        >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]], dtype=np.float32)
        >>> target = ReadyTarget(sign, -A, -A, Targets.from_labels(["a", "b", "a"]))
        >>> bool(np.allclose(carry_to_ready(way_of("procrustes"), Source(A, A), target)(A), -A, atol=1e-5))
        True
    """
    plain = cross(way, source.anchors, target.anchors).source
    carry = rescaled(plain, source.rows, target.rows) if way.rescale else plain
    return lambda X: held_still(target.decoder, carry(X))


def _fitted(
    ways: Sequence[Way], source: Source, target: ReadyTarget, out: NDArray[np.intp], seed: int
) -> Iterator[tuple[str, Carry]]:
    """The ways, fitted on the anchors that are not held out; those of one translator share its fit."""
    kept = np.delete(np.arange(len(target.anchors)), out)
    # A sample will do for the moments.
    rows, like = (X[sample_of(np.arange(len(X)), seed)] for X in (source.rows, target.rows))
    plain: dict[str, Carry] = {}
    for way in ways:
        called = str(way.translator)
        if called not in plain:
            plain[called] = cross(way, source.anchors[kept], target.anchors[kept]).source
        yield way.name, rescaled(plain[called], rows, like) if way.rescale else plain[called]


def _goodness(decoder: ReadyDecoder, X: Matrix, truth: Targets) -> NDArray[np.float64]:
    """How well each held-out anchor is answered."""
    answers = ready_predict(decoder, held_still(decoder, X))
    hits = score(answers, truth).hits
    if hits is not None:
        return hits.astype(np.float64)
    order = [truth.names.index(name) for name in answers.names]
    errors = np.square(answers.values - truth.values[:, order]).mean(axis=1)
    return np.asarray(-errors / max(float(truth.values.var()), 1e-12))
