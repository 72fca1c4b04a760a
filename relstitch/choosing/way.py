"""Choosing how two spaces meet: every candidate is tried on anchors that were held out of fitting it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from relstitch.choosing.directions import in_few_directions
from relstitch.choosing.folds import FEW_ANCHORS, mean_scores, near_best, preferred
from relstitch.choosing.sides import Source, Target, usable
from relstitch.choosing.strength import Choice, obstacle_of
from relstitch.choosing.trial import Goodness, try_ways
from relstitch.decoders import DecoderSettings, method_of
from relstitch.ways import CANDIDATES, DEFAULT, Way

_JUDGE = DecoderSettings("ridge")
"""What tries the candidates: in closed form, so that many can be tried. The decoder asked for is tuned afterwards."""


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
    error of the paired difference behind it (two with at most 100 anchors): few anchors cannot tell near-equals
    apart, and the list begins with what is best most often; of few anchors, with `relstitch.ways.DEFAULT`. The
    decoder's strength is then tried the same way for the winner alone; of those that are at most one standard error
    behind the best, the middle one is taken.

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
        >>> from relstitch.artifacts import Targets
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
    if len(target.anchors) <= FEW_ANCHORS:
        candidates = sorted(candidates, key=lambda way: way != DEFAULT)
    fitting = {name: [way for way in candidates if usable(way, source)] for name, source in sources.items()}
    if obstacle is not None:
        kept = Choice(method.strength if settings.strength is None else settings.strength, obstacle)
        return {name: WayChoice(fitting[name][0], kept, obstacle) for name in sources}
    target = in_few_directions(target)
    # One BLAS thread: the matrices are small, and threads that wait for each other are slower.
    with threadpool_limits(1):
        winners = {name: ways[0] for name, ways in fitting.items()}
        scores: dict[str, dict[str, float]] = {name: {} for name in sources}
        if len(candidates) > 1:
            asked = int(target.known.present.sum())
            tried = try_ways(target, sources, candidates, _JUDGE)
            for name, ways in fitting.items():
                hits = {way.name: _at_best(tried[name, way.name]) for way in ways}
                scores[name] = mean_scores(hits)
                won = preferred(hits, errors=2.0 if asked <= FEW_ANCHORS else 1.0)
                winners[name] = next(way for way in ways if way.name == won)
        how = "held-out anchors" if len(candidates) > 1 else "given"
        return {
            name: WayChoice(way, _strength(target, sources[name], way, settings), how, scores[name])
            for name, way in winners.items()
        }


def _strength(target: Target, source: Source, way: Way, settings: DecoderSettings) -> Choice:
    if settings.strength is not None:
        return Choice(settings.strength, "given")
    method = method_of(settings)
    if not method.grid:
        return Choice(None, "this decoder has no strength")
    hits = dict(zip(method.grid, try_ways(target, {"": source}, [way], settings)["", way.name], strict=True))
    # Strengths that the anchors cannot tell apart: either end of them is more likely to be wrong than the middle.
    near = near_best(hits, errors=1.0)
    return Choice(near[len(near) // 2], "held-out anchors", mean_scores(hits))


def _at_best(hits: Goodness) -> Goodness:
    """The goodness of each anchor's answer at the strength that is best over all."""
    best: Goodness = hits[int(np.argmax(hits.mean(axis=1)))]
    return best
