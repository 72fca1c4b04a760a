"""Choosing how two spaces meet: every candidate is tried on anchors that were held out of fitting it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Decoder, Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing.strength import Choice, draft_path, folds_of, obstacle_of, sample_of
from relstitch.decoders import DecoderSettings, decision_values, method_of
from relstitch.ways import CANDIDATES, Crossing, Way, cross, rescaled

_FEW_ANCHORS = 100
_JUDGE = DecoderSettings("ridge")
"""What tries the candidates: in closed form, so that many can be tried. The decoder asked for is tuned afterwards."""


@dataclass(frozen=True, eq=False)
class Target:
    """The side whose decoder answers.

    Attributes:
        train: float32 [n, d_B], its training rows.
        targets: Of the n training rows.
        rows: intp [n], which anchor a training row is, -1 for none.
        anchors: float32 [k, d_B].
        known: The targets of the k anchors, from this side.
    """

    train: Matrix
    targets: Targets
    rows: NDArray[np.intp]
    anchors: Matrix
    known: Targets


@dataclass(frozen=True, eq=False)
class Source:
    """The side whose rows are to be understood.

    Attributes:
        anchors: float32 [k, d_A].
        rows: float32 [m, d_A], rows of its training split, without labels; empty where there are none.
    """

    anchors: Matrix
    rows: Matrix


@dataclass(frozen=True)
class WayChoice:
    """A way, the strength of the decoder for it, and why.

    Attributes:
        way: The chosen one.
        strength: The decoder's regularisation for it.
        how: ``held-out anchors``, ``given``, or why the default was taken.
        scores: The share of held-out anchors answered rightly (minus the mean squared error of numbers, in units of
            their variance), by candidate.
    """

    way: Way
    strength: Choice
    how: str
    scores: Mapping[str, float] = field(default_factory=dict)


def choose_ways(
    target: Target,
    sources: Mapping[str, Source],
    settings: DecoderSettings,
    candidates: Sequence[Way] = CANDIDATES,
) -> dict[str, WayChoice]:
    """Choose, for one decoder and every encoder it is to serve, how their spaces meet.

    The anchors are dealt into folds. For each fold every candidate is fitted on the other anchors, a ridge decoder is
    trained on the target's rows that are not in the fold, and it answers for the fold's anchors as the source gives
    them. The candidate with the most right answers wins, unless an earlier one of the list is less than one standard
    error of the paired difference behind it: few anchors cannot tell near-equals apart, and the list begins with what
    is best most often. The decoder's strength is then chosen the same way for the winner alone.

    Args:
        target: The side whose decoder answers. Its labels are the only ones looked at.
        sources: The other encoders, by name.
        settings: The decoder that will be trained. A given strength is kept.
        candidates: The ways to try, preferred ones first; with one, nothing is tried but its strength.

    Returns:
        A choice for every source. Where there are fewer than 30 labelled anchors, or only one class among them, the
        first candidate and the decoder's own default.

    Raises:
        UsageError: Settings that the decoder cannot work with.

    Source: ours; cross-validation over anchors, with the one-standard-error rule of Breiman et al. 1984, section 3.4.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
        >>> X[::2] += 4
        >>> labels = Targets.from_labels(["a", "b"] * 40)
        >>> which = np.where(np.arange(80) < 40, np.arange(80), -1)
        >>> target = Target(X, labels, which, X[:40], labels.take(np.arange(40)))
        >>> choice = choose_ways(target, {"mirror": Source(-X[:40], -X)}, DecoderSettings("ridge"))["mirror"]
        >>> choice.scores["procrustes"]
        1.0
    """
    obstacle = obstacle_of(target.known, target.targets, target.rows)
    method = method_of(settings)
    usable = {name: [way for way in candidates if _usable(way, source)] for name, source in sources.items()}
    if obstacle is not None:
        kept = Choice(method.strength if settings.strength is None else settings.strength, obstacle)
        return {name: WayChoice(usable[name][0], kept, obstacle) for name in sources}
    # One BLAS thread: the matrices are small, and threads that wait for each other are slower.
    with threadpool_limits(1):
        winners = {name: ways[0] for name, ways in usable.items()}
        scores: dict[str, dict[str, float]] = {name: {} for name in sources}
        if len(candidates) > 1:
            tried = _try(target, sources, candidates, _JUDGE)
            for name, ways in usable.items():
                hits = {way.name: _at_best(tried[name, way.name]) for way in ways}
                scores[name] = {called: round(float(found.mean()), 9) for called, found in hits.items()}
                winners[name] = next(way for way in ways if way.name == _winner(hits))
        how = "held-out anchors" if len(candidates) > 1 else "given"
        return {
            name: WayChoice(way, _strength(target, sources[name], way, settings), how, scores[name])
            for name, way in winners.items()
        }


def meeting_of(way: Way, source: Source, target: Target) -> Crossing:
    """Fit a way on all anchors of both sides, rescaled where it says so.

    Example:
        >>> X = np.eye(3, dtype=np.float32)
        >>> labels = Targets.from_labels(["a", "b", "a"])
        >>> met = meeting_of(CANDIDATES[0], Source(X, X), Target(X, labels, np.arange(3), X, labels))
        >>> met.source(X).shape == met.target(X).shape
        True
    """
    crossing = cross(way, source.anchors, target.anchors)
    if not way.rescale:
        return crossing
    return replace(crossing, source=rescaled(crossing.source, source.rows, crossing.target(target.train)))


def _usable(way: Way, source: Source) -> bool:
    """Whether there is what the way needs: rescaling needs rows of the source."""
    return not way.rescale or len(source.rows) > 1


def _strength(target: Target, source: Source, way: Way, settings: DecoderSettings) -> Choice:
    if settings.strength is not None:
        return Choice(settings.strength, "given")
    method = method_of(settings)
    if not method.grid:
        return Choice(None, "this decoder has no strength")
    means = _try(target, {"": source}, [way], settings)["", way.name].mean(axis=1)
    scores = dict(zip(method.grid, (round(float(mean), 9) for mean in means), strict=True))
    return Choice(max(scores, key=lambda strength: scores[strength]), "held-out anchors", scores)


def _at_best(hits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The goodness of each anchor's answer at the strength that is best over all."""
    best: NDArray[np.float64] = hits[int(np.argmax(hits.mean(axis=1)))]
    return best


def _winner(hits: Mapping[str, NDArray[np.float64]]) -> str:
    """The first candidate that is less than one standard error of the paired difference behind the best."""
    best = max(hits, key=lambda name: hits[name].mean())
    leads = ((name, hits[best] - found) for name, found in hits.items())
    return next(name for name, lead in leads if lead.mean() <= lead.std(ddof=1) / np.sqrt(len(lead)))


def _try(
    target: Target, sources: Mapping[str, Source], ways: Sequence[Way], settings: DecoderSettings
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """How well each held-out anchor is answered, by source and way: float64 [strengths, labelled anchors]."""
    folds = 5 if len(target.anchors) <= _FEW_ANCHORS else 3
    found: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for out in folds_of(target.known, folds, settings.seed):
        free = target.targets.present & ~np.isin(target.rows, out)
        fold = _Fold(target, np.flatnonzero(free), out, settings)
        for way in ways:
            for name, source in sources.items():
                if _usable(way, source):
                    found.setdefault((name, way.name), []).append(fold.goodness(way, name, source))
    return {key: np.concatenate(parts, axis=1) for key, parts in found.items()}


@dataclass(frozen=True, eq=False)
class _Fold:
    """One deal of the anchors.

    Attributes:
        target: Whose decoder answers.
        usable: Training rows that may be learned from: labelled, and no anchor that is asked.
        out: The anchors that are asked.
        settings: What is trained.
        trained: By place: the sampled training rows there, and a decoder for every strength of the grid.
    """

    target: Target
    usable: NDArray[np.intp]
    out: NDArray[np.intp]
    settings: DecoderSettings
    trained: dict[tuple[str, str], tuple[Matrix, list[Decoder]]] = field(default_factory=dict)

    def decoders(self, way: Way, name: str, crossing: Crossing) -> tuple[Matrix, list[Decoder]]:
        """The target's rows where it meets a source, and what was learned there; ways of one place share it."""
        place = (way.place, name if way.pairwise else "")
        if place not in self.trained:
            rows = sample_of(self.usable, self.settings.seed)
            learned = crossing.target(self.target.train[rows])
            path = draft_path(learned, self.target.targets.take(rows), self.settings, len(self.usable))
            self.trained[place] = (learned, list(path))
        return self.trained[place]

    def goodness(self, way: Way, name: str, source: Source) -> NDArray[np.float64]:
        """How well the anchors that are asked are answered: float64 [strengths, asked]."""
        kept = np.delete(np.arange(len(self.target.anchors)), self.out)
        crossing = cross(way, source.anchors[kept], self.target.anchors[kept])
        learned, decoders = self.decoders(way, name, crossing)
        carry = crossing.source
        if way.rescale:
            # A sample will do for the moments, as it does for the decoder.
            carry = rescaled(carry, source.rows[sample_of(np.arange(len(source.rows)), self.settings.seed)], learned)
        asked, truth = carry(source.anchors[self.out]), self.target.known.take(self.out)
        return np.stack([_goodness(decoder, asked, truth) for decoder in decoders])


def _goodness(decoder: Decoder, X: Matrix, truth: Targets) -> NDArray[np.float64]:
    values = decision_values(decoder, X)
    if truth.kind == "real":
        errors = np.square(values - truth.values).mean(axis=1)
        return np.asarray(-errors / max(float(truth.values.var()), 1e-12))
    if truth.kind == "multilabel":
        columns = [truth.names.index(name) for name in decoder.names]
        rest = np.delete(truth.values, columns, axis=1).any(axis=1)
        right: NDArray[np.bool_] = ((values > 0) == truth.values[:, columns]).all(axis=1) & ~rest
        return right.astype(np.float64)
    codes = np.array([truth.names.index(name) for name in decoder.names], dtype=np.intp)
    hits: NDArray[np.float64] = (codes[values.argmax(axis=1)] == truth.values).astype(np.float64)
    return hits
